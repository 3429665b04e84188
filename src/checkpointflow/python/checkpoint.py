"""Checkpoints: handles on runs, given when a run is driven; the run lies in a store, or travels with its handle."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from checkpointflow.errors import RunHeldError
from checkpointflow.kernel.ids import RunId
from checkpointflow.values import JsonValue

if TYPE_CHECKING:
    from checkpointflow.python.carrying import OnCommit
    from checkpointflow.python.store import Store


class Checkpoint:
    """A handle on one run, new or begun; give it to `run`, `run_stream` or `run_sync`.

    `Checkpoint.new(store)` keeps the run in a store, `Checkpoint.new(on_commit=save)` with the program. A second drive
    of one run at the same time is refused with RunHeldError. No command reaches a run that the program keeps: a step
    in doubt of it is settled by `responses`.
    """

    def __init__(
        self, store: Store, run_id: str | None, *, is_carried: bool = False, chosen_id: str | None = None
    ) -> None:
        self.store = store
        self.is_carried = is_carried
        self.run_id = run_id
        """The run's id; None until it has begun."""
        self.chosen_id = chosen_id
        """The id that a run is to begin with; None for one of its own making."""
        self._beginning = threading.Lock()

    @classmethod
    def new(
        cls, store: Store | None = None, *, on_commit: OnCommit | None = None, run_id: str | None = None
    ) -> Checkpoint:
        """Return the handle of a run that is to begin, in a store or carried by the program.

        Without a store, `on_commit(entries, position)` is called after every commit, before anything that was intended
        begins, with the new entries as JSON and the length of the journal; what it raises ends the drive. All entries
        together are what `load` takes. It is a plain function, called in the thread of the drive. Without either, the
        run is kept in memory until it is dumped.

        `run_id` is the id that the run is to have, to know it before it begins. Where a store has a run of that id with
        the same input and definition, `run` goes on with that one, and with another it raises RunExistsError.

        Raises:
            ValueError: both were given.
            TypeError: `store` is no Store, `run_id` no text, or `on_commit` is async or cannot be called.
        """
        _refuse_no_id(run_id)
        if store is not None and on_commit is not None:
            raise ValueError("a checkpoint lies in a store or with the program; drop `store` or `on_commit`")
        if store is not None:
            _refuse_no_store(store)
            return cls(store, None, chosen_id=run_id)
        from checkpointflow.python.carrying import carried, refuse_callback, tell

        refuse_callback(on_commit)
        made = cls(carried(), None, is_carried=True, chosen_id=run_id)
        tell(made, on_commit)
        return made

    @classmethod
    def of(cls, store: Store, run_id: str) -> Checkpoint:
        """Return the handle of a run in a store.

        Raises:
            RunNotFoundError: there is none with this id.
        """
        _refuse_no_store(store)
        store.port.head(RunId(run_id))
        return cls(store, run_id)

    @classmethod
    def load(cls, data: bytes | Iterable[Mapping[str, JsonValue]], *, on_commit: OnCommit | None = None) -> Checkpoint:
        """Return the handle of a run, anywhere, from what `dump` gave or from all entries that `on_commit` got.

        It goes on from there, and tells `on_commit` of what is new.

        Raises:
            ValueError: these are no bytes of `dump`, or no entries from the first on without a gap.
            TypeError: this is neither, or `on_commit` is async or cannot be called.
        """
        from checkpointflow.python.carrying import refuse_callback, taken_up, tell

        refuse_callback(on_commit)
        store, run_id = taken_up(data)
        made = cls(store, run_id, is_carried=True)
        tell(made, on_commit)
        return made

    @property
    def position(self) -> int:
        """How many entries the run's journal has; 0 before it has begun."""
        return 0 if self.run_id is None else self.store.port.head(RunId(self.run_id)).length

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Let one call at a time begin a run under this handle.

        Raises:
            RunHeldError: another call is beginning one.
        """
        if not self._beginning.acquire(blocking=False):
            raise RunHeldError("another call is beginning a run under this checkpoint; take one for each run")
        try:
            yield
        finally:
            self._beginning.release()

    def dump(self) -> bytes:
        """Return the whole run as bytes (JSON): its definition, journal and messages that nobody took up yet.

        Raises:
            ValueError: it has not begun.
        """
        from checkpointflow.python.carrying import dumped

        return dumped(self)

    def at(self, position: int, *, on_commit: OnCommit | None = None) -> Checkpoint:
        """Return the handle of a fork: a run of its own that shares the first entries of this one.

        Steps that had begun there without an end begin again; what was asked is asked again. `on_commit` is told all of
        the fork, what it shares at once, if its run is carried by the program; that of this checkpoint is not.

        Raises:
            ValueError: the journal has no such position, the run had settled there, or `on_commit` was given for a run
                in a store.
            TypeError: `position` is no whole number, or `on_commit` is async or cannot be called.
        """
        from checkpointflow.python.carrying import carried, refuse_callback, refuse_no_position, tell
        from checkpointflow.python.forking import forked

        refuse_no_position(position)
        if self.run_id is None:
            raise ValueError("the checkpoint is new, so there is nothing to fork; run it first")
        if on_commit is not None and not self.is_carried:
            raise ValueError("the run lies in a store, and so does its fork; drop `on_commit`")
        refuse_callback(on_commit)
        fork = Checkpoint(carried() if self.is_carried else self.store, None, is_carried=self.is_carried)
        tell(fork, on_commit)
        fork.run_id = forked(self.store, self.run_id, fork.store, position)
        return fork


def _refuse_no_id(run_id: object) -> None:
    if run_id is not None and not isinstance(run_id, str):
        from checkpointflow.frontends.functions.accepting import shown

        raise TypeError(f"`run_id` is {shown(run_id)}; give it a text")


def _refuse_no_store(store: object) -> None:
    from checkpointflow.python.store import Store

    if not isinstance(store, Store):
        from checkpointflow.frontends.functions.accepting import shown

        raise TypeError(f"the store of a checkpoint is {shown(store)}; give it `Store(…)`")
