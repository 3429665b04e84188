"""How a connection to a store's file is made, and the file itself when it is missing or old; no runs here."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from checkpointflow.records import dataclass
from checkpointflow.stores.sqlite import failures, locks

if TYPE_CHECKING:
    import apsw

APPLICATION_ID = 0x63706632
SCRIPTS = ("schema.sql", "upgrade-2.sql")
"""The n-th script leads from version n to version n + 1; a script that was released never changes."""
SCHEMA_VERSION = len(SCRIPTS)
BUSY_MILLISECONDS = 30_000
"""A safety net: writers queue at a file lock, so SQLite finds itself busy for moments only."""
_SMALLEST_DATABASE = 512
_COMPANIONS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection; `read_only` ones cannot write, and `frozen` ones may be used for one reading only."""

    connection: apsw.Connection
    read_only: bool = False
    frozen: bool = False


class Opening:
    """Opens the store's file in a folder, making or upgrading it under the folder's creation lock first.

    `notices` has a sentence about everything that was done unasked.
    """

    def __init__(self, base: Path, *, durable: bool) -> None:
        self.path = base / "runs.db"
        self.notices: list[str] = []
        self._base = base
        self._durable = durable

    def open(self) -> Opened:
        """Return a connection to an up-to-date store.

        Raises:
            apsw.Error, OSError, PersistenceError: it cannot be had.
        """
        opened = self._if_ready()
        if opened is None:
            locks.make_private_directories(self._base, durable=self._durable)
            with locks.held(self._base / "create.lock"):
                self._prepare()
            opened = self._if_ready()
        if opened is None:
            raise FileNotFoundError(errno.ENOENT, "it vanished while it was opened")
        return opened

    def _if_ready(self) -> Opened | None:
        if not self.path.exists():
            return None
        opened = self._connect()
        try:
            if _state(opened.connection, self.path) == "ready":
                return self._configured(opened)
        except BaseException:
            opened.connection.close()
            raise
        opened.connection.close()
        return None

    def _connect(self) -> Opened:
        import apsw

        connection = _connection(str(self.path), apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("application_id")
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            connection.close()
            return self._connect_frozen()
        except BaseException:
            connection.close()
            raise
        return Opened(connection, read_only=connection.readonly("main"))

    def _connect_frozen(self) -> Opened:
        """Read a file beside which SQLite can write nothing; sound only while nobody else writes it."""
        import apsw

        wal = self.path.with_name(self.path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise apsw.ReadOnlyError("a write-ahead log is there and cannot be used")
        address = self.path.absolute().as_uri() + "?immutable=1"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return Opened(_connection(address, flags), read_only=True, frozen=True)

    def _configured(self, opened: Opened) -> Opened:
        if not opened.read_only:
            opened.connection.pragma("synchronous", "FULL" if self._durable else "NORMAL")
            opened.connection.pragma("fullfsync", self._durable)
        return opened

    def _prepare(self) -> None:
        """Bring the file up to date, whatever it is; somebody else may have done so just before."""
        state = self._state_of_file()
        if state == "old":
            self._move_old_away()
            state = "missing"
        if state == "missing":
            self._build()
        elif state == "behind":
            self._upgrade()

    def _state_of_file(self) -> _State:
        if not self.path.exists():
            return "missing"
        opened = self._connect()
        try:
            return _state(opened.connection, self.path)
        finally:
            opened.connection.close()

    def _build(self) -> None:
        """Make the file under another name and move it into place, so that nobody sees half of it."""
        draft = self.path.with_name("runs.db.new")
        for path in (draft, *_companions(draft)):
            path.unlink(missing_ok=True)
        os.close(locks.open_private(draft, new=True))
        connection = _connection(str(draft), _readwrite())
        try:
            connection.pragma("synchronous", "FULL" if self._durable else "OFF")
            _run_scripts(connection, 0)
            connection.pragma("journal_mode", "WAL")  # last: a close that cannot empty a log does not say so
        finally:
            connection.close()
        for path in _companions(self.path):  # a log without its database would be taken for the new one's
            if path.exists():
                path.replace(path.with_name(path.name + ".orphan"))
        draft.replace(self.path)
        self._sync()

    def _upgrade(self) -> None:
        with locks.held(self._base / "write.lock"), contextlib.closing(self._connect().connection) as connection:
            _run_scripts(connection, connection.pragma("user_version"))

    def _move_old_away(self) -> None:
        """Rename a 1.x file, its companions first: after a crash between, the next one finds them reunited."""
        target = self._base / "runs-1.x.db"
        number = 1
        while target.exists():
            number += 1
            target = self._base / f"runs-1.x-{number}.db"
        for source, aside in zip(_companions(self.path), _companions(target), strict=True):
            if source.exists():
                source.replace(aside)
        self.path.rename(target)
        self._sync()
        self.notices.append(
            f"the store of checkpointflow 1.x was renamed to `{target}` and its runs stay with that version; "
            "new runs are kept in a new store"
        )

    def _sync(self) -> None:
        if self._durable:
            locks.sync_directory(self._base)


_State = Literal["missing", "old", "behind", "ready"]


def _state(connection: apsw.Connection, path: Path) -> _State:
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise failures.newer(path, version, SCHEMA_VERSION)
        return "ready" if version == SCHEMA_VERSION else "behind"
    if application:
        raise failures.foreign(path)
    size = path.stat().st_size
    if 0 < size < _SMALLEST_DATABASE:  # which SQLite would take for an empty one
        raise failures.corrupt(path, f"it has {size} bytes")
    return "old" if size else "missing"


def _run_scripts(connection: apsw.Connection, version: int) -> None:
    """Bring a store from a version to the present one in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for name in SCRIPTS[version:]:
        connection.execute(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")


def _connection(path: str, flags: int) -> apsw.Connection:
    import apsw

    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # else a join is prepared anew for each value
    return connection


def _readwrite() -> int:
    import apsw

    return apsw.SQLITE_OPEN_READWRITE


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _COMPANIONS]
