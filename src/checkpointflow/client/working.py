"""Driving whatever is due in a store: once, or until somebody asks to stop; which runs those are, the store knows."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from checkpointflow.client.driving import Driver
from checkpointflow.client.place import POLL_SECONDS
from checkpointflow.errors import (
    CheckpointflowError,
    ConcurrencyError,
    InternalError,
    PersistenceError,
    RunNotFoundError,
    said,
)
from checkpointflow.kernel.effects import error_record
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Backoff, Hold
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.records import dataclass, replace
from checkpointflow.values import JsonObject
from checkpointflow.views import RunView

if TYPE_CHECKING:
    from checkpointflow.frontends.edited import Edits

LONGEST_BACKOFF_SECONDS = 300.0
_AT_ONCE = 100
"""So many runs are listed at a time, because a store looks at all that are due to list the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Driven:
    """What became of one drive: the run afterwards; or, if it could not be driven here, why and when to try again."""

    run_id: str
    run: RunView | None
    error: JsonObject | None = None
    next_try_at: datetime | None = None


class Worker:
    """Drives the runs of a store that are interrupted or due, several at a time, each in a thread.

    Each run is decided by the code that stands in its files when its drive begins. Paused runs and steps in doubt are
    left to people. A run that cannot be driven here (a missing program, an unknown
    kind) is put off in this `pool`, longer each time, and stays as it was. `told` hears of every drive that ended, in
    the drive's thread; `troubled` of a store that cannot be used, which is tried again until it can.
    """

    def __init__(
        self,
        driver: Driver,
        view: Callable[[str], RunView],
        *,
        pool: str | None = None,
        concurrency: int = 1,
        drain_seconds: float = 20.0,
        edits: Edits | None = None,
        told: Callable[[Driven], None] = lambda _driven: None,
        troubled: Callable[[PersistenceError], None] = lambda _error: None,
    ) -> None:
        self._driver = driver
        self._view = view
        self._pool = pool or driver.place.settings.own_pool
        self._concurrency = concurrency
        self._drain_seconds = drain_seconds
        self._edits = edits
        self._told = told
        self._troubled = troubled
        self._place = driver.place
        self._active: dict[RunId, tuple[threading.Thread, Interrupt]] = {}
        self._left: set[RunId] = set()
        self._listed: deque[RunId] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # no Event: a signal handler would wait for its lock
        self._is_stopping = False

    def stop(self) -> None:
        """Take up nothing more, and let what goes on end; a second time: end it at once. For signal handlers."""
        seconds = 0.0 if self._is_stopping else self._drain_seconds
        self._is_stopping = True
        for _, interrupt in list(self._active.values()):
            interrupt.drain(seconds)
        self._wake.put(None)

    def tick(self) -> list[Driven]:
        """Drive everything that is due now, one after the other, each run once.

        Raises:
            PersistenceError: the store cannot be used.
        """
        self._enroll("tick")
        seen: set[RunId] = set()
        found: list[Driven] = []
        while not self._is_stopping:
            fresh = [run_id for run_id in self._due(_AT_ONCE + len(seen)) if run_id not in seen]
            if not fresh:
                break
            for run_id in fresh:
                if not self._is_stopping:
                    seen.add(run_id)
                    found += self._driven_here(run_id)
        return found

    def _driven_here(self, run_id: RunId) -> list[Driven]:
        interrupt = Interrupt()
        self._active[run_id] = (threading.current_thread(), interrupt)
        try:
            return list(self._drive(run_id, interrupt))
        finally:
            del self._active[run_id]

    def work(self) -> None:
        """Drive what is due until `stop` is called; then what goes on ends, or is left to whoever drives next."""
        hear_no_more = self._place.tell(lambda: self._wake.put(None))
        patience, enrolled = POLL_SECONDS, None
        while not self._is_stopping:
            try:
                if enrolled != self._place.own():  # which is another after a lost connection
                    self._enroll("worker")
                    enrolled = self._place.own()
                self._begin()
                patience = self._place.poll_seconds
            except PersistenceError as error:
                self._troubled(error)
                patience = min(patience * 2, 30.0)
            self._rest(patience)
        hear_no_more()
        for thread, _ in list(self._active.values()):
            thread.join()

    def _rest(self, seconds: float) -> None:
        """Wait so long, or until there is something new to look at."""
        with suppress(queue.Empty):
            self._wake.get(timeout=seconds)
            while True:
                self._wake.get_nowait()

    def _enroll(self, kind: Literal["worker", "tick"]) -> None:
        self._place.store.enroll(kind, self._pool, at=self._place.clock.now())

    def _due(self, limit: int) -> list[RunId]:
        now = self._place.clock.now()
        put_off = {
            one.run_id for one in self._place.store.backoffs() if one.pool == self._pool and one.next_try_at > now
        }
        mine = [run_id for run_id in self._left if run_id not in put_off]
        return [*mine, *self._place.store.drivable(now, pool=self._pool, limit=limit)]

    def _begin(self) -> None:
        """Begin a thread for each run that is due, as far as there is room."""
        if not self._listed and len(self._active) < self._concurrency:
            self._listed.extend(self._due(_AT_ONCE))
        while self._listed and len(self._active) < self._concurrency:
            run_id, interrupt = self._listed.popleft(), Interrupt()
            if run_id in self._active:
                continue
            thread = threading.Thread(target=self._work_on, args=(run_id, interrupt), name=f"run {run_id}", daemon=True)
            self._active[run_id] = (thread, interrupt)
            thread.start()
            if self._is_stopping:  # asked between our look and this
                interrupt.drain(self._drain_seconds)
                return

    def _work_on(self, run_id: RunId, interrupt: Interrupt) -> None:
        try:
            for driven in self._drive(run_id, interrupt):
                self._told(driven)
        except PersistenceError as error:
            self._troubled(error)
        finally:
            del self._active[run_id]
            self._wake.put(None)

    def _drive(self, run_id: RunId, interrupt: Interrupt) -> Iterator[Driven]:
        """Drive a run and tell what became of it; nothing if somebody else has it, or has driven it, by now."""
        driver, before = replace(self._driver, interrupt=interrupt), None
        try:
            hold = driver.acquired(run_id)
        except RunNotFoundError:
            return  # it has ended since it was listed, and was forgotten
        self._left.discard(run_id)
        if hold is None:
            return
        try:
            before = self._backoff_of(run_id)
            if not self._is_due(run_id, before):
                self._give_back(driver, hold)
                return
            with nullcontext() if self._edits is None else self._edits.opening():
                workflow = driver.opened(hold)
            driver.drive_held(workflow, hold)
        except ConcurrencyError:
            return
        except Exception as error:  # whatever it is, the other runs go on
            self._give_back(driver, hold)
            yield self._put_off(run_id, before, error if isinstance(error, CheckpointflowError) else _defect(error))
        else:
            if before is not None:
                self._place.store.forget_backoff(run_id, self._pool)
            yield Driven(run_id=run_id, run=self._view(run_id))

    def _give_back(self, driver: Driver, hold: Hold) -> None:
        if not driver.let_go(hold):
            self._left.add(hold.run_id)

    def _is_due(self, run_id: RunId, backoff: Backoff | None) -> bool:
        """Tell whether a run should still be driven: since it was listed, others may have been faster."""
        store, now = self._place.store, self._place.clock.now()
        status = store.head(run_id).status
        if status not in ("open", "waiting") or (backoff is not None and backoff.next_try_at > now):
            return False
        times = [wait.due_at for wait in store.waits(run_id)]
        return status == "open" or bool(store.pending(run_id)) or any(due and due <= now for due in times)

    def _backoff_of(self, run_id: RunId) -> Backoff | None:
        return next((one for one in self._place.store.backoffs(run_id) if one.pool == self._pool), None)

    def _put_off(self, run_id: RunId, before: Backoff | None, error: CheckpointflowError) -> Driven:
        tries = 1 if before is None else before.tries + 1
        seconds = min(2.0 ** min(tries, 20), LONGEST_BACKOFF_SECONDS)
        until = self._place.clock.now() + timedelta(seconds=seconds)
        record = error_record(error)
        self._place.store.back_off(
            Backoff(run_id=run_id, pool=self._pool, tries=tries, next_try_at=until, error=record)
        )
        return Driven(run_id=run_id, run=None, error=record, next_try_at=until)


def _defect(error: Exception) -> InternalError:
    return InternalError(said(error))
