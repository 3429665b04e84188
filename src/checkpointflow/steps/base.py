"""What every step kind shares: its shape, the place's settings, the files of an attempt; no kind itself."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from checkpointflow.kernel.effects import Stop
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.records import dataclass, field
from checkpointflow.steps.masking import Hidden

GIVEN_VARIABLES: Mapping[str, str] = {
    "CPF_HOME": "The state folder, absolute: a `cpf` that a step runs finds the same runs",
    "CPF_RUN_ID": "The run's id",
    "CPF_STEP_KEY": "The step's key",
    "CPF_ATTEMPT": "The number of the attempt, from 1",
    "CPF_IDEMPOTENCY_KEY": "The same for all attempts of a step; it changes when a failed run is retried",
}
"""What every process of an attempt is told by its environment, in words."""

_UNSAFE = re.compile(rb"[^A-Za-z0-9._\[\]#/-]")
_RESERVED = re.compile(r"(?:[.-]|(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin#|conout#)(?:\.|$))", re.IGNORECASE)
_LONGEST = 140
_HASH_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """The place where steps are performed.

    `runs_dir` is the folder of all runs, inside the state folder; `sync` has output files reach the disk before a
    step returns; `environment` is what commands inherit; `grace_seconds` is how long a command that has to end may
    take before it is killed. `hidden` are the secrets of the one call that is performed, which no file may hold.
    """

    runs_dir: Path
    sync: bool
    environment: Mapping[str, str]
    grace_seconds: float = 5.0
    hidden: Hidden = field(default_factory=Hidden)

    @cached_property
    def home(self) -> str:
        """The state folder, absolute and without symbolic links: `CPF_HOME` of the commands."""
        return os.path.realpath(self.runs_dir.parent)


RunStep: TypeAlias = Callable[[StepCall, StepContext, Stop, StepSettings], StepResult]


@dataclass(frozen=True, slots=True)
class StepKind:
    """A sort of effect: its name in calls, one line on what it does, and how one attempt is performed."""

    name: str
    summary: str
    run: RunStep


def environment_of(context: StepContext, settings: StepSettings) -> dict[str, str]:
    """Return what every process of an attempt has in its environment: what is inherited, and what tells its place."""
    return {
        **settings.environment,
        "CPF_HOME": settings.home,
        "CPF_RUN_ID": context.run_id,
        "CPF_STEP_KEY": context.key,
        "CPF_ATTEMPT": str(context.attempt),
        "CPF_IDEMPOTENCY_KEY": context.idempotency_key,
    }


def output_paths(runs_dir: Path, run_id: RunId, key: StepKey, attempt: int) -> tuple[Path, Path]:
    """Return the files for what one attempt prints: (stdout, stderr).

    No two keys share a file, also where upper and lower case are one, and no key leads out of the run's folder.
    """
    name = f"{_file_name(key)}.{attempt}.txt"
    folder = runs_dir / run_id
    return folder / "stdout" / name, folder / "stderr" / name


def _file_name(key: str) -> str:
    """Return a key as one readable name: `/` as `+`, other special bytes as `%XX`.

    `~` and a hash follow where that alone is too long, or would meet another key's on a disk that ignores case.
    """
    raw = key.encode("utf-8", "surrogatepass")
    name = _UNSAFE.sub(lambda found: b"%%%02X" % found.group()[0], raw).decode("ascii").replace("/", "+")
    if _RESERVED.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) <= _LONGEST and key.lower() == key:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
    return f"{name[: _LONGEST - _HASH_DIGITS - 1]}~{digest}"
