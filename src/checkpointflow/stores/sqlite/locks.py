"""File locks, private files and the machine's name: the one place where platforms differ; no SQL here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)

if sys.platform == "win32":
    import msvcrt
    import platform

    _FAR = 1 << 30  # the locked byte lies behind the content, which Windows would make unreadable

    def lock(fd: int) -> None:
        """Wait until the file is locked for this open file alone."""
        while not try_lock(fd):
            with contextlib.suppress(OSError):  # gives up by itself after ten seconds
                os.lseek(fd, _FAR, os.SEEK_SET)
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
                return

    def try_lock(fd: int, *, shared: bool = False) -> bool:  # noqa: ARG001 - there are no shared ones here
        """Lock the file if nobody else has, and tell whether that is so."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Give the lock up."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        with contextlib.suppress(OSError):  # it was not locked, which is what was asked for
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

    def sync_directory(path: Path) -> None:
        """Do nothing: Windows makes names durable by itself."""

    def host_name() -> str:
        """Return the name of this machine."""
        return platform.node()

    def open_to_others(path: Path) -> bool:
        """Say no: what Windows lets others do is inherited from the folder above, and not told by the mode."""
        del path
        return False

else:
    import fcntl

    def lock(fd: int) -> None:
        """Wait until the file is locked for this open file alone."""
        fcntl.flock(fd, fcntl.LOCK_EX)

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """Lock the file if nobody else has (shared: if nobody has for itself alone), and tell whether that is so."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Give the lock up."""
        fcntl.flock(fd, fcntl.LOCK_UN)

    def sync_directory(path: Path) -> None:
        """Make the names in a directory survive a power loss."""
        fd = os.open(path, os.O_RDONLY | _CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def host_name() -> str:
        """Return the name of this machine."""
        return os.uname().nodename

    def open_to_others(path: Path) -> bool:
        """Tell whether others than the owner may do anything with a file or folder; False if it is not there."""
        try:
            return bool(path.stat().st_mode & 0o077)
        except OSError:
            return False


def open_private(path: Path, *, new: bool = False) -> int:
    """Return a descriptor of a file that only its owner can use, made if missing; it is not inherited by exec.

    Raises:
        OSError: it cannot be opened; FileExistsError if it was to be `new` and is there.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_EXCL if new else 0) | _CLOEXEC, FILE_MODE)
    try:
        if sys.platform != "win32" and os.fstat(fd).st_mode & 0o777 != FILE_MODE:  # whatever the umask took away
            os.fchmod(fd, FILE_MODE)
    except OSError:
        os.close(fd)
        raise
    return fd


def make_private_directories(path: Path, *, durable: bool) -> None:
    """Make a directory and its missing parents, all for their owner only; `durable` ones survive a power loss.

    Raises:
        OSError: one cannot be made.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_private_directories(path.parent, durable=durable)
    try:
        path.mkdir(DIRECTORY_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    path.chmod(DIRECTORY_MODE)
    if durable:
        sync_directory(path.parent)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file, waiting for it.

    Raises:
        OSError: the file cannot be opened.
    """
    fd = open_private(path)
    try:
        lock(fd)
        yield
    finally:
        os.close(fd)


def is_read_only(path: Path) -> bool:
    """Tell whether a folder lies on a file system that nobody may write to; False where that cannot be told."""
    try:
        flags = os.statvfs(path).f_flag
    except (AttributeError, OSError):
        return False
    return bool(flags & os.ST_RDONLY)


def may_be_written(path: Path) -> bool:
    """Tell whether this process may make files in a folder."""
    return os.access(path, os.W_OK | os.X_OK)
