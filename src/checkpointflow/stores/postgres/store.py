"""The store in a PostgreSQL database: pools, the news of a commit, and what a lost connection means for a drive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import Commit, Fits, Hold, Message
from checkpointflow.stores import refusals
from checkpointflow.stores.postgres.address import Address
from checkpointflow.stores.postgres.advancing import advance
from checkpointflow.stores.postgres.database import Database
from checkpointflow.stores.postgres.opening import SCHEMA
from checkpointflow.stores.postgres.outputs import Outputs
from checkpointflow.stores.tables import TableStore, Transaction
from checkpointflow.values import JsonObject


class PostgresStore(TableStore):
    """A Store for all processes of all machines that reach a database, whose tables are made if they are missing.

    Runs begun through it belong to `pool`: only workers of that pool find them due; with None any do. `host` is the
    name of this machine. `outputs` keeps what steps printed. Safe for threads.

    Raises:
        MissingExtraError: psycopg is not installed.
        UsageError: the URL is none.
        PersistenceError: the database cannot be opened.
    """

    _OF_POOL = "AND (holds.pool IS NULL OR holds.pool = ?)"

    def __init__(self, url: str, *, host: str, pool: str | None = None) -> None:
        self.address = Address(url)
        self.database = Database(self.address)
        self._pool = pool
        self._held: dict[RunId, Hold] = {}
        self.outputs = Outputs(self.database)
        super().__init__(self.database, host=host)
        with self.database.reading():
            pass

    @property
    def shown(self) -> str:
        """Where the store is, in words that hold no password."""
        return self.address.shown

    # -- holds, and how they are lost --------------------------------------------------------------

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
        hold = super().create(
            run_id, entries, holder=holder, definition=definition, messages=messages, over_moved=over_moved
        )
        return self._noted(run_id, hold)

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
        if not (taken or release or definition) and self.database.may_write(hold.holder):
            with self.database.alone() as transaction:
                if advance(transaction, hold, length, entries):
                    return Commit(True, ())
        return super().commit(hold, length, entries, taken=taken, release=release, fits=fits, definition=definition)

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """See Store."""
        hold = super().acquire(run_id, holder, at=at)
        self._noted(run_id, hold)
        return hold

    def release(self, hold: Hold) -> None:
        """See Store."""
        super().release(hold)
        if self._held.get(hold.run_id) == hold:
            del self._held[hold.run_id]

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """See Store; of a run whose hold was lost with the connection, say so until it is given up or taken again.

        Whoever drives a run looks here several times a second, and so ends what it had begun.

        Raises:
            JournalConflictError: this process held it, and lost the session that proved that it lives.
        """
        hold = self._held.get(run_id)
        if hold is not None and not self.database.may_write(hold.holder):
            raise refusals.hold_lost(hold, None)
        return super().pending(run_id)

    def _noted(self, run_id: RunId, hold: Hold | None) -> Hold | None:
        """Remember which hold of a run this process was given last."""
        if hold is None:
            self._held.pop(run_id, None)
        else:
            self._held[run_id] = hold
        return hold

    # -- news --------------------------------------------------------------------------------------

    def listen(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Have `tell` called, in another thread, whenever a run may need somebody; return what ends that.

        Nothing is heard before `holder` was asked for, nor between a lost connection and the next time.
        """
        return self.database.holders.listen(tell)

    # -- tables ------------------------------------------------------------------------------------

    def _first_hold(
        self, transaction: Transaction, run_id: RunId, holder: HolderId | None, at: datetime, epoch: int
    ) -> Hold | None:
        hold = super()._first_hold(transaction, run_id, holder, at, epoch)
        if self._pool is not None:
            transaction.run("UPDATE holds SET pool = ? WHERE run_id = ?", self._pool, run_id)
        return hold

    def size_bytes(self) -> int:
        """Return how many bytes the store takes."""
        sql = (
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            f" WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind = 'r'"
        )
        with self.database.reading() as transaction:
            found = transaction.row(sql)
        return cast(int, found[0]) if found else 0

    def _packed(self) -> tuple[int, int]:
        """Leave that to the server, whose autovacuum gives space back to the tables."""
        return self.size_bytes(), 0
