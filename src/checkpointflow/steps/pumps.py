"""Pipes between a command and its output files, where what it prints has to be masked on the way."""

from __future__ import annotations

import os
import sys
import threading
from io import FileIO

from checkpointflow.steps.outputs import OutputFile

_CHUNK = 64 * 1024
_LATE_SECONDS = 2.0


class Pump:
    """Writes what comes out of a pipe to a file, masked, in a thread; both are its own.

    A command gets `write_end` as its stream. All that it has printed when it ends is in the file after `finish`.
    Processes that it leaves behind are not listened to any longer: the system ends them when they go on printing.
    """

    def __init__(self, file: OutputFile) -> None:
        self._file = file
        self._read_end, self.write_end = _pipe()
        self._bell, self._ring = _pipe()
        self._left: int | None = None
        self._error: OSError | None = None
        self._is_started = False
        self._is_held = False
        self._thread = threading.Thread(target=self._run, name="masking", daemon=True)

    def start(self) -> None:
        """Begin; the command has its end by now, so ours is closed."""
        self.write_end.close()
        self._is_started = True
        self._thread.start()

    def release(self) -> None:
        """Give everything back if there was no command to begin for."""
        if not self._is_started:
            for end in (self.write_end, self._read_end, self._ring, self._bell):
                end.close()
            self._file.close()

    def finish(self, *, is_cut: bool) -> OSError | None:
        """Wait until all that the command, which has ended, has printed is in the file; return why it is not.

        When it was cut off in the middle, half of a secret is hidden too.
        """
        self._ring.close()
        self._thread.join(None if sys.platform != "win32" else _LATE_SECONDS)
        if not self._thread.is_alive():
            self._end(is_cut=is_cut)
        return self._error

    def _run(self) -> None:
        try:
            while chunk := self._next():
                self._file.write(chunk)
            self._is_held = self._left is not None and _is_held(self._read_end)
        except OSError as error:
            self._error = error
        finally:  # whoever still prints learns from the system that nobody reads
            for end in (self._read_end, self._bell):
                end.close()

    def _end(self, *, is_cut: bool) -> None:
        """Write what was held back, and close the file."""
        try:
            if self._error is None:
                self._file.finish(is_cut=is_cut or self._is_held)
        except OSError as error:
            self._error = error
        finally:
            self._file.close()

    def _next(self) -> bytes:
        """Return what was printed since, waiting for it; nothing once there is no more to come.

        When the command has ended, only what is in the pipe by then counts: those that it left behind may hold the
        other end for ever.
        """
        if self._left is None and _rang(self._read_end, self._bell):
            self._left = _waiting(self._read_end)
        if self._left is None:
            return self._read_end.read(_CHUNK)
        chunk = self._read_end.read(min(self._left, _CHUNK)) if self._left else b""
        self._left -= len(chunk)
        return chunk


def _pipe() -> tuple[FileIO, FileIO]:
    read_end, write_end = os.pipe()
    return FileIO(read_end, "rb"), FileIO(write_end, "wb")


if sys.platform == "win32":

    def _rang(read_end: FileIO, bell: FileIO) -> bool:
        """Windows cannot wait for two pipes: a pump there ends with its pipe, or is left alone after a while."""
        del read_end, bell
        return False

    def _waiting(read_end: FileIO) -> int:
        raise AssertionError(read_end)

    def _is_held(read_end: FileIO) -> bool:
        raise AssertionError(read_end)

else:
    import fcntl
    import select
    import termios

    def _rang(read_end: FileIO, bell: FileIO) -> bool:
        """Wait until one of two pipes has something to say, and tell whether the second had."""
        poll = select.poll()
        poll.register(read_end, select.POLLIN)
        poll.register(bell, select.POLLIN)
        return any(descriptor == bell.fileno() for descriptor, _ in poll.poll())

    def _waiting(read_end: FileIO) -> int:
        """Return how many bytes a pipe holds."""
        return int.from_bytes(fcntl.ioctl(read_end, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _is_held(read_end: FileIO) -> bool:
        """Tell whether anybody can still print into a pipe."""
        poll = select.poll()
        poll.register(read_end, 0)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))
