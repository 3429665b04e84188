"""One run's journal as its holder sees it: folded, with what is recorded but not yet committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.state import RunState, StepRecord, fold
from checkpointflow.kernel.store import Fits, Hold, Message, Store
from checkpointflow.values import JsonObject, JsonValue

_PART = 1_000
"""Entries that are read at once."""

Observer: TypeAlias = Callable[[Sequence[e.AnyEntry], int], None]
"""Called after a commit with its entries and the position of the first."""


class Journal:
    """Loads a run's entries, folds what is recorded at once, and commits it in batches at an expected length.

    `state` is ahead of the store by the buffer. `pending` are the messages that wait to be taken up, as of the last
    look at the inbox.
    """

    def __init__(self, store: Store, hold: Hold, *, fits: Fits | None, observer: Observer) -> None:
        self._store = store
        self._hold = hold
        self._fits = fits
        self._observer = observer
        self._buffer: list[e.AnyEntry] = []
        self._taken: set[int] = set()
        self.pending: tuple[Message, ...] = ()
        self.state: RunState = folded(store, hold.run_id)
        self._committed = self.state.length

    @property
    def has_buffer(self) -> bool:
        """Tell whether anything is recorded that is not committed."""
        return bool(self._buffer or self._taken)

    def record(self, entry: e.AnyEntry) -> None:
        """Fold an entry and keep it for the next commit."""
        self.state.apply(entry)
        self._buffer.append(entry)

    def arguments_of(self, record: StepRecord) -> JsonValue:
        """Return with what a step was begun first, as far as the journal has it: arguments may be too long."""
        found = self._store.entries(self._hold.run_id, after=record.begun - 1, limit=1)
        return next((entry.arguments for entry in found if isinstance(entry, e.StepStarted)), None)

    def take(self, message: Message) -> None:
        """Mark a message as taken up, together with what is recorded now."""
        self._taken.add(message.number)

    def untaken(self) -> tuple[Message, ...]:
        """Return the pending messages that were not taken up yet."""
        return tuple(message for message in self.pending if message.number not in self._taken)

    def look(self) -> None:
        """Look into the inbox."""
        self.pending = self._store.pending(self._hold.run_id)

    def commit(
        self, *, release: bool = False, definition: tuple[str, JsonObject] | None = None
    ) -> Sequence[e.AnyEntry] | None:
        """Write the buffer in one transaction and return it; None if messages stood against it.

        In that case `pending` holds them and the buffer is as it was. A `definition` is kept with it, by its hash.

        Raises:
            PersistenceError, JournalConflictError: the drive has to be abandoned.
        """
        buffer, length = self._buffer, self._committed
        commit = self._store.commit(
            self._hold,
            length,
            buffer,
            taken=sorted(self._taken),
            release=release,
            fits=self._fits,
            definition=definition,
        )
        self.pending = commit.pending
        if not commit.written:
            return None
        self._buffer = []
        self._taken = set()
        self._committed = length + len(buffer)
        if buffer:
            self._tell(buffer, length + 1)
        return buffer

    def withdraw(self) -> None:
        """Take the last recorded entry back, which could not be committed."""
        self._buffer.pop()
        self._refold()

    def keep_facts(self) -> None:
        """Drop the buffer's decisions and keep its facts, so that the decisions are taken again."""
        self._buffer = [entry for entry in self._buffer if is_fact(entry)]
        self._refold()

    def _refold(self) -> None:
        committed = folded(self._store, self._hold.run_id)
        if committed.length != self._committed:  # a commit was written and never confirmed: nothing is left to write
            self._buffer, self._taken, self._committed = [], set(), committed.length
        self.state = fold(self._buffer, committed)

    def _tell(self, entries: Sequence[e.AnyEntry], position: int) -> None:
        """Tell the observer; one that fails is told no more, because who looks on cannot break a run."""
        try:
            self._observer(entries, position)
        except Exception:
            self._observer = lambda _entries, _position: None


def folded(store: Store, run_id: RunId) -> RunState:
    """Return what a run's journal adds up to; it is read in parts, so that a long one does not fill the memory."""
    state = RunState()
    while part := store.entries(run_id, after=state.length, limit=_PART):
        fold(part, state)
        if len(part) < _PART:
            break
    return state


def is_fact(entry: e.AnyEntry) -> bool:
    """Tell whether an entry says what happened outside, which no conflict makes undone."""
    if isinstance(entry, e.StepInterrupted):
        return entry.cause != "stopped"
    return isinstance(
        entry, e.StepCompleted | e.StepFailed | e.StepDecided | e.EventReceived | e.TimerFired | e.RunResumed
    )
