"""The tutorial is typed from its first line to its last, and prints what it shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from architecture.pages import ROOT, blocks
from pages.runner import Session

PAGE = ROOT / "docs" / "tutorial.md"
SETUP = "sh scripts/setup"
"""Needs a package index; the checks of a clean clone run it."""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the end of the page tells what happens where /proc is")
def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    session = Session(tmp_path / "home", not_typed=frozenset({SETUP}))
    clone = session.root / "checkpointflow"
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    session.type("cd checkpointflow")
    session.run(PAGE)
    assert session.folder() == session.root / "hello"


def test_every_command_of_the_tutorial_is_run_and_what_is_left_out_is_known() -> None:
    assert SETUP in PAGE.read_text(encoding="utf-8")
    assert "scripts/setup" in (ROOT / "scripts" / "start").read_text(encoding="utf-8")
    assert [block.text for block in blocks(PAGE) if block.mark == ""] == []


def test_the_tutorial_for_python_runs_as_it_is_written(tmp_path: Path) -> None:
    session = Session(tmp_path / "home")
    page = ROOT / "docs" / "tutorial-python.md"
    session.run(page)
    assert len(session.typed) == 5
    assert [block.text for block in blocks(page) if block.mark == ""] == []


def test_the_tutorial_for_graphs_runs_as_it_is_written(tmp_path: Path) -> None:
    session = Session(tmp_path / "home")
    page = ROOT / "docs" / "tutorial-graph.md"
    session.run(page)
    assert len(session.typed) == 8
    assert [block.text for block in blocks(page) if block.mark == ""] == []
