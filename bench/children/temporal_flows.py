"""What the Temporal piece runs: the same tasks and one wait, as a function of ours and as a workflow by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio import workflow as temporal

from checkpointflow import WorkflowContext, task, workflow

COUNT = 20


@task()
def add(number: int) -> int:
    """Do next to nothing."""
    return number + 1


@workflow(name="ours")
async def ours(ctx: WorkflowContext) -> int:
    """Perform the task so many times, with a wait in between."""
    number = 0
    for _ in range(COUNT // 2):
        number = await ctx.task(add, number)
    await ctx.wait_for_event("go")
    for _ in range(COUNT // 2):
        number = await ctx.task(add, number)
    return number


@activity.defn
def plus(number: int) -> int:
    """Do next to nothing."""
    return number + 1


@temporal.defn
class ByHand:
    """The same, as its author would write it for Temporal."""

    def __init__(self) -> None:
        self._answer: Any = None

    @temporal.run
    async def run(self) -> int:
        """Perform the activity so many times, with a wait in between."""
        number = 0
        for _ in range(COUNT // 2):
            number = await self._plus(number)
        await temporal.wait_condition(lambda: self._answer is not None)
        for _ in range(COUNT // 2):
            number = await self._plus(number)
        return number

    async def _plus(self, number: int) -> int:
        return await temporal.execute_activity(plus, number, start_to_close_timeout=timedelta(seconds=60))

    @temporal.update
    def answer(self, payload: Any) -> bool:
        """Take the answer in."""
        self._answer = payload
        return True
