"""A graph's run that goes on under an edited graph: `--with` needs no handlers, for the run knows its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from architecture.pages import ROOT, marked
from cli.program import Program

PAGE = ROOT / "docs" / "tutorial-graph.md"


@pytest.fixture
def waiting(cpf: Program) -> str:
    """Return the run of the tutorial, which waits; `note2.json` is its graph with an archive behind the review."""
    (text,), (code,) = marked(PAGE, "file: note.json"), marked(PAGE, "file: handlers.py")
    cpf.write("note.json", text)
    cpf.write("handlers.py", code + "\n\ndef archive(ctx):\n    return HandlerResult(outputs=['ok'])\n")
    edited = json.loads(text)
    edited["nodes"]["publish"]["outputs"]["ok"] = [{"target_node": "archive"}]
    edited["nodes"]["archive"] = {"handler": "archive", "outputs": {"ok": []}}
    cpf.write("note2.json", json.dumps(edited))
    started = cpf("run", "-f", "note.json", "--handlers", "handlers.py", "--run-id", "note", "--set", "topic=Owls")
    assert started.envelope["status"] == "waiting"
    return "note"


def test_a_graph_goes_on_under_an_edited_one_with_the_handlers_of_its_run(cpf: Program, waiting: str) -> None:
    resumed = cpf("resume", "--run-id", waiting, "--with", "note2.json").envelope
    assert (resumed["status"], resumed["changes"]["reused"]) == ("waiting", ["draft", "review"])
    answered = cpf("resume", "--run-id", waiting, "--event", "review", "--input", '"yes"').envelope
    assert answered["result"]["trace"] == ["draft", "review", "publish", "archive"]


def test_a_dry_run_under_an_edited_graph_shows_the_changes(cpf: Program, waiting: str) -> None:
    shown = cpf("resume", "--run-id", waiting, "--with", "note2.json", "--dry-run").envelope
    assert (shown["exit_code"], shown["changes"]["reused"], shown["status"]) == (0, ["draft", "review"], "waiting")
    assert "error" not in shown["changes"]


def test_a_failed_graph_is_retried_under_an_edited_one(cpf: Program, waiting: str) -> None:
    handlers = Path(cpf.cwd / "handlers.py")
    sound = handlers.read_text()
    handlers.write_text(sound.replace("async def publish", "async def unpublished"))
    assert cpf("resume", "--run-id", waiting, "--event", "review", "--input", '"yes"').envelope["status"] == "failed"
    handlers.write_text(sound)
    retried = cpf("retry", "--run-id", waiting, "--with", "note2.json").envelope
    assert retried["result"]["trace"] == ["draft", "review", "publish", "archive"]


def test_a_fork_goes_on_under_an_edited_graph(cpf: Program, waiting: str) -> None:
    forked = cpf(
        "fork", "--run-id", waiting, "--at", "review", "--with", "note2.json", "--new-run-id", "other"
    ).envelope
    assert forked["status"] == "waiting"
    answered = cpf("resume", "--run-id", "other", "--event", "review", "--input", '"yes"').envelope
    assert answered["result"]["trace"] == ["draft", "review", "publish", "archive"]
