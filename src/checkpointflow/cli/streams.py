"""stdout and stderr as they really are: closed, broken, full, or unable to show a character; no formatting here."""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False  # as `typing` has it
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn, TextIO

FLUSH = b""
"""Among bytes to be written: what came so far is to be seen now."""

_GONE = {errno.EPIPE, errno.EINVAL, errno.EBADF}
_UNWRITABLE = 60
_kept: list[TextIO | None] = []
"""The stdout of this process, while its code prints elsewhere."""


def prepare() -> None:
    """Have both streams take any text: UTF-8, with escapes for what is no Unicode."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


class Apart:
    """While it is entered, what code of workflows prints goes to stderr: stdout is for the answer alone.

    That goes for the processes that such code begins, too: what they inherit as stdout is our stderr.
    """

    def __enter__(self) -> None:
        """Begin; what is put from the first line on is put where it was to go."""
        self._stdout = sys.stdout
        self._answers = _second_stdout()
        _kept.append(self._answers or sys.stdout)
        if self._answers is not None:
            os.dup2(2, 1)
        sys.stdout = sys.stderr

    def __exit__(self, *_error: object) -> None:
        """End; what was kept stays open, as nothing but the end of the process follows."""
        _kept.pop()
        sys.stdout = self._answers or self._stdout


def _second_stdout() -> TextIO | None:
    """Return stdout where no other process inherits it, so that its place can point to stderr; None if it cannot be."""
    try:
        if sys.stdout.fileno() != 1 or sys.stderr.fileno() != 2:
            return None
        sys.stdout.flush()
        os.fstat(2)
        return os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError, AttributeError):
        return None  # closed, or no file at all


def put(text: str, begun: Callable[[], object] = lambda: None) -> int:
    """Write data to stdout; return 0, or 60 if it cannot be written. A reader that went away is no failure.

    `begun` is called right before the first of it is written, or nothing is to be.
    """
    return _guarded(lambda out: (begun(), out.write(text), out.flush()), begun) or 0


def put_bytes(chunks: Iterable[bytes]) -> int:
    """Write bytes to stdout as they are, so far at each `FLUSH`; return as `put` does, at once if the reader went away.

    Raises:
        OSError: the chunks themselves cannot be had.
    """
    for chunk in chunks:
        ended = _guarded(lambda out, chunk=chunk: _write_bytes(chunk, out))  # type: ignore[misc]
        if ended is not None:
            return ended
    return put("")


def _write_bytes(chunk: bytes, out: TextIO) -> None:
    out.flush()
    out.buffer.write(chunk)
    if chunk == FLUSH:
        out.buffer.flush()


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


def _guarded(write: Callable[[TextIO], object], unwritten: Callable[[], object] = lambda: None) -> int | None:
    """Write to stdout; return None if that is done, else the exit code that it leads to."""
    stdout = _kept[-1] if _kept else sys.stdout
    if stdout is None:
        unwritten()
        return 0
    try:
        write(stdout)
    except OSError as error:
        _abandon(stdout)
        if error.errno in _GONE:
            return 0
        say(f"stdout cannot be written: {error.strerror or error}\n")
        return _UNWRITABLE
    return None


def _abandon(stdout: TextIO) -> None:
    """Have what is still buffered go nowhere, so that the interpreter does not stumble over it when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        return  # no file behind it, so nothing is written at the end either


def leave_at_once(code: int) -> NoReturn:
    """End this process with an exit code, everything written, and nothing else done.

    Threads of a library may still be at work that abort a process whose interpreter ends around them.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # nobody listens any more
    os._exit(code)
