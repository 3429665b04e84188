"""Research in the texts of a folder: fetch, search side by side, analyse, ask whether to publish, write it down.

    cpf run -f examples/research.py:research --input '{"topic": "journal", "folder": "docs"}'
    cpf resume --run-id RUN_ID --event publish --input '"approve"'

or `python examples/research.py journal docs`. Everything is local; put your model's client where `summarise` stands.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from checkpointflow import Retry, WorkflowContext, task, workflow


@dataclass
class Finding:
    page: str
    lines: list[str]


@dataclass
class Report:
    topic: str
    status: str
    summary: str
    pages: list[str]


def fetch_pages(folder: str) -> list[str]:
    """The pages there are; a folder is read once, however often the run is interrupted."""
    pages = sorted(str(page) for page in Path(folder).rglob("*.md"))
    if not pages:
        raise FileNotFoundError(f"there are no pages in {folder}")
    return pages


@task(retry=Retry(max_attempts=3, strategy="exponential"), timeout_seconds=30)
def search(page: str, topic: str) -> Finding:
    text = Path(page).read_text(encoding="utf-8")
    return Finding(page, [line for line in text.splitlines() if topic.lower() in line.lower()])


async def analyse(findings: list[Finding]) -> dict[str, int]:
    words = re.findall(r"[a-z]{5,}", " ".join(line for one in findings for line in one.lines).lower())
    return dict(Counter(words).most_common(5))


async def summarise(topic: str, words: dict[str, int], findings: list[Finding]) -> str:
    """Stands for a call of a language model."""
    said = sum(len(one.lines) for one in findings)
    return f"{topic}: {said} lines on {len(findings)} pages, most often with {', '.join(words)}"


async def look_into(ctx: WorkflowContext, page: str, topic: str) -> Finding:
    """A branch: it has a scope of its own, and each of its steps is recorded by itself."""
    found = await ctx.task(search, page, topic)
    ctx.emit("searched", {"page": page, "lines": len(found.lines)})
    return found


@workflow
async def research(ctx: WorkflowContext, topic: str, folder: str = "docs") -> Report:
    ctx.state.set("stage", "searching")
    pages = await ctx.task(fetch_pages, folder)
    found = await ctx.parallel(*(look_into(ctx, page, topic) for page in pages), limit=4)
    findings = [one for one in found if one.lines]

    ctx.state.set("stage", "writing")
    words = await ctx.step("analysis", analyse, findings)
    summary = await ctx.step("synthesis", summarise(topic, words, findings))

    ctx.state.set("stage", "approval")
    decision = await ctx.wait_for_user(f"Publish this? {summary}", input_type="approval", name="publish")
    ctx.state.set("stage", "done")
    return Report(topic, "published" if decision == "approve" else "dropped", summary, [one.page for one in findings])


if __name__ == "__main__":
    outcome = research.run_sync({"topic": sys.argv[1], "folder": sys.argv[2]})
    for wait in outcome.waits:
        print(wait.prompt)
        outcome = research.run_sync(checkpoint=outcome.checkpoint, responses={"publish": "approve"})
    if outcome.result is None:
        sys.exit(str(outcome.error))
    print(outcome.result.status, len(outcome.result.pages))
