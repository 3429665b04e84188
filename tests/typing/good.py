"""What a type checker has to accept of workflows as functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from checkpointflow import Checkpoint, Outcome, Retry, WorkflowContext, current_step, task, workflow


@dataclass
class Paper:
    title: str


def fetch(topic: str, *, limit: int = 3) -> list[Paper]:
    return [Paper(topic)] * limit


@task(retry=Retry(max_attempts=3), timeout_seconds=30)
async def analyse(papers: list[Paper]) -> int:
    assert_type(current_step().attempt, int)
    return len(papers)


async def branch(ctx: WorkflowContext, number: int) -> str:
    return str(await ctx.task(analyse, [Paper(str(number))]))


@workflow
async def research(ctx: WorkflowContext, topic: str, depth: int = 1) -> Paper:
    papers = await ctx.task(fetch, topic, limit=depth)
    assert_type(papers, list[Paper])
    assert_type(await ctx.task(analyse, papers), int)
    assert_type(await ctx.step("named", analyse, papers), int)
    assert_type(await ctx.step("awaited", analyse(papers)), int)
    assert_type(await ctx.step("plain", fetch, topic), list[Paper])
    both = await ctx.parallel(ctx.task(fetch, topic), branch(ctx, 1))
    assert_type(both, tuple[list[Paper], str])
    three = await ctx.parallel(ctx.task(analyse, papers), ctx.sleep(1), branch(ctx, 2), limit=2)
    assert_type(three, tuple[int, None, str])
    assert_type(await ctx.parallel(*(branch(ctx, n) for n in range(9))), tuple[str, ...])
    assert_type(await ctx.map(analyse, [papers]), list[int])
    assert_type(await ctx.map(fetch, ["a"], key=str), list[list[Paper]])
    assert_type(await ctx.first(branch(ctx, 3), branch(ctx, 4)), str)
    await ctx.wait_for_user("Which?", input_type="choice", options=["a", {"id": "b", "label": "B"}])
    assert_type(ctx.random(), float)
    return papers[0]


@workflow(name="pinned", version="2", chat=True)
async def pinned(ctx: WorkflowContext) -> None:
    assert_type(await research(ctx, "owls", depth=2), Paper)


async def main() -> None:
    outcome = await research.run({"topic": "owls"}, checkpoint=Checkpoint.new())
    assert_type(outcome, Outcome[Paper])
    assert_type(outcome.result, Paper | None)
    async for event in research.run_stream("owls", after=3):
        assert_type(event.outcome, Outcome[Paper] | None)
    assert_type(pinned.run_sync(), Outcome[None])
