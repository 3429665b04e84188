"""A look at a store's file that changes nothing: what it is, and whether SQLite finds it sound; no runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from checkpointflow.stores.sqlite import failures
from checkpointflow.stores.sqlite.opening import APPLICATION_ID

Sort: TypeAlias = Literal["missing", "old", "ours", "other"]

_HEADER_BYTES = 100
_APPLICATION_ID = slice(68, 72)
_MAGIC = b"SQLite format 3\0"
_SHOWN_FAULTS = 3


def sort_of(base: Path) -> Sort:
    """Return what a folder's `runs.db` is, by its first bytes: opening a `missing` or `old` one would change it.

    `old` is one of checkpointflow 1.x, `other` whatever is no store; to open that is refused with the reason.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    path = base / "runs.db"
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise failures.of_system(error, path) from error
    if not header:
        return "missing"
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        return "other"
    application = int.from_bytes(header[_APPLICATION_ID], "big")
    return "ours" if application == APPLICATION_ID else "other" if application else "old"


def left_aside(base: Path) -> list[Path]:
    """Return the stores of checkpointflow 1.x that were renamed, in order."""
    return sorted(base.glob("runs-1.x*.db"))


def faults(base: Path) -> list[str]:
    """Return what SQLite finds wrong in a folder's store, at most a few sentences; it reads the whole file.

    Raises:
        PersistenceError: the file cannot be read at all.
    """
    import apsw

    path = base / "runs.db"
    with failures.named(path, lambda: None):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            rows = connection.execute(f"PRAGMA quick_check({_SHOWN_FAULTS})").fetchall()
        finally:
            connection.close()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def versions() -> dict[str, str]:
    """Return the versions of SQLite and of the library that brings it."""
    import apsw

    return {"sqlite": apsw.sqlite_lib_version(), "apsw": apsw.apsw_version()}
