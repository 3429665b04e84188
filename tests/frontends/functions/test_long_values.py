"""Values that are deep or huge make no message, and no detail of one, that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checkpointflow import WorkflowContext, workflow
from checkpointflow.errors import InputError, NondeterminismError, WorkflowCodeError
from checkpointflow.values import dump

HUGE = 100_000


def deep(levels: int, leaf: Any = None) -> Any:
    for _ in range(levels):
        leaf = {"key" * 20: leaf}
    return leaf


def fails() -> None:
    raise ValueError("x" * HUGE)


GIVES: dict[str, Callable[[], Any]] = {
    "deep": lambda: deep(HUGE),
    "deep, with what no JSON holds": lambda: deep(90, object()),
    "under a huge key": lambda: {"x" * HUGE: object()},
    "an error": fails,
}


@pytest.mark.parametrize("case", GIVES)
@pytest.mark.parametrize("where", ["result", "step", "state", "emitted", "argument"])
def test_an_error_over_a_value_is_short_whatever_the_value(case: str, where: str) -> None:
    give = GIVES[case]

    @workflow(name="gives")
    async def gives(ctx: WorkflowContext) -> Any:
        if where == "step":
            await ctx.step("one", give)
        elif where == "state":
            ctx.state.set("k" * HUGE, give())
        elif where == "emitted":
            ctx.emit("k", give())
        elif where == "argument":
            await ctx.task(len, give())
        return give()

    outcome = gives.run_sync()
    assert outcome.status == "failed"
    assert len(dump(outcome.error)) < 4_000
    assert len(dump(outcome.envelope())) < 12_000


def test_a_long_message_keeps_its_beginning_and_its_remedy() -> None:
    error = WorkflowCodeError(f"the fact {'x' * HUGE}; the remedy")
    assert error.message.startswith("the fact xxx")
    assert error.message.endswith("xxx; the remedy")
    assert str(error) == error.message
    assert len(error.message) < 2_100


asked = ""


@workflow
async def asks(ctx: WorkflowContext) -> None:
    await ctx.task(len, asked)
    await ctx.wait_for_event("go")


@workflow
async def sets(ctx: WorkflowContext) -> None:
    ctx.state.set("text", asked)
    await ctx.wait_for_event("go")


@pytest.mark.parametrize("changed", [asks, sets])
def test_what_is_asked_for_otherwise_is_shown_in_a_few_words(changed: Any) -> None:
    global asked
    asked = "a" * HUGE
    checkpoint = changed.run_sync().checkpoint
    asked = "b" * HUGE
    with pytest.raises(NondeterminismError) as told:
        changed.run_sync(checkpoint=checkpoint)
    assert len(told.value.message) + len(dump(told.value.details)) < 2_000
    asked = "b"
    checkpoint = changed.run_sync().checkpoint
    asked = "c"
    with pytest.raises(NondeterminismError) as told:
        changed.run_sync(checkpoint=checkpoint)
    assert '"b"' in dump(told.value.details["recorded"])
    assert '"c"' in dump(told.value.details["asked"])


@workflow
async def counts(ctx: WorkflowContext, n: int) -> int:
    return n


@pytest.mark.parametrize("given", [{"n": "x" * HUGE}, {"x" * HUGE: 1, "n": 1}, deep(HUGE), deep(80, object())])
def test_an_input_that_does_not_fit_is_refused_in_a_few_words(given: Any) -> None:
    with pytest.raises((InputError, WorkflowCodeError)) as told:
        counts.run_sync(given)
    assert len(told.value.message) + len(dump(told.value.details)) < 4_000
