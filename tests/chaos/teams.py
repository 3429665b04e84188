"""A team: where its runs are, its workers as processes, and the doors through which runs are started and answered."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import parsed
from checkpointflow.engines.temporal.client import TemporalClient, place_of
from postgres_server import running
from temporal.service import Server

SHELL = """#!/bin/sh
printf '%s\\t%s\\t%s\\tbegin\\n' "$CPF_RUN_ID" "$CPF_STEP_KEY" "$CPF_ATTEMPT" >> {log}
sleep {seconds}
/bin/sh "$@"
code=$?
printf '%s\\t%s\\t%s\\tend\\n' "$CPF_RUN_ID" "$CPF_STEP_KEY" "$CPF_ATTEMPT" >> {log}
exit $code
"""
"""The shell of the workers: it notes what is performed, and takes its time."""


class Team:
    """Workers, each with a state folder of its own as on a machine of its own, and whoever asks and answers."""

    def __init__(self, folder: Path, *, store: str | None = None, engine: str | None = None, seconds: float) -> None:
        self.folder = folder
        self.board = folder / "board"
        self.board.mkdir()
        self.effects = folder / "effects"
        self.effects.touch()
        self._store = store
        self._engine = engine
        self._programs = self._make_shell(seconds)

    def _make_shell(self, seconds: float) -> str:
        programs = self.folder / "programs"
        programs.mkdir()
        shell = programs / "sh"
        shell.write_text(SHELL.format(log=self.effects, seconds=seconds))
        shell.chmod(shell.stat().st_mode | stat.S_IXUSR)
        return f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    def environment(self, home: str) -> dict[str, str]:
        """Return the environment of a process whose state folder has this name."""
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("CPF_")}
        place = {"CPF_STORE": self._store, "CPF_ENGINE": self._engine, "CPF_POOL": "team"}
        own = {"CPF_HOME": str(self.folder / home), "CPF_DURABILITY": "process", "PATH": self._programs}
        return inherited | own | {name: text for name, text in place.items() if text is not None}

    def worker(self, number: int) -> subprocess.Popen[str]:
        """Start one of the workers; what it says goes to a file beside its state folder."""
        words = ["worker", *([] if self._engine else ["--concurrency", "4"])]
        with (self.folder / f"worker-{number}.log").open("a") as said:
            return self._begin(words, f"worker-{number}", stdout=subprocess.DEVNULL, stderr=said)

    def cpf(self, *words: str) -> tuple[int, str]:
        """Run a command at the door to its end; return its exit code and its envelope."""
        process = self._begin(list(words), "door", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        stdout, _ = process.communicate(timeout=120)
        return process.returncode, stdout

    def _begin(self, words: list[str], home: str, *, stdout: int, stderr: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "checkpointflow", *words], cwd=self.folder, env=self.environment(home),
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True,
        )  # fmt: skip

    def client(self) -> AbstractContextManager[Client]:
        """Return a door in this process."""
        settings = Settings(
            home=self.folder / "door", cwd=str(self.folder), actor="ann", host="here", durability="process",
            environment=self.environment("door"), store=self._store, pool="team",
        )  # fmt: skip
        if self._engine is None:
            return Client(settings)
        return TemporalClient(settings, place=place_of(parsed(self._engine), settings))


@contextmanager
def on_postgres(folder: Path, seconds: float) -> Iterator[Team]:
    """Give a team at a database of a server that goes on as long as this."""
    with running(folder / "server") as server, server.database() as url:
        yield Team(folder, store=url, seconds=seconds)


@contextmanager
def on_temporal(folder: Path, seconds: float) -> Iterator[Team]:
    """Give a team at a development server that goes on as long as this."""
    server = Server(folder)
    server.start()
    try:
        yield Team(folder, engine=f"{server.url('team')}&blobs={folder / 'values'}", seconds=seconds)
    finally:
        server.kill()


TEAMS: dict[str, Callable[[Path, float], AbstractContextManager[Team]]] = {
    "postgres": on_postgres,
    "temporal": on_temporal,
}
