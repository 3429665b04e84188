"""What a fork does to databases: each is told before and after, so that no child uses its parent's connection."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """A database that has to be at rest while its process forks."""

    def before_fork(self) -> None:
        """Wait for the end of a transaction: a child must not go on with it."""

    def after_fork(self, *, in_child: bool) -> None:
        """Go on after a fork, in the parent or in the child."""


def watch(database: Forkable) -> None:
    """Have a database told of forks for as long as it is in use."""
    _LIVE.add(database)


_LIVE: weakref.WeakSet[Forkable] = weakref.WeakSet()
_FORKING: list[Forkable] = []
_ONE_FORK = threading.RLock()


def _before_fork() -> None:
    _ONE_FORK.acquire()
    _FORKING.extend(_LIVE)
    for database in _FORKING:
        database.before_fork()


def _after_fork(in_child: bool) -> None:
    while _FORKING:
        _FORKING.pop().after_fork(in_child=in_child)
    _ONE_FORK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(False),
        after_in_child=lambda: _after_fork(True),
    )
