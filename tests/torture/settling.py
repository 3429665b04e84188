"""After a storm: whatever the runs wait for is given to them until all have settled; those that do not are told."""

from __future__ import annotations

import time

from checkpointflow.client import Client
from checkpointflow.errors import CheckpointflowError
from checkpointflow.views import RunView
from torture.evidence import ALL

UNSETTLED = ("running", "waiting", "interrupted", "paused")


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
