"""A store in memory that tells its owner of every commit before it counts; the owner keeps what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TypeAlias

from checkpointflow.clock import Clock
from checkpointflow.errors import CheckpointflowError, StoreUnavailable, said
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import Commit, Fits, Hold, Message
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.values import JsonObject

Told: TypeAlias = Callable[[RunId, Sequence[e.AnyEntry], int], object]
"""Is told the run, the entries of a commit, and the journal's length with them."""


class CarriedStore(MemoryStore):
    """A Store whose commits count once `told` has returned; what it raises undoes the commit and ends the drive."""

    def __init__(self, *, clock: Clock, told: Told | None = None) -> None:
        super().__init__(clock=clock)
        self.told = told

    def create(
        self,
        run_id: RunId,
        entries: Sequence[e.AnyEntry],
        *,
        holder: HolderId | None,
        definition: tuple[str, JsonObject] | None = None,
        messages: Sequence[Message] = (),
        over_moved: bool = False,
    ) -> Hold | None:
        """See Store."""
        with self._data.lock:
            hold = super().create(
                run_id, entries, holder=holder, definition=definition, messages=messages, over_moved=over_moved
            )
            try:
                self._tell(run_id, entries, len(entries))
            except BaseException:
                del self._data.runs[run_id]
                raise
            return hold

    def commit(
        self,
        hold: Hold,
        length: int,
        entries: Sequence[e.AnyEntry],
        *,
        taken: Sequence[int] = (),
        release: bool = False,
        fits: Fits | None = None,
        definition: tuple[str, JsonObject] | None = None,
    ) -> Commit:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(hold.run_id)
            before = None if run is None else copy(run)
            written = 0 if run is None else len(run.journal)
            found = super().commit(
                hold, length, entries, taken=taken, release=release, fits=fits, definition=definition
            )
            if found.written and entries:
                try:
                    self._tell(hold.run_id, entries, length + len(entries))
                except BaseException:
                    assert before is not None
                    del before.journal[written:]
                    self._data.runs[hold.run_id] = before
                    raise
            return found

    def _tell(self, run_id: RunId, entries: Sequence[e.AnyEntry], position: int) -> None:
        if self.told is None:
            return
        try:
            self.told(run_id, entries, position)
        except CheckpointflowError:
            raise
        except Exception as error:
            raise StoreUnavailable(
                f"`on_commit` could not keep entry {position} of run `{run_id}`: {said(error)}; "
                "the run goes on from the last commit that was kept"
            ) from error
