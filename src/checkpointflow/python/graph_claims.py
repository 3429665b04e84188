"""Who goes on from a checkpoint of a graph, for all processes of a folder; what checkpoints hold is not known here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from checkpointflow.kernel.ids import new_event_id
from checkpointflow.stores.sqlite.locks import held, open_private, try_lock

_OWN: dict[tuple[int, Path], str] = {}
_MAKING = threading.Lock()


def claimed(claim: Path, processes: Path, may_take_over: Callable[[], bool]) -> bool:
    """Take a claim, a file that names who has it; of several processes, and threads, one gets True.

    Each process that claims has a file in `processes`, locked for as long as it lives. The claim of a process that is
    gone is taken over where `may_take_over` says that nothing came of it. A crash in between leaves it to be taken.

    Raises:
        OSError: the folders cannot be written.
    """
    claim.parent.mkdir(parents=True, exist_ok=True)
    own = _own(processes)
    with held(claim):
        owner = claim.read_text(encoding="utf-8").strip()
        if owner and (_is_alive(processes / owner) or not may_take_over()):
            return False
        claim.write_text(own, encoding="utf-8")
    return True


def _own(processes: Path) -> str:
    """Return the name of this process's file, which is locked until the process ends."""
    place = (os.getpid(), processes.absolute())  # a forked child has one of its own
    with _MAKING:
        if place not in _OWN:
            processes.mkdir(parents=True, exist_ok=True)
            name = str(new_event_id())
            try_lock(open_private(processes / name, new=True))  # never closed: the system lets go of it
            _OWN[place] = name
        return _OWN[place]


def _is_alive(path: Path) -> bool:
    """Tell whether the process of a file lives; that of one that is gone is removed."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        is_gone = try_lock(fd, shared=True)  # shared, so that two who look do not take each other for it
    finally:
        os.close(fd)
    if is_gone:
        with suppress(OSError):  # somebody else has, or Windows has it open
            path.unlink()
    return not is_gone
