"""What a workflow decides once: time, chance, ids, its state, what it tells; and other workflows that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from checkpointflow import Client, Document, Store, WorkflowContext, workflow
from checkpointflow.errors import NondeterminismError, StepFailedError
from checkpointflow.kernel import entries as e
from functions.replaying import answered, gone_on, journal, keys, recorded


def work(name: str) -> str:
    return name.upper()


def fails() -> None:
    raise ValueError("no")


@workflow
async def chances(ctx: WorkflowContext) -> list[Any]:
    before = [ctx.now().isoformat(), ctx.random(), ctx.uuid4(), ctx.uuid4()]
    await ctx.task(work, "a")
    answer = await ctx.wait_for_event("go")
    return [before, [ctx.now().isoformat(), ctx.random(), ctx.uuid4()], answer]


def test_time_chance_and_ids_are_the_same_on_every_replay() -> None:
    outcome, kept = recorded(chances)
    result = answered(chances, outcome, go=1).result
    assert result is not None
    assert 0 <= result[0][1] < 1
    assert len({result[0][2], result[0][3], result[1][2]}) == 3
    again = gone_on(chances, kept[-1], {"go": 2}).result
    assert again is not None
    assert (again[0], again[2]) == (result[0], 2)


@workflow
async def counts(ctx: WorkflowContext, names: list[str]) -> dict[str, Any]:
    ctx.state.set("total", len(names))
    ctx.state.set("processed", [])
    ctx.state.set("passing", 1)
    for name in names:
        await ctx.task(work, name)
        ctx.state.set("processed", [*ctx.state.get("processed"), name])
    ctx.state.delete("passing")
    ctx.state.delete("never there")
    await ctx.wait_for_event("go")
    return {"left": ctx.state.as_json(), "default": ctx.state.get("passing", "gone"), "none": ctx.state.get("nothing")}


def test_state_is_rebuilt_by_replay_and_each_change_is_journaled_once() -> None:
    outcome, kept = recorded(counts, ["a", "b"])
    changes = [one.value for one in journal(outcome) if isinstance(one, e.ValueRecorded) and one.kind == "state"]
    assert changes == [
        {"set": {"total": 2}},
        {"set": {"processed": []}},
        {"set": {"passing": 1}},
        {"set": {"processed": ["a"]}},
        {"set": {"processed": ["a", "b"]}},
        {"delete": "passing"},
        {"delete": "never there"},
    ]
    left = {"left": {"total": 2, "processed": ["a", "b"]}, "default": "gone", "none": None}
    for dump in kept:
        waiting = gone_on(counts, dump)
        assert answered(counts, waiting, go=1).result == left
        assert len([one for one in journal(waiting) if isinstance(one, e.ValueRecorded)]) == len(changes)


@workflow
async def clears(ctx: WorkflowContext) -> Any:
    value = {"deep": [1]}
    ctx.state.set("a", value)
    value["deep"].append(2)
    ctx.state.get("a")["deep"].append(3)
    before = ctx.state.get("a")
    ctx.state.clear()
    return [before, ctx.state.as_json()]


def test_state_is_changed_by_its_verbs_alone() -> None:
    assert clears.run_sync().result == [{"deep": [1]}, {}]


@workflow
async def odd_state(ctx: WorkflowContext) -> None:
    ctx.state.set("odd", object())


def test_state_that_is_no_json_is_refused_naming_it() -> None:
    assert "`state odd` is of type `object`" in str(odd_state.run_sync().error)


value = 1


@workflow
async def fickle(ctx: WorkflowContext) -> None:
    ctx.state.set("a", value)
    await ctx.wait_for_event("go")


def test_state_that_is_changed_otherwise_than_recorded_is_noticed() -> None:
    global value
    outcome, _ = recorded(fickle)
    value = 2
    try:
        with pytest.raises(NondeterminismError, match=r"then, .* now") as noticed:
            answered(fickle, outcome, go=1)
    finally:
        value = 1
    assert noticed.value.details == {"recorded": {"set": {"a": 1}}, "asked": {"set": {"a": 2}}}


@workflow
async def tells(ctx: WorkflowContext) -> None:
    ctx.emit("progress", {"done": 1})
    ctx.emit("bare")
    await ctx.wait_for_event("go")


def test_what_is_told_is_in_the_journal_once() -> None:
    outcome, _ = recorded(tells)
    outcome = answered(tells, outcome, go=1)
    told = [one.value for one in journal(outcome) if isinstance(one, e.ValueRecorded)]
    assert told == [{"kind": "progress", "data": {"done": 1}}, {"kind": "bare", "data": None}]


# -- calling -----------------------------------------------------------------------------------------


@dataclass
class Report:
    text: str
    count: int = 0


@workflow
async def inner(ctx: WorkflowContext, text: str, count: int = 2) -> Report:
    ctx.state.set("seen by inner", ctx.state.get("mine"))
    made = await ctx.task(work, text)
    answer = await ctx.wait_for_event("ok")
    return Report(f"{made} {answer}", count)


@workflow
async def inner_fails(ctx: WorkflowContext) -> None:
    await ctx.task(fails)


@workflow
async def outer(ctx: WorkflowContext) -> list[Any]:
    ctx.state.set("mine", 1)
    first = await ctx.call(inner, {"text": "a"})
    assert isinstance(first, Report)
    second = await ctx.call(inner, {"text": "b", "count": 5}, key="second")
    try:
        await ctx.call(inner_fails)
    except StepFailedError as error:
        failed = [error.step_key, error.message]
    after = await ctx.task(work, "after")
    return [first, second, failed, after, ctx.state.as_json()]


def test_a_function_is_called_as_a_scope_of_the_run_with_what_it_gives_as_annotated() -> None:
    outcome, kept = recorded(outer)
    assert outcome.waits[0].step_key == "inner/ok"
    whole = answered(outer, answered(outer, outcome, ok="1"), ok="2")
    assert whole.result == [
        {"text": "A 1", "count": 2},
        {"text": "B 2", "count": 5},
        ["inner_fails/fails", "ValueError: no"],
        "AFTER",
        {"mine": 1, "seen by inner": 1},
    ]
    assert keys(whole) == ["inner/work", "second/work", "inner_fails/fails", "work"]
    closed = [(one.key, one.outcome) for one in journal(whole) if isinstance(one, e.ScopeClosed)]
    assert closed == [("inner", "completed"), ("second", "completed"), ("inner_fails", "failed")]
    for dump in kept:
        again = gone_on(outer, dump)
        assert answered(outer, answered(outer, again, ok="1"), ok="2").result == whole.result


DOCUMENT = Document.parse("""
schema_version: checkpointflow/v1
workflow:
  id: gate
  inputs: {type: object, properties: {who: {type: string}}, required: [who]}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: end, kind: end, result: "${inputs.who} ${steps.ask.outputs.said}"}
""")


@workflow
async def calls_document(ctx: WorkflowContext, who: str) -> Any:
    return await ctx.parallel(ctx.call(DOCUMENT, {"who": who}), ctx.call(DOCUMENT, {"who": "b"}))


def test_a_document_is_called_as_a_scope_of_the_run() -> None:
    outcome, kept = recorded(calls_document, "ada")
    assert [wait.step_key for wait in outcome.waits] == ["parallel[0]/gate/ask", "parallel[1]/gate/ask"]
    said = {"parallel[0]/gate/ask": {"said": "yes"}, "parallel[1]/gate/ask": {"said": "no"}}
    assert calls_document.run_sync(checkpoint=outcome.checkpoint, responses=said).result == ["ada yes", "b no"]
    assert gone_on(calls_document, kept[-1], said).result == ["ada yes", "b no"]


@workflow
async def calls_wrongly(ctx: WorkflowContext) -> Any:
    return await ctx.call(DOCUMENT, {"whom": "ada"})


def test_an_input_that_does_not_fit_a_called_workflow_fails_the_run() -> None:
    outcome = calls_wrongly.run_sync()
    assert outcome.error is not None
    assert (outcome.status, outcome.error["code"]) == ("failed", "ERR_VALIDATION_INPUT")


# -- state as it is shown ----------------------------------------------------------------------------


@workflow
async def inner_state(ctx: WorkflowContext) -> None:
    ctx.state.set("by inner", True)


@workflow
async def shows(ctx: WorkflowContext) -> dict[str, Any]:
    ctx.state.set("gone", 1)
    ctx.state.clear()
    ctx.state.set("a", {"deep": [1]})
    ctx.state.set("b", 1)
    ctx.state.set("b", 2)
    ctx.state.set("c", 3)
    ctx.state.delete("c")
    await ctx.call(inner_state)
    await ctx.step("fails at first", may_fail)
    return ctx.state.as_json()


fails_now = False


def may_fail() -> None:
    if fails_now:
        raise ValueError("not yet")


def test_the_state_that_is_shown_is_that_of_the_function_also_after_a_retry() -> None:
    global fails_now
    with Store("memory:") as store, Client(store) as client:
        fails_now = True
        failed = client.run(shows)
        assert failed.status == "failed"
        fails_now = False
        expected = {"a": {"deep": [1]}, "b": 2, "by inner": True}
        assert store.runs().inspect(failed.run_id).state == expected
        assert client.retry(failed.run_id).result == expected
        assert store.runs().inspect(failed.run_id).state == expected


def test_a_function_without_state_shows_none() -> None:
    with Store("memory:") as store, Client(store) as client:
        assert store.runs().inspect(client.run(tells).run_id).state is None
