"""What must hold of a journal at every moment between two drives; nothing is driven here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, head_of
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.rewinding import key_of
from checkpointflow.kernel.state import RunState, fold
from checkpointflow.kernel.store import RunHead, Store


class Witness:
    """Reads a journal along as it grows, and knows what it adds up to."""

    def __init__(self, store: Store, run_id: RunId) -> None:
        self._store = store
        self._run_id = run_id
        self._entries: list[e.AnyEntry] = []
        self._state = RunState()
        self._head: RunHead | None = None

    def entries(self) -> list[e.AnyEntry]:
        """Return the journal as it is now."""
        fresh = self._store.entries(self._run_id, after=len(self._entries))
        self._entries += fresh
        fold(fresh, self._state)
        if self._head is None:
            self._head = head_of(self._run_id, self._entries)
        else:
            self._head = advance(self._head, fresh)
        return self._entries

    def state(self) -> RunState:
        """Return what the journal adds up to now."""
        self.entries()
        return self._state

    def check(self) -> None:
        """Check what the store says of the run against its journal, and the journal in itself."""
        entries = self.entries()
        assert self._store.head(self._run_id) == self._head, "the head is not what the journal adds up to"
        completed = Counter((key, gone) for key, gone, x in by_generation(entries) if isinstance(x, e.StepCompleted))
        assert all(count == 1 for count in completed.values()), f"a step completed twice: {completed}"
        received = Counter(entry.wait_id for entry in entries if isinstance(entry, e.EventReceived))
        assert all(count == 1 for count in received.values()), "a wait was answered twice"
        check_settlement(entries)
        waits = {wait.key for wait in self._store.waits(self._run_id)}
        assert waits == open_keys(self._state), "the table of open waits is wrong"

    def check_all(self) -> None:
        """Check as well that what was read along is still there as it was."""
        self.check()
        entries = self._store.entries(self._run_id)
        assert entries == self._entries, "the journal was not only appended to"
        assert self._head == head_of(self._run_id, entries)


def check_settlement(entries: Sequence[e.AnyEntry]) -> None:
    """Check that nothing stands behind a settlement, but for the opening again of a failed run."""
    for entry, following in pairwise(entries):
        ends = isinstance(entry, e.RunCompleted | e.RunFailed | e.RunCancelled | e.RunMoved)
        goes_on = isinstance(entry, e.RunFailed) and isinstance(following, e.RunReopened)
        assert not ends or goes_on, f"`{e.name_of(following)}` stands behind the settlement"


def by_generation(entries: Sequence[e.AnyEntry]) -> Iterator[tuple[StepKey, int, e.AnyEntry]]:
    """Yield each entry about a key with that key, and how often the key had been voided before."""
    voided: Counter[StepKey] = Counter()
    for entry in entries:
        key = key_of(entry)
        if isinstance(entry, e.RunReopened | e.DefinitionChanged):
            voided.update(StepKey(str(one)) for one in entry.voided)
        elif key is not None:
            yield key, voided[key], entry


def voids(entries: Sequence[e.AnyEntry]) -> Counter[StepKey]:
    """Return how often each key was voided."""
    changes = [entry for entry in entries if isinstance(entry, e.RunReopened | e.DefinitionChanged)]
    return Counter(StepKey(str(key)) for entry in changes for key in entry.voided)


def open_keys(state: RunState) -> set[StepKey]:
    """Return the keys that wait, derived anew from the whole journal."""
    if state.status in ("completed", "failed", "cancelled", "moved"):
        return set()
    doubtful = {
        key for key, record in state.records.items()
        if getattr(record, "in_doubt", False) or getattr(record, "retry_at", None) is not None
    }  # fmt: skip
    return set(state.waiting.values()) | doubtful
