"""The store in a folder's `runs.db`: how it is opened, and how it gives space back; its rows are not its own."""

from __future__ import annotations

from pathlib import Path

from checkpointflow.clock import Clock
from checkpointflow.stores.sqlite import locks
from checkpointflow.stores.sqlite.database import Database
from checkpointflow.stores.sqlite.holders import Holders
from checkpointflow.stores.sqlite.opening import Opening
from checkpointflow.stores.tables import TableStore

_WORTH_PACKING = 8
"""A store of which more than one in so many bytes holds nothing is written anew."""


class SqliteStore(TableStore):
    """A Store for all processes of one machine, in a folder that is made if it is missing.

    `notices` has a sentence about everything that opening it did unasked. Safe for threads.

    Raises:
        PersistenceError: the store cannot be opened.
    """

    def __init__(self, base: Path, *, clock: Clock, durability: str = "power") -> None:
        durable = durability == "power"
        self.base = base.absolute()
        self._opening = Opening(self.base, durable=durable)
        self._database = Database(self._opening, Holders(self.base, clock, durable=durable))
        super().__init__(self._database, host=locks.host_name())
        with self._database.reading():
            pass

    @property
    def notices(self) -> list[str]:
        """The sentences about what opening the store did unasked."""
        return self._opening.notices

    def size_bytes(self) -> int:
        """Return how many bytes the store takes."""
        return self._database.size()[0]

    def _packed(self) -> tuple[int, int]:
        size, free = self._database.size()
        if free * _WORTH_PACKING > size:
            self._database.pack()
        after, _ = self._database.size()
        return after, size - after
