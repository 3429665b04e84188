"""One measured process: its wall time, its CPU time with that of its children, and the figures that it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHILDREN = Path(__file__).with_name("children")
_DISTURBING = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "CPF_DURABILITY", "CPF_HOME")


class Failed(Exception):  # noqa: N818
    """A measured process ended otherwise than it should have."""


@dataclass(frozen=True)
class Command:
    """A process to be measured: its words, what it finds in its environment, and the exit codes that are right."""

    words: Sequence[str]
    environment: Mapping[str, str]
    exit_codes: tuple[int, ...] = (0,)


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would disturb a measurement, and with what is given."""
    return {name: value for name, value in os.environ.items() if name not in _DISTURBING} | more


def child(name: str, *words: object, python: str = sys.executable, **more: str) -> Command:
    """Return the command that runs one of the scripts in `children`."""
    return Command([python, str(CHILDREN / f"{name}.py"), *map(str, words)], environment(**more))


def measured(command: Command) -> dict[str, float]:
    """Run a command and return `wall` and `cpu` in seconds; figures that its last line gives as JSON come first.

    Raises:
        Failed: it could not be run, or its exit code is wrong.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command.words, env=command.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode not in command.exit_codes:
        said = (err or out).decode(errors="replace").strip()[-600:]
        raise Failed(f"`{' '.join(command.words)[:200]}` ended with {process.returncode}: {said}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, **_figures(out)}


def _figures(out: bytes) -> dict[str, float]:
    lines = out.splitlines()
    if not lines or not lines[-1].startswith(b"{") or not lines[-1].endswith(b"}"):
        return {}
    return {str(name): float(value) for name, value in json.loads(lines[-1]).items()}
