"""Driving runs in this process: taking their hold, opening their workflows, following those who drive elsewhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from checkpointflow.client.place import FOLLOW_SECONDS, Place
from checkpointflow.errors import PersistenceError, RunHeldError, RunSettledError
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.run import Run, Workflow
from checkpointflow.kernel.store import Hold
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition
    from checkpointflow.kernel.effects import Executor


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Drives runs, and lets go of them when they park or settle."""

    place: Place
    interrupt: Interrupt
    observer: Observer
    inline_wait_seconds: float

    def drive(self, run_id: RunId, hold: Hold | None = None, definition: Definition | None = None) -> list[str]:
        """Drive a run, or follow whoever does, until it parks, settles or is paused; return what deserves a word.

        `definition` is its code, if that is at hand.

        Raises:
            PersistenceError, NondeterminismError, UnsupportedError: it stays as its last commit left it.
        """
        with self.place.news() as rest:
            while not self.place.store.head(run_id).is_settled:
                hold = hold or self.acquired(run_id)
                if hold is not None:
                    return self.go_on(hold, definition)
                if self.interrupt.is_asked:
                    break
                rest(FOLLOW_SECONDS)
        return []

    def go_on(self, hold: Hold, definition: Definition | None = None) -> list[str]:
        """Open the workflow of a run that this process holds, drive it, and return what deserves a word."""
        return self.drive_held(self.opened(hold, definition), hold)

    def drive_held(self, workflow: Workflow, hold: Hold) -> list[str]:
        """Drive a run that this process holds, and return what deserves a word."""
        self.place.driven.add(hold.run_id)
        try:
            return drive(workflow, hold, self.surroundings()).warnings
        except BaseException:
            self.place.left[hold.run_id] = hold
            raise
        finally:
            self.place.driven.discard(hold.run_id)

    def acquired(self, run_id: RunId) -> Hold | None:
        """Return the hold of a run, None if another process drives it."""
        try:
            return self.acquire(run_id)
        except RunHeldError:
            return None

    def acquire(self, run_id: RunId) -> Hold:
        """Return the hold of a run; one that this process has left behind is given up first.

        Raises:
            RunHeldError: another process, or another drive of this one, has it.
        """
        place = self.place
        left = place.left.get(run_id)
        if left is not None:
            place.store.release(left)
            place.left.pop(run_id, None)
        return place.store.acquire(run_id, place.own(), at=place.clock.now())

    def opened(self, hold: Hold, definition: Definition | None = None) -> Workflow:
        """Return the workflow of a run that this process holds; the hold is given up if it cannot be opened here."""
        try:
            return (definition or self.place.definition(self.place.store.head(hold.run_id))).workflow()
        except BaseException:
            self.let_go(hold)
            raise

    def let_go(self, hold: Hold) -> bool:
        """Give a hold up that may still be ours; False if it cannot be given up now.

        What came in meanwhile is taken up by whoever drives the run next.
        """
        try:
            self.place.store.release(hold)
        except PersistenceError:
            self.place.left[hold.run_id] = hold
            return False
        return True

    def surroundings(self) -> Surroundings:
        """Return what a drive needs beside its run."""
        from checkpointflow.schemas import is_valid

        return Surroundings(
            store=self.place.store,
            executor=self._executor(),
            clock=self.place.clock,
            fits=lambda schema, payload: schema is None or is_valid(payload, cast("JsonObject | bool", schema)),
            inline_wait_seconds=self.inline_wait_seconds,
            observer=self.observer,
            interrupt=self.interrupt,
            actor=self.place.settings.actor,
        )

    def _executor(self) -> Executor:
        from checkpointflow.client.outputs import keeping
        from checkpointflow.kernel.threads import ThreadExecutor
        from checkpointflow.steps import make_perform
        from checkpointflow.steps.base import StepSettings
        from checkpointflow.steps.orphans import end_orphans

        settings = StepSettings(
            runs_dir=self.place.runs_dir,
            sync=self.place.settings.durability == "power",
            environment=self.place.settings.environment,
        )
        perform = keeping(make_perform(settings), self.place)
        return ThreadExecutor(perform, partial(end_orphans, home=settings.home))


class Undriven:
    """Stands for a workflow whose code is not needed: that of a run which is only cancelled."""

    async def drive(self, run: Run) -> JsonObject:
        """Refuse to decide anything."""
        raise RunSettledError(f"run `{run.info.run_id}` has settled meanwhile")
