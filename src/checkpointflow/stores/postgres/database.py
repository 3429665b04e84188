"""One connection to the database: its transactions, their locks, its end in a forked child; no tables here."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.stores.postgres import failures, opening
from checkpointflow.stores.postgres.address import Address
from checkpointflow.stores.postgres.holders import CHANNEL, Holders, disowned, lock_halves
from checkpointflow.stores.postgres.texts import escaped, unescaped
from checkpointflow.stores.tables import forking
from checkpointflow.stores.tables.database import Row, Value

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg.rows import TupleRow

_RUNS, _SWEEPING = opening.LOCKS ^ 1, 1
_LIVING = """
SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_WRITTEN: dict[str, str] = {}


class Transaction:
    """Runs statements; those of `writing` are sent together, as soon as the rows of one are asked for."""

    INSTR: ClassVar[str] = "strpos"
    TABLES: ClassVar[tuple[str, ...]] = ("outputs", "output_chunks")

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection
        self._living: set[tuple[int, int]] | None = None

    def rows(self, sql: str, *values: Value | bytes) -> list[Row]:
        """Return the rows of a statement."""
        return _taken(self._executed(sql, values))

    def row(self, sql: str, *values: Value | bytes) -> Row | None:
        """Return the first row of a statement, if there is one."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def run(self, sql: str, *values: Value | bytes) -> None:
        """Run a statement that gives no rows."""
        self._executed(sql, values)

    def lives(self, holder: HolderId) -> bool:
        """Tell whether the process with an id lives: whether its session has its lock."""
        if self._living is None:
            self._living = {cast("tuple[int, int]", row) for row in self.rows(_LIVING)}
        return lock_halves(holder) in self._living

    def tell(self, run_id: RunId) -> None:
        """Tell all processes, once this is committed, that something is to be done about a run."""
        self.run(f"SELECT pg_notify('{CHANNEL}', ?)", run_id)

    def _executed(self, sql: str, values: Sequence[Value | bytes]) -> Cursor[TupleRow]:
        return self._connection.execute(_written(sql), _bound(values))


class Database:
    """A connection, opened when it is needed and anew after a failure or a fork; safe for threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.holders = Holders(address)
        self._mutex = threading.RLock()
        self._connection: Connection[TupleRow] | None = None
        forking.watch(self)

    def reading(self) -> contextlib.AbstractContextManager[Transaction]:
        """Give the means to read; one statement sees one state of the store.

        Raises:
            PersistenceError: the store cannot be read.
        """
        return self.alone()

    @contextlib.contextmanager
    def alone(self) -> Iterator[Transaction]:
        """Give the means to run statements each of which is a transaction of its own, under no locks but its own.

        Raises:
            PersistenceError: as for `writing`.
        """
        with self._mutex:
            connection = self._opened()
            with self._named():
                yield Transaction(connection)

    @contextlib.contextmanager
    def writing(self, run_id: RunId | None = None, *, sweeps: bool = False) -> Iterator[Transaction]:
        """Give a transaction that is committed at the end, and as if it had never been if anything is raised.

        Nobody else writes to the run meanwhile or, if it `sweeps`, to any. What it runs is sent together.

        Raises:
            PersistenceError: the store cannot be written; whether it was is not known if the connection was lost.
        """
        with self._mutex:
            connection = self._opened()
            with self._named(), _piped(connection):
                transaction = Transaction(connection)
                transaction.run("BEGIN")
                _lock(transaction, run_id, sweeps=sweeps)
                yield transaction
                transaction.run("COMMIT")

    def own(self) -> HolderId:
        """Return this process's holder id, proving from now on that it lives.

        Raises:
            PersistenceError: that cannot be proven.
        """
        with self._mutex:
            self._opened()
            with failures.named(self.address, lambda: None, connecting=True):
                return self.holders.own()

    def may_write(self, holder: HolderId) -> bool:
        """Tell whether holds of a holder may still be this process's: it is no parent's, and was not lost."""
        return self.holders.may_write(holder)

    def close(self) -> None:
        """Give back the connections and the proof of life; the next use begins anew."""
        with self._mutex, self._named():
            self._disconnect()
            self.holders.release()

    def before_fork(self) -> None:
        """Wait for the end of a transaction: a child must not go on with it."""
        self._mutex.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on after a fork; a child leaves the connections to its parent, and does not prove that it lives."""
        if in_child:
            connection, self._connection = self._connection, None
            if connection is not None:
                disowned(connection)
            self.holders.disown()
        self._mutex.release()

    def _named(self) -> contextlib.AbstractContextManager[None]:
        return failures.named(self.address, self._disconnect)

    def _opened(self) -> Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            with failures.named(self.address, self._disconnect, connecting=True):
                connection = opening.connect(self.address)
                try:
                    opening.prepare(connection, self.address)
                except BaseException:
                    connection.close()
                    raise
                self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _lock(transaction: Transaction, run_id: RunId | None, *, sweeps: bool) -> None:
    """Queue for the store and for the run, always in this order, so that nobody waits for each other."""
    shared = "" if sweeps else "_shared"
    store = f"SELECT pg_advisory_xact_lock{shared}({opening.LOCKS}, {_SWEEPING})"
    if run_id is None:
        transaction.run(store)
    else:
        number = zlib.crc32(run_id.encode("utf-8", "surrogatepass")) - 2**31
        transaction.run(f"{store}, pg_advisory_xact_lock({_RUNS}, ?)", number)


@contextlib.contextmanager
def _piped(connection: Connection[TupleRow]) -> Iterator[None]:
    """Have statements sent without waiting for each answer; what is raised inside undoes them."""
    try:
        with connection.pipeline():
            yield
    except BaseException:
        if not connection.closed and connection.info.transaction_status:
            connection.execute("ROLLBACK")
        raise


def _taken(cursor: Cursor[TupleRow]) -> list[Row]:
    return [tuple([unescaped(value) if type(value) is str else value for value in row]) for row in cursor.fetchall()]


def _written(sql: str) -> str:
    """Return a statement as psycopg wants it."""
    written = _WRITTEN.get(sql)
    if written is None:
        written = _WRITTEN[sql] = sql.replace("%", "%%").replace("?", "%s")
    return written


def _bound(values: Sequence[Value | bytes]) -> list[Any]:
    return [escaped(value) if isinstance(value, str) else value for value in values]
