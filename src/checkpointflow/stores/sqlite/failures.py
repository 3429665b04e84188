"""What SQLite and the system say when something is wrong, as our errors; nothing is repaired here."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from checkpointflow.errors import PersistenceError, StoreCorrupt, StoreUnavailable, StoreVersion, said

_REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some of your disk quota",
    errno.EFBIG: "free some space on its disk, or raise the limit of file sizes",
    errno.ENOTDIR: "name a folder",
    errno.EEXIST: "name a folder",
    errno.EMFILE: "close some files, or raise the limit of open files",
}


@contextlib.contextmanager
def named(path: Path, give_up: Callable[[], None]) -> Iterator[None]:
    """Turn what goes wrong inside into a PersistenceError about the store's file, after giving up what is open.

    Raises:
        StoreUnavailable, StoreCorrupt: see there.
    """
    import apsw

    try:
        yield
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        with contextlib.suppress(apsw.Error, OSError):
            give_up()
        raise _named(error, path) from error


def _named(error: Exception, path: Path) -> PersistenceError:
    match error:
        case OSError():
            return of_system(error, path)
        case UnicodeDecodeError():
            return corrupt(path, _cause(error))
        case _:
            return of_sqlite(error, path)


def of_sqlite(error: Exception, path: Path) -> PersistenceError:
    """Return our error for one of SQLite's about a store's file."""
    import apsw

    cause = _cause(error)
    match error:
        case apsw.NotADBError() | apsw.CorruptError() | apsw.SQLError() | apsw.FormatError() | apsw.MismatchError():
            return corrupt(path, cause)
        case apsw.FullError():
            return _unavailable(path, "cannot be written because the disk is full; free some space", cause)
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return _unavailable(path, "can only be read; make it and its folder writable for you", cause)
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return _unavailable(path, "is in use by another program; end that one or try again", cause)
        case apsw.IOError():
            return _unavailable(path, "cannot be read or written; free some space and check its disk", cause)
        case _:
            return _unavailable(path, "cannot be opened; check that it and its folder are there and yours", cause)


def of_system(error: OSError, path: Path) -> StoreUnavailable:
    """Return our error for one of the system about a store's files."""
    remedy = _REMEDIES.get(error.errno or 0, "make it and its folder readable and writable for you")
    return _unavailable(path, f"cannot be used ({error.strerror or error}); {remedy}", _cause(error))


def corrupt(path: Path, cause: str) -> StoreCorrupt:
    """Return the error for a file that is damaged or no store."""
    return StoreCorrupt(
        f"the store `{path}` is damaged or no database; restore it from a copy, or move it away to begin anew",
        details={"path": str(path), "cause": cause},
    )


def foreign(path: Path) -> StoreCorrupt:
    """Return the error for a database of another program."""
    return StoreCorrupt(
        f"the database `{path}` belongs to another program; move it away or name another folder",
        details={"path": str(path)},
    )


def newer(path: Path, version: int, known: int) -> StoreVersion:
    """Return the error for a store that a newer version wrote."""
    return StoreVersion(
        f"the store `{path}` has version {version} and this checkpointflow knows {known}; upgrade checkpointflow",
        details={"path": str(path), "version": version, "known": known},
    )


def _unavailable(path: Path, fact: str, cause: str) -> StoreUnavailable:
    return StoreUnavailable(f"the store `{path}` {fact}", details={"path": str(path), "cause": cause})


def _cause(error: Exception) -> str:
    return said(error)[:200]
