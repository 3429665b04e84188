"""Pages that show a session are typed from their first line to their last, and print what they show."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from architecture.pages import ROOT, blocks
from pages.runner import Session

FOLDER = ROOT / "docs" / "how-to"
SESSIONS = sorted(page for page in FOLDER.glob("*.md") if any(block.mark == "shows" for block in blocks(page)))


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.stem)
def test_a_page_with_a_session_runs_as_it_is_written(page: Path, tmp_path: Path) -> None:
    session = Session(tmp_path / "home")
    shutil.copytree(ROOT / "examples", session.root / "examples")
    session.run(page)
    assert session.typed


def test_the_pages_with_sessions_are_found() -> None:
    assert {page.stem for page in SESSIONS} >= {
        "follow-a-run",
        "hand-a-run-over",
        "let-an-agent-drive",
        "mend-a-run",
        "run-from-cron-or-ci",
        "share-a-flow",
    }
