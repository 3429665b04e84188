"""Which processes live: one locked file for each; what they hold is not known here."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from checkpointflow import clock
from checkpointflow.clock import Clock
from checkpointflow.kernel.ids import HolderId, new_holder_id
from checkpointflow.stores.sqlite import locks
from checkpointflow.values import dump


class Holders:
    """This process's proof of life, and the means to look at those of others, in a folder's `holders/`.

    A file is made and locked, and those of the dead are swept, under the folder's creation lock; so
    a file that is there and not locked is a dead process's, and a shared lock is enough to find out.
    Not safe for several threads at once: its owner takes care of that.
    """

    def __init__(self, base: Path, wall: Clock, *, durable: bool) -> None:
        self._base = base
        self._directory = base / "holders"
        self._clock = wall
        self._durable = durable
        self._own: tuple[HolderId, int] | None = None
        self._inherited: set[HolderId] = set()

    def own(self) -> HolderId:
        """Return this process's id, locking a new file for it the first time.

        Raises:
            OSError: the file cannot be made.
        """
        if self._own is None:
            locks.make_private_directories(self._directory, durable=self._durable)
            with locks.held(self._base / "create.lock"):
                self._sweep()
                self._own = self._make()
        return self._own[0]

    def is_alive(self, holder: HolderId) -> bool:
        """Tell whether the process with an id lives, without disturbing it.

        Raises:
            OSError: its file cannot be looked at.
        """
        if self._own is not None and self._own[0] == holder:
            return True
        try:
            fd = os.open(self._directory / holder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            return False
        try:
            return not locks.try_lock(fd, shared=True)
        finally:
            os.close(fd)

    def is_inherited(self, holder: HolderId) -> bool:
        """Tell whether an id is that of a process from which this one was forked."""
        return holder in self._inherited

    def release(self) -> None:
        """End the proof of life of this process, if it has one."""
        if self._own is not None:
            holder, fd = self._own
            self._own = None
            with contextlib.suppress(OSError):  # a file left behind is not locked, so it says the same
                (self._directory / holder).unlink(missing_ok=True)
            os.close(fd)

    def forget(self) -> None:
        """Let go of the locked file as it is: what becomes of a process's files when it dies."""
        if self._own is not None:
            fd = self._own[1]
            self._own = None
            os.close(fd)

    def disown(self) -> None:
        """Forget the proof of life that a forked child has from its parent, and that it is the parent's."""
        if self._own is not None:
            self._inherited.add(self._own[0])
            self.forget()

    def _make(self) -> tuple[HolderId, int]:
        holder = new_holder_id()
        path = self._directory / holder
        fd = locks.open_private(path, new=True)
        try:
            locks.lock(fd)
            since = clock.to_text(self._clock.now())
            os.write(fd, dump({"host": locks.host_name(), "pid": os.getpid(), "since": since}).encode())
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return holder, fd

    def _sweep(self) -> None:
        for path in self._directory.iterdir():
            with contextlib.suppress(OSError):  # somebody else's file, or somebody swept it first
                if not self.is_alive(HolderId(path.name)):
                    path.unlink()
