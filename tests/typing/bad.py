"""What a type checker has to refuse: each line that says so."""

from __future__ import annotations

from checkpointflow import Checkpoint, WorkflowContext, task, workflow


def fetch(topic: str) -> list[str]:
    return [topic]


async def analyse(papers: list[str]) -> int:
    return len(papers)


@workflow
async def wrong(ctx: WorkflowContext, topic: str) -> int:
    number: int = await ctx.task(fetch, topic)  # refused: arg-type
    text: str = await ctx.task(analyse, [topic])  # refused: arg-type
    one, two = await ctx.parallel(ctx.task(fetch, topic), ctx.task(analyse, [topic]))
    one.append(two)  # refused: arg-type
    await ctx.parallel(5)  # refused: call-overload
    await ctx.step("not callable", 5)  # refused: call-overload
    await ctx.wait_for_user("?", input_type="number")  # refused: arg-type
    found: list[str] = await ctx.map(analyse, [["a"]])  # refused: arg-type
    return number + len(text) + len(found)


@task(effect="twice")  # refused: call-overload, untyped-decorator
def pay() -> None: ...


@workflow  # refused: arg-type
def not_async(ctx: WorkflowContext) -> int:
    return 1


async def main() -> str:
    outcome = await wrong.run("owls")
    await wrong.run("owls", checkpoint="cp")  # refused: arg-type
    Checkpoint.new(on_commit=lambda entries: None)  # refused: arg-type, misc
    return outcome.result  # refused: return-value
