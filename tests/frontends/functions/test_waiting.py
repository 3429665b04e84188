"""Waits of a function workflow: users by the type of the question, events, deadlines, sleeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checkpointflow import Checkpoint, Store, WorkflowContext, workflow
from checkpointflow.errors import EventPayloadError, WorkflowCodeError
from checkpointflow.frontends.functions.questions import schema_of
from checkpointflow.kernel import entries as e
from checkpointflow.testing.clock import FakeClock
from functions.replaying import answered, gone_on, journal, recorded

OPTIONS = [{"id": "a", "label": "the first"}, {"id": "b", "label": "the second"}]


@workflow
async def asks(ctx: WorkflowContext, input_type: Any, options: list[Any] | None = None) -> Any:
    return await ctx.wait_for_user("Which?", input_type=input_type, options=options, name="answer")


QUESTIONS = [
    ("approval", None, ["approve", "reject"], ["yes", "", None, ["approve"], {}]),
    ("approval", OPTIONS, ["a", "b"], ["approve"]),
    ("choice", OPTIONS, ["a"], ["c", ["a"], 1]),
    ("choice", ["x", "y"], ["x", "y"], ["z"]),
    ("multi_choice", OPTIONS, [[], ["a"], ["b", "a"]], ["a", ["c"], ["a", "a"]]),
    ("text", None, ["", "any thing"], [1, None, ["a"]]),
]


@pytest.mark.parametrize(("input_type", "options", "good", "bad"), QUESTIONS)
def test_an_answer_is_what_the_type_of_the_question_says_and_nothing_else(
    input_type: str, options: Any, good: list[Any], bad: list[Any]
) -> None:
    for payload in good:
        outcome = asks.run_sync({"input_type": input_type, "options": options})
        assert (outcome.waits[0].prompt, outcome.waits[0].audience) == ("Which?", "user")
        for wrong in bad:
            with pytest.raises(EventPayloadError):
                answered(asks, outcome, answer=wrong)
        assert answered(asks, outcome, answer=payload).result == payload


def test_the_labels_of_options_are_shown_with_the_schema() -> None:
    assert schema_of("choice", OPTIONS) == {
        "type": "string",
        "enum": ["a", "b"],
        "description": "a: the first; b: the second",
    }


@pytest.mark.parametrize(
    ("input_type", "options", "told"),
    [
        ("number", None, "there is no input type 'number'"),
        ("choice", None, "needs options"),
        ("choice", [], "needs options"),
        ("choice", ["a", "a"], "each with an id of its own"),
        ("choice", [{"label": "x"}], "an option has no id"),
        ("text", OPTIONS, "a text has no options"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(input_type: str, options: Any, told: str) -> None:
    with pytest.raises(WorkflowCodeError, match=told):
        schema_of(input_type, options)


@workflow
async def events(ctx: WorkflowContext) -> list[Any]:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    first = await ctx.wait_for_event("go", schema=schema, audience="system", prompt="Say go")
    second = await ctx.wait_for_event("go")
    third = await ctx.wait_for_event("go", key="named")
    return [first, second, third]


def test_an_event_is_waited_for_by_its_name_and_checked_by_its_schema() -> None:
    outcome = events.run_sync()
    assert (outcome.waits[0].event_name, outcome.waits[0].audience, outcome.waits[0].prompt) == (
        "go",
        "system",
        "Say go",
    )
    with pytest.raises(EventPayloadError):
        answered(events, outcome, go={"n": "x"})
    outcome = answered(events, outcome, go={"n": 1})
    assert outcome.waits[0].step_key == "go#2"
    outcome = answered(events, outcome, go=None)
    assert outcome.waits[0].step_key == "named"
    assert answered(events, outcome, named=[3]).result == [{"n": 1}, None, [3]]


@workflow
async def in_time(ctx: WorkflowContext) -> list[Any]:
    asked = await ctx.wait_for_event("go", timeout_seconds=3600, default={"by": "default"})
    told = await ctx.wait_for_user("Now?", name="told", timeout_seconds=60, default=None)
    return [asked, told]


@workflow
async def too_late(ctx: WorkflowContext) -> Any:
    return await ctx.wait_for_event("go", timeout_seconds=3600)


def test_a_wait_that_nobody_answers_in_time_gives_its_default_or_fails() -> None:
    clock = FakeClock()
    with Store("memory:", clock=clock) as store:
        one, two = Checkpoint.new(store), Checkpoint.new(store)
        assert in_time.run_sync({}, checkpoint=one).status == "waiting"
        assert too_late.run_sync({}, checkpoint=two).status == "waiting"
        clock.advance(3599)
        assert in_time.run_sync(checkpoint=one).status == "waiting"
        clock.advance(1)
        assert in_time.run_sync(checkpoint=one).waits[0].event_name == "told"
        failed = too_late.run_sync(checkpoint=two)
        assert failed.error is not None
        assert (failed.status, failed.error["code"]) == ("failed", "ERR_TIMEOUT")
        clock.advance(60)
        assert in_time.run_sync(checkpoint=one).result == [{"by": "default"}, None]


def test_an_answer_before_the_deadline_counts_though_the_run_goes_on_after_it() -> None:
    clock = FakeClock()
    with Store("memory:", clock=clock) as store:
        cp = Checkpoint.new(store)
        in_time.run_sync({}, checkpoint=cp)
        store.runs().send(str(cp.run_id), event="go", payload="here")
        clock.advance(10_000)
        outcome = in_time.run_sync(checkpoint=cp)
        assert [getattr(one, "payload", None) for one in journal(outcome) if isinstance(one, e.EventReceived)] == [
            "here"
        ]


@workflow
async def sleeps(ctx: WorkflowContext, until: datetime) -> list[str]:
    before = ctx.now()
    await ctx.sleep(3600)
    await ctx.sleep(timedelta(days=1))
    await ctx.sleep(until)
    return [before.isoformat(), ctx.now().isoformat()]


def test_a_sleep_lets_the_process_go_and_ends_when_its_time_has_come() -> None:
    clock = FakeClock(datetime(2030, 1, 1, tzinfo=UTC))
    with Store("memory:", clock=clock) as store:
        cp = Checkpoint.new(store)
        assert sleeps.run_sync(datetime(2030, 2, 1, tzinfo=UTC), checkpoint=cp).status == "waiting"
        for seconds in (3600, 86400):
            assert sleeps.run_sync(checkpoint=cp).waits[0].kind == "timer"
            clock.advance(seconds)
        assert sleeps.run_sync(checkpoint=cp).status == "waiting"
        clock.advance(40 * 86400)
        outcome = sleeps.run_sync(checkpoint=cp)
        assert outcome.result == ["2030-01-01T00:00:00+00:00", "2030-02-11T01:00:00+00:00"]


@workflow
async def naive(ctx: WorkflowContext) -> None:
    await ctx.sleep(datetime(2030, 1, 1))


def test_an_instant_without_a_time_zone_is_refused() -> None:
    assert "without a time zone" in str(naive.run_sync().error)


@workflow
async def several(ctx: WorkflowContext) -> Any:
    return await ctx.parallel(*(ctx.wait_for_user(f"{n}?", name="same") for n in range(3)))


def test_one_question_asked_three_times_is_answered_by_key_in_any_order_and_part_by_part() -> None:
    outcome, kept = recorded(several)
    assert [wait.step_key for wait in outcome.waits] == ["same", "same#2", "same#3"]
    outcome = several.run_sync(checkpoint=outcome.checkpoint, responses={"same#3": "c"})
    assert [wait.step_key for wait in outcome.waits] == ["same", "same#2"]
    by_id = {str(wait.wait_id): wait.prompt for wait in outcome.waits}
    assert several.run_sync(checkpoint=outcome.checkpoint, responses=by_id).result == ["0?", "1?", "c"]
    assert len(gone_on(several, kept[-1]).waits) == 3
