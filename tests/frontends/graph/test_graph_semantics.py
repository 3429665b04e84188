"""What a graph promises while it runs, each promise by the engine that programs use."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from typing import Any

import pytest

from checkpointflow.errors import RunSettledError
from checkpointflow.frontends.graph.calling import Call, Shop, effect_of
from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.graph import Event, HandlerResult, NodeContext, RunSnapshot, WorkflowError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.retry import next_try
from checkpointflow.stores.memory import MemoryStore
from frontends.graph.building import RUN, Order, World, engine_of, go, graph, node, ok, run


def raises(_ctx: NodeContext) -> HandlerResult:
    raise RuntimeError("no")


def asks(ctx: NodeContext) -> HandlerResult:
    """Wait once, then keep the answer."""
    if not ctx.is_resumed:
        return go(waiting=True, waiting_prompt=f"{ctx.node_name}?")
    return go("ok", node_updates={"answer": ctx.resume_input})


# -- kept ------------------------------------------------------------------------------------------


def test_labels_fire_in_the_order_returned() -> None:
    order = Order()
    definition = graph({"a": node("first", x="b c", y="d"), "b": node(), "c": node(), "d": node()})
    run(definition, {"go": order, "first": lambda _ctx: go("y", "x")})
    assert order.names == ["d", "b", "c"]


def test_nodes_are_visited_serially_first_in_first_out() -> None:
    order = Order()
    definition = graph({"a": node(ok="b c"), "b": node(ok="d"), "c": node(ok="e"), "d": node(), "e": node()})
    assert run(definition, order).trace == order.names == ["a", "b", "c", "d", "e"]


def test_a_loopback_visits_a_node_in_the_next_wave() -> None:
    seen: list[tuple[int, int]] = []

    def tick(ctx: NodeContext) -> HandlerResult:
        seen.append((ctx.wave, ctx.visit))
        return go("again" if ctx.visit < 3 else "done")

    result = run(
        graph({"tick": node(done="end", loops={"again": "tick"}), "end": node("end")}), {"go": tick, "end": ok}
    )
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert result.trace == ["tick", "tick", "tick", "end"]


def test_only_raised_exceptions_are_tried_again() -> None:
    calls: Counter[str] = Counter()

    def flaky(ctx: NodeContext) -> HandlerResult:
        calls["flaky"] += 1
        if ctx.attempt < 3:
            raise ConnectionError("later")
        return go("ok")

    def refuses(_ctx: NodeContext) -> HandlerResult:
        calls["refuses"] += 1
        return go(error=WorkflowError(code="NO_STOCK", message="none left", details={"item": 7}))

    policy = {"max_retries": 2, "retry_sleep_seconds": 0}
    result = run(
        graph({"flaky": node("flaky", ok="refuses", run_policy=policy), "refuses": node("refuses", run_policy=policy)}),
        {"flaky": flaky, "refuses": refuses},
    )
    assert calls == {"flaky": 3, "refuses": 1}
    assert result.error == WorkflowError(code="NO_STOCK", message="none left", node="refuses", details={"item": 7})
    assert (result.success, result.status) == (False, "failed")


def test_all_attempts_of_a_call_share_an_idempotency_key_and_visits_do_not() -> None:
    keys: list[tuple[int, int, str]] = []

    def tick(ctx: NodeContext) -> HandlerResult:
        keys.append((ctx.visit, ctx.attempt, ctx.idempotency_key))
        if ctx.attempt == 1:
            raise RuntimeError("no")
        return go("again" if ctx.visit == 1 else "done")

    run(graph({"tick": node(done="", loops={"again": "tick"}, run_policy={"max_retries": 1})}), tick)
    assert [(visit, attempt) for visit, attempt, _ in keys] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert keys[0][2] == keys[1][2] != keys[2][2] == keys[3][2]


def test_the_error_node_sees_the_error_and_its_outcome_decides() -> None:
    seen: list[Any] = []

    def mend(ctx: NodeContext) -> HandlerResult:
        seen.append(ctx.state.workflow["__error__"])
        return go("ok")

    definition = graph({"a": node("raises", ok="b"), "b": node(), "mend": node("mend")}, error="mend")
    result = run(definition, {"raises": raises, "go": ok, "mend": mend})
    assert (result.success, result.error, result.trace) == (True, None, ["a", "mend"])
    assert result.recovered_error is not None
    assert (result.recovered_error.code, result.recovered_error.cause_type) == ("HANDLER_EXCEPTION", "RuntimeError")
    assert seen == [result.recovered_error.to_dict()]
    failed = run(definition, {"raises": raises, "go": ok, "mend": raises})
    assert (failed.success, failed.error and failed.error.node) == (False, "mend")


def test_updates_are_merged_deeply() -> None:
    def a(_ctx: NodeContext) -> HandlerResult:
        return go("ok", workflow_updates={"x": {"a": 1, "deep": {"l": [1]}}}, node_updates={"n": {"a": 1}})

    def b(_ctx: NodeContext) -> HandlerResult:
        return go("ok", workflow_updates={"x": {"b": 2, "deep": {"l": [2]}}}, node_updates={"n": {"b": 2}}, tags=["t"])

    result = run(graph({"a": node("a", ok="b"), "b": node("b")}), {"a": a, "b": b}, {"given": 1})
    assert result.state.input == {"given": 1}
    assert result.state.workflow == {"x": {"a": 1, "b": 2, "deep": {"l": [2]}}}
    assert result.state.node == {"a": {"n": {"a": 1}}, "b": {"n": {"b": 2}}}
    assert result.tags == ["t"]


def test_a_handlers_state_is_its_own_copy() -> None:
    def meddles(ctx: NodeContext) -> HandlerResult:
        ctx.state.workflow["x"] = ctx.state.input["x"] = ctx.node_config["x"] = 1
        return go("ok")

    result = run(graph({"a": node("m", ok="b", config={"c": 1}), "b": node("m", config={})}), {"m": meddles}, {"y": 1})
    assert result.success
    assert (result.state.workflow, result.state.input) == ({}, {"y": 1})


def test_a_checkpoint_is_locked_to_the_definition() -> None:
    engine = engine_of(graph({"a": node("asks")}), {"asks": asks})
    other = engine_of(graph({"a": node("asks", config={"x": 1})}), {"asks": asks})
    with pytest.raises(ValueError, match="workflow hash mismatch: checkpoint="):
        other.run_from_checkpoint(engine.run().checkpoint, 1)  # type: ignore[arg-type]


LOOPED = graph(
    {
        "a": node("count", ok="b c"), "b": node("count", ok="j"), "c": node("count", ok="j"),
        "j": node("joins", join={"mode": "and"}, done="", loops={"again": "a"}),
    }
)  # fmt: skip


def test_any_checkpoint_event_is_a_resume_point() -> None:
    calls: list[str] = []

    def count(ctx: NodeContext) -> HandlerResult:
        calls.append(ctx.node_name)
        return go("ok", workflow_updates={"last": ctx.node_name}, node_updates={f"v{ctx.visit}": ctx.step})

    def joins(ctx: NodeContext) -> HandlerResult:
        calls.append("j")
        return go("again" if ctx.visit == 1 else "done")

    events: list[Event] = []
    handlers = {"count": count, "joins": joins}
    whole = engine_of(LOOPED, handlers, event_callback=events.append).run()
    points = [event.data["state"] for event in events if event.kind == "checkpoint"]
    done, calls[:] = [*calls], []
    assert len(points) == len(done) + 2
    for snapshot in points[:-1]:
        calls.clear()
        result = engine_of(LOOPED, handlers).run_from_checkpoint(RunSnapshot.from_dict(snapshot.to_dict()))
        assert (result.state, result.trace, result.status) == (whole.state, whole.trace, "completed")
        assert [*snapshot.trace, *calls] == done
    with pytest.raises(RunSettledError, match="is completed"):
        engine_of(LOOPED, handlers).run_from_checkpoint(points[-1])


# -- mended ----------------------------------------------------------------------------------------


def test_a_waiting_visit_does_not_hold_a_wave_open() -> None:
    def twice(ctx: NodeContext) -> HandlerResult:
        return go("again" if ctx.visit == 1 else "ok")

    definition = graph({"a": node(ok="gate b"), "gate": node("asks"), "b": node("twice", ok="", loops={"again": "b"})})
    result = run(definition, {"go": ok, "asks": asks, "twice": twice})
    assert (result.status, result.trace) == ("waiting", ["a", "b", "b"])


def test_leftover_tokens_are_a_starved_join_and_never_a_silent_success() -> None:
    definition = graph(
        {"a": node(ok="b c"), "b": node(ok="j"), "c": node("c", ok="j", no=""), "j": node(join={"mode": "and"})}
    )
    result = run(definition, {"go": ok, "c": lambda _ctx: go("no")})
    assert (result.success, result.status, result.trace) == (False, "failed", ["a", "b", "c"])
    assert result.error is not None
    assert (result.error.code, result.error.node, result.error.details) == ("JOIN_STARVED", "j", {"j": ["c"]})


def test_a_failed_node_fires_nothing_and_has_one_audit_row() -> None:
    definition = graph({"a": node("raises", ok="b"), "b": node(), "e": node()}, error="e")
    result = run(definition, {"raises": raises, "go": ok})
    assert [(row.node, row.status) for row in result.audit_trail] == [("a", "failed"), ("e", "succeeded")]
    assert result.audit_trail[0].error == result.recovered_error
    assert result.audit_trail[0].duration_ms is not None


def test_an_answer_reaches_only_the_visit_that_asked() -> None:
    seen: list[tuple[str, Any]] = []

    def looks(ctx: NodeContext) -> HandlerResult:
        seen.append((ctx.node_name, ctx.state.workflow.get("__resume__", "nothing")))
        return go("ok")

    engine = engine_of(graph({"gate": node("asks", ok="b"), "b": node("looks")}), {"asks": asks, "looks": looks})
    waiting = engine.run()
    assert (waiting.waiting, waiting.waiting_prompt, waiting.success) == (True, "gate?", False)
    result = engine.run_from_checkpoint(waiting.checkpoint, {"yes": True})  # type: ignore[arg-type]
    assert seen == [("b", "nothing")]
    assert result.state.node["gate"] == {"answer": {"yes": True}}
    assert result.state.workflow == {}
    assert [(row.node, row.status) for row in result.audit_trail] == [
        ("gate", "waiting"), ("gate", "succeeded"), ("b", "succeeded"),
    ]  # fmt: skip


def test_none_is_an_answer() -> None:
    engine = engine_of(graph({"gate": node("asks")}), {"asks": asks})
    result = engine.run_from_checkpoint(engine.run().checkpoint, None)  # type: ignore[arg-type]
    assert (result.status, result.state.node) == ("completed", {"gate": {"answer": None}})


def test_a_second_gate_asks_again() -> None:
    def twice(ctx: NodeContext) -> HandlerResult:
        count = ctx.node_state.get("answers", 0) + (1 if ctx.is_resumed else 0)
        return go(
            *(["ok"] if count == 2 else []),
            waiting=count < 2,
            waiting_prompt=f"{count}",
            node_updates={"answers": count},
        )

    engine = engine_of(graph({"a": node(ok="b"), "b": node()}), twice)
    result = engine.run()
    for prompt in ("0", "1", "0", "1"):
        assert (result.waiting, result.waiting_prompt) == (True, prompt)
        result = engine.run_from_checkpoint(result.checkpoint, "yes")  # type: ignore[arg-type]
    assert (result.status, result.trace) == ("completed", ["a", "b"])


def test_each_of_two_gates_asks() -> None:
    definition = graph({"a": node("asks", ok="b"), "b": node("asks", ok="c"), "c": node()})
    engine = engine_of(definition, {"go": ok, "asks": asks})
    result = engine.run()
    for gate in ("a", "b"):
        assert (result.status, result.waiting_prompt) == ("waiting", f"{gate}?")
        assert result.checkpoint is not None
        result = engine.run_from_checkpoint(result.checkpoint, f"for {gate}")
    assert (result.status, result.trace) == ("completed", ["a", "b", "c"])
    assert result.state.node == {"a": {"answer": "for a"}, "b": {"answer": "for b"}}


def test_a_gate_in_a_loop_asks_each_time() -> None:
    def gate(ctx: NodeContext) -> HandlerResult:
        if not ctx.is_resumed:
            return go(waiting=True, waiting_prompt=f"round {ctx.visit}")
        answers = [*ctx.node_state.get("answers", []), ctx.resume_input]
        return go("again" if len(answers) < 3 else "ok", node_updates={"answers": answers})

    definition = graph({"a": node(ok="gate"), "gate": node("gate", ok="b", loops={"again": "a"}), "b": node()})
    engine = engine_of(definition, {"go": ok, "gate": gate})
    result = engine.run()
    for visit in (1, 2, 3):
        assert (result.status, result.waiting_prompt) == ("waiting", f"round {visit}")
        assert result.checkpoint is not None
        result = engine.run_from_checkpoint(result.checkpoint, visit)
    assert (result.status, result.trace) == ("completed", ["a", "gate", "a", "gate", "a", "gate", "b"])
    assert result.state.node["gate"] == {"answers": [1, 2, 3]}


def test_a_failure_below_the_error_node_ends() -> None:
    order = Order()

    def fails(ctx: NodeContext) -> HandlerResult:
        order(ctx)
        if ctx.node_name != "e":
            raise RuntimeError(ctx.node_name)
        return go("ok")

    definition = graph({"a": node(), "e": node(ok="mend"), "mend": node()}, error="e")
    result = run(definition, fails)
    assert order.names == ["a", "e", "mend"]
    assert (result.status, result.error and result.error.message) == ("failed", "RuntimeError: mend")


def test_a_checkpoint_goes_on_once() -> None:
    engine = engine_of(graph({"gate": node("asks")}), {"asks": asks})
    checkpoint = engine.run().checkpoint
    assert checkpoint is not None
    with pytest.raises(ValueError, match="no gate of `other` is open"):
        engine.run_from_checkpoint(checkpoint, 1, node="other")
    assert engine.run_from_checkpoint(checkpoint, 1).success
    with pytest.raises(ValueError, match="went on from this checkpoint before"):
        engine.run_from_checkpoint(checkpoint, 2)
    assert engine.run_from_checkpoint(checkpoint, 2, again=True).state.node["gate"] == {"answer": 2}


def test_the_error_path_ends() -> None:
    order = Order()

    def fails(ctx: NodeContext) -> HandlerResult:
        order(ctx)
        raise RuntimeError(ctx.node_name)

    definition = graph({"a": node(), "e": node()}, error="e")
    result = run(definition, fails)
    assert order.names == ["a", "e"]
    assert (result.status, result.error and result.error.message) == ("failed", "RuntimeError: e")


def test_a_failed_run_is_tried_again_from_the_call_that_failed() -> None:
    order, mood = Order(), {"is_bad": True}

    def moody(ctx: NodeContext) -> HandlerResult:
        if mood["is_bad"]:
            raise RuntimeError("no")
        return order(ctx)

    engine = engine_of(
        graph({"a": node(ok="b"), "b": node("moody", ok="c"), "c": node()}), {"go": order, "moody": moody}
    )
    failed = engine.run()
    assert (failed.status, order.names) == ("failed", ["a"])
    mood["is_bad"] = False
    assert failed.checkpoint is not None
    result = engine.run_from_checkpoint(failed.checkpoint)
    assert (result.success, result.error, order.names) == (True, None, ["a", "b", "c"])


CIRCLE: list[Any] = []
CIRCLE += [CIRCLE, CIRCLE]
SELF: dict[str, Any] = {}
SELF["self"] = SELF
BAD = {
    "nothing": (None, "INVALID_RESULT"),
    "text": ("ok", "INVALID_RESULT"),
    "a label alone": (HandlerResult(outputs="ok"), "INVALID_RESULT"),
    "labels that are no texts": (HandlerResult(outputs=[1]), "INVALID_RESULT"),  # type: ignore[list-item]
    "labels and waiting": (HandlerResult(outputs=["ok"], waiting=True), "INVALID_RESULT"),
    "a prompt that is no text": (HandlerResult(waiting=True, waiting_prompt=1), "INVALID_RESULT"),  # type: ignore[arg-type]
    "an error that is none": (HandlerResult(error="no"), "INVALID_RESULT"),  # type: ignore[arg-type]
    "updates that are no object": (HandlerResult(workflow_updates=[1]), "INVALID_RESULT"),  # type: ignore[arg-type]
    "tags that are no texts": (HandlerResult(tags="t"), "INVALID_RESULT"),
    "a set": (HandlerResult(workflow_updates={"x": {1}}), "STATE_SERIALIZATION"),
    "a number as key": (HandlerResult(node_updates={1: 1}), "STATE_SERIALIZATION"),  # type: ignore[dict-item]
    "no number": (HandlerResult(node_updates={"x": float("nan")}), "STATE_SERIALIZATION"),
    "a circle": (HandlerResult(workflow_updates={"x": CIRCLE}), "STATE_SERIALIZATION"),
    "an object in itself": (HandlerResult(node_updates=SELF), "STATE_SERIALIZATION"),
    "a label that is not declared": (go("maybe"), "UNDECLARED_OUTPUT"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_a_handler_should_not_return_is_led_to_the_error_node(name: str) -> None:
    returned, code = BAD[name]
    calls: list[int] = []

    def bad(_ctx: NodeContext) -> Any:
        calls.append(1)
        return returned

    definition = graph({"a": node("bad", ok="b", run_policy={"max_retries": 2}), "b": node(), "e": node()}, error="e")
    result = run(definition, {"bad": bad, "go": ok})
    assert (result.trace, result.recovered_error and result.recovered_error.code) == (["a", "e"], code)
    assert len(calls) == 1


def test_a_handler_that_is_not_registered_is_an_error_of_its_node() -> None:
    result = run(graph({"a": node("nobody"), "e": node()}, error="e"))
    assert result.recovered_error is not None
    assert result.recovered_error.code == "HANDLER_NOT_REGISTERED"


def test_a_label_that_is_not_declared_is_a_warning_if_outputs_are_not_strict() -> None:
    events: list[Event] = []
    result = run(
        graph({"a": node(ok="")}, strict_outputs=False), lambda _ctx: go("x", "ok"), event_callback=events.append
    )
    assert result.success
    assert [event.data for event in events if event.kind == "node:warning"] == [{"warning": ["x"]}]


def test_observers_cannot_break_a_run() -> None:
    kinds: list[str] = []

    def breaks(event: Event) -> None:
        kinds.append(event.kind)
        raise RuntimeError("no")

    def says(ctx: NodeContext) -> HandlerResult:
        ctx.emit("progress", {"half": True})
        return go("ok")

    assert run(graph({"a": node()}), says, event_callback=breaks).success
    assert kinds == [
        "wf:start",
        "checkpoint",
        "node:start",
        "progress",
        "node:end",
        "checkpoint",
        "checkpoint",
        "wf:end",
    ]


def test_human_time_does_not_burn_timeouts() -> None:
    world: World

    def works(ctx: NodeContext) -> HandlerResult:
        world.clock.advance(4)
        return asks(ctx) if ctx.node_name == "gate" else go("ok")

    definition = graph({"a": node(ok="gate"), "gate": node(ok="b"), "b": node()}, workflow_timeout_seconds=20)
    world = World(definition, {"go": works})
    assert world.begin() == "waiting"
    world.clock.advance(3600)
    world.answer("yes")
    assert world.go_on() == "completed"


def test_working_time_burns_the_timeout_of_the_graph() -> None:
    world: World

    def works(_ctx: NodeContext) -> HandlerResult:
        world.clock.advance(4)
        return go("ok")

    world = World(graph({"a": node(loops={"ok": "a"})}, workflow_timeout_seconds=10), {"go": works})
    assert world.begin() == "failed"
    assert (world.ended_with["code"], world.ended_with["details"]["graph_code"]) == ("ERR_TIMEOUT", "WORKFLOW_TIMEOUT")
    assert world.workflow.walk is not None
    assert world.workflow.walk.trace == ["a", "a", "a"]


def test_a_handler_that_outlasts_the_graphs_time_ends_the_run() -> None:
    over = threading.Event()

    def holds(ctx: NodeContext) -> HandlerResult:
        assert (ctx.remaining_seconds() or 0) <= 0.05
        over.wait(10)
        return go("ok")

    definition = graph(
        {"a": node(run_policy={"max_retries": 5}), "e": node()}, error="e", workflow_timeout_seconds=0.05
    )
    result = run(definition, holds)
    over.set()
    assert (result.status, result.error and result.error.code) == ("failed", "WORKFLOW_TIMEOUT")


def test_a_cancel_during_a_retry_is_a_cancel() -> None:
    def cancels(event: Event) -> None:
        if event.kind == "node:retry":
            engine.cancel()

    definition = graph(
        {"a": node(run_policy={"max_retries": 3, "retry_sleep_seconds": 3600}), "e": node("e")}, error="e"
    )
    engine = engine_of(definition, {"go": raises, "e": ok}, event_callback=cancels)
    result = engine.run()
    assert (result.cancelled, result.status, result.success, result.trace) == (True, "cancelled", False, [])
    assert result.error is not None
    assert result.error.code == "WORKFLOW_CANCELLED"


def test_a_cancelled_run_can_go_on_from_its_checkpoint() -> None:
    order = Order()

    def cancels(ctx: NodeContext) -> HandlerResult:
        engine.cancel()
        return order(ctx)

    engine = engine_of(graph({"a": node("cancels", ok="b"), "b": node()}), {"cancels": cancels, "go": order})
    cancelled = engine.run()
    assert cancelled.cancelled
    assert cancelled.checkpoint is not None
    again = engine_of(graph({"a": node("cancels", ok="b"), "b": node()}), {"cancels": order, "go": order})
    result = again.run_from_checkpoint(cancelled.checkpoint.to_dict())
    assert result.trace == ["a", "b"]
    assert result.success


def test_a_cancel_between_runs_concerns_none() -> None:
    engine = engine_of(graph({"a": node()}))
    engine.cancel()
    assert engine.run().success


def test_definitions_are_copied() -> None:
    definition = graph({"a": node(config={"x": 1}, ok="b"), "b": node()})
    engine = engine_of(definition, lambda ctx: go("ok", workflow_updates={"x": ctx.node_config}))
    digest = engine.workflow_hash
    definition["nodes"]["a"]["config"]["x"] = 2
    definition["nodes"]["a"]["outputs"].clear()
    result = engine.run()
    assert (result.trace, engine.workflow_hash) == (["a", "b"], digest)
    assert result.state.workflow == {"x": {"x": 1}}


# -- new -------------------------------------------------------------------------------------------


def test_handlers_may_be_async() -> None:
    async def thinks(ctx: NodeContext) -> HandlerResult:
        await asyncio.sleep(0)
        return go("ok", node_updates={"attempt": ctx.attempt})

    class Thinker:
        async def __call__(self, ctx: NodeContext) -> HandlerResult:
            if ctx.attempt == 1:
                raise ConnectionError("later")
            return await thinks(ctx)

    definition = graph(
        {"a": node("f", ok="b"), "b": node("o", run_policy={"max_retries": 1, "retry_sleep_seconds": 0})}
    )
    result = run(definition, {"f": thinks, "o": Thinker()})
    assert result.state.node == {"a": {"attempt": 1}, "b": {"attempt": 2}}


@pytest.mark.parametrize("is_async", [False, True])
def test_nodes_work_beside_each_other_with_max_parallel(is_async: bool) -> None:
    barrier = threading.Barrier(2, timeout=20)
    there = asyncio.Barrier(2) if is_async else None

    def meets(_ctx: NodeContext) -> HandlerResult:
        barrier.wait()
        return go("ok")

    async def meets_in_loop(_ctx: NodeContext) -> HandlerResult:
        assert there is not None
        await asyncio.wait_for(there.wait(), 20)
        return go("ok")

    definition = graph(
        {"a": node(ok="b c"), "b": node("meets", ok="j"), "c": node("meets", ok="j"), "j": node(join={"mode": "and"})},
        max_parallel=2,
    )
    result = run(definition, {"go": ok, "meets": meets_in_loop if is_async else meets})
    assert result.success
    assert sorted(result.trace) == ["a", "b", "c", "j"]
    assert result.trace[-1] == "j"


def test_no_more_nodes_than_max_parallel_work_at_once() -> None:
    lock, counts = threading.Lock(), {"now": 0, "most": 0}
    turn = threading.Barrier(2, timeout=20)

    def counted(_ctx: NodeContext) -> HandlerResult:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        turn.wait()
        with lock:
            counts["now"] -= 1
        return go("ok")

    names = [f"n{i}" for i in range(6)]
    definition = graph({"a": node("ok", ok=" ".join(names)), **{name: node() for name in names}}, max_parallel=2)
    assert run(definition, {"go": counted, "ok": ok}).success
    assert counts["most"] == 2


def test_a_failure_beside_others_ends_them() -> None:
    begun, over = threading.Event(), threading.Event()

    def holds(_ctx: NodeContext) -> HandlerResult:
        begun.set()
        over.wait(20)
        return go("ok")

    def fails(_ctx: NodeContext) -> HandlerResult:
        begun.wait(20)
        raise RuntimeError("no")

    definition = graph(
        {"a": node(ok="b c"), "b": node("holds"), "c": node("fails"), "e": node()}, error="e", max_parallel=4
    )
    result = run(definition, {"go": ok, "holds": holds, "fails": fails})
    over.set()
    assert (result.success, result.trace) == (True, ["a", "c", "e"])


def test_a_node_has_a_timeout_of_its_own() -> None:
    over = threading.Event()

    def holds(ctx: NodeContext) -> HandlerResult:
        assert not ctx.is_timed_out()
        over.wait(20)
        return go("ok")

    definition = graph({"a": node("holds", run_policy={"timeout_seconds": 0.05}), "e": node()}, error="e")
    result = run(definition, {"holds": holds, "go": ok})
    over.set()
    assert result.recovered_error is not None
    assert result.recovered_error.code == "NODE_TIMEOUT"


def test_backoff_may_be_exponential() -> None:
    definition = graph({"a": node(run_policy={"max_retries": 3, "retry_sleep_seconds": 2, "strategy": "exponential"})})
    parts = Graph.of(checked_definition(definition))
    shop = Shop(handlers={}, services={}, digest="", emitted=lambda *_: None, loop=None)  # type: ignore[arg-type]
    call = Call(node=parts.nodes["a"], handler="go", visit=1, wave=1, step=1, state={}, is_strict=True, graph_name="w")
    policy = effect_of(shop, call).policy.retry
    now = World(definition, {}).clock.now()
    error: Any = {"details": {"exceptions": ["ValueError", "Exception", "BaseException"]}}
    pauses = [next_try(policy, failures, error, now, 0.5) for failures in (1, 2, 3, 4)]
    assert [one and (one - now).total_seconds() for one in pauses] == [2, 4, 8, None]
    assert next_try(policy, 1, {"details": {"graph_code": "INVALID_RESULT"}}, now, 0.5) is None


def test_on_error_leads_one_failure_and_others_go_on() -> None:
    definition = graph(
        {
            "a": node(ok="b c"), "b": node("raises", ok="x", on_error="mend"), "c": node(ok="j"), "x": node(),
            "mend": node("mend", ok="j"), "j": node(join={"mode": "and"}),
        },
        error="x",
    )  # fmt: skip
    seen: list[Any] = []

    def mend(ctx: NodeContext) -> HandlerResult:
        seen.append(ctx.state.workflow["__error__"]["node"])
        return go("ok")

    result = run(definition, {"go": ok, "raises": raises, "mend": mend})
    assert (result.success, result.trace, seen) == (True, ["a", "b", "c", "mend", "j"], ["b"])
    assert result.recovered_error is None


INNER = graph({"x": node("inner", ok="y"), "y": node("asks")}, max_steps=5)


def test_a_subflow_is_a_graph_inside_a_node() -> None:
    def inner(ctx: NodeContext) -> HandlerResult:
        return go("ok", workflow_updates={"got": ctx.state.input, "wave": ctx.wave}, tags=["inside"])

    definition = graph(
        {"a": node(ok="s"), "s": node(subflow={"graph": INNER, "input": {"goal": "input.g"}}, ok="z"), "z": node()}
    )
    engine = engine_of(definition, {"go": ok, "inner": inner, "asks": asks})
    waiting = engine.run({"g": 7})
    assert (waiting.waiting_prompt, waiting.trace) == ("y?", ["a"])
    result = engine.run_from_checkpoint(waiting.checkpoint, "yes")  # type: ignore[arg-type]
    assert (result.trace, result.tags) == (["a", "s", "z"], ["inside"])
    assert result.state.node == {"s": {"got": {"goal": 7}, "wave": 1}}


def test_a_subflow_that_fails_is_a_failure_of_its_node() -> None:
    for failing, code in ((raises, "HANDLER_EXCEPTION"), (lambda _ctx: go("again"), "MAX_STEPS_EXCEEDED")):
        looped = graph({"x": node("x", ok="", loops={"again": "x"})}, max_steps=4)
        definition = graph({"s": node(subflow={"graph": "in"}, on_error="e"), "e": node()}) | {
            "subflows": {"in": looped}
        }
        result = run(definition, {"go": ok, "x": failing})
        assert (result.success, result.trace, result.state.workflow["__error__"]["code"]) == (True, ["s", "e"], code)


def test_a_subflow_that_names_itself_ends() -> None:
    inner = graph({"x": node(subflow={"graph": "in"})})
    result = run(graph({"s": node(subflow={"graph": "in"})}) | {"subflows": {"in": inner}})
    assert (result.status, "nests graphs deeper" in str(result.error and result.error.message)) == ("failed", True)


def test_a_map_works_on_every_item() -> None:
    def each(ctx: NodeContext) -> HandlerResult:
        if ctx.item == "bad":
            raise ValueError("bad")
        return go(node_updates={"got": ctx.item, "at": ctx.item_index}, workflow_updates={"by": {str(ctx.item): True}})

    def lists(ctx: NodeContext) -> HandlerResult:
        return go("ok", workflow_updates={"todo": ctx.state.input["todo"]})

    def mapping(**fields: Any) -> Any:
        over = {"items": "workflow.todo", "handler": "each", **fields}
        return graph({"a": node("lists", ok="m"), "m": node(map=over, ok="z"), "z": node()})

    handlers = {"go": ok, "each": each, "lists": lists}
    result = run(mapping(max_parallel=3), handlers, {"todo": ["x", "y"]})
    assert result.state.node["m"] == {"results": [{"got": "x", "at": 0}, {"got": "y", "at": 1}]}
    assert (result.state.workflow["by"], result.trace) == ({"x": True, "y": True}, ["a", "m", "z"])
    assert run(mapping(), handlers, {"todo": []}).state.node["m"] == {"results": []}
    failed = run(mapping(), handlers, {"todo": ["x", "bad"]})
    assert (failed.status, failed.error and failed.error.node) == ("failed", "m")
    mended = run(mapping(on_item_error="continue"), handlers, {"todo": ["bad", "y"]})
    assert mended.state.node["m"]["results"] == [None, {"got": "y", "at": 1}]
    assert mended.state.node["m"]["errors"][0]["cause_type"] == "ValueError"
    no_list = run(mapping(), handlers, {"todo": 5})
    assert no_list.error is not None
    assert (no_list.error.code, no_list.error.node) == ("MAP_ITEMS", "m")


def test_items_of_a_map_may_ask_and_may_be_graphs() -> None:
    def asks_item(ctx: NodeContext) -> HandlerResult:
        return go(node_updates={"a": ctx.resume_input}) if ctx.is_resumed else go(waiting=True, waiting_prompt=ctx.item)

    over = {"items": "input.todo", "handler": "asks", "max_parallel": 2}
    engine = engine_of(graph({"m": node(map=over)}), {"asks": asks_item})
    waiting = engine.run({"todo": ["p", "q"]})
    assert waiting.checkpoint is not None
    asked = {prompt: wait_id for wait_id, _, prompt in waiting.checkpoint.waits}  # in the order of their threads
    assert sorted(asked) == ["p", "q"]
    second = engine.run_from_checkpoint(waiting.checkpoint, 1, node=asked["q"])
    result = engine.run_from_checkpoint(second.checkpoint, 2)  # type: ignore[arg-type]
    assert result.state.node["m"] == {"results": [{"a": 2}, {"a": 1}]}
    inner = graph({"x": node("keep")})
    graphs = graph({"m": node(map={"items": "input.todo", "subflow": {"graph": inner}})})
    handlers = {"keep": lambda ctx: HandlerResult(workflow_updates=ctx.state.input)}
    kept = run(graphs, handlers, {"todo": [5]})
    assert kept.state.node["m"] == {"results": [{"item": 5, "index": 0}]}


def test_several_nodes_wait_at_once() -> None:
    definition = graph(
        {"a": node(ok="b c"), "b": node("asks", ok="j"), "c": node("asks", ok="j"), "j": node(join={"mode": "and"})}
    )
    engine = engine_of(definition, {"go": ok, "asks": asks})
    both = engine.run().checkpoint
    assert both is not None
    assert [name for _, name, _ in both.waits] == ["b", "c"]
    with pytest.raises(ValueError, match="several gates are open: `b` \\(w1\\), `c` \\(w2\\)"):
        engine.run_from_checkpoint(both, 1)
    one = engine.run_from_checkpoint(both, "c", node="c")
    assert (one.status, one.trace, one.waiting_prompt) == ("waiting", ["a", "c"], "b?")
    result = engine.run_from_checkpoint(one.checkpoint, "b")  # type: ignore[arg-type]
    assert (result.trace, result.state.node["c"]) == (["a", "c", "b", "j"], {"answer": "c"})


def test_too_many_steps_end_the_run() -> None:
    result = run(graph({"a": node(loops={"ok": "a"}), "e": node()}, error="e", max_steps=7))
    assert (result.status, result.error and result.error.code) == ("failed", "MAX_STEPS_EXCEEDED")
    assert result.trace == ["a"] * 7


def test_a_state_contract_is_held() -> None:
    def writes(_ctx: NodeContext) -> HandlerResult:
        return go("ok", workflow_updates={"x": {"y": 1}}, node_updates={"n": 1})

    def code(**contract: Any) -> Any:
        result = run(graph({"a": node(state_contract=contract)}), writes, {"goal": 1})
        return result.error and result.error.code

    assert code(reads_from=["input.goal"], writes_to=["workflow.x", "node.a"]) is None
    assert code(reads_from=["input.other"]) == "STATE_CONTRACT"
    assert code(writes_to=["workflow.x.y", "node.a"]) is None
    assert code(writes_to=["workflow.x"]) == "STATE_CONTRACT"
    assert code(writes_to=["workflow.xy", "node.a"]) == "STATE_CONTRACT"


def turns_of(count: int) -> int:
    """How many Python functions the driving thread calls for so many visits."""
    calls = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    def tick(ctx: NodeContext) -> HandlerResult:
        return go("done" if ctx.visit >= count else "again")

    engine = engine_of(graph({"tick": node(done="", loops={"again": "tick"})}), tick)
    sys.setprofile(profile)
    try:
        assert engine.run().success
    finally:
        sys.setprofile(None)
    return calls


def test_the_cost_of_a_node_does_not_grow_with_the_run() -> None:
    turns_of(5)
    short, long = turns_of(50), turns_of(400)
    assert (long - short) / 350 < short / 50 * 1.2


# -- replay ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_parallel", [1, 3])
def test_a_run_cut_off_at_any_entry_comes_to_the_same_end(max_parallel: int) -> None:
    nodes = {
        "a": node(ok="b gate m"), "b": node("twice", ok="j", loops={"again": "b"}), "gate": node("asks", ok="j"),
        "m": node(map={"items": "input.todo", "handler": "item"}, ok="j"), "j": node(join={"mode": "and"}, ok="s"),
        "s": node(subflow={"graph": graph({"x": node("bad", on_error="y"), "y": node()})}),
    }  # fmt: skip
    handlers = {
        "go": ok, "asks": asks, "bad": raises, "item": lambda ctx: HandlerResult(node_updates={"i": ctx.item}),
        "twice": lambda ctx: go("again" if ctx.visit == 1 else "ok"),
    }  # fmt: skip
    definition = graph(nodes, max_parallel=max_parallel, workflow_timeout_seconds=1000)

    def driven(entries: list[e.AnyEntry] | None) -> tuple[Any, list[e.AnyEntry]]:
        world = World(definition, handlers, {"todo": [1, 2]})
        status = world.begin() if entries is None else world.go_on(entries)
        if status == "waiting":
            world.answer("yes")
            status = world.go_on()
        assert status == "completed"
        return world.ended_with["result"], world.entries()

    whole, journal = driven(None)
    assert whole["node"]["gate"] == {"answer": "yes"}
    for length in range(1, len(journal)):
        result, _ = driven(journal[:length])
        assert {**result, "trace": sorted(result["trace"])} == {**whole, "trace": sorted(whole["trace"])}
        if max_parallel == 1:
            assert result["trace"] == whole["trace"]


def test_visits_are_steps_under_the_names_of_their_nodes() -> None:
    world = World(LOOPED, {"count": ok, "joins": lambda ctx: go("again" if ctx.visit == 1 else "done")})
    assert world.begin() == "completed"
    keys = [entry.key for entry in world.entries() if isinstance(entry, e.StepStarted)]
    assert keys == ["a", "b", "c", "j", "a#2", "b#2", "c#2", "j#2"]
    assert isinstance(world.store, MemoryStore)
    assert world.store.head(RUN).status == "completed"
