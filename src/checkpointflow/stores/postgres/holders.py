"""Which processes live: one session with a lock for each, which also hears the news; no holds and no runs here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from checkpointflow.kernel.ids import HolderId, new_holder_id
from checkpointflow.stores.postgres import opening
from checkpointflow.stores.postgres.address import Address

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

CHANNEL = "checkpointflow"
Tell = Callable[[], None]


class Holders:
    """This process's proof of life: a lock that its session has for as long as the connection lasts.

    A thread waits at that connection. It calls whoever wants to hear `news`; and once the connection is lost, the id is
    `lost`: whatever was held under it must not be written any more, since others take it to be free.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.RLock()
        self._session: _Session | None = None
        self._gone: set[HolderId] = set()
        self._tells: list[Tell] = []

    def own(self) -> HolderId:
        """Return this process's id, opening its session the first time and after a loss.

        Raises:
            psycopg.Error: the session cannot be opened.
        """
        with self._lock:
            self._notice_loss()
            if self._session is None:
                self._session = _Session(self._address, self._news)
            return self._session.holder

    def may_write(self, holder: HolderId) -> bool:
        """Tell whether holds of this id may be ours: it is no parent's, and its session was not lost."""
        with self._lock:
            self._notice_loss()
            return holder not in self._gone

    def listen(self, tell: Tell) -> Tell:
        """Have `tell` called, in another thread, whenever runs may have changed; return what ends that."""
        with self._lock:
            self._tells.append(tell)
        return lambda: self._tells.remove(tell) if tell in self._tells else None

    def release(self) -> None:
        """End the proof of life of this process, if it has one."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def disown(self) -> None:
        """Forget, in a forked child, the session that is its parent's, and that it is the parent's."""
        self._lock = threading.RLock()
        session, self._session = self._session, None
        self._tells.clear()
        if session is not None:
            self._gone.add(session.holder)
            session.disown()

    def _notice_loss(self) -> None:
        if self._session is not None and self._session.is_lost:
            self._gone.add(self._session.holder)
            self._session.close()
            self._session = None

    def _news(self) -> None:
        for tell in list(self._tells):
            tell()


class _Session:
    """A connection with a lock, and the thread that waits at it."""

    def __init__(self, address: Address, news: Tell) -> None:
        self.holder = new_holder_id()
        self.is_lost = False
        self._connection = opening.connect(address)
        self._news = news
        try:
            self._connection.execute("SELECT pg_advisory_lock(%s)", [lock_key(self.holder)])
            self._connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            self._connection.close()
            raise
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="watches the store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the session and the thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        if self._thread is not threading.current_thread():
            self._thread.join()
        if not self.is_lost:
            with contextlib.suppress(Exception):  # else the end of the session unlocks it, a moment later
                self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()
        self._wake.close()
        self._woken.close()

    def disown(self) -> None:
        """Let go, in a forked child, without a word to the server; the session is the parent's."""
        disowned(self._connection)
        self._wake.close()
        self._woken.close()

    def _watch(self) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._connection.pgconn.socket, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is self._woken for key, _ in waiting.select()):
                    return
                if not self._heard():
                    self.is_lost = True
                    self._news()
                    return

    def _heard(self) -> bool:
        """Take in what the server says; False if the connection is gone."""
        import psycopg

        line = self._connection.pgconn
        try:
            line.consume_input()
            is_news = False
            while line.notifies() is not None:
                is_news = True
        except psycopg.Error:
            return False
        if is_news:
            self._news()
        return line.status == psycopg.pq.ConnStatus.OK


_OF_PARENTS: list[Connection[TupleRow]] = []
"""Connections that a forked child must not end: they are never collected, so nothing is said to their servers."""


def disowned(connection: Connection[TupleRow]) -> None:
    """Close, in a forked child, its end of a connection of its parent."""
    _OF_PARENTS.append(connection)
    with contextlib.suppress(OSError):
        os.close(connection.pgconn.socket)


def lock_key(holder: HolderId) -> int:
    """Return the key of a holder's lock, a number of 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(holder.encode()).digest()[:8], signed=True)


def lock_halves(holder: HolderId) -> tuple[int, int]:
    """Return the two numbers under which `pg_locks` shows a holder's lock."""
    key = lock_key(holder) & 0xFFFF_FFFF_FFFF_FFFF
    return key >> 32, key & 0xFFFF_FFFF
