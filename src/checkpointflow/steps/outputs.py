"""The files of an attempt: made anew for their owner alone, written masked, synced; nothing is read here."""

from __future__ import annotations

import os
import sys
from io import FileIO
from pathlib import Path
from types import TracebackType

from checkpointflow.errors import StoreUnavailable
from checkpointflow.steps.masking import MaskedStream

_FOLDERS = 4
"""Around a file of an attempt: `stdout` or `stderr`, the run's folder, that of all runs, and the state folder."""


class OutputFile:
    """A file in which `mask` hides the secrets of what is written, however it is cut into pieces; None hides nothing.

    As a context it is finished and closed at the end.
    """

    def __init__(self, file: FileIO, mask: MaskedStream | None) -> None:
        self._file = file
        self._mask = mask

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    def write(self, data: bytes) -> None:
        """Write a piece, all but what may be the beginning of a secret.

        Raises:
            OSError: the disk does not take it.
        """
        self._put(data if self._mask is None else self._mask.feed(data))

    def finish(self, *, is_cut: bool = False) -> None:
        """Write what was held back: no more comes. Where the text was cut off, half of a secret is hidden too.

        Raises:
            OSError: the disk does not take it.
        """
        if self._mask is not None:
            self._put(self._mask.rest(is_cut=is_cut))

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _put(self, data: bytes) -> None:
        """Write all of it; a file without a buffer may take it in parts."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def new_file(path: Path) -> FileIO:
    """Make a file that only its owner may read, in folders that only their owner may enter.

    A file of an earlier attempt is removed, not emptied: a process left behind may still write to it. Appending keeps
    the rest in order when a command opens `/dev/stdout` anew and so empties it.

    Raises:
        OSError: it cannot be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    try:
        descriptor = os.open(path, flags, 0o600)
    except (FileNotFoundError, FileExistsError):
        make_folder(path.parent)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, flags, 0o600)
    return FileIO(descriptor, "wb")


def sync_output(*paths: Path) -> None:
    """Have the files that are not empty reach the disk, and their names: those of the folders around them as well.

    All folders each time: whoever made one may have died before its name reached the disk.

    Raises:
        OSError: the disk does not take it.
    """
    kept = [path for path in paths if path.stat().st_size]
    for path in kept:
        _sync(path)
    if sys.platform != "win32":
        for folder in dict.fromkeys(folder for path in kept for folder in path.parents[:_FOLDERS]):
            _sync(folder)


def unwritable(path: Path, error: OSError) -> StoreUnavailable:
    """Return the error for files of an attempt that cannot be made, read or kept."""
    reason = error.strerror or str(error)
    return StoreUnavailable(
        f"the output file `{error.filename or path}` of a step cannot be used: {reason}; "
        "make room or make its folder writable, then resume the run"
    )


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those above it that are not there.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
