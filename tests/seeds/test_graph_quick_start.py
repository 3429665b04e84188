"""A program in the shape of the ancestor's first example runs with nothing but its import changed."""

from __future__ import annotations

from checkpointflow.graph import HandlerResult, WorkflowContext, WorkflowEngine

BAKE = {
    "workflow_name": "bake",
    "default_entry_node": "mix",
    "default_error_node": "apologise",
    "nodes": {
        "mix": {"handler": "mix", "outputs": {"ok": [{"target_node": "bake"}]}},
        "bake": {
            "handler": "bake",
            "outputs": {
                "ok": [{"target_node": "taste"}],
                "retry": [{"target_node": "bake", "is_loopback": True}],
            },
            "run_policy": {"max_retries": 2, "retry_sleep_seconds": 0},
        },
        "taste": {"handler": "taste", "outputs": {"ok": []}},
        "apologise": {"handler": "apologise", "outputs": {"ok": []}},
    },
}


def mix(ctx: WorkflowContext) -> HandlerResult:
    return HandlerResult(outputs=["ok"], node_updates={"loaves": ctx.state.input["loaves"]})


def bake(ctx: WorkflowContext) -> HandlerResult:
    minutes = ctx.state.node.get("bake", {}).get("minutes", 0) + 20
    if minutes > 60:
        raise OSError("the oven burns")
    return HandlerResult(
        outputs=["ok" if minutes == ctx.state.input["needed"] else "retry"], node_updates={"minutes": minutes}
    )


def taste(ctx: WorkflowContext) -> HandlerResult:
    return HandlerResult(outputs=["ok"], workflow_updates={"tasted": ctx.state.node["mix"]["loaves"]})


def apologise(ctx: WorkflowContext) -> HandlerResult:
    return HandlerResult(outputs=["ok"], workflow_updates={"because": ctx.state.workflow["__error__"]["message"]})


def engine() -> WorkflowEngine:
    return WorkflowEngine(BAKE, handlers={"mix": mix, "bake": bake, "taste": taste, "apologise": apologise})


def test_plan_work_and_review_end_well() -> None:
    result = engine().run(initial_input={"loaves": 2, "needed": 20})
    assert (result.success, result.trace) == (True, ["mix", "bake", "taste"])
    assert result.state.workflow["tasted"] == 2


def test_a_loopback_does_the_work_again() -> None:
    result = engine().run(initial_input={"loaves": 2, "needed": 60})
    assert (result.success, result.trace) == (True, ["mix", "bake", "bake", "bake", "taste"])


def test_what_keeps_failing_ends_at_the_error_node() -> None:
    result = engine().run(initial_input={"loaves": 2, "needed": 80})
    assert result.trace == ["mix", "bake", "bake", "bake", "bake", "apologise"]
    assert "the oven burns" in result.state.workflow["because"]
    assert result.recovered_error is not None
