"""A store that a program keeps open: a state folder, or memory; its runs are those that `cpf` lists."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from checkpointflow.client.client import Client as Runs
from checkpointflow.client.place import Place, place_of
from checkpointflow.clock import Clock, SystemClock
from checkpointflow.config import load_settings
from checkpointflow.errors import UsageError
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.records import replace

if TYPE_CHECKING:
    from checkpointflow.kernel.store import Store as StorePort
    from checkpointflow.python.checkpoint import Checkpoint

MEMORY = "memory:"


class Store(AbstractContextManager["Store"]):
    """Runs in one state folder (`~/.checkpointflow` unless `CPF_HOME` or `CPF_STORE` say otherwise), in a PostgreSQL
    database (its URL), or in memory (`"memory:"`).

    Any number of threads may use it, and any number of processes the same folder or database. Close it, or use it in
    a `with`; runs that this process still drives become free then. What is asked of a store that was closed is refused
    with UsageError. A store in memory is gone with the object.

    Raises:
        PersistenceError: the store cannot be opened.
        UnsupportedError: a URL is none of a PostgreSQL database.
        UsageError: the surroundings are of no use, as an unknown `CPF_DURABILITY`.
    """

    def __init__(self, path: str | Path | None = None, *, clock: Clock | None = None) -> None:
        self._is_closed = False
        if path == MEMORY:
            self._place = _in_memory(clock)
        elif path is None or (isinstance(path, str) and "://" in path):
            self._place = place_of(load_settings(store=None if path is None else str(path)), clock=clock)
        else:
            self._place = place_of(load_settings(Path(str(path)).expanduser()), clock=clock)

    @classmethod
    def over(cls, port: StorePort, *, clock: Clock | None = None) -> Store:
        """Return the store of a program that brings its own implementation of PORT Store."""
        self = cls.__new__(cls)
        self._is_closed = False
        self._place = _in_memory(clock, port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back what the store holds open; whatever is asked of it later is refused."""
        self._is_closed = True
        self._place.store.close()

    @property
    def port(self) -> StorePort:
        """The PORT Store behind it.

        Raises:
            UsageError: the store was closed.
        """
        self._refuse_closed()
        return self._place.store

    def checkpoint(self, run_id: str) -> Checkpoint:
        """Return the handle of a run in this store.

        Raises:
            RunNotFoundError: there is none with this id.
        """
        from checkpointflow.python.checkpoint import Checkpoint

        return Checkpoint.of(self, run_id)

    def runs(
        self,
        *,
        observer: Observer | None = None,
        interrupt: Interrupt | None = None,
        on_created: Callable[[str], None] | None = None,
        inline_wait_seconds: float = 60.0,
    ) -> Runs:
        """Return the use cases over this store, for one drive with its own observer and interrupt.

        Raises:
            UsageError: the store was closed.
        """
        self._refuse_closed()
        return Runs(
            self._place.settings,
            place=self._place,
            observer=observer,
            interrupt=interrupt,
            on_created=on_created,
            inline_wait_seconds=inline_wait_seconds,
        )

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise UsageError("the store was closed; open another with `Store(…)`, or close it later")


def _in_memory(clock: Clock | None, port: StorePort | None = None) -> Place:
    """Return a place without a state folder: what commands print goes to a temporary one."""
    from checkpointflow.stores.memory import MemoryStore

    clock = clock or SystemClock()
    settings = replace(load_settings(), home=Path(tempfile.gettempdir()) / "checkpointflow-in-memory")
    return Place(settings=settings, store=port or MemoryStore(clock=clock), clock=clock)
