"""One connection to a store's file: its transactions, its writers' lock, its end before a fork; no tables here."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from checkpointflow.stores.sqlite import failures, locks
from checkpointflow.stores.sqlite.holders import Holders
from checkpointflow.stores.sqlite.opening import Opened, Opening

if TYPE_CHECKING:
    import apsw

Value: TypeAlias = "str | int | None"
Row: TypeAlias = tuple[Value, ...]


class Transaction:
    """Runs statements; text of any kind goes in and comes out as it was."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Return the rows of a statement."""
        found: list[tuple[Any, ...]] = self._connection.execute(sql, _bound(values)).fetchall()
        return [tuple(map(_text, row)) if any(type(value) is bytes for value in row) else row for row in found]

    def row(self, sql: str, *values: Value) -> Row | None:
        """Return the first row of a statement, if there is one."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def run(self, sql: str, *values: Value) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(sql, _bound(values))

    def last_id(self) -> int:
        """Return the id of the row that was inserted last."""
        return self._connection.last_insert_rowid()


class Database:
    """A connection, opened when it is needed and anew after a failure or a fork; safe for threads."""

    def __init__(self, opening: Opening, holders: Holders) -> None:
        self._opening = opening
        self._holders = holders
        self._write_lock_path = opening.path.with_name("write.lock")
        self._mutex = threading.RLock()
        self._opened: Opened | None = None
        self._write_lock: int | None = None
        _LIVE.add(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Give the means to read; one statement sees one state of the store.

        Raises:
            PersistenceError: the store cannot be read.
        """
        with self._guarded():
            opened = self._open()
            yield Transaction(opened.connection)
            if opened.frozen:  # another machine may write it before it is read again
                self._disconnect()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Give a transaction that is committed at the end, and as if it had never been if anything is raised.

        Raises:
            PersistenceError: the store cannot be written.
        """
        with self._guarded(), self._alone():
            connection = self._open().connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
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

    @contextlib.contextmanager
    def looking_at_holders(self) -> Iterator[Holders]:
        """Give the holders to one thread at a time.

        Raises:
            PersistenceError: their files cannot be used.
        """
        with self._guarded():
            yield self._holders

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
    return tuple(_bytes_if_need_be(value) if isinstance(value, str) else value for value in values)


def _bytes_if_need_be(text: str) -> str | bytes:
    """Keep text with lone surrogates, which SQLite's UTF-8 lacks, as bytes: the same text is the same bytes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _text(value: Value | bytes) -> Value:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


_LIVE: weakref.WeakSet[Database] = weakref.WeakSet()
_FORKING: list[Database] = []
_ONE_FORK = threading.RLock()


def _before_fork() -> None:
    _ONE_FORK.acquire()
    _FORKING.extend(_LIVE)
    for database in _FORKING:
        database.before_fork()


def _after_fork(in_child: bool) -> None:
    while _FORKING:
        _FORKING.pop().after_fork(in_child=in_child)
    _ONE_FORK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(False),
        after_in_child=lambda: _after_fork(True),
    )
