from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.documents import GATE
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


@pytest.fixture
def there(cpf: Program, tmp_path: Path) -> Program:
    """Another place: the same working folder, another state folder."""
    return Program(home=tmp_path / "there", cwd=cpf.cwd)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """Say a command at a place, in this process, and return its envelope."""

    def say(place: Program, *words: str) -> dict:
        monkeypatch.setenv("CPF_HOME", str(place.home))
        return place.here(*words).envelope

    return say


@pytest.fixture
def gate(cpf: Program) -> Path:
    """The bundle of a run that waits and was moved."""
    cpf.here("run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    assert cpf.here("export", "--run-id", "gate-1", "--move", "-o", "gate.tar").exit_code == 0
    return cpf.cwd / "gate.tar"
