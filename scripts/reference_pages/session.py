"""Commands that are really run, in a folder of their own, and what they print, without what differs each time."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.cli import main
from checkpointflow.errors import InternalError
from checkpointflow.values import JsonObject, JsonValue
from reference_pages.markdown import fence, record, shown

ROOT = Path(__file__).resolve().parents[2]
ELIDED = "…"
_VARYING = {
    "definition",
    "digest",
    "chain",
    "bytes",
    "store_bytes",
    "files_bytes",
    "host",
    "found",
    "elapsed_seconds",
    "event_id",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    words: tuple[str, ...]
    exit_code: int
    text: str

    @property
    def envelope(self) -> JsonObject:
        """The envelope, if that is what it printed."""
        return record(json.loads(self.text))

    @property
    def line(self) -> str:
        """The command as it is said."""
        return shlex.join(["cpf", *self.words])

    def block(self, *elided: str) -> str:
        """Return the command and its envelope as blocks; the values of the elided fields are left out."""
        envelope = self.envelope
        for field in elided:
            envelope = _without(envelope, field)
        return self.command() + "\n" + fence("json", shown(envelope))

    def command(self) -> str:
        """Return the command as a block."""
        return fence("sh", f"{self.line}    # exit {self.exit_code}")


class Session:
    """A folder with documents, and a state folder of its own."""

    def __init__(self, cwd: Path, home: Path) -> None:
        self.cwd = cwd
        self._home = home

    def write(self, name: str, text: str) -> None:
        """Write a file into the folder."""
        path = self.cwd / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def say(self, *words: str) -> Answer:
        """Run a command and return its answer, which is the same whenever and wherever it is run."""
        exit_code, text = self._captured(words)
        if exit_code == InternalError.exit_code:
            raise SystemExit(f"`cpf {shlex.join(words)}` met a defect; nothing is written:\n{text}")
        try:
            return Answer(words, exit_code, json.dumps(_steady(json.loads(text)), ensure_ascii=False))
        except ValueError:
            return Answer(words, exit_code, text)

    def stream(self, *words: str) -> list[JsonObject]:
        """Run a command that prints facts line by line; return them, the envelope last."""
        return [record(_steady(json.loads(line))) for line in self._captured(words)[1].splitlines()]

    def _captured(self, words: tuple[str, ...]) -> tuple[int, str]:
        exit_code, text = _captured(words)
        return exit_code, text.replace(str(self._home), "/home/ada/.checkpointflow").replace(
            str(self.cwd), "/home/ada/site"
        )


def _captured(words: tuple[str, ...]) -> tuple[int, str]:
    before = sys.stdout, sys.stderr
    out, talk = (io.TextIOWrapper(io.BytesIO(), newline="\n") for _ in range(2))
    sys.stdout, sys.stderr = out, talk
    try:
        exit_code = main(words)
    finally:
        sys.stdout, sys.stderr = before
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return exit_code, out.buffer.getvalue().decode()


def _steady(value: JsonValue) -> JsonValue:
    """Return a value in which `…` stands for what differs from run to run."""
    if isinstance(value, str):
        return _INSTANT.sub(ELIDED, value)
    if isinstance(value, list):
        return [_steady(item) for item in value]
    if isinstance(value, dict):
        return {name: ELIDED if item and name in _VARYING else _steady(item) for name, item in value.items()}
    return value


def _without(value: JsonObject, field: str) -> JsonObject:
    """Return an object in which `…` stands for a field, which is named with a dot for each level."""
    name, _, rest = field.partition(".")
    if name not in value:
        return value
    return value | {name: _without(record(value[name]), rest) if rest else ELIDED}


@contextmanager
def session() -> Iterator[Session]:
    """Give a session in a fresh folder, which this process stands in meanwhile."""
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        cwd = base / "site"
        cwd.mkdir()
        try:
            _move(cwd, base / "home", environment)
            yield Session(cwd, base / "home")
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            shutil.rmtree(base / "home", ignore_errors=True)


def _move(cwd: Path, home: Path, environment: Mapping[str, str]) -> None:
    for name in environment:
        if re.match("CPF_|CHECKPOINTFLOW_", name):
            del os.environ[name]
    os.environ.update({"CPF_HOME": str(home), "CPF_ACTOR": "ada", "CPF_DURABILITY": "process"})
    os.chdir(cwd)
