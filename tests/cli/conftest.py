from __future__ import annotations

from pathlib import Path

import pytest

from cli.program import Program


@pytest.fixture
def cpf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program in fresh folders; this process stands in them too, for commands that run in it."""
    program = Program(home=tmp_path / "home", cwd=tmp_path / "here")
    program.cwd.mkdir()
    for name, value in program.environment.items():
        if name.startswith("CPF_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("CHECKPOINTFLOW_BASE_DIR", raising=False)
    monkeypatch.chdir(program.cwd)
    return program
