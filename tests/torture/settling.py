"""After a storm: whatever the runs wait for is given to them until all have settled; those that do not are told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.client.bundles.reading import Bundle
from checkpointflow.errors import CheckpointflowError
from checkpointflow.views import RunView
from torture.evidence import ALL, RunEvidence, found_in, where_they_ended
from torture.homes import Home

UNSETTLED = ("running", "waiting", "interrupted", "paused")


def bring_home(homes: Sequence[Home], forgotten: Sequence[RunEvidence], bundle: Path) -> int:
    """Have every run go on that a crash left between two homes; return how many those were."""
    ended, _ = where_they_ended(found_in(homes, forgotten))
    lost = [run for run in ended.values() if run.head.status == "moved"]
    for run in lost:
        here, there = sorted(homes, key=lambda home: home.name != run.home)
        with Client(here.settings()) as source, Client(there.settings()) as target:
            source.export(run.head.run_id, bundle, move=True, force=True)
            with Bundle(bundle) as sound:
                target.take_over(sound)
    return len(lost)


def settle(client: Client, *, seconds: float) -> list[str]:
    """Drive every run to its end; return a sentence for each that does not come to it, or cannot be driven."""
    until = time.monotonic() + seconds
    troubles: list[str] = []
    while (left := _unsettled(client)) and time.monotonic() < until:
        for run in left:
            try:
                _move(client, run)
            except CheckpointflowError as error:
                if error.exit_code in (60, 80, 90) or error.code == "ERR_NONDETERMINISM":
                    troubles.append(f"{run.run_id}: {error.code}: {error.message}")
    return troubles + [f"{run.run_id} is {run.status}, waits: {run.waits}" for run in left]


def _unsettled(client: Client) -> list[RunView]:
    return [client.get(run.run_id) for run in client.runs(limit=ALL)[0] if run.status in UNSETTLED]


def _move(client: Client, run: RunView) -> None:
    for wait in run.waits:
        if wait.kind == "in_doubt":
            client.decide(run.run_id, wait.step_key, "again", reason="the storm is over")
            return
        if wait.kind == "external_event" and not wait.is_answered and not wait.is_overdue:
            client.resume(run.run_id, wait=wait.wait_id, payload={"n": "at last"}, has_payload=True)
            return
    client.resume(run.run_id)
