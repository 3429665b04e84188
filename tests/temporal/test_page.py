"""The page on running on Temporal is typed from its first line to its last, with a port of its own."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from architecture.pages import ROOT
from pages.runner import Session
from temporal.service import free_port

PAGE = ROOT / "docs" / "how-to" / "run-on-temporal.md"


class _Elsewhere(Session):
    """A session whose server has a port that nobody else has."""

    port: int = 0

    def type(self, text: str, *, shell: str = "first") -> str:
        self.port = self.port or free_port()
        return super().type(text.replace("7233", str(self.port)), shell=shell)


def test_the_page_runs_as_it_is_written(tmp_path: Path) -> None:
    session = _Elsewhere(tmp_path / "home")
    try:
        session.run(PAGE)
    finally:
        for name in ("worker.pid", "server.pid"):
            _end(session.folder() / name)
    assert len(session.typed) > 15
    assert (session.folder() / "log").read_text().splitlines() == ["built, attempt 1", "built, attempt 2", "shipped"]


def _end(told: Path) -> None:
    """End a process that the page has begun, if it still lives."""
    if told.exists():
        with suppress(ProcessLookupError):
            os.kill(int(told.read_text()), signal.SIGKILL)
