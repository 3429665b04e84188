"""The journal of a one-step document, as ARCHITECTURE.md shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from architecture.pages import ROOT, marked

PAGE = ROOT / "ARCHITECTURE.md"
VOLATILE = {"at", "definition", "source_path", "actor", "cwd", "host"}


def journal(folder: Path) -> list[dict[str, object]]:
    """Run the page's document and return its journal, without the envelope that follows."""
    (document,) = marked(PAGE, "runs: one step")
    (folder / "hello.yaml").write_text(document, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "checkpointflow", "run", "-f", "hello.yaml", "-o", "ndjson"],
        cwd=folder,
        env={**os.environ, "CPF_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    *entries, envelope = map(json.loads, done.stdout.splitlines())
    assert envelope["status"] == "completed"
    return entries


def shown(entry: dict[str, object]) -> str:
    """Return an entry as the page shows it."""
    kept = {name: "…" if name in VOLATILE else value for name, value in entry.items()}
    if "digest" in kept:
        kept["digest"] = f"{str(kept['digest'])[:12]}…"
    return json.dumps(kept, ensure_ascii=False)


def test_the_page_shows_the_journal_of_its_step(tmp_path: Path) -> None:
    (page,) = marked(PAGE, "shows: the journal")
    assert [shown(entry) for entry in journal(tmp_path)] == page.splitlines()


def test_the_effect_is_intended_before_it_begins_and_its_end_shares_a_commit(tmp_path: Path) -> None:
    entries = journal(tmp_path)
    assert [entry["entry"] for entry in entries] == ["run_started", "step_started", "step_completed", "run_completed"]
    assert [entry["position"] for entry in entries] == [1, 2, 3, 4]
