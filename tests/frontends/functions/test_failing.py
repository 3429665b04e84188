"""Exceptions: a step's is journaled and raised again on replay, a workflow's own fails the run with its place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from checkpointflow import Client, Store, WorkflowContext, workflow
from checkpointflow.errors import StepFailedError
from checkpointflow.kernel import entries as e
from functions.replaying import answered, gone_on, journal, recorded

tried: list[str] = []


class PaymentError(LookupError):
    pass


def pay(amount: int) -> None:
    tried.append("pay")
    raise PaymentError(f"no {amount}")


async def pay_async(amount: int) -> None:
    tried.append("pay_async")
    raise PaymentError(f"no {amount}")


def stops() -> None:
    raise SystemExit(3)


@workflow
async def catches(ctx: WorkflowContext, how: str = "pay") -> Any:
    verb = {
        "pay": lambda: ctx.task(pay, 1),
        "pay_async": lambda: ctx.task(pay_async, 1),
        "stops": lambda: ctx.task(stops),
    }
    try:
        await verb[how]()
    except StepFailedError as error:
        told = [type(error).__name__, error.step_key, error.message, error.details["exceptions"][:2]]  # type: ignore[index]
    await ctx.wait_for_event("go")
    return told


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("pay", ["StepFailedError", "pay", "PaymentError: no 1", ["PaymentError", "LookupError"]]),
        ("pay_async", ["StepFailedError", "pay_async", "PaymentError: no 1", ["PaymentError", "LookupError"]]),
        ("stops", ["StepFailedError", "stops", "SystemExit: 3", ["SystemExit", "BaseException"]]),
    ],
)
def test_an_exception_of_a_step_is_the_same_error_on_the_first_run_and_on_replay(how: str, told: list[Any]) -> None:
    tried.clear()
    outcome, kept = recorded(catches, how)
    assert answered(catches, outcome, go=1).result == told
    assert gone_on(catches, kept[-1], {"go": 1}).result == told
    assert tried == ([how] if how != "stops" else [])


@workflow
async def uncaught(ctx: WorkflowContext) -> None:
    await ctx.task(pay, 2)


def test_an_exception_that_nobody_catches_fails_the_run_with_its_step() -> None:
    outcome = uncaught.run_sync()
    assert outcome.error is not None
    assert (outcome.status, outcome.result) == ("failed", None)
    assert (outcome.error["code"], outcome.error["step_key"]) == ("ERR_STEP_FAILED", "pay")
    failed = next(one for one in journal(outcome) if isinstance(one, e.StepFailed))
    assert failed.error["message"] == "PaymentError: no 2"


@workflow
async def defective(ctx: WorkflowContext) -> None:
    await ctx.task(len, "a")
    raise KeyError("mine")


def test_an_exception_of_the_workflow_itself_fails_the_run_with_file_and_line() -> None:
    outcome = defective.run_sync()
    line = defective.function.__code__.co_firstlineno + 3
    assert outcome.error is not None
    assert outcome.error["code"] == "ERR_WORKFLOW_CODE"
    assert outcome.error["message"] == f"{__file__}:{line}: KeyError: 'mine'"
    assert outcome.error["details"] == {"exceptions": ["KeyError", "LookupError", "Exception", "BaseException"]}


@workflow
async def cleans_up(ctx: WorkflowContext) -> Any:
    try:
        return await ctx.wait_for_event("go")
    finally:
        await ctx.task(len, "abc")


def test_a_workflow_may_clean_up_and_parking_is_no_exception_to_it() -> None:
    outcome, kept = recorded(cleans_up)
    assert outcome.status == "waiting"
    assert gone_on(cleans_up, kept[-1], {"go": 1}).result == 1
    assert answered(cleans_up, outcome, go=2).result == 2


@workflow
async def gives_a_verb(ctx: WorkflowContext) -> Any:
    return [ctx.sleep(1)]


@workflow
async def is_undone(ctx: WorkflowContext) -> None:
    raise asyncio.CancelledError


def test_a_result_that_was_never_awaited_is_refused_with_what_to_write() -> None:
    with pytest.warns(RuntimeWarning, match="never awaited"):
        outcome = gives_a_verb.run_sync()
    assert "`gives_a_verb()[0]` was never awaited; write `await` before it" in str(outcome.error)


def test_a_cancellation_of_its_own_fails_the_run_and_is_not_the_callers() -> None:
    outcome = asyncio.run(is_undone.run())
    assert outcome.status == "failed"
    assert "test_failing.py:" in str(outcome.error)
    assert "CancelledError" in str(outcome.error)


# -- cleaning up -------------------------------------------------------------------------------------

undone: list[str] = []


def undo(name: str) -> str:
    undone.append(name)
    return name


async def cleans(ctx: WorkflowContext) -> None:
    try:
        await ctx.wait_for_event("never")
    finally:
        undone.append("left")
        await ctx.task(undo, "inside")
        undone.append("not reached")


@workflow
async def fails_beside(ctx: WorkflowContext) -> str:
    try:
        await ctx.parallel(cleans(ctx), ctx.task(pay, 1))
    except StepFailedError:
        return await ctx.task(undo, "around")
    return ""


@workflow
async def loses(ctx: WorkflowContext) -> str:
    await ctx.first(cleans(ctx), ctx.step("fast", lambda: 1))
    return await ctx.task(undo, "around")


@pytest.mark.parametrize("cleaned", [fails_beside, loses])
def test_what_is_asked_while_a_cancelled_branch_is_left_does_nothing_and_what_is_asked_around_it_is_done(
    cleaned: Any,
) -> None:
    undone.clear()
    outcome, kept = recorded(cleaned)
    assert outcome.result == "around"
    assert undone == ["left", "around"]
    assert [one.key for one in journal(outcome) if isinstance(one, e.StepCompleted)][-1] == "undo"
    assert not any("/undo" in str(getattr(one, "key", "")) for one in journal(outcome))
    for dump in kept:
        assert gone_on(cleaned, dump).result == "around"


@workflow
async def is_cancelled(ctx: WorkflowContext) -> None:
    await cleans(ctx)


def test_a_cancelled_run_does_nothing_durable_any_more() -> None:
    undone.clear()
    with Store("memory:") as store, Client(store) as client:
        run_id = client.run(is_cancelled).run_id
        undone.clear()
        assert client.cancel(run_id).status == "cancelled"
        assert "inside" not in undone
        assert [event.entry for event in client.stream(run_id)][-1] == "run_cancelled"
