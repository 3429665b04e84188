"""What the use cases share: the settings, the store, the clock, and what this process holds and drives."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from checkpointflow.clock import Clock
from checkpointflow.config import Settings
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import HolderInfo, RunHead, Store

FOLLOW_SECONDS = 0.1
"""How often a run that another process drives is looked at."""


@dataclass(kw_only=True)
class Place:
    """Where one process works; `driven` are the runs that it drives at this moment."""

    settings: Settings
    store: Store
    clock: Clock
    driven: set[RunId] = field(default_factory=set)
    pause: threading.Event = field(default_factory=threading.Event)
    _holder: HolderId | None = None

    @property
    def runs_dir(self) -> Path:
        """The folder in which each run has one of its own, for its files."""
        return self.settings.home / "runs"

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
