"""The use cases over Temporal: those of the embedded engine, except that workers drive and doors only follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from checkpointflow.client.client import Client
from checkpointflow.client.driving import Driver
from checkpointflow.client.place import Place
from checkpointflow.client.starting import Starter
from checkpointflow.clock import Clock, SystemClock
from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import Address
from checkpointflow.engines.temporal.connection import require_temporalio
from checkpointflow.engines.temporal.looking import Found
from checkpointflow.engines.temporal.store import TemporalStore
from checkpointflow.errors import ConcurrencyError, UnsupportedError
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.store import Hold
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.records import dataclass
from checkpointflow.views import RunView

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition

PATIENCE_SECONDS = 10.0
"""How long a door waits for a worker to take a run up; more than `worker.STICKY`, after which another may."""

_SOONEST, _LATEST = 0.02, 0.2


def place_of(address: Address, settings: Settings, *, clock: Clock | None = None) -> Place:
    """Return the place of a door: the runs of the service, the files of this machine.

    Raises:
        MissingExtraError: `temporalio` is not installed.
    """
    require_temporalio()
    clock = clock or SystemClock()
    store = TemporalStore(address, settings, clock=clock)
    return Place(settings=settings, store=store, clock=clock)


class TemporalClient(Client):
    """Runs on Temporal, as `Client` has them in a store; made of the place that `place_of` returns.

    A run that no worker takes up within some seconds stands, and its view says so. To be used by one thread at a time.
    """

    capabilities = frozenset({"graph", "function"})

    def __init__(
        self,
        settings: Settings,
        *,
        place: Place,
        inline_wait_seconds: float = 60.0,
        observer: Observer | None = None,
        interrupt: Interrupt | None = None,
        on_created: Callable[[str], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(settings, place=place)
        del inline_wait_seconds
        store = place.store
        assert isinstance(store, TemporalStore)
        self._runs = store
        self._driver = Follower(
            place=place,
            interrupt=interrupt or Interrupt(),
            observer=observer or (lambda _entries, _position: None),
            inline_wait_seconds=0.0,
            runs=store,
            is_watched=observer is not None,
            warn=on_warning or (lambda _warning: None),
        )
        self._starter = Starter(
            place=place,
            observer=lambda _entries, _position: None,
            on_created=on_created or (lambda _run_id: None),
            needs_secrets=False,
        )

    def cancel(self, run_id: str, *, reason: str | None, timeout_seconds: float = 30.0) -> RunView:
        """Cancel a run and return when a worker has done so; what was asked stays asked, whoever comes to do it.

        Raises:
            RunSettledError: it has completed or failed.
            ConcurrencyError: no worker has done it in time.
        """
        try:
            return super().cancel(run_id, reason=reason, timeout_seconds=timeout_seconds)
        except ConcurrencyError:
            if self._runs.found(RunId(run_id)).idle_seconds is None:
                raise
            raise ConcurrencyError(
                f"run `{run_id}` was asked to end, and no worker is there to see to it; start one with `cpf worker`",
                run_id=RunId(run_id),
            ) from None

    def retry(self, run_id: str, *, reason: str | None = None, follow: bool = True) -> RunView:
        """Refuse: a workflow that has failed does not go on."""
        del run_id, reason, follow
        raise _impossible("going on with a failed run")

    def revise(self, run_id: str, **_options: Any) -> NoReturn:
        """Refuse: a workflow's history belongs to its definition."""
        del run_id
        raise _impossible("going on under an edited definition, or from an earlier step,")

    def rehearse(self, run_id: str, **options: Any) -> NoReturn:
        """Refuse: see `revise`."""
        self.revise(run_id, **options)

    def refuse_unless(self, run_id: str, *, failed: bool) -> None:
        """Refuse: see `revise`."""
        del failed
        self.revise(run_id)

    def fork(self, run_id: str, **_options: Any) -> NoReturn:
        """Refuse: a workflow begins at its beginning."""
        del run_id
        raise _impossible("forking a run")

    def _view(self, run_id: RunId, *, warnings: Iterable[str] = ()) -> RunView:
        with self._runs.at_one_moment(run_id):
            return super()._view(run_id, warnings=[*warnings, *self._runs.remarks(run_id)])


def _impossible(what: str) -> UnsupportedError:
    return UnsupportedError(f"{what} is not possible on Temporal; do it with the embedded engine")


@dataclass(frozen=True, kw_only=True)
class Follower(Driver):
    """Follows runs that workers drive; `is_watched` if somebody wants to be told of every entry, `warn` of troubles."""

    runs: TemporalStore
    is_watched: bool
    warn: Callable[[str], None]

    def drive(self, run_id: RunId, hold: Hold | None = None, definition: Definition | None = None) -> list[str]:
        """Follow a run until it parks or settles, no worker takes it up, or the door is asked to stop."""
        del hold, definition
        told, pause, patience, warned = 0, _SOONEST, Patience(self.place.clock), set[str]()
        while True:
            found = self.runs.found(run_id)
            told = self._tell(run_id, told)
            if _rests(found) or patience.is_over(found) or self.interrupt.is_asked:
                return []
            for warning in found.summary.warnings:
                if warning not in warned:
                    warned.add(warning)
                    self.warn(warning)
            self.place.pause.wait(pause)
            pause = min(pause * 1.5, _LATEST)

    def _tell(self, run_id: RunId, told: int) -> int:
        """Tell the observer of the entries behind a position; return the position of the last."""
        entries = self.runs.entries(run_id, after=told) if self.is_watched else []
        if entries:
            self.observer(entries, told + 1)
        return told + len(entries)


class Patience:
    """For how long a door has seen a run wait for a worker: by its own clock, from when it first looked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: datetime | None = None

    def is_over(self, found: Found) -> bool:
        """Tell whether the run has waited for too long, all the time since this was first asked."""
        if found.idle_seconds is None:
            self._since = None
            return False
        now = self._clock.now()
        self._since = self._since or now
        return (now - self._since).total_seconds() >= PATIENCE_SECONDS


def _rests(found: Found) -> bool:
    """Tell whether a run has settled, parked with everything taken up, or stumbled."""
    head = found.summary.head
    if head.is_settled or found.trouble is not None:
        return True
    return head.status == "waiting" and found.idle_seconds is None and not found.unseen and not found.is_deciding
