"""Commands that a dead holder has left running: found by environment or descent and ended, never by a remembered id."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.steps.processes import GRACE_SECONDS, await_gone, running, signal_group

_PROC = Path("/proc")
_AFTER_KILL_SECONDS = 2.0


def end_orphans(
    run_id: RunId, attempts: Mapping[StepKey, int], *, home: str, grace_seconds: float = GRACE_SECONDS
) -> None:
    """End what these attempts of a run have left running, with all that descends from it, and return when it has gone.

    `home` is the state folder: the same ids in another one are somebody else's. Whole process groups get SIGTERM, and
    SIGKILL after the grace; never one that holds this process or one that it descends from. Does nothing where there
    is no /proc. What has another environment and no living ancestor that bears the attempt's is not found.
    """
    marks = [_marks(home, run_id, key, attempt) for key, attempt in attempts.items()]
    groups = _groups_with(marks)
    for group in groups:
        signal_group(group, force=False)
    stubborn = [group for group in groups if not await_gone(group, grace_seconds)]
    for group in stubborn:
        signal_group(group, force=True)
        await_gone(group, _AFTER_KILL_SECONDS)


def _marks(home: str, run_id: RunId, key: StepKey, attempt: int) -> frozenset[bytes]:
    variables = {
        "CPF_HOME": os.path.realpath(home),
        "CPF_RUN_ID": run_id,
        "CPF_STEP_KEY": key,
        "CPF_ATTEMPT": str(attempt),
    }
    return frozenset(os.fsencode(f"{name}={value}") for name, value in variables.items())


def _groups_with(marks: list[frozenset[bytes]]) -> list[int]:
    """Return the groups of those whose environment bears all marks of an attempt, and of their line, save our own.

    The table is that of before anything is ended: then what is left would be nobody's child any more.
    """
    seen = list(running())
    parents = {pid: parent for pid, parent, _ in seen}
    groups = {pid: group for pid, _, group in seen}
    spared = {groups.get(pid, 0) for pid in _line(os.getpid(), parents)} | {0, 1}
    marked = {pid for pid, group in groups.items() if group not in spared and _bears(pid, marks)}
    found = {group for pid, group in groups.items() if not marked.isdisjoint(_line(pid, parents))}
    return sorted(found - spared)


def _line(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """A process, its parent, and so on."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)


def _bears(pid: int, marks: list[frozenset[bytes]]) -> bool:
    try:
        variables = frozenset((_PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:
        return False
    return any(mark <= variables for mark in marks)
