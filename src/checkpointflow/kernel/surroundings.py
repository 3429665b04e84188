"""What a drive needs beside its run, and how a door asks it to end; nothing is driven here."""

from __future__ import annotations

from collections.abc import Callable

from checkpointflow.clock import Clock
from checkpointflow.kernel import ids
from checkpointflow.kernel.effects import Executor
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.store import Fits, Store
from checkpointflow.records import dataclass, field


class Interrupt:
    """How a door asks a drive to end before its time; may be asked from a signal handler.

    A pause ends the effects and leaves the run paused. A drain (`drains`) lets the effects end for `drain_seconds`,
    then ends them (at once when it `is_urgent`), and leaves the run to whoever drives it next.
    """

    def __init__(self) -> None:
        self._wake: Callable[[], None] | None = None
        self.is_asked = False
        self.drains = False
        self.is_urgent = False
        self.drain_seconds = 0.0
        self.actor: str | None = None

    def ask(self, actor: str | None = None) -> None:
        """Have the drive pause the run."""
        self.actor = actor
        self._ask()

    def drain(self, seconds: float) -> None:
        """Have the drive leave the run, after so many seconds at most for what it has begun; 0 to leave at once."""
        self.drains = True
        self.drain_seconds = seconds
        self.is_urgent = seconds <= 0
        self._ask()

    def connect(self, wake: Callable[[], None]) -> None:
        """Tell what wakes the drive."""
        self._wake = wake

    def _ask(self) -> None:
        self.is_asked = True
        if self._wake is not None:
            self._wake()


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a drive needs beside its run: the world, as arguments.

    `inline_wait_seconds`: sleeps and backoffs up to this long are waited for in the process, longer ones park. A drive
    that `stays` keeps the hold of a run that parks, and goes on with it once something has come.
    """

    store: Store
    executor: Executor
    clock: Clock
    fits: Fits
    inline_wait_seconds: float = 60.0
    observer: Observer = lambda _entries, _position: None
    interrupt: Interrupt = field(default_factory=Interrupt)
    actor: str | None = None
    stays: bool = False
    chance: Callable[[], float] = ids.random_number
    mint_uuid: Callable[[], str] = ids.random_uuid
