"""stdout and stderr as they really are: closed, broken, full, or unable to show a character; no formatting here."""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False  # as `typing` has it, whose import would be a tenth of `cpf --version`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

_GONE = {errno.EPIPE, errno.EINVAL, errno.EBADF}
_UNWRITABLE = 60


def prepare() -> None:
    """Have both streams take any text: UTF-8, with escapes for what is no Unicode."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def put(text: str) -> int:
    """Write data to stdout; return 0, or 60 if it cannot be written. A reader that went away is no failure."""
    return _guarded(lambda out: out.write(text))


def put_bytes(chunks: Iterable[bytes]) -> int:
    """Write bytes to stdout as they are; return as `put` does."""

    def write(out: TextIO) -> None:
        out.flush()
        for chunk in chunks:
            out.buffer.write(chunk)

    return _guarded(write)


def say(text: str) -> None:
    """Write talk to stderr, if anybody is there."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody listens, and the data on stdout does not depend on it


def talks_to_terminal() -> bool:
    """Tell whether a person may be reading stderr."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:
        return False


def _guarded(write: Callable[[TextIO], object]) -> int:
    if sys.stdout is None:
        return 0
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        _abandon_stdout()
        if error.errno in _GONE:
            return 0
        say(f"stdout cannot be written: {error.strerror or error}\n")
        return _UNWRITABLE
    return 0


def _abandon_stdout() -> None:
    """Have what is still buffered go nowhere, so that the interpreter does not stumble over it when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        return  # no file behind it, so nothing is written at the end either
