"""One connection to a store's file: its transactions, its writers' lock, its end before a fork; no tables here."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.stores.sqlite import failures, locks
from checkpointflow.stores.sqlite.holders import Holders
from checkpointflow.stores.sqlite.opening import Opened, Opening
from checkpointflow.stores.tables import forking
from checkpointflow.stores.tables.database import Row, Value

if TYPE_CHECKING:
    import apsw


class Transaction:
    """Runs statements; text of any kind goes in and comes out as it was."""

    INSTR: ClassVar[str] = "instr"
    TABLES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, connection: apsw.Connection, holders: Holders) -> None:
        self._connection = connection
        self._holders = holders

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Return the rows of a statement."""
        found: list[tuple[Any, ...]] = self._connection.execute(sql, _bound(values)).fetchall()
        return [tuple(map(_text, row)) if bytes in map(type, row) else row for row in found]

    def row(self, sql: str, *values: Value) -> Row | None:
        """Return the first row of a statement, if there is one."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def run(self, sql: str, *values: Value) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(sql, _bound(values))

    def tell(self, run_id: RunId) -> None:
        """Do nothing: whoever waits for news looks into the file."""

    def lives(self, holder: HolderId) -> bool:
        """Tell whether the process with an id lives, without disturbing it."""
        return self._holders.is_alive(holder)


class Database:
    """A connection, opened when it is needed and anew after a failure or a fork; safe for threads."""

    def __init__(self, opening: Opening, holders: Holders) -> None:
        self._opening = opening
        self._holders = holders
        self._write_lock_path = opening.path.with_name("write.lock")
        self._mutex = threading.RLock()
        self._opened: Opened | None = None
        self._write_lock: int | None = None
        forking.watch(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Give the means to read; one statement sees one state of the store.

        Raises:
            PersistenceError: the store cannot be read.
        """
        with self._guarded():
            opened = self._open()
            yield Transaction(opened.connection, self._holders)
            if opened.frozen:  # another machine may write it before it is read again
                self._disconnect()

    @contextlib.contextmanager
    def writing(self, run_id: RunId | None = None, *, sweeps: bool = False) -> Iterator[Transaction]:  # noqa: ARG002
        """Give a transaction that is committed at the end, and as if it had never been if anything is raised.

        Nobody else writes to the store meanwhile, whatever it is about.

        Raises:
            PersistenceError: the store cannot be written.
        """
        with self._guarded(), self._alone():
            connection = self._open().connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, self._holders)
                connection.execute("COMMIT")
            except BaseException:
                self._undo(connection)
                raise

    def size(self) -> tuple[int, int]:
        """Return the bytes of the store, and how many of them hold nothing.

        Raises:
            PersistenceError: the store cannot be read.
        """
        with self._guarded():
            connection = self._open().connection
            page, pages, free = (connection.pragma(name) for name in ("page_size", "page_count", "freelist_count"))
            return page * pages, page * free

    def pack(self) -> None:
        """Give the bytes that hold nothing back to the system; others cannot write meanwhile.

        Raises:
            PersistenceError: there is no room to write it anew, or it is being read for too long; it stays as it is.
        """
        with self._guarded(), self._alone():
            connection = self._open().connection
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def own(self) -> HolderId:
        """Return this process's holder id, proving from now on that it lives.

        Raises:
            PersistenceError: its file cannot be made.
        """
        with self._guarded():
            return self._holders.own()

    def may_write(self, holder: HolderId) -> bool:
        """Tell whether holds of a holder may still be this process's: it is no parent's."""
        return not self._holders.is_inherited(holder)

    def close(self) -> None:
        """Give back the connection, the locks and the proof of life; the next use begins anew."""
        with self._guarded():
            self._disconnect()
            self._holders.release()

    def before_fork(self) -> None:
        """Stop using the file: SQLite's connections and shared lock files must not be in two processes."""
        self._mutex.acquire()
        with contextlib.suppress(Exception):
            self._disconnect()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on after a fork; a child does not prove that its parent lives."""
        if in_child:
            with contextlib.suppress(OSError):
                self._holders.disown()
        self._mutex.release()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._mutex, failures.named(self._opening.path, self._disconnect):
            yield

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self._write_lock is None:
            self._open()  # makes the folder, if need be
            self._write_lock = locks.open_private(self._write_lock_path)
        fd = self._write_lock
        try:
            locks.lock(fd)
            yield
        finally:
            if self._write_lock == fd:  # else it was closed, and is unlocked by that
                locks.unlock(fd)

    def _open(self) -> Opened:
        if self._opened is None:
            self._opened = self._opening.open()
        return self._opened

    def _undo(self, connection: apsw.Connection) -> None:
        import apsw

        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:  # the next use finds it rolled back, because it connects anew
            self._disconnect()

    def _disconnect(self) -> None:
        opened, self._opened = self._opened, None
        fd, self._write_lock = self._write_lock, None
        try:
            if opened is not None:
                opened.connection.close()
        finally:
            if fd is not None:
                os.close(fd)


def _bound(values: Sequence[Value]) -> tuple[Value | bytes, ...]:
    return tuple([
        value if not isinstance(value, str) or value.isascii() else _bytes_if_need_be(value) for value in values
    ])  # fmt: skip


def _bytes_if_need_be(text: str) -> str | bytes:
    """Keep text with lone surrogates, which SQLite's UTF-8 lacks, as bytes: the same text is the same bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _text(value: Value | bytes) -> Value:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
