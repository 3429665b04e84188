"""What a store over tables needs of its database: transactions, and who lives; no statements here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeAlias

from checkpointflow.kernel.ids import HolderId, RunId

Value: TypeAlias = "str | int | None"
Row: TypeAlias = tuple[Value, ...]


class Transaction(Protocol):
    """Runs statements, with `?` for values; text of any kind goes in and comes out as it was."""

    INSTR: ClassVar[str]
    """The function that gives the place of a text (second) in another, 0 if it is not there."""

    TABLES: ClassVar[tuple[str, ...]]
    """Tables of this database alone that have rows of runs."""

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Return the rows of a statement."""

    def row(self, sql: str, *values: Value) -> Row | None:
        """Return the first row of a statement, if there is one."""

    def run(self, sql: str, *values: Value) -> None:
        """Run a statement that gives no rows; it may be sent with the next one that does, or with the commit."""

    def tell(self, run_id: RunId) -> None:
        """Tell whoever listens, once this is committed, that something is to be done about a run."""

    def lives(self, holder: HolderId) -> bool:
        """Tell whether the process with an id lives, without disturbing it."""


class Database(Protocol):
    """The connection of one process to the tables; safe for threads."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """Give the means to read; one statement sees one state of the store.

        Raises:
            PersistenceError: the store cannot be read.
        """

    def writing(self, run_id: RunId | None = None, *, sweeps: bool = False) -> AbstractContextManager[Transaction]:
        """Give a transaction that is committed at the end, and as if it had never been if anything is raised.

        Nobody else writes to the run meanwhile or, if it `sweeps`, to any: what is read inside stays so.

        Raises:
            PersistenceError: the store cannot be written.
        """

    def own(self) -> HolderId:
        """Return this process's holder id, proving from now on that it lives.

        Raises:
            PersistenceError: that cannot be proven.
        """

    def may_write(self, holder: HolderId) -> bool:
        """Tell whether holds of a holder may still be this process's: it is no parent's, and its proof was not lost."""

    def close(self) -> None:
        """Give back the connection, the locks and the proof of life; the next use begins anew."""
