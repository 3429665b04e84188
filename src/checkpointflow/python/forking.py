"""Forks by position: a run that shares the beginning of another's journal; the other stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.ids import RunId
from checkpointflow.records import replace

if TYPE_CHECKING:
    from checkpointflow.python.store import Store


def forked(store: Store, run_id: str, into: Store, position: int) -> str:
    """Begin a run that shares the first entries of another, without driving it, and return its id.

    Raises:
        ValueError: the journal has no such position, or the run had settled there.
    """
    port = store.port
    entries = port.entries(RunId(run_id))
    if not 1 <= position <= len(entries):
        raise ValueError(f"run `{run_id}` has {len(entries)} entries; a fork keeps from 1 to so many of them")
    kept = _without_open_steps(entries[:position])
    first = kept[0]
    assert isinstance(first, e.RunStarted)
    now = ids.new_run_id(first.at)
    kept[0] = replace(first, origin={"run": run_id, "position": position})
    head = port.head(RunId(run_id))
    if isinstance(entries[position - 1], e.RunCompleted | e.RunFailed | e.RunCancelled | e.RunMoved):
        raise ValueError(f"run `{run_id}` had settled at position {position}; fork it before that")
    definition = (head.definition, port.definition(head.definition))
    into.port.create(now, kept, holder=None, definition=definition)
    return now


def _without_open_steps(entries: Sequence[e.AnyEntry]) -> list[e.AnyEntry]:
    """Leave out attempts that had begun without an end: to the fork they never happened."""
    ended = {
        (entry.key, entry.attempt)
        for entry in entries
        if isinstance(entry, e.StepCompleted | e.StepFailed | e.StepInterrupted)
    }
    return [entry for entry in entries if not isinstance(entry, e.StepStarted) or (entry.key, entry.attempt) in ended]
