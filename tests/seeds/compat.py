"""The documents of 1.x with their outcomes, and how one is played by commands on any engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2].parent / "shared" / "compat"
CASES = json.loads((FOLDER / "cases.json").read_text())["cases"] if (FOLDER / "cases.json").is_file() else []


def played(case: dict, folder: Path, **environment: str) -> None:
    """Play a case in a folder of its own; what it comes to is as it is on record."""
    cwd = folder / "case"
    shutil.copytree(FOLDER, cwd, ignore=shutil.ignore_patterns("*.json", "*.md"), copy_function=shutil.copyfile)
    (cwd / "probes").mkdir()
    shutil.copyfile(FOLDER / "sub.yaml", cwd / "probes" / "sub.yaml")

    def cpf(*words: str) -> dict:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CPF_", "CHECKPOINT"))}
        own = {"CPF_HOME": str(folder / "state"), "CPF_DURABILITY": "process"}
        ended = subprocess.run(
            [sys.executable, "-m", "checkpointflow", *words],
            cwd=cwd, env=inherited | own | environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        envelope = json.loads(ended.stdout)
        assert envelope["exit_code"] == ended.returncode
        return dict(envelope)

    first = cpf("run", "-f", case["file"], "--input", json.dumps(case["input"]))
    answers = [
        cpf("resume", "--run-id", first["run_id"], "--event", name, "--input", json.dumps(payload))
        for name, payload in case.get("events", [])
    ]
    shown = [facts(expected, envelope) for expected, envelope in zip(case["expect"], [first, *answers], strict=True)]
    assert shown == case["expect"]
    assert order(cpf("inspect", "--run-id", first["run_id"])) == case["order"]
    for name, lines in case.get("files", {}).items():
        assert len((cwd / name).read_text().splitlines()) == lines


def facts(expected: dict, envelope: dict) -> dict:
    """The facts of an envelope that a case names."""
    every = {
        "exit": envelope["exit_code"],
        "code": envelope.get("error", {}).get("code"),
        "no_result": "result" not in envelope,
        **{name: envelope.get(name) for name in ("ok", "status", "result")},
        "wait": {name: envelope.get("wait", {}).get(name) for name in expected.get("wait", {})},
    }
    return {name: every[name] for name in expected}


def order(inspected: dict) -> list[str]:
    """The steps of the main list that ran, in the order in which they did."""
    return [step["step_id"] for step in inspected["result"]["step_results"] if "/" not in step["step_key"]]
