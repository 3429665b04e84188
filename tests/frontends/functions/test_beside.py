"""Verbs and coroutines beside each other: each checkpointed on its own, errors in order, races replayed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from typing import Any

import pytest

from checkpointflow import Checkpoint, WorkflowContext, workflow
from checkpointflow.errors import PersistenceError, StepFailedError
from functions.replaying import answered, broken_before, gone_on, keys, recorded

done: Counter[str] = Counter()
cancelled: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()
    cancelled.clear()


def work(name: str) -> str:
    done[name] += 1
    return name.upper()


async def awork(name: str) -> str:
    done[name] += 1
    return name.upper()


async def holds(name: str) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append(name)
        raise
    return name


def fails(name: str) -> str:
    raise ValueError(name)


async def branch(ctx: WorkflowContext, name: str) -> list[Any]:
    first = await ctx.task(work, f"{name}1")
    answer = await ctx.wait_for_event(f"go_{name}")
    return [first, answer, await ctx.task(awork, f"{name}2")]


@workflow
async def everything(ctx: WorkflowContext) -> list[Any]:
    found = await ctx.parallel(ctx.task(work, "a"), ctx.task(awork, "b"), branch(ctx, "c"), branch(ctx, "d"))
    return list(found)


WHOLE = ["A", "B", ["C1", 1, "C2"], ["D1", 2, "D2"]]


def test_each_member_is_checkpointed_on_its_own_with_waits_and_steps_inside() -> None:
    outcome, kept = recorded(everything)
    assert sorted(wait.event_name or "" for wait in outcome.waits) == ["go_c", "go_d"]
    assert sorted(keys(outcome)) == ["awork", "parallel[2]/work", "parallel[3]/work", "work"]
    for dump in kept:
        waiting = gone_on(everything, dump)
        half = answered(everything, waiting, go_d=2)
        assert [wait.step_key for wait in half.waits] == ["parallel[2]/go_c"]
        assert answered(everything, half, go_c=1).result == WHOLE


def test_a_member_that_has_ended_is_not_performed_again_while_its_siblings_wait() -> None:
    _, kept = recorded(everything)
    done.clear()
    whole = gone_on(everything, kept[-1], {"go_c": 1, "go_d": 2})
    assert whole.result == WHOLE
    assert done == {"c2": 1, "d2": 1}


async def steps_of(ctx: WorkflowContext, name: str, bad: bool) -> str:
    try:
        await ctx.task(fails if bad else work, name)
        return str(await ctx.task(holds, name))
    except StepFailedError as error:
        raise StepFailedError(f"{name} gave up: {error.message}", step_key=error.step_key) from error


@workflow
async def one_fails(ctx: WorkflowContext) -> str:
    try:
        await ctx.parallel(steps_of(ctx, "a", False), steps_of(ctx, "b", False), steps_of(ctx, "c", True))
    except StepFailedError as error:
        return error.message
    return "none failed"


def test_the_first_error_is_raised_once_the_siblings_were_cancelled() -> None:
    outcome, kept = recorded(one_fails)
    assert outcome.result == "c gave up: ValueError: c"
    for dump in kept:
        assert gone_on(one_fails, dump).result == outcome.result


gate = threading.Event()


def fails_late(name: str) -> str:
    gate.wait(60)
    raise ValueError(name)


def fails_first(name: str) -> str:
    raise ValueError(name)


async def told_late(ctx: WorkflowContext) -> Any:
    await ctx.task(fails_late, "late")


async def told_first(ctx: WorkflowContext) -> Any:
    try:
        await ctx.task(fails_first, "first")
    finally:
        gate.set()


@workflow
async def both_fail(ctx: WorkflowContext) -> str:
    try:
        await ctx.parallel(ctx.task(fails_late, "late"), told_first(ctx))
    except StepFailedError as error:
        return error.message
    return "none failed"


def test_of_two_errors_the_first_in_the_journal_is_raised_whatever_the_order_of_the_members() -> None:
    gate.clear()
    outcome, kept = recorded(both_fail)
    assert outcome.result == "ValueError: first"
    for dump in kept:
        if b"step_failed" in dump:
            assert gone_on(both_fail, dump).result == "ValueError: first"


async def breaks(ctx: WorkflowContext) -> None:
    await ctx.task(work, "x")
    raise LookupError("a defect of the workflow")


@workflow
async def a_branch_breaks(ctx: WorkflowContext) -> None:
    await ctx.parallel(ctx.task(holds, "a"), breaks(ctx))


def test_an_exception_of_a_branch_is_raised_as_it_is_and_the_siblings_are_cancelled() -> None:
    outcome, _ = recorded(a_branch_breaks)
    assert outcome.status == "failed"
    assert "LookupError: a defect of the workflow" in str(outcome.error)
    assert keys(outcome, "step_interrupted") == ["holds"]


# -- limits, maps ------------------------------------------------------------------------------------

going = 0
most = 0
lock = threading.Lock()
met = threading.Barrier(2)


def counted(name: int) -> int:
    global going, most
    with lock:
        going += 1
        most = max(most, going)
    met.wait(60)
    with lock:
        going -= 1
    return name * 2


@workflow
async def limited(ctx: WorkflowContext, limit: int | None = None) -> list[int]:
    return await ctx.map(counted, range(6), limit=limit)


def test_at_most_so_many_go_on_at_a_time_and_the_results_keep_the_order_of_the_items() -> None:
    global most
    most = 0
    outcome = limited.run_sync(2)
    assert outcome.result == [0, 2, 4, 6, 8, 10]
    assert most == 2
    assert keys(outcome)[0] == "counted[0]/counted"
    assert keys(outcome, "scope_opened") == ["counted"]


@workflow
async def wrong_limit(ctx: WorkflowContext) -> None:
    await ctx.parallel(ctx.task(work, "a"), branch(ctx, "b"), limit=0)


@workflow
async def wrong_member(ctx: WorkflowContext) -> None:
    await ctx.parallel(branch(ctx, "b"), 5)  # type: ignore[call-overload]


@workflow
async def no_member(ctx: WorkflowContext) -> None:
    await ctx.first()


@workflow
async def twins(ctx: WorkflowContext) -> None:
    await ctx.map(work, ["a", "b", "a"], key=str)


@workflow
async def again(ctx: WorkflowContext) -> None:
    both = ctx.parallel(ctx.task(work, "a"))
    await both
    await both


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (wrong_limit, "`limit` is 0"),
        (wrong_member, "number 2 is 5"),
        (no_member, "`ctx.first()` was given nothing"),
        (twins, "two items of `work` have the key 'a'"),
        (again, "awaited a second time"),
    ],
)
def test_what_cannot_go_on_beside_each_other_is_refused(wrong: Any, told: str) -> None:
    outcome, _ = recorded(wrong)
    assert outcome.status == "failed"
    assert told in str(outcome.error)


@workflow
async def empty(ctx: WorkflowContext) -> list[Any]:
    return [await ctx.parallel(), await ctx.map(work, [])]


def test_nothing_beside_nothing_gives_nothing() -> None:
    assert empty.run_sync().result == [[], []]


names = ["a", "b", "c"]


@workflow
async def keyed(ctx: WorkflowContext) -> list[str]:
    found = await ctx.map(work, list(names), key=str)
    await ctx.wait_for_event("go")
    return found


def test_items_with_keys_may_change_places_between_two_drives() -> None:
    outcome, _ = recorded(keyed)
    assert keys(outcome) == ['work["a"]/work', 'work["b"]/work', 'work["c"]/work']
    names.reverse()
    try:
        assert answered(keyed, outcome, go=1).result == ["C", "B", "A"]
    finally:
        names.reverse()
    assert done == {"a": 1, "b": 1, "c": 1}


# -- races -------------------------------------------------------------------------------------------


async def runner(ctx: WorkflowContext, name: str) -> str:
    await ctx.wait_for_event(f"start_{name}")
    return str(await ctx.task(work, name))


@workflow
async def race(ctx: WorkflowContext) -> list[str]:
    winner = await ctx.first(runner(ctx, "a"), runner(ctx, "b"), ctx.task(holds, "c"))
    return [winner, await ctx.wait_for_event("after")]


def test_the_first_to_finish_wins_and_does_so_on_every_replay() -> None:
    async def main() -> tuple[Any, list[bytes]]:
        kept: list[bytes] = []
        cp = Checkpoint.new(on_commit=lambda _entries, _position: kept.append(cp.dump()))
        async for event in race.run_stream({}, checkpoint=cp):
            if event.entry == "wait_opened" and event.data["key"] == "first[1]/start_b":
                client = cp.store.runs()
                client.send(str(cp.run_id), event="start_b", payload=1)
        return event.outcome, list(kept)

    outcome, kept = asyncio.run(main())
    assert [wait.event_name for wait in outcome.waits] == ["after"]
    assert cancelled == ["c"]
    assert answered(race, outcome, after="done").result == ["B", "done"]
    won = [dump for dump in kept if b'"output":"B"' in dump]
    assert won
    for dump in won:
        assert gone_on(race, dump).waits[0].event_name == "after"
    assert done == {"b": 1}


@workflow
async def deadline(ctx: WorkflowContext) -> str:
    return str(await ctx.first(ctx.task(holds, "a"), ctx.sleep(0)))


def test_a_sleep_in_a_race_is_a_deadline() -> None:
    outcome, _ = recorded(deadline)
    assert (outcome.result, keys(outcome, "step_interrupted")) == ("None", ["holds"])


@workflow
async def race_lost_by_error(ctx: WorkflowContext) -> str:
    try:
        return await ctx.first(ctx.task(fails, "a"), ctx.task(holds, "b"))
    except StepFailedError as error:
        return error.message


def test_if_the_first_to_finish_failed_its_error_is_raised() -> None:
    assert recorded(race_lost_by_error)[0].result == "ValueError: a"


# -- nesting -----------------------------------------------------------------------------------------


@workflow
async def nested(ctx: WorkflowContext) -> Any:
    return await ctx.parallel(
        ctx.parallel(ctx.task(work, "a"), branch(ctx, "b")),
        ctx.first(branch(ctx, "c"), ctx.task(work, "d")),
        ctx.map(work, ["e", "f"]),
        limit=2,
    )


def test_they_nest_and_what_was_never_begun_is_closed_in_silence() -> None:
    outcome, kept = recorded(nested)
    assert [wait.step_key for wait in outcome.waits] == ["parallel[0]/parallel[1]/go_b"]
    assert answered(nested, outcome, go_b=7).result == [["A", ["B1", 7, "B2"]], "D", ["E", "F"]]
    for dump in kept:
        assert gone_on(nested, dump, None).status == "waiting"


def test_a_drive_that_ends_before_all_members_began_leaves_no_complaint() -> None:
    left = broken_before(nested, "scope_opened parallel")
    assert json.loads(left)["entries"][-1]["entry"] == "run_started"


def test_a_run_cannot_be_kept_if_nothing_keeps_it() -> None:
    def refuse(_entries: Any, _position: int) -> None:
        raise OSError("no space")

    with pytest.raises(PersistenceError, match="no space"):
        nested.run_sync({}, checkpoint=Checkpoint.new(on_commit=refuse))
