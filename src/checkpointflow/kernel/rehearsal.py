"""A pass over a journal that performs and writes nothing: what a workflow would use of it, and ask for then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from checkpointflow.clock import Clock
from checkpointflow.errors import NondeterminismError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.asks import WaitAsk
from checkpointflow.kernel.ids import HolderId, RunId, StepKey
from checkpointflow.kernel.journal import Journal
from checkpointflow.kernel.passes import Pass, time_for
from checkpointflow.kernel.run import Workflow
from checkpointflow.kernel.state import StepRecord, TimerRecord, ValueRecord, WaitRecord, fold
from checkpointflow.kernel.store import Hold, Store
from checkpointflow.records import dataclass
from checkpointflow.values import fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """What a workflow would do with a journal.

    `used` are the recorded steps, waits and sleeps that it asks for, `fresh` those that it asks for and that are not
    recorded, `unused` those that it does not ask for as far as this can be seen: up to what is fresh or not over.
    `changed` are those that it asks for otherwise than they were recorded; `reworded` the open waits among those used
    for which it asks in other words, or for another event, than they were opened with. `error` is how it would fail.
    """

    used: tuple[StepKey, ...]
    fresh: tuple[StepKey, ...]
    unused: tuple[StepKey, ...]
    changed: tuple[NondeterminismError, ...]
    reworded: tuple[StepKey, ...]
    is_settled: bool
    error: BaseException | None


def rehearse(workflow: Workflow, run_id: RunId, entries: Sequence[e.AnyEntry], clock: Clock) -> Rehearsal:
    """Return what a workflow would do with a run's entries."""
    store = cast(Store, _Recorded(entries))
    hold = Hold(run_id=run_id, holder=HolderId(""), epoch=0)
    journal = Journal(store, hold, fits=None, observer=lambda _entries, _position: None)
    recorded = [key for key, one in journal.state.records.items() if not isinstance(one, ValueRecord)]
    attempt = _Attempt(workflow, run_id, journal, frozenset(), clock, ids.random_number)
    try:
        attempt.run()
    except NondeterminismError as mismatch:
        attempt.changed.append(mismatch)
    finally:
        attempt.close()
    effects = [key for key in recorded if isinstance(journal.state.records[key], StepRecord | WaitRecord | TimerRecord)]
    return Rehearsal(
        used=tuple(key for key in effects if key in attempt.used),
        fresh=tuple(key for key in attempt.asked_keys if key not in effects),
        unused=tuple(key for key in effects if key not in attempt.used),
        changed=tuple(attempt.changed),
        reworded=tuple(key for key, opened in open_waits(entries).items() if attempt.asks_otherwise(key, opened)),
        is_settled=attempt.root.is_settled,
        error=attempt.root.error if attempt.root.is_settled else None,
    )


def open_waits(entries: Iterable[e.AnyEntry]) -> dict[StepKey, e.WaitOpened]:
    """Return how the waits for events that are open were opened, by their keys."""
    found = list(entries)
    opened = {entry.wait_id: entry for entry in found if isinstance(entry, e.WaitOpened)}
    return {key: opened[wait_id] for wait_id, key in fold(found).waiting.items() if wait_id in opened}


class _Attempt(Pass):
    """A pass that goes on where a drive would refuse to: with what was recorded under another meaning."""

    def __init__(self, *arguments: object) -> None:
        self.changed: list[NondeterminismError] = []
        super().__init__(*arguments)  # type: ignore[arg-type]

    def _refuse(self, mismatch: NondeterminismError) -> None:
        self.changed.append(mismatch)

    def asks_otherwise(self, key: StepKey, opened: e.WaitOpened) -> bool:
        """Tell whether a wait is asked for in other words than it was opened with."""
        ask = self.pending(key)
        if not isinstance(ask, WaitAsk):
            return False
        seconds = None if opened.deadline_at is None else opened.deadline_at - opened.at
        return fingerprint(ask.request.as_json()) != fingerprint(opened.request) or time_for(ask.request) != seconds


@dataclass(frozen=True)
class _Recorded:
    """As much of a store as a journal that is only read needs."""

    recorded: Sequence[e.AnyEntry]

    def entries(self, _run_id: RunId, *, after: int, limit: int) -> Sequence[e.AnyEntry]:
        return self.recorded[after : after + limit]
