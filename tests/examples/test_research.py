"""The example of a function workflow runs by `cpf` and by Python, on the pages of this repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.pages import ROOT
from cli.program import Program

GIVEN = {"topic": "journal", "folder": str(ROOT / "docs" / "explanation")}


@pytest.fixture
def cpf(tmp_path: Path) -> Program:
    return Program(home=tmp_path / "home", cwd=ROOT)


def test_the_research_example_runs_by_cpf(cpf: Program) -> None:
    words = ("run", "-f", "examples/research.py:research", "--run-id", "research", "--input", json.dumps(GIVEN))
    waiting = cpf(*words).envelope
    assert waiting["wait"]["prompt"].startswith("Publish this? journal: ")
    entries = cpf("inspect", "--run-id", "research").envelope["result"]["entries"]
    stages = [one["value"]["set"]["stage"] for one in entries if one.get("kind") == "state"]
    assert stages == ["searching", "writing", "approval"]
    assert {"parallel[0]/search", "analysis", "synthesis"} <= {str(one.get("key")) for one in entries}
    done = cpf("resume", "--run-id", "research", "--event", "publish", "--input", '"approve"').envelope
    assert (done["result"]["status"], done["result"]["topic"]) == ("published", "journal")
    assert any(page.endswith("how-a-run-works.md") for page in done["result"]["pages"])


def test_the_research_example_runs_by_python(tmp_path: Path) -> None:
    words = [sys.executable, "examples/research.py", GIVEN["topic"], GIVEN["folder"]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    asked, ended = done.stdout.splitlines()
    assert asked.startswith("Publish this? journal: ")
    assert ended.startswith("published ")
