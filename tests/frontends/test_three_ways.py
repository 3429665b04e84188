"""One workflow as document, as graph and as function: on one kernel, their journals are the same up to names.

The sources are the blocks of the page that shows them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from architecture.pages import ROOT, blocks
from checkpointflow import Checkpoint, Document, Outcome, Store
from checkpointflow.frontends.code import imported
from checkpointflow.graph import Graph
from checkpointflow.kernel import entries as e
from checkpointflow.values import dump
from pages.runner import Session

PAGE = ROOT / "docs" / "explanation" / "one-workflow-three-ways.md"
CODE = ("publishing", "handlers", "function")
WAYS = ("document", "graph", "function")
OF_ONE_WAY = {"scope_opened", "scope_closed", "value_recorded"}
"""How a front-end groups its steps, and what an `end` decides: no step, no wait, no answer."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of the page, where Python finds them."""
    for block in blocks(PAGE):
        if block.mark.startswith("file: "):
            (tmp_path / block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CPF_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in CODE:
        sys.modules.pop(name, None)


def workflow(way: str) -> Any:
    if way == "document":
        return Document.load("page.yaml")
    if way == "graph":
        return Graph(json.loads(Path("page.json").read_text(encoding="utf-8")), "handlers")
    return imported("function", cwd=".").page


def driven(way: str, answer: str) -> tuple[Outcome[Any], list[e.AnyEntry]]:
    """Run one of the three to its question and, answered, to its end."""
    definition = workflow(way)
    with Store("memory:") as store:
        asked = definition.run_sync({"page": "home"}, checkpoint=Checkpoint.new(store))
        assert [(wait.event_name, wait.prompt) for wait in asked.waits] == [
            ("approval", "Publish home? 2 checks passed.")
        ]
        ended = definition.run_sync(responses={"approval": answer}, checkpoint=asked.checkpoint)
        return ended, store.port.entries(asked.run_id)


def plain(journal: list[e.AnyEntry]) -> list[tuple[str, list[str]]]:
    """Return runs of entries of one name, in their order, each with what they hold, names and order left out.

    Two checks end in either order.
    """
    told = [(e.name_of(one), dump(content(e.as_json(one, 0)))) for one in journal if e.name_of(one) not in OF_ONE_WAY]
    return [(name, sorted(text for _, text in same)) for name, same in groupby(told, key=lambda one: one[0])]


def content(entry: Any) -> Any:
    if entry["entry"] == "run_completed":
        return result_of(entry["value"]["result"])
    if entry["entry"] == "step_completed":
        return output_of(entry["output"])
    return {name: entry[name] for name in ("attempt", "effect", "input", "payload") if name in entry}


def output_of(output: Any) -> Any:
    """Return a step's output; that of a graph says by which door its value left the handler."""
    if not isinstance(output, dict) or "outputs" not in output:
        return output
    return output.get("prompt") or output.get("workflow") or output["node"]


def result_of(result: Any) -> Any:
    """Return what a run gave; the result of a graph has more beside it."""
    return result["workflow"] if "trace" in result else result


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_the_three_journals_are_the_same_up_to_names(folder: Path, answer: str) -> None:
    ended = {way: driven(way, answer) for way in WAYS}
    assert {outcome.status for outcome, _ in ended.values()} == {"completed"}
    journals = {way: plain(journal) for way, (_, journal) in ended.items()}
    if answer == "reject":  # a handler is called with its answer, whatever that is; the others decide without a step
        last = journals["graph"].index(("event_received", ['{"payload":"reject"}'])) + 1
        journals["graph"][last : last + 2] = []
    assert journals["graph"] == journals["document"]
    assert journals["function"] == journals["document"]
    results = [result_of(outcome.result) for outcome, _ in ended.values()]
    published = {"status": "published", "url": "https://example.com/home"}
    assert results == [published if answer == "approve" else {"status": "dropped"}] * 3


def test_the_journals_have_every_step_wait_and_answer(folder: Path) -> None:
    _, journal = driven("function", "approve")
    step = ["step_started", "step_completed"]
    names = [name for name, _ in plain(journal)]
    middle = ["wait_opened", "run_parked", "event_received"]
    assert names == ["run_started", *step * 3, *middle, *step, "run_completed"]
    assert [len(held) for name, held in plain(journal) if name == "step_completed"] == [1, 2, 1, 1]


def test_the_page_runs_as_it_is_written_and_all_three_give_the_same_result(tmp_path: Path) -> None:
    session = Session(tmp_path / "home")
    session.run(PAGE)
    assert len(session.typed) == 6
    results = [json.loads(session.type(f"cpf status --run-id {way}"))["result"] for way in WAYS]
    assert result_of(results[1]) == results[0] == results[2]
