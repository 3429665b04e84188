"""The program as a test uses it: in a process of its own or in this one; every envelope is validated."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.cli import main
from checkpointflow.cli.envelope import ORDER, schema_text
from checkpointflow.cli.exits import EXIT_CODES, POSSIBLE
from checkpointflow.schemas import check

SCHEMA = json.loads(schema_text())


@dataclass(frozen=True)
class Answer:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> dict:
        """The one envelope on stdout, which fits its schema."""
        return validated(json.loads(self.stdout), self.exit_code)

    @property
    def lines(self) -> list[dict]:
        """The lines of a stream, whose last is the envelope."""
        lines = [json.loads(line) for line in self.stdout.splitlines()]
        validated(lines[-1], self.exit_code)
        return lines


def validated(envelope: dict, exit_code: int) -> dict:
    assert check(envelope, SCHEMA) == []
    assert set(envelope) <= set(SCHEMA["properties"])
    assert list(envelope) == [name for name in ORDER if name in envelope]
    assert envelope["exit_code"] == exit_code
    assert exit_code in POSSIBLE.get(envelope["command"], EXIT_CODES)
    return envelope


@dataclass(frozen=True)
class Program:
    """`cpf` with a state folder of its own, in a working folder of its own."""

    home: Path
    cwd: Path

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CPF_", "CHECKPOINT"))}
        return inherited | {"CPF_HOME": str(self.home), "CPF_ACTOR": "tester", "CPF_DURABILITY": "process"}

    def start(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Begin a command in a process of its own."""
        given = {"env": self.environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([sys.executable, "-m", "checkpointflow", *words], cwd=self.cwd, **given)  # type: ignore[call-overload]

    def __call__(self, *words: str, stdin: bytes = b"") -> Answer:
        """Run a command in a process of its own."""
        process = self.start(*words, stdin=subprocess.PIPE)
        stdout, stderr = process.communicate(stdin, timeout=60)
        return Answer(process.returncode, stdout.decode(), stderr.decode())

    def here(self, *words: str) -> Answer:
        """Run a command in this process, which `at_home` has prepared."""
        stdout, stderr = io.TextIOWrapper(io.BytesIO(), newline="\n"), io.TextIOWrapper(io.BytesIO(), newline="\n")
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = stdout, stderr
        try:
            exit_code = main(words)
        finally:
            sys.stdout, sys.stderr = before
        stdout.flush()
        return Answer(exit_code, _written(stdout), _written(stderr))

    def write(self, name: str, text: str) -> str:
        """Write a file into the working folder."""
        (self.cwd / name).write_text(text, encoding="utf-8")
        return name


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
