"""The use cases that change runs: start, drive, answer, cancel, delete; no printing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from checkpointflow.client.answering import Answering, too_late, unlike
from checkpointflow.client.changes import Changes
from checkpointflow.client.driving import Driver, Undriven
from checkpointflow.client.place import FOLLOW_SECONDS, Place
from checkpointflow.client.reading import Reader
from checkpointflow.client.revising import Reviser
from checkpointflow.client.starting import Starter
from checkpointflow.client.working import Worker
from checkpointflow.clock import Clock
from checkpointflow.config import Settings
from checkpointflow.errors import (
    ConcurrencyError,
    RunHeldError,
    RunNotFailedError,
    RunSettledError,
    StoreUnavailable,
    UsageError,
)
from checkpointflow.kernel.capabilities import EVERYTHING, Capability
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.revising import reopen
from checkpointflow.kernel.store import Hold, Message
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue
from checkpointflow.views import RunView, status_of

if TYPE_CHECKING:
    from pathlib import Path

    from checkpointflow.client.bundles.reading import Bundle
    from checkpointflow.client.moving import Imported, Mover
    from checkpointflow.client.sweeping import Collected, Retention, Settled
    from checkpointflow.frontends.definition import Definition
    from checkpointflow.frontends.document.definition import Loaded


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of an answer: the run afterwards; whether the event id was here before, the event came early, and
    whether this process drove the run."""

    run: RunView
    duplicate: bool = False
    kept: bool = False
    driven: bool = True


class Client(Reader):
    """Runs in the store of one state folder; a context manager.

    Sleeps up to `inline_wait_seconds` are waited for in the process. `observer` is told every commit of a drive in
    this process, `on_created` the id of a new run as soon as it exists, `on_warning` what hinders a run that others
    drive while it is followed; `interrupt` lets a door pause a drive. Every method may raise PersistenceError.
    """

    capabilities: ClassVar[frozenset[Capability]] = EVERYTHING

    def __init__(
        self,
        settings: Settings,
        *,
        inline_wait_seconds: float = 60.0,
        observer: Observer | None = None,
        interrupt: Interrupt | None = None,
        on_created: Callable[[str], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(settings, clock=clock, place=place)
        del on_warning  # whoever drives in the same store is not asked how it fares
        observer = observer or (lambda _entries, _position: None)
        self._driver = Driver(
            place=self._place,
            interrupt=interrupt or Interrupt(),
            observer=observer,
            inline_wait_seconds=inline_wait_seconds,
        )
        self._starter = Starter(place=self._place, observer=observer, on_created=on_created or (lambda _run_id: None))
        self._answering = Answering(place=self._place)
        self._reviser = Reviser(driver=self._driver, starter=self._starter)

    def run(
        self,
        definition: Definition,
        run_input: JsonValue,
        *,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> RunView:
        """Start a run and drive it until it parks, settles or is paused.

        With the id of a run that has the same input and definition, attach to it instead: follow it, or go on with it
        if nobody does. A crash leaves a run that `resume` goes on with.

        Raises:
            InputError: the input does not fit the workflow's schema; nothing was started.
            SecretMissingError: it needs a secret that is missing here; nothing was started.
            RunExistsError: the run id is taken by another run.
            RunPausedError: the run that has the id is paused.
            UnsupportedError: its code is not to be had here; nothing was started.
        """
        definition.workflow()  # code that is not to be had here begins no run
        run, hold = self._starter.begin(definition, run_input, run_id, labels or {}, is_held=True)
        if hold is not None:
            return self._drive(run, hold, definition)
        view = self._view(run)
        return self._drive(run, None, definition) if view.status in ("running", "interrupted", "waiting") else view

    def start(
        self,
        definition: Definition,
        run_input: JsonValue,
        *,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> RunView:
        """Start a run without driving it: until somebody does, it is interrupted.

        With the id of a run that has the same input and definition, return that run as it stands.

        Raises:
            InputError, SecretMissingError, RunExistsError: as `run`.
        """
        run, _ = self._starter.begin(definition, run_input, run_id, labels or {}, is_held=False)
        return self._view(run)

    def resume(
        self,
        run_id: str,
        *,
        event: str | None = None,
        payload: JsonValue = None,
        has_payload: bool = False,
        wait: str | None = None,
        event_id: str | None = None,
        follow: bool = True,
    ) -> Receipt:
        """Answer a wait, if an event or wait is named, and go on with the run; follow it if another process drives it.

        Raises:
            RunNotWaitingError: there is nothing to answer (any more); says who answered, if somebody did.
            EventMismatchError: the run waits for other events.
            EventPayloadError: the payload does not fit; the run is as it was.
        """
        run = RunId(run_id)
        if event is None and wait is None:
            if has_payload:
                raise UsageError("an input was given without an event; name it with `--event`")
            head = self._store.head(run)
            if head.status == "completed":
                return Receipt(run=self.get(run), driven=False)
            self._answering.refuse_settled(head)
            return Receipt(run=self._drive(run) if follow else self.get(run), driven=follow)
        if before := self._answering.before(run, event_id):
            return self._duplicate(run, before, event, payload if has_payload else {})
        answered = self._answering.wait_to_answer(run, event, wait)
        delivery = self._answering.accept(answered, payload if has_payload else {}, event_id)
        if delivery.outcome == "duplicate":
            return self._duplicate(run, delivery.message, event, payload if has_payload else {})
        if delivery.outcome == "late":
            raise too_late(answered, self._drive(run) if follow else None)
        return Receipt(run=self._drive(run) if follow else self.get(run), driven=follow)

    def advance(
        self, run_id: str, responses: Mapping[str, JsonValue] | None = None, *, definition: Definition | None = None
    ) -> RunView:
        """Answer waits of a run, by their ids, keys or unique event names, and drive it; nobody else is followed.

        A step in doubt is settled by its key or id with `{"decision": …, "output": …, "reason": …}`, as `decide` does.
        The run is held first: either every response is accepted, or none and the run is as it was. One that has
        settled is returned as it is. `definition` is its code, if that is at hand.

        Raises:
            RunHeldError: the run is being driven.
            RunNotWaitingError, EventMismatchError, UsageError, EventPayloadError: as `resume`.
            StepNotInDoubtError: somebody has decided.
        """
        run = RunId(run_id)
        if not responses and self._store.head(run).is_settled:
            return self.get(run)
        answers = self._answering.matched(run, responses or {}, definition)
        hold = self._driver.acquire(run)
        try:
            for wait, payload in answers:
                self._answering.respond(wait, payload)
        except BaseException:
            self._driver.let_go(hold)
            raise
        return self._view(run, warnings=self._driver.go_on(hold, definition))

    def send(
        self, run_id: str, *, event: str, payload: JsonValue, wait: str | None = None, event_id: str | None = None
    ) -> Receipt:
        """Deliver an event without driving the run: an answer if its wait is open, else kept until it opens.

        Raises:
            RunSettledError: the run has settled.
            UsageError: no step of its workflow ever waits for this event.
            RunNotWaitingError, EventPayloadError: as `resume`, for an open wait.
        """
        run = RunId(run_id)
        if before := self._answering.before(run, event_id):
            return self._duplicate(run, before, event, payload)
        while True:
            head = self._store.head(run)
            if head.is_settled:
                raise RunSettledError(f"run `{run}` is {head.status}; it takes no more events", run_id=run)
            fitting = self._answering.fitting(run, event, wait)
            if fitting or wait is not None:
                answered = self._answering.wait_to_answer(run, event, wait)
                delivery = self._answering.accept(answered, payload, event_id)
                if delivery.outcome == "late":
                    raise too_late(answered, None)
                if delivery.outcome == "duplicate":
                    return self._duplicate(run, delivery.message, event, payload)
                return Receipt(run=self.get(run), driven=False)
            self._answering.refuse_unknown(head, event)
            delivery = self._store.deliver(self._answering.message(run, "event", event, payload, event_id))
            if delivery.outcome == "duplicate":
                return self._duplicate(run, delivery.message, event, payload)
            if delivery.outcome == "kept":
                return Receipt(run=self.get(run), kept=True, driven=False)

    def cancel(self, run_id: str, *, reason: str | None, timeout_seconds: float = 30.0) -> RunView:
        """Cancel a run and return when that is recorded; what was cancelled before stays so.

        Raises:
            RunSettledError: it has completed or failed.
            ConcurrencyError: who drives it has not answered in time; the request stays in its inbox.
        """
        run = RunId(run_id)
        head = self._store.head(run)
        if head.status == "cancelled":
            return self.get(run)
        delivery = self._store.deliver(self._answering.message(run, "cancel", "", {"reason": reason}, None))
        if delivery.outcome == "settled":
            settled = self._store.head(run).status
            if settled == "cancelled":
                return self.get(run)
            raise RunSettledError(f"run `{run}` has {settled} already; there is nothing to cancel", run_id=run)
        waited, warnings = 0.0, list[str]()
        while not self._store.head(run).is_settled:
            try:
                hold = self._driver.acquire(run)
            except RunHeldError:
                if waited >= timeout_seconds:
                    raise ConcurrencyError(
                        f"run `{run}` was asked to end, and whoever drives it has not answered "
                        f"within {timeout_seconds:g} seconds; look again with `cpf status`",
                        run_id=run,
                    ) from None
                self._place.pause.wait(FOLLOW_SECONDS)
                waited += FOLLOW_SECONDS
            else:
                warnings = self._driver.drive_held(Undriven(), hold)
        return self._view(run, warnings=warnings)

    def retry(self, run_id: str, *, reason: str | None = None, follow: bool = True) -> RunView:
        """Go on with a failed run: the failed step starts anew, at attempt 1, and what it had cancelled goes on.

        Raises:
            RunNotFailedError: the run has not failed.
            RunHeldError: another process is at it.
        """
        run = RunId(run_id)
        self.refuse_unless(run_id, failed=True)
        head = self._store.head(run)
        workflow = self._place.definition(head).workflow()
        hold = self._driver.acquire(run)
        try:
            reopen(hold, self._driver.surroundings(), reason)
        except BaseException:
            self._driver.let_go(hold)
            raise
        if not follow:
            self._driver.let_go(hold)
            return self.get(run)
        return self._view(run, warnings=self._driver.drive_held(workflow, hold))

    def refuse_unless(self, run_id: str, *, failed: bool) -> None:
        """Refuse to retry a run that has not failed, or to resume one that has.

        Raises:
            RunNotFailedError: it has not.
            RunNotWaitingError: it has.
        """
        head, holder = self._place.stand(RunId(run_id))
        if failed and head.status != "failed":
            status = status_of(head, holder)
            raise RunNotFailedError(f"run `{run_id}` is {status}; only a failed run can be retried", run_id=run_id)
        if not failed and head.status == "failed":
            self._answering.refuse_settled(head)

    def revise(
        self,
        run_id: str,
        *,
        definition: Definition | None = None,
        rerun: Sequence[str] = (),
        reason: str | None = None,
        follow: bool = True,
    ) -> tuple[RunView, Changes]:
        """Have a run go on under an edited document, from before the steps of `rerun`, or both; return what changed.

        What was recorded stays, but for those steps and what came after them; all is decided, and recorded, before
        anything is performed. A failed run is reopened.

        Raises:
            DefinitionChangedError: a recorded step means something else now; nothing was changed.
            StepOnceError: a step with `effect: once` would run again without being named in `rerun`.
            RunSettledError: it has completed, been cancelled or moved.
            RunHeldError: another process drives it.
            UsageError, InputError: the document is none for this run, or there is no such step.
        """
        run = RunId(run_id)
        with self._reviser.revised(run, definition, rerun, reason) as (hold, changes):
            if not follow:
                self._driver.let_go(hold)
                return self.get(run), changes
            return self._view(run, warnings=self._driver.go_on(hold)), changes

    def rehearse(self, run_id: str, *, definition: Definition | None = None, rerun: Sequence[str] = ()) -> Changes:
        """Return what `revise` would change; nothing is changed.

        Raises:
            What `revise` would raise.
        """
        return self._reviser.rehearsed(RunId(run_id), definition, rerun, None)

    def fork(
        self,
        run_id: str,
        *,
        at: str,
        definition: Definition | None = None,
        new_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> RunView:
        """Begin a run that shares what another recorded before a step, and drive it; the other stays as it is.

        Raises:
            RunExistsError: the new id is taken.
            DefinitionChangedError, UsageError, InputError: as `revise`.
        """
        new, hold = self._reviser.forked(RunId(run_id), at, definition, new_id, labels)
        if not follow:
            self._driver.let_go(hold)
            return self.get(new)
        return self._view(new, warnings=self._driver.go_on(hold))

    def decide(
        self,
        run_id: str,
        step: str,
        decision: str,
        *,
        output: JsonValue = None,
        reason: str | None,
        follow: bool = True,
    ) -> RunView:
        """Settle a step in doubt, on the record: it is `done` (with this output), runs `again`, or counts as `fail`ed.

        Raises:
            StepNotInDoubtError: nothing has to be decided about this step (any more); says who decided what.
            EventPayloadError: the output does not fit the step's schema.
        """
        run = RunId(run_id)
        wait = self._answering.in_doubt(run, step)
        if decision == "done":
            self._answering.check_output(self._place.definition(self._store.head(run)), wait, output)
        payload: JsonObject = {"decision": decision, "output": output, "reason": reason}
        self._answering.decide(wait, payload)
        return self._drive(run) if follow else self.get(run)

    def delete(self, run_id: str) -> RunView:
        """Delete a settled run with its journal, its messages and its files; return it as it was.

        A crash in between may leave files without a run.

        Raises:
            RunNotSettledError: it has not settled.
            RunHeldError: another process is at it.
            StoreUnavailable: its files cannot be removed; the run itself is gone.
        """
        import shutil

        view = self.get(run_id)
        self._store.delete(RunId(run_id))
        try:
            shutil.rmtree(self._place.runs_dir / run_id)
        except FileNotFoundError:
            return view
        except OSError as error:
            raise StoreUnavailable(
                f"run `{run_id}` was deleted, but its files in `{self._place.runs_dir / run_id}` cannot be removed: "
                f"{error.strerror or error}; remove that folder yourself"
            ) from None
        return view

    def collect(
        self, older_than_seconds: float, *, statuses: Sequence[Settled] | None = None, dry_run: bool = False
    ) -> Collected:
        """Forget the runs that settled so long ago, and remove what belongs to no run; with `dry_run` only say what.

        Without `statuses` those are the runs with which nothing can be done any more: completed and cancelled ones.
        What could still go on is never touched, and neither are folders in which something was done within the hour.
        """
        from checkpointflow.client.sweeping import ENDED, Collector

        return Collector(place=self._place).collect(older_than_seconds, statuses or ENDED, dry_run=dry_run)

    def retention(self, older_than_seconds: float) -> Retention:
        """Return how much is kept, and how many runs settled so long ago that `collect` would forget them."""
        from checkpointflow.client.sweeping import Collector

        return Collector(place=self._place).retention(older_than_seconds)

    def export(self, run_id: str, path: Path, *, move: bool = False, force: bool = False) -> RunView:
        """Write a run as a bundle, which holds all that is needed to go on with it; return the run as it then is.

        With `move` it goes on from there alone: it is `moved` here before the file is written, and after a crash in
        between another export writes that. Without, the bundle holds the run as it was at one moment, also while
        somebody drives it. The same run gives the same bytes.

        Raises:
            FileExistsAlreadyError: there is such a file, and `force` was not said; nothing was changed.
            RunHeldError: another process drives a run that is to be moved.
            RunSettledError: a run that is to be moved has completed or been cancelled.
            StoreUnavailable: the file cannot be written; a run that was moved stays so.
        """
        self._mover().export(RunId(run_id), path, moves=move, force=force)
        return self.get(run_id)

    def take_over(self, bundle: Bundle, *, copy: bool = False) -> tuple[RunView, Imported]:
        """Keep the run of a bundle here, as it stood; nobody drives it yet. A copy gets an id of its own.

        A run that was moved away from here and comes back takes its own place. A crash leaves either nothing or all of
        it; files may be left over, which `gc` removes.

        Raises:
            BundleError: the run was not moved, so another place may go on with it, and no copy was asked for.
            RunExistsError: the run is here, and is no earlier state of the bundle's.
            StoreUnavailable: its files cannot be kept.
        """
        found = self._mover().take_over(bundle, copies=copy)
        return self._view(found.run_id, warnings=found.warnings), found

    def _mover(self) -> Mover:
        from checkpointflow.client.moving import Mover

        return Mover(driver=self._driver)

    def worker(self, **options: Any) -> Worker:
        """Return what drives whatever is due in this store; see Worker for the options."""
        return Worker(self._driver, self.get, **options)

    def plan(self, loaded: Loaded, run_input: JsonValue) -> JsonObject:
        """Return what a run would do, which waits it may open, and what is missing here; performs nothing.

        Raises:
            InputError: the input does not fit the workflow's schema.
        """
        return self._starter.plan(loaded, run_input)

    def _duplicate(self, run: RunId, before: Message | None, event: str | None, payload: JsonValue) -> Receipt:
        view = self._view(run, warnings=unlike(before, event, payload))
        return Receipt(run=view, duplicate=True, driven=False)

    def _drive(self, run_id: RunId, hold: Hold | None = None, definition: Definition | None = None) -> RunView:
        return self._view(run_id, warnings=self._driver.drive(run_id, hold, definition))
