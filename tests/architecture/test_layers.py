"""Imports point down, as `pyproject.toml` says it and import-linter checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from architecture.pages import ROOT

_LINT = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
_BROKEN = """
[tool.importlinter]
root_package = "checkpointflow"

[[tool.importlinter.contracts]]
name = "The command line does without the client"
type = "forbidden"
source_modules = ["checkpointflow.cli"]
forbidden_modules = ["checkpointflow.client"]
"""


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", _LINT, "--no-cache", "--config", str(config)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_point_down() -> None:
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_an_import_that_breaks_a_contract_is_seen(tmp_path: Path) -> None:
    config = tmp_path / "pyproject.toml"
    config.write_text(_BROKEN, encoding="utf-8")
    done = lint(config)
    assert done.returncode == 1
    assert "checkpointflow.cli.door -> checkpointflow.client" in done.stdout
