"""Runs workflows in memory, and again from what was recorded: a crash is a commit after which nothing was kept."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

from checkpointflow import Checkpoint, Outcome
from checkpointflow.errors import PersistenceError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.python.given import MISSING
from checkpointflow.python.running import Runnable
from checkpointflow.values import JsonObject


class StoppedError(Exception):
    """The process is gone."""


def recorded(workflow: Runnable[Any], given: Any = MISSING) -> tuple[Outcome[Any], list[bytes]]:
    """Run a workflow, and return what a process that dies right behind each of its commits would leave."""
    kept: list[bytes] = []
    checkpoint = Checkpoint.new(on_commit=lambda _entries, _position: kept.append(checkpoint.dump()))
    outcome = workflow.run_sync({} if given is MISSING else given, checkpoint=checkpoint)
    gc.collect()  # so that a coroutine that nobody awaited complains here
    return outcome, list(kept)


def broken_before(workflow: Runnable[Any], name: str, given: Any = MISSING) -> bytes:
    """Run a workflow until the first commit with an entry of this name (and key), and return what was kept."""
    kept: list[bytes] = []

    def save(entries: list[JsonObject], _position: int) -> None:
        if any(name in (one["entry"], f"{one['entry']} {one.get('key')}") for one in entries):
            raise StoppedError
        kept.append(checkpoint.dump())

    checkpoint = Checkpoint.new(on_commit=save)
    try:
        workflow.run_sync({} if given is MISSING else given, checkpoint=checkpoint)
    except PersistenceError:
        gc.collect()
        return kept[-1]
    raise AssertionError(f"nothing like `{name}` was committed")


def gone_on(workflow: Runnable[Any], data: bytes, responses: Mapping[str, Any] | None = None) -> Outcome[Any]:
    """Go on with a run elsewhere."""
    outcome = workflow.run_sync(checkpoint=Checkpoint.load(data), responses=responses)
    gc.collect()
    return outcome


def answered(workflow: Runnable[Any], outcome: Outcome[Any], **responses: Any) -> Outcome[Any]:
    """Answer what a run waits for."""
    return workflow.run_sync(checkpoint=outcome.checkpoint, responses=responses)


def journal(outcome: Outcome[Any]) -> list[e.AnyEntry]:
    return outcome.checkpoint.store.port.entries(RunId(outcome.run_id))


def keys(outcome: Outcome[Any], name: str = "step_started") -> list[str]:
    """Return the keys of the entries of one name, in their order."""
    return [str(getattr(one, "key", "")) for one in journal(outcome) if e.name_of(one) == name]
