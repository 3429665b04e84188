"""The use cases: start, drive, answer, cancel, look; no printing, and no environment but what it is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, cast

from checkpointflow import clock as clocks
from checkpointflow.clock import Clock, SystemClock
from checkpointflow.config import Settings
from checkpointflow.errors import (
    ConcurrencyError,
    EventMismatchError,
    EventPayloadError,
    InputError,
    RunExistsError,
    RunHeldError,
    RunNotFailedError,
    RunNotFoundError,
    RunNotWaitingError,
    RunPausedError,
    RunSettledError,
    SecretMissingError,
    StepNotInDoubtError,
    StoreUnavailable,
    UsageError,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.engine import Interrupt, Surroundings, drive, reopen
from checkpointflow.kernel.ids import EventId, HolderId, RunId, StepKey, WaitId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.run import Run, Workflow
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.store import Delivery, Hold, HolderInfo, Message, OpenWait, RunHead, Store, StoredStatus
from checkpointflow.stores import open_store
from checkpointflow.values import JsonObject, JsonValue
from checkpointflow.views import (
    STATUSES,
    Inspection,
    PathsOf,
    RunView,
    StepView,
    WaitView,
    inspection,
    message_warnings,
    run_view,
    status_of,
    wait_view,
)

if TYPE_CHECKING:
    from checkpointflow.frontends.document.loader import Loaded
    from checkpointflow.frontends.document.model import Document
    from checkpointflow.kernel.effects import Executor

FOLLOW_SECONDS = 0.1
"""How often a run that another process drives is looked at."""

_SHORTEST_FRAGMENT = 4


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of an answer: the run afterwards; whether the event id was here before, the event came early, and
    whether this process drove the run."""

    run: RunView
    duplicate: bool = False
    kept: bool = False
    driven: bool = True


class Client:
    """Runs in the store of one state folder; a context manager.

    Sleeps up to `inline_wait_seconds` are waited for in the process. `observer` is told every commit of a drive in
    this process, `on_created` the id of a new run as soon as it exists; `interrupt` lets a door pause a drive. Every
    method may raise PersistenceError.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        inline_wait_seconds: float = 60.0,
        observer: Observer | None = None,
        interrupt: Interrupt | None = None,
        on_created: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._inline_wait_seconds = inline_wait_seconds
        self._observer = observer or (lambda _entries, _position: None)
        self._interrupt = interrupt or Interrupt()
        self._on_created = on_created or (lambda _run_id: None)
        self._store: Store = open_store(settings.home, clock=self._clock, durability=settings.durability)
        self._pause = threading.Event()
        self._holder: HolderId | None = None
        self._driven: RunId | None = None

    def __enter__(self) -> Client:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Give back the store; runs that this process still holds become free."""
        self._store.close()

    @property
    def notices(self) -> list[str]:
        """What opening the store did that people should know."""
        return list(getattr(self._store, "notices", []))

    # -- ids -------------------------------------------------------------------------------------

    def resolve(self, fragment: str) -> str:
        """Return the run id that a text is, begins or ends.

        Raises:
            UsageError: the text has fewer than 4 characters.
            RunNotFoundError: no run, or several, fit; the message names them.
        """
        if len(fragment) < _SHORTEST_FRAGMENT:
            raise UsageError(f"the run id {fragment!r} is too short; give 4 characters or more of it")
        found = self._store.find(fragment)
        if len(found) == 1:
            return found[0]
        if not found:
            raise RunNotFoundError(f"no run has the id `{fragment[:80]}`; `cpf runs` lists them")
        shown = ", ".join(f"`{run_id}`" for run_id in found[:5])
        raise RunNotFoundError(f"several runs fit `{fragment}`: {shown}; give more of the id")

    # -- starting and driving --------------------------------------------------------------------

    def run(
        self,
        loaded: Loaded,
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
        """
        run, hold = self._begun(loaded, run_input, run_id, labels or {}, is_held=True)
        if hold is not None:
            return self._drive(run, hold)
        view = self._view(run)
        return self._drive(run) if view.status in ("running", "interrupted", "waiting") else view

    def start(
        self,
        loaded: Loaded,
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
        run, _ = self._begun(loaded, run_input, run_id, labels or {}, is_held=False)
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
            self._refuse_settled(head)
            return Receipt(run=self._drive(run) if follow else self.get(run), driven=follow)
        if self._was_here(run, event_id):
            return Receipt(run=self.get(run), duplicate=True, driven=False)
        answered = self._wait_to_answer(run, event, wait)
        delivery = self._answer(answered, payload if has_payload else {}, event_id, drive_late=follow)
        if delivery.outcome == "duplicate":
            return Receipt(run=self.get(run), duplicate=True, driven=False)
        return Receipt(run=self._drive(run) if follow else self.get(run), driven=follow)

    def send(
        self, run_id: str, *, event: str, payload: JsonValue, wait: str | None = None, event_id: str | None = None
    ) -> Receipt:
        """Deliver an event without driving the run: an answer if its wait is open, else kept until it opens.

        Raises:
            RunSettledError: the run has settled.
            RunNotWaitingError, EventPayloadError: as `resume`, for an open wait.
        """
        run = RunId(run_id)
        if self._was_here(run, event_id):
            return Receipt(run=self.get(run), duplicate=True, driven=False)
        while True:
            head = self._store.head(run)
            if head.is_settled:
                raise RunSettledError(f"run `{run}` is {head.status}; it takes no more events", run_id=run)
            fitting = self._fitting(run, event, wait)
            if fitting or wait is not None:
                answered = self._wait_to_answer(run, event, wait)
                delivery = self._answer(answered, payload, event_id)
                return Receipt(run=self.get(run), duplicate=delivery.outcome == "duplicate", driven=False)
            delivery = self._store.deliver(self._message(run, "event", event, payload, event_id))
            if delivery.outcome in ("kept", "duplicate"):
                duplicate = delivery.outcome == "duplicate"
                return Receipt(run=self.get(run), kept=not duplicate, duplicate=duplicate, driven=False)

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
        delivery = self._store.deliver(self._message(run, "cancel", "", {"reason": reason}, None))
        if delivery.outcome == "settled":
            settled = self._store.head(run).status
            raise RunSettledError(f"run `{run}` has {settled} already; there is nothing to cancel", run_id=run)
        waited, warnings = 0.0, list[str]()
        while not self._store.head(run).is_settled:
            try:
                hold = self._store.acquire(run, self._own(), at=self._clock.now())
            except RunHeldError:
                if waited >= timeout_seconds:
                    raise ConcurrencyError(
                        f"run `{run}` was asked to end, and whoever drives it has not answered "
                        f"within {timeout_seconds:g} seconds; look again with `cpf status`",
                        run_id=run,
                    ) from None
                self._pause.wait(FOLLOW_SECONDS)
                waited += FOLLOW_SECONDS
            else:
                warnings = self._drive_held(_Undriven(), hold)
        return self._view(run, warnings=warnings)

    def retry(self, run_id: str, *, reason: str | None = None, follow: bool = True) -> RunView:
        """Go on with a failed run: the failed step starts anew, at attempt 1, and what it had cancelled goes on.

        Raises:
            RunNotFailedError: the run has not failed.
            RunHeldError: another process is at it.
        """
        run = RunId(run_id)
        head = self._store.head(run)
        if head.status != "failed":
            status = status_of(head, self._store.holder_of(run))
            raise RunNotFailedError(f"run `{run}` is {status}; only a failed run can be retried", run_id=run)
        workflow = self._workflow(head)
        hold = self._store.acquire(run, self._own(), at=self._clock.now())
        reopen(hold, self._surroundings(), reason)
        if not follow:
            self._store.commit(hold, self._store.head(run).length, [], release=True)
            return self.get(run)
        return self._view(run, warnings=self._drive_held(workflow, hold))

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
            StepNotInDoubtError: nothing has to be decided about this step.
            EventPayloadError: the output does not fit the step's schema.
        """
        run = RunId(run_id)
        wait = self._in_doubt(run, step)
        if decision == "done":
            self._check_decided_output(run, wait.key, output)
        payload: JsonObject = {"decision": decision, "output": output, "reason": reason}
        delivery = self._store.deliver(self._message(run, "decide", wait.key, payload, None))
        if delivery.outcome == "settled":
            raise RunSettledError(f"run `{run}` has settled; there is nothing to decide", run_id=run)
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
            shutil.rmtree(self._runs_dir / run_id)
        except FileNotFoundError:
            return view
        except OSError as error:
            raise StoreUnavailable(
                f"run `{run_id}` was deleted, but its files in `{self._runs_dir / run_id}` cannot be removed: "
                f"{error.strerror or error}; remove that folder yourself"
            ) from None
        return view

    # -- looking ---------------------------------------------------------------------------------

    def get(self, run_id: str) -> RunView:
        """Return a run as it stands; executes nothing.

        Raises:
            RunNotFoundError: no such run.
        """
        return self._view(RunId(run_id))

    def has(self, run_id: str) -> bool:
        """Tell whether there is a run with this id."""
        try:
            self._store.head(RunId(run_id))
        except RunNotFoundError:
            return False
        return True

    def inspect(self, run_id: str) -> Inspection:
        """Return everything about a run, in the order in which it happened."""
        view = self._view(RunId(run_id))
        return inspection(view, self._store.entries(RunId(run_id)), _Files(self._runs_dir, RunId(run_id)))

    def runs(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> tuple[list[RunView], str | None]:
        """Return runs, newest first, and the cursor for those behind them, if there may be any.

        Raises:
            UsageError: there is no such status, or the cursor is none of ours.
        """
        if status is not None and status not in STATUSES:
            raise UsageError(f"there is no status {status!r}; take one of {', '.join(STATUSES)}")
        before = None if after is None else _cursor(after)
        found: list[RunView] = []
        while len(found) < limit:
            heads = self._store.heads(
                statuses=_stored(status), workflow_id=workflow, labels=labels, limit=limit, before=before
            )
            for head in heads:
                before = (head.started_at, head.run_id)
                view = self._short_view(head)
                if status in (None, view.status):
                    found.append(view)
                if len(found) == limit:
                    break
            if len(heads) < limit:
                break
        more = len(found) == limit and before is not None
        return found, _cursor_text(*before) if more and before is not None else None

    def waits(self, *, audience: str | None = None) -> list[WaitView]:
        """Return what people, agents and systems are asked for, in all runs, oldest first; answered waits left out."""
        now = self._clock.now()
        heads: dict[RunId, RunHead] = {}
        found = []
        for wait in self._store.waits():
            if wait.kind == "timer" or wait.answered or audience not in (None, wait.audience):
                continue
            if wait.run_id not in heads:
                heads[wait.run_id] = self._store.head(wait.run_id)
            found.append(wait_view(wait, heads[wait.run_id], now))
        return found

    def due(self) -> list[WaitView]:
        """Return the waits whose time has come in runs that nobody drives, oldest first; it fires with the next drive.

        Those are timers, and deadlines that have passed without an answer.
        """
        now = self._clock.now()
        waits = [one for one in self._store.waits() if one.due_at is not None and one.due_at <= now]
        stands = {run_id: self._stand(run_id) for run_id in dict.fromkeys(one.run_id for one in waits)}
        idle = {run_id: head for run_id, (head, holder) in stands.items() if holder is None or not holder.alive}
        return [wait_view(one, idle[one.run_id], now) for one in waits if one.run_id in idle and not one.answered]

    def watch(self, run_id: str) -> Iterator[RunView]:
        """Yield a run as it stands, a few times a second while somebody drives it, and once after that."""
        while (view := self.get(run_id)).status == "running":
            yield view
            self._pause.wait(FOLLOW_SECONDS)
        yield view

    def logs(self, run_id: str, step: str | None = None, *, stderr: bool = False) -> list[tuple[StepView, Path]]:
        """Return the files with the captured output of steps, in the order in which they ran.

        Raises:
            UsageError: the run has no such step with captured output.
        """
        found = []
        for view in self.inspect(run_id).step_results:
            path = view.stderr_path if stderr else view.stdout_path
            if path is not None and step in (None, view.step_id, view.step_key):
                found.append((view, Path(path)))
        if step is not None and not found:
            raise UsageError(f"run `{run_id}` has no captured output of a step `{step[:80]}`", run_id=run_id)
        return found

    def plan(self, loaded: Loaded, run_input: JsonValue) -> JsonObject:
        """Return what a run would do, which waits it may open, and what is missing here; performs nothing.

        Raises:
            InputError: the input does not fit the workflow's schema.
        """
        from checkpointflow.frontends.document.plan import plan

        checked = self._checked_input(loaded.document, run_input)
        missing = self._missing_secrets(loaded.document)
        return plan(loaded.document, checked, path=self._settings.environment.get("PATH"), missing_secrets=missing)

    # -- inside: driving -------------------------------------------------------------------------

    @property
    def _runs_dir(self) -> Path:
        return self._settings.home / "runs"

    def _drive(self, run_id: RunId, hold: Hold | None = None) -> RunView:
        """Drive a run, or follow whoever does, until it parks, settles or is paused."""
        warnings: list[str] = []
        while not self._store.head(run_id).is_settled:
            if hold is None:
                hold = self._acquired(run_id)
            if hold is not None:
                head = self._store.head(run_id)
                warnings = self._drive_held(self._opened(head, hold), hold)
                break
            if self._interrupt.is_asked:
                break
            self._pause.wait(FOLLOW_SECONDS)
        return self._view(run_id, warnings=warnings)

    def _drive_held(self, workflow: Workflow, hold: Hold) -> list[str]:
        """Drive a run that this process holds, and return what deserves a word."""
        self._driven = hold.run_id
        try:
            return drive(workflow, hold, self._surroundings()).warnings
        finally:
            self._driven = None

    def _own(self) -> HolderId:
        """Return this process's holder id, and remember it."""
        self._holder = self._store.holder()
        return self._holder

    def _acquired(self, run_id: RunId) -> Hold | None:
        try:
            return self._store.acquire(run_id, self._own(), at=self._clock.now())
        except RunHeldError:
            return None

    def _opened(self, head: RunHead, hold: Hold) -> Workflow:
        """Return the run's workflow; the hold is given up if it cannot be opened here."""
        try:
            return self._workflow(head)
        except BaseException:
            self._store.commit(hold, head.length, [], release=True)
            raise

    def _workflow(self, head: RunHead) -> Workflow:
        from checkpointflow.frontends.document.interpreter import DocumentWorkflow

        return DocumentWorkflow(self._document(head))

    def _document(self, head: RunHead) -> Document:
        from checkpointflow.frontends.document.definition import open_definition

        return open_definition(self._store.definition(head.definition))

    def _surroundings(self) -> Surroundings:
        from checkpointflow.schemas import is_valid

        return Surroundings(
            store=self._store,
            executor=self._executor(),
            clock=self._clock,
            fits=lambda schema, payload: schema is None or is_valid(payload, cast("JsonObject | bool", schema)),
            inline_wait_seconds=self._inline_wait_seconds,
            observer=self._observer,
            interrupt=self._interrupt,
            actor=self._settings.actor,
        )

    def _executor(self) -> Executor:
        from checkpointflow.kernel.effects import ThreadExecutor
        from checkpointflow.steps import make_perform
        from checkpointflow.steps.base import StepSettings
        from checkpointflow.steps.orphans import end_orphans

        settings = StepSettings(
            runs_dir=self._runs_dir,
            sync=self._settings.durability == "power",
            environment=self._settings.environment,
        )
        return ThreadExecutor(make_perform(settings), partial(end_orphans, home=settings.home))

    def _checked_input(self, document: Document, run_input: JsonValue) -> JsonValue:
        from checkpointflow.schemas import check, with_defaults

        schema = cast("JsonObject | bool", document.inputs)
        value = with_defaults(run_input, schema)
        problems = check(value, schema)
        if problems:
            shown = "; ".join(problem.message for problem in problems[:5])
            listed: list[JsonValue] = [{"path": list(one.path), "message": one.message} for one in problems]
            raise InputError(f"the input does not fit workflow `{document.id}`: {shown}", details={"problems": listed})
        return value

    def _missing_secrets(self, document: Document) -> list[JsonObject]:
        secrets = document.all_secrets()
        if not secrets:
            return []
        from checkpointflow.steps.secrets import missing_secrets

        return missing_secrets(secrets, self._settings.environment, self._settings.cwd)

    def _refuse_missing_secrets(self, document: Document) -> None:
        missing = self._missing_secrets(document)
        if missing:
            shown = "; ".join(f"`{one['secret']}`: {one['reason']}" for one in missing)
            listed: list[JsonValue] = [*missing]
            raise SecretMissingError(
                f"workflow `{document.id}` needs secrets that are missing here ({shown}); nothing was started",
                details={"missing_secrets": listed},
                hint="`cpf plan` lists what a workflow needs and what of it is missing",
            )

    def _started(self, loaded: Loaded, digest: str, run_input: JsonValue, labels: Mapping[str, str]) -> e.RunStarted:
        document = loaded.document
        return e.RunStarted(
            at=self._clock.now(),
            workflow_id=document.id,
            workflow_name=document.name,
            workflow_version=document.version,
            definition=digest,
            source_path=document.path,
            input=run_input,
            labels=dict(labels),
            actor=self._settings.actor,
            cwd=self._settings.cwd,
            host=self._settings.host,
        )

    def _begun(
        self,
        loaded: Loaded,
        run_input: JsonValue,
        run_id: str | None,
        labels: Mapping[str, str],
        *,
        is_held: bool,
    ) -> tuple[RunId, Hold | None]:
        """Begin a run, and return its hold if it is new and held; or attach to the run that has the id."""
        from checkpointflow.frontends.document.loader import definition_hash

        checked = self._checked_input(loaded.document, run_input)
        digest = definition_hash(loaded.definition)
        if run_id is not None and self._is_attached(_chosen_id(run_id), digest, checked):
            return _chosen_id(run_id), None
        self._refuse_missing_secrets(loaded.document)
        started = self._started(loaded, digest, checked, labels)
        chosen = ids.new_run_id(started.at) if run_id is None else _chosen_id(run_id)
        try:
            holder = self._own() if is_held else None
            hold = self._store.create(chosen, [started], holder=holder, definition=(digest, loaded.definition))
        except RunExistsError:
            if not self._is_attached(chosen, digest, checked):
                raise
            return chosen, None
        self._on_created(chosen)
        self._observer([started], 1)
        return chosen, hold

    def _is_attached(self, run_id: RunId, digest: str, run_input: JsonValue) -> bool:
        """Tell whether there is a run with this id, which then is the one that is meant."""
        try:
            head = self._store.head(run_id)
        except RunNotFoundError:
            return False
        started = self._store.entries(run_id)[0]
        if head.definition != digest or not isinstance(started, e.RunStarted) or started.input != run_input:
            raise RunExistsError(
                f"run `{run_id}` exists already, with another input or workflow; choose another id", run_id=run_id
            )
        self._on_created(run_id)
        if self._view(run_id).status == "paused":
            raise RunPausedError(
                f"run `{run_id}` is paused; `cpf resume --run-id {run_id}` goes on with it", run_id=run_id
            )
        return True

    # -- inside: answering -----------------------------------------------------------------------

    def _was_here(self, run_id: RunId, event_id: str | None) -> bool:
        self._store.head(run_id)
        return event_id is not None and any(one.event_id == event_id for one in self._store.messages(run_id))

    def _refuse_settled(self, head: RunHead) -> None:
        if head.is_settled:
            hint = f"`cpf retry --run-id {head.run_id}` goes on with it" if head.status == "failed" else None
            raise RunNotWaitingError(
                f"run `{head.run_id}` is {head.status}; it waits for nothing", hint=hint, run_id=head.run_id
            )

    def _fitting(self, run_id: RunId, event: str | None, wait: str | None) -> list[OpenWait]:
        return [
            one
            for one in self._store.waits(run_id)
            if one.kind == "external_event" and event in (None, one.event_name) and wait in (None, one.wait_id, one.key)
        ]

    def _wait_to_answer(self, run_id: RunId, event: str | None, wait: str | None) -> OpenWait:
        """Return the one open wait that an answer is for."""
        fitting = self._fitting(run_id, event, wait)
        unanswered = [one for one in fitting if not one.answered]
        if len(unanswered) == 1 or (len(fitting) == 1 and not unanswered):
            return (unanswered or fitting)[0]
        if not fitting:
            raise self._nothing_fits(run_id, event, wait)
        shown = ", ".join(f"`{one.wait_id}` ({one.key})" for one in fitting)
        raise UsageError(
            f"run `{run_id}` waits for `{event}` more than once: {shown}; say which with `--wait`", run_id=run_id
        )

    def _nothing_fits(self, run_id: RunId, event: str | None, wait: str | None) -> Exception:
        head = self._store.head(run_id)
        open_waits = [one for one in self._store.waits(run_id) if one.kind == "external_event"]
        answers = self._answers_before(run_id, event, wait)
        if head.is_settled or not open_waits or answers:
            return self._not_waiting(run_id, head, answers)
        names = ", ".join(f"`{one.event_name}` ({one.wait_id})" for one in open_waits)
        asked = f"`{event}`" if event is not None else f"wait `{wait}`"
        return EventMismatchError(f"run `{run_id}` does not wait for {asked} but for {names}", run_id=run_id)

    def _answers_before(self, run_id: RunId, event: str | None, wait: str | None) -> list[Message]:
        """Return the answers that were given to what somebody tries to answer again."""
        return [
            one
            for one in self._store.messages(run_id)
            if one.kind == "event" and one.state in ("taken", "accepted")
            if (wait is None and one.name == event) or (wait is not None and one.wait_id == wait)
        ]

    def _not_waiting(self, run_id: RunId, head: RunHead, answers: list[Message]) -> RunNotWaitingError:
        status = status_of(head, self._store.holder_of(run_id))
        about = f"waits for this no more{_answered_by(answers[-1])}" if answers else "waits for no event"
        details = _answer_details(answers[-1] if answers else None)
        return RunNotWaitingError(f"run `{run_id}` is {status} and {about}", details=details, run_id=run_id)

    def _answer(
        self, wait: OpenWait, payload: JsonValue, event_id: str | None, *, drive_late: bool = False
    ) -> Delivery:
        """Have an answer accepted, or say why it is not; with `drive_late` one that is too late fires the deadline."""
        self._check_payload(wait, payload)
        message = self._message(wait.run_id, "event", str(wait.event_name), payload, event_id, wait.wait_id)
        delivery = self._store.answer(message)
        if delivery.outcome in ("accepted", "duplicate"):
            return delivery
        if delivery.outcome == "late":
            if drive_late:
                self._drive(wait.run_id)
            due = clocks.to_text(wait.due_at) if wait.due_at is not None else ""
            raise RunNotWaitingError(
                f"the deadline of `{wait.event_name}` passed at {due}, so the answer came too late",
                hint=None if drive_late else f"`cpf resume --run-id {wait.run_id}` goes on from there",
                run_id=wait.run_id,
            )
        who = _answered_by(delivery.message) if delivery.message is not None else ""
        raise RunNotWaitingError(
            f"wait `{wait.wait_id}` for `{wait.event_name}` is not open any more{who}",
            details=_answer_details(delivery.message),
            run_id=wait.run_id,
        )

    def _check_payload(self, wait: OpenWait, payload: JsonValue) -> None:
        from checkpointflow.schemas import check

        schema = wait.request.get("input_schema")
        problems = [] if schema is None else check(payload, cast("JsonObject | bool", schema))
        if problems:
            shown = "; ".join(problem.message for problem in problems[:5])
            listed: list[JsonValue] = [{"path": list(one.path), "message": one.message} for one in problems]
            raise EventPayloadError(
                f"the input does not fit what `{wait.event_name}` asks for: {shown}; the run is as it was",
                details={"problems": listed},
                run_id=wait.run_id,
            )

    def _message(
        self,
        run_id: RunId,
        kind: Literal["event", "cancel", "decide"],
        name: str,
        payload: JsonValue,
        event_id: str | None,
        wait_id: WaitId | None = None,
    ) -> Message:
        return Message(
            run_id=run_id,
            event_id=EventId(event_id) if event_id is not None else ids.new_event_id(),
            kind=kind,
            name=name,
            payload=payload,
            actor=self._settings.actor,
            at=self._clock.now(),
            wait_id=wait_id,
        )

    def _in_doubt(self, run_id: RunId, step: str) -> OpenWait:
        head = self._store.head(run_id)
        doubtful = [one for one in self._store.waits(run_id) if one.kind == "in_doubt"]
        named = [one for one in doubtful if one.key == step] or [one for one in doubtful if last_name(one.key) == step]
        if len(named) == 1:
            return named[0]
        if named:
            keys = ", ".join(f"`{one.key}`" for one in named)
            raise UsageError(f"several steps fit `{step}`: {keys}; give the whole key", run_id=run_id)
        keys = ", ".join(f"`{one.key}`" for one in doubtful)
        rest = f"those in doubt are {keys}" if keys else f"the run is {status_of(head, self._store.holder_of(run_id))}"
        raise StepNotInDoubtError(f"step `{step[:80]}` of run `{run_id}` is not in doubt; {rest}", run_id=run_id)

    def _check_decided_output(self, run_id: RunId, key: StepKey, output: JsonValue) -> None:
        from checkpointflow.schemas import check

        document = self._document(self._store.head(run_id))
        every = [document, *document.library.values()]
        named = [step for one in every for step in one.all_steps() if step.id == last_name(key)]
        schemas = [step.outputs for step in named if step.outputs is not None]
        if len({id(schema) for schema in schemas}) != 1:
            return
        problems = check(output, cast("JsonObject | bool", schemas[0]))
        if problems:
            raise EventPayloadError(
                f"the output does not fit the schema of step `{key}`: {problems[0].message}", run_id=run_id
            )

    # -- inside: looking -------------------------------------------------------------------------

    def _stand(self, run_id: RunId) -> tuple[RunHead, HolderInfo | None]:
        """Return a run's head and holder as they were at one moment; a drive that we had to abandon holds no more."""
        head = self._store.head(run_id)
        while True:
            holder = self._store.holder_of(run_id)
            again = self._store.head(run_id)
            if again.length == head.length:
                is_left = holder is not None and holder.holder == self._holder and self._driven != run_id
                return head, None if is_left else holder
            head = again

    def _view(self, run_id: RunId, *, warnings: Iterable[str] = ()) -> RunView:
        head, holder = self._stand(run_id)
        last = self._store.entries(run_id, after=head.length - 1) if head.status == "completed" else []
        value = last[0].value if last and isinstance(last[0], e.RunCompleted) else None
        noted = [*warnings, *message_warnings(self._store.messages(run_id))]
        waits = [] if head.is_settled else self._store.waits(run_id)
        return run_view(head, holder, waits=waits, value=value, warnings=noted, now=self._clock.now())

    def _short_view(self, head: RunHead) -> RunView:
        holder = None if head.is_settled else self._store.holder_of(head.run_id)
        waits = self._store.waits(head.run_id) if head.status == "waiting" else []
        return run_view(head, holder, waits=waits, now=self._clock.now())


class _Undriven:
    """Stands for a workflow whose code is not needed: that of a run which is only cancelled."""

    async def drive(self, run: Run) -> JsonObject:
        """Refuse to decide anything."""
        raise RunSettledError(f"run `{run.info.run_id}` has settled meanwhile")


@dataclass(frozen=True)
class _Files(PathsOf):
    """The output files of one run."""

    runs_dir: Path
    run_id: RunId

    def of(self, key: StepKey, attempt: int) -> tuple[Path, Path]:
        """Return the files of an attempt."""
        from checkpointflow.steps.base import output_paths

        return output_paths(self.runs_dir, self.run_id, key, attempt)


def _chosen_id(text: str) -> RunId:
    try:
        return ids.run_id(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _stored(status: str | None) -> list[StoredStatus] | None:
    """Return which stored statuses runs of a status may have."""
    if status is None:
        return None
    if status == "running":
        return ["open", "waiting", "paused"]
    return ["open"] if status == "interrupted" else [cast(StoredStatus, status)]


def _cursor_text(started_at: datetime, run_id: RunId) -> str:
    return f"{clocks.to_text(started_at)}~{run_id}"


def _cursor(text: str) -> tuple[datetime, RunId]:
    instant, tilde, run_id = text.partition("~")
    try:
        return clocks.from_text(instant), RunId(run_id if tilde else "")
    except ValueError:
        raise UsageError(f"`{text[:80]}` is no cursor; take the `next_cursor` of the list before") from None


def _answered_by(message: Message) -> str:
    who = message.actor or "somebody"
    return f"; {who} answered `{message.name}` at {clocks.to_text(message.at)}"


def _answer_details(message: Message | None) -> JsonObject:
    if message is None:
        return {}
    return {"answered_by": message.actor, "answered_at": clocks.to_text(message.at), "event_id": message.event_id}


__all__ = ["Client", "Receipt"]
