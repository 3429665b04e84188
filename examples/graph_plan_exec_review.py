"""A graph that plans, works on each part, and asks before it is done: `python examples/graph_plan_exec_review.py`."""

from __future__ import annotations

from pathlib import Path

from checkpointflow.graph import HandlerResult, NodeContext, WorkflowEngine, WorkflowResult

GRAPH = Path(__file__).with_suffix(".json")


def plan(ctx: NodeContext) -> HandlerResult:
    goal = ctx.state.input.get("goal", "a page")
    notes = ctx.state.node.get("review", {}).get("notes", [])
    tasks = [f"draft {goal}", f"check {goal}", *(f"mend {note}" for note in notes)]
    return HandlerResult(outputs=["ok"], node_updates={"tasks": tasks})


async def exec_task(ctx: NodeContext) -> HandlerResult:
    ctx.emit("progress", {"task": ctx.item})
    return HandlerResult(node_updates={"done": f"{ctx.item}: done"})


def review(ctx: NodeContext) -> HandlerResult:
    if not ctx.is_resumed:
        done = ctx.state.node["exec"]["results"]
        return HandlerResult(waiting=True, waiting_prompt=f"Are these {len(done)} results good?")
    if ctx.resume_input.get("approved"):
        return HandlerResult(outputs=["approved"], tags=["approved"])
    notes = [*ctx.node_state.get("notes", []), ctx.resume_input.get("note", "it")]
    return HandlerResult(outputs=["again"], node_updates={"notes": notes})


def report(ctx: NodeContext) -> HandlerResult:
    failed = ctx.state.workflow["__error__"]
    return HandlerResult(outputs=["ok"], workflow_updates={"report": f"{failed['node']}: {failed['message']}"})


HANDLERS = {"plan": plan, "exec": exec_task, "review": review, "report": report}


def main(*answers: dict[str, object]) -> WorkflowResult:
    engine = WorkflowEngine.from_files(GRAPH, HANDLERS)
    result = engine.run({"goal": "the release page"})
    for answer in answers:
        print(result.waiting_prompt, "→", answer)
        assert result.checkpoint is not None
        result = engine.run_from_checkpoint(result.checkpoint, answer)
    print(result.status, result.trace)
    return result


if __name__ == "__main__":
    main({"approved": False, "note": "the title"}, {"approved": True})
