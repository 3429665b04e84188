"""What the use cases share: the settings, the store, the clock, and what this process holds and drives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.clock import Clock, SystemClock
from checkpointflow.config import Settings
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import Hold, HolderInfo, RunHead, Store
from checkpointflow.records import dataclass, field
from checkpointflow.stores import open_store

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition

FOLLOW_SECONDS = 0.1
"""How often a run that another process drives is looked at."""
POLL_SECONDS = 0.1
"""How often a worker looks for what is due; an answer is taken up within twice that time."""
LISTENING_SECONDS, FOLLOWING_SECONDS = 1.0, 0.5
"""The same, and `FOLLOW_SECONDS`, where the store tells of changes: for what it cannot tell, as a death."""


@dataclass(kw_only=True)
class Place:
    """Where one process works; `driven` are the runs that it drives at this moment,
    `left` the holds that it may still have of others, since a store that fails takes none back."""

    settings: Settings
    store: Store
    clock: Clock
    driven: set[RunId] = field(default_factory=set)
    left: dict[RunId, Hold] = field(default_factory=dict)
    pause: threading.Event = field(default_factory=threading.Event)
    known: dict[str, Definition] = field(default_factory=dict)
    """Definitions of this process, by their digests: code need not be found where a run's definition says."""
    _holder: HolderId | None = None

    @property
    def runs_dir(self) -> Path:
        """The folder in which each run has one of its own, for its files."""
        return self.settings.home / "runs"

    @property
    def shown(self) -> str:
        """Where the runs are, in words that hold no password."""
        return str(getattr(self.store, "shown", self.settings.home))

    @property
    def poll_seconds(self) -> float:
        """How often to look for what is due where nobody tells, or for what nobody tells: times that have come."""
        return POLL_SECONDS if self._listen is None else LISTENING_SECONDS

    @contextmanager
    def news(self) -> Iterator[Callable[[float], None]]:
        """Give what waits so many seconds; where the store tells of changes, longer, but not beyond the next."""
        if self._listen is None:
            yield self._pause
            return
        told: queue.SimpleQueue[None] = queue.SimpleQueue()
        end = self._listen(lambda: told.put(None))
        try:
            yield lambda seconds: _next(told, max(seconds, FOLLOWING_SECONDS))
        finally:
            end()

    def _pause(self, seconds: float) -> None:
        self.pause.wait(seconds)

    def tell(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called when runs may have changed, where the store tells of that; return what ends it."""
        return (lambda: None) if self._listen is None else self._listen(wake)

    @property
    def _listen(self) -> Callable[[Callable[[], None]], Callable[[], None]] | None:
        return getattr(self.store, "listen", None)

    def definition(self, head: RunHead) -> Definition:
        """Return the definition that a run goes by: as this process knows it, else as it is stored.

        Raises:
            UnsupportedError: it cannot be opened here.
        """
        known = self.known.get(head.definition)
        if known is not None:
            return known
        from checkpointflow.frontends.opening import open_stored

        return open_stored(self.store.definition(head.definition), path=head.source_path)

    def own(self) -> HolderId:
        """Return this process's holder id, and remember it."""
        self._holder = self.store.holder()
        return self._holder

    def stand(self, run_id: RunId) -> tuple[RunHead, HolderInfo | None]:
        """Return a run's head and holder as they were at one moment; a drive that we had to abandon holds no more.

        Raises:
            RunNotFoundError: no such run.
        """
        head = self.store.head(run_id)
        while True:
            holder = self.store.holder_of(run_id)
            again = self.store.head(run_id)
            if again.length == head.length:
                is_left = holder is not None and holder.holder == self._holder and run_id not in self.driven
                return head, None if is_left else holder
            head = again


def _next(told: queue.SimpleQueue[None], seconds: float) -> None:
    """Wait until something is told, but not longer than this; what was told meanwhile is the same."""
    with suppress(queue.Empty):
        told.get(timeout=seconds)
        while True:
            told.get_nowait()


def place_of(settings: Settings, *, clock: Clock | None = None) -> Place:
    """Return the place of a process in its state folder, whose store is opened.

    Raises:
        PersistenceError: the store cannot be opened.
    """
    clock = clock or SystemClock()
    store = open_store(
        settings.store or settings.home,
        clock=clock,
        durability=settings.durability,
        host=settings.host,
        pool=settings.own_pool,
    )
    return Place(settings=settings, store=store, clock=clock)
