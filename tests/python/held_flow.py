"""Workflows of `test_processes.py`: what is performed is written to a file, and a task of a victim holds for ever."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from checkpointflow import WorkflowContext, task, workflow

HERE = Path(os.environ.get("HELD_FOLDER", "."))


def performed(name: str) -> None:
    with (HERE / "performed").open("a") as file:
        file.write(f"{name}\n")


def may_hold(name: str) -> None:
    print(f"performing {name}")  # noqa: T201 - which must not come between a program and its answer
    performed(name)
    if os.environ.get("VICTIM") == name:
        (HERE / "begun").write_text(name)  # a FIFO: this returns once the test has read it
        os.read(os.pipe()[0], 1)


def fetch(topic: str) -> list[str]:
    may_hold("fetch")
    return [topic, topic.upper()]


async def analyse(papers: list[str]) -> int:
    may_hold("analyse")
    await asyncio.sleep(0)
    return len(papers)


def search(where: str) -> str:
    may_hold(f"search {where}")
    return f"found in {where}"


@task(effect="once")
def publish(text: str) -> str:
    may_hold("publish")
    return text


@workflow
async def research(ctx: WorkflowContext, topic: str) -> dict[str, object]:
    papers = await ctx.task(fetch, topic)
    count = await ctx.task(analyse, papers)
    found = await ctx.parallel(ctx.task(search, "arxiv"), ctx.task(search, "news"))
    ctx.state.set("stage", "searching")
    ctx.state.set("seen", len(found))
    ctx.state.set("draft", "none")
    ctx.state.delete("draft")
    ctx.state.set("stage", "approval")
    decision = await ctx.wait_for_user("Publish?", input_type="approval", name="approval")
    text = await ctx.task(publish, f"{count} papers, {decision}")
    return {"text": text, "found": list(found)}


@workflow
async def fails(ctx: WorkflowContext) -> str:
    return await ctx.task(only_later)


def only_later() -> str:
    performed("only_later")
    if not (HERE / "later").exists():
        raise ValueError("not yet")
    return "later"
