"""What people and agents see of runs, waits and steps; every door shows these, and none makes its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from checkpointflow import clock
from checkpointflow.errors import RunInterruptedError, exit_code_of
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.store import Backoff, HolderInfo, Message, OpenWait, RunHead
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import StepTraits

RunStatus: TypeAlias = Literal[
    "running", "interrupted", "waiting", "paused", "moved", "completed", "failed", "cancelled"
]
STATUSES: tuple[RunStatus, ...] = (
    "running",
    "interrupted",
    "waiting",
    "paused",
    "moved",
    "completed",
    "failed",
    "cancelled",
)


@dataclass(frozen=True, kw_only=True)
class WaitView:
    """One thing that a run needs to go on; `is_answered` when an answer, or a decision, is accepted and
    not yet taken up.

    `doubtful` is known of most steps in doubt.
    """

    run_id: str
    workflow_id: str
    workflow_name: str | None
    kind: Literal["external_event", "timer", "in_doubt"]
    wait_id: str | None
    step_key: str
    step_id: str
    audience: str | None
    event_name: str | None
    prompt: str | None
    summary: str | None
    input_schema: JsonValue
    risk_level: str | None
    opened_at: datetime
    due_at: datetime | None
    is_overdue: bool
    is_answered: bool
    doubtful: StepTraits | None = None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run as it stands.

    `value` is what a completed run ended with (`result`, `outputs`, `recovered_error`), `error` why it failed,
    `holder` who drives it, `source_path` the file it was started from.
    """

    run_id: str
    workflow_id: str
    workflow_name: str | None
    workflow_version: str | None
    status: RunStatus
    current_step_id: str | None
    current_step_key: str | None
    started_at: datetime
    updated_at: datetime
    labels: JsonObject
    waits: tuple[WaitView, ...]
    value: JsonObject
    error: JsonObject | None
    warnings: tuple[str, ...]
    holder: HolderInfo | None
    source_path: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that tells the run's status."""
        if self.status == "failed":
            return exit_code_of(str((self.error or {}).get("code")))
        codes = {"waiting": 40, "cancelled": 50, "interrupted": RunInterruptedError.exit_code}
        return codes.get(self.status, 0)


StepStatus: TypeAlias = Literal[
    "completed", "failed", "running", "waiting", "interrupted", "in_doubt", "cancelled", "expired"
]
"""How a visit stands; `expired`: nobody answered in time, and the run went on, or can."""


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One executed visit of a step: its last attempt, what it gave, and where its output lies (while it is there)."""

    step_id: str
    step_key: str
    step_kind: str
    attempt: int
    status: StepStatus
    exit_code: int | None
    error_code: str | None
    error_message: str | None
    outputs: JsonValue
    stdout_path: str | None
    stderr_path: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Everything about a run, in the order in which it happened; `events` are the answers it got.

    `state` is what its function keeps in `ctx.state`; None if it never did.
    """

    run: RunView
    inputs: JsonValue
    step_outputs: JsonObject
    step_results: tuple[StepView, ...]
    events: list[JsonObject]
    entries: list[JsonObject]
    state: JsonObject | None = None


def status_of(head: RunHead, holder: HolderInfo | None) -> RunStatus:
    """Return a run's status from its journal's head and from who holds it."""
    if head.is_settled:
        return head.status  # type: ignore[return-value]
    if holder is not None and holder.alive:
        return "running"
    return "interrupted" if head.status == "open" else head.status


def wait_view(wait: OpenWait, head: RunHead, now: datetime, doubtful: StepTraits | None = None) -> WaitView:
    """Return how a wait is shown at an instant; `doubtful` is what is known of a step in doubt."""
    request = wait.request
    prompt = _doubt(wait, doubtful) if wait.kind == "in_doubt" else request.get("prompt")
    return WaitView(
        run_id=wait.run_id,
        workflow_id=head.workflow_id,
        workflow_name=head.workflow_name,
        kind=wait.kind,
        wait_id=wait.wait_id,
        step_key=wait.key,
        step_id=last_name(wait.key),
        audience=wait.audience,
        event_name=wait.event_name,
        prompt=_text(prompt),
        summary=_text(request.get("summary")),
        input_schema=request.get("input_schema"),
        risk_level=_text(request.get("risk_level")),
        opened_at=wait.opened_at,
        due_at=wait.due_at,
        is_overdue=wait.due_at is not None and wait.due_at <= now,
        is_answered=wait.answered,
        doubtful=doubtful,
    )


def _doubt(wait: OpenWait, doubtful: StepTraits | None) -> str:
    """Return what has to be found out about a step in doubt."""
    attempt = wait.request.get("attempt")
    if doubtful is not None and doubtful.effect == "idempotent":
        return (
            f"Is step `{wait.key}` to be performed again? "
            f"Three times in a row, with attempt {attempt} the last, its driver died while it ran."
        )
    return f"Did step `{wait.key}` take effect? Nobody saw how attempt {attempt} ended."


def run_view(
    head: RunHead,
    holder: HolderInfo | None,
    *,
    waits: Sequence[OpenWait] = (),
    value: JsonObject | None = None,
    warnings: Iterable[str] = (),
    doubts: Mapping[StepKey, StepTraits] | None = None,
    now: datetime,
) -> RunView:
    """Return how a run is shown at an instant; `doubts` is what is known of its steps in doubt."""
    status = status_of(head, holder)
    key = waits[0].key if waits and status != "running" else head.current_key
    return RunView(
        run_id=head.run_id,
        workflow_id=head.workflow_id,
        workflow_name=head.workflow_name,
        workflow_version=head.workflow_version,
        status=status,
        current_step_id=None if key is None else last_name(key),
        current_step_key=key,
        started_at=head.started_at,
        updated_at=head.updated_at,
        labels=dict(head.labels),
        waits=tuple(wait_view(wait, head, now, (doubts or {}).get(wait.key)) for wait in waits),
        value=value or {},
        error=head.error if status == "failed" else None,
        warnings=tuple(warnings),
        holder=holder if status == "running" else None,
        source_path=head.source_path,
    )


def inspection(run: RunView, entries: Sequence[e.AnyEntry], paths: PathsOf) -> Inspection:
    """Return everything that a journal tells; `paths` gives the output files of an attempt that are there."""
    first = entries[0]
    steps = _Steps(paths, settled=run.status in ("completed", "failed", "cancelled", "moved"))
    for entry in entries:
        steps.take(entry)
    views = steps.views()
    return Inspection(
        run=run,
        inputs=first.input if isinstance(first, e.RunStarted) else None,
        step_outputs={view.step_key: view.outputs for view in views if view.status == "completed"},
        step_results=tuple(views),
        events=[_event(entry, position) for position, entry in enumerate(entries, 1) if _is_event(entry)],
        entries=[e.as_json(entry, position) for position, entry in enumerate(entries, 1)],
        state=_state(entries),
    )


def _state(entries: Sequence[e.AnyEntry]) -> JsonObject | None:
    """Return the state that a function's changes add up to, those that were voided left out; None without any."""
    changes: dict[StepKey, JsonValue] = {}
    for entry in entries:
        if isinstance(entry, e.ValueRecorded) and entry.kind == "state":
            changes[entry.key] = entry.value
        elif isinstance(entry, e.RunReopened | e.DefinitionChanged):
            for key in entry.voided:
                changes.pop(StepKey(str(key)), None)
    if not changes:
        return None
    from checkpointflow.frontends.functions.state import take

    state: JsonObject = {}
    for change in changes.values():
        take(change, state)
    return state


def message_warnings(messages: Iterable[Message], *, settled: bool = False) -> list[str]:
    """Return what has to be said of a run's messages: which did not fit the wait they came early for, or met none."""
    said = {"set_aside": "was set aside: it does not fit its wait's schema"}
    if settled:
        said["kept"] = "was never taken up: no wait for it came"
    return [
        f"the early event `{message.name}` (`{message.event_id}`) {said[message.state]}"
        for message in messages
        if message.state in said
    ]


def failure_warnings(last: e.AnyEntry | None) -> list[str]:
    """Return what has to be said of a run that parked: which members have failed in scopes that wait for others."""
    failed = last.failed_members if isinstance(last, e.RunParked) else []
    return [
        f"`{one['key']}` has failed, and the run waits for what goes on beside it: {one['message']}"
        for one in failed
        if isinstance(one, dict)
    ]


def backoff_warning(backoff: Backoff) -> str:
    """Return the warning about a run that could not be driven somewhere."""
    until = clock.to_text(backoff.next_try_at)
    return (
        f"it could not be driven in pool `{backoff.pool}`, which tries again from {until}: {backoff.error['message']}"
    )


class PathsOf:
    """Where the captured output of attempts lies."""

    def of(self, key: StepKey, attempt: int) -> tuple[Path, Path]:
        """Return the files of an attempt: (stdout, stderr)."""
        raise LookupError(key, attempt)


@dataclass(slots=True)
class _Draft:
    """A visit of a step, as far as its entries were read."""

    key: StepKey
    kind: str
    created_at: datetime
    status: StepStatus
    attempt: int = 1
    outputs: JsonValue = None
    error: JsonObject | None = None
    details: JsonObject | None = None
    has_effect: bool = False
    members: int | None = None
    failed: dict[str, JsonObject] = field(default_factory=dict)


class _Steps:
    """Collects the visits of a journal."""

    def __init__(self, paths: PathsOf, *, settled: bool) -> None:
        self._paths = paths
        self._settled = settled
        self._drafts: dict[StepKey, _Draft] = {}

    def views(self) -> list[StepView]:
        """Return the visits in the order in which they began, outputs of scopes put together from inside them."""
        for draft in reversed(self._drafts.values()):
            if draft.kind in ("foreach", "parallel", "workflow") and draft.status == "completed":
                draft.outputs = self._inside(draft)
        return [self._view(draft) for draft in self._drafts.values()]

    def take(self, entry: e.AnyEntry) -> None:
        """Take in the next entry."""
        match entry:
            case e.StepStarted():
                self._started(entry)
            case e.WaitOpened():
                self._begin(entry.key, "await_event", entry.at, "waiting")
            case e.TimerSet():
                self._begin(entry.key, "sleep", entry.at, "waiting")
            case e.ScopeOpened():
                self._begin(entry.key, entry.kind, entry.at, "running").members = entry.members
            case e.ValueRecorded() if "%" not in entry.key.rsplit("/", 1)[-1][:1]:
                self._value(entry)
            case e.RunReopened() | e.DefinitionChanged():
                for key in entry.voided:
                    self._drafts.pop(StepKey(str(key)), None)
            case e.RunFailed():
                self._failed(entry.error)
            case _:
                self._ended(entry)

    def _started(self, entry: e.StepStarted) -> None:
        draft = self._drafts.get(entry.key)
        if draft is None:
            draft = self._begin(entry.key, entry.kind, entry.at, "running")
        draft.attempt, draft.status, draft.has_effect = entry.attempt, "running", True

    def _begin(
        self, key: StepKey, kind: str, at: datetime, status: Literal["running", "waiting", "completed"]
    ) -> _Draft:
        draft = self._drafts[key] = _Draft(key, kind, at, status)
        return draft

    def _value(self, entry: e.ValueRecorded) -> None:
        draft = self._begin(entry.key, entry.kind, entry.at, "completed")
        value = entry.value
        if entry.kind == "end":
            draft.outputs = value.get("result") if isinstance(value, dict) else None
            draft.details = value if isinstance(value, dict) else None
        else:
            draft.outputs = {"matched": value} if entry.kind == "switch" else value

    def _ended(self, entry: e.AnyEntry) -> None:
        key = getattr(entry, "key", None)
        draft = self._drafts.get(key) if key is not None else None
        if draft is None:
            return
        match entry:
            case e.StepCompleted():
                draft.status, draft.outputs, draft.details = "completed", entry.output, entry.details
            case e.StepFailed():
                draft.status, draft.error = "failed" if entry.retry_at is None else "waiting", entry.error
            case e.StepInterrupted():
                draft.status = "in_doubt" if entry.in_doubt else "interrupted"
            case e.StepDecided():
                decided: dict[str, Literal["completed", "failed"]] = {"done": "completed", "fail": "failed"}
                draft.status, draft.outputs = decided.get(entry.decision, "interrupted"), entry.output
            case e.EventReceived():
                draft.status, draft.outputs = "completed", entry.payload
            case e.TimerFired():
                draft.status = "completed"
            case e.WaitClosed():
                draft.status = "expired" if entry.cause == "expired" else "cancelled"
            case e.ScopeClosed():
                draft.status, draft.error = entry.outcome, entry.error
                draft.failed = {str(one["key"]): one for one in entry.failed_members if isinstance(one, dict)}
                for error in draft.failed.values():
                    self._failed(error)

    def _failed(self, error: JsonObject) -> None:
        """Note that a wait which expired has failed the run, or a member of a scope: nothing led on from there."""
        draft = self._drafts.get(StepKey(str(error.get("step_key"))))
        if draft is not None and draft.status == "expired":
            draft.status, draft.error = "failed", error

    def _inside(self, scope: _Draft) -> JsonValue:
        """Return a scope's outputs from the visits right inside it."""
        members: dict[str, list[_Draft]] = {}
        for draft in self._drafts.values():
            if draft.key.startswith(scope.key) and len(draft.key) > len(scope.key):
                member, slash, name = draft.key[len(scope.key) :].partition("/")
                if slash and "/" not in name and (not member or member[0] == "["):
                    members.setdefault(member, []).append(draft)
        if scope.kind == "workflow":
            inside = _list_value(members.get("", []))
            return inside.get("result", inside)
        if scope.kind == "foreach":
            return {"iterations": _iterations(scope, members)}
        return {member.strip('[]"'): _branch_value(member, drafts) for member, drafts in members.items()}

    def _view(self, draft: _Draft) -> StepView:
        details, error = draft.details or {}, draft.error if draft.status in ("failed", "waiting") else None
        exit_code = details.get("exit_code", _exit_code(error))
        stdout, stderr = self._files(draft)
        return StepView(
            step_id=last_name(draft.key),
            step_key=draft.key,
            step_kind=draft.kind,
            attempt=draft.attempt,
            status=draft.status if not (self._settled and draft.status == "running") else "interrupted",
            exit_code=exit_code if isinstance(exit_code, int) else None,
            error_code=None if error is None else _text(error.get("code")),
            error_message=None if error is None else _text(error.get("message")),
            outputs=draft.outputs,
            stdout_path=stdout,
            stderr_path=stderr,
            created_at=draft.created_at,
        )

    def _files(self, draft: _Draft) -> tuple[str | None, str | None]:
        if not draft.has_effect:
            return None, None
        stdout, stderr = self._paths.of(draft.key, draft.attempt)
        return str(stdout) if stdout.exists() else None, str(stderr) if stderr.exists() else None


def _iterations(scope: _Draft, members: Mapping[str, Sequence[_Draft]]) -> list[JsonValue]:
    """Return what each iteration gave, in item order as far as keys tell it, and why those failed that did."""
    failed = {key.removeprefix(scope.key): error for key, error in scope.failed.items()}
    names = list(dict.fromkeys([*members, *failed]))
    if all(name[1:-1].isdigit() for name in names):
        names = [f"[{index}]" for index in range(scope.members or 0)]
    return [_list_value(members.get(name, ())) | _shown_failure(failed.get(name)) for name in names]


def _shown_failure(error: JsonObject | None) -> JsonObject:
    return {} if error is None else {"error": {name: error.get(name) for name in ("code", "message", "details")}}


def _list_value(drafts: Sequence[_Draft]) -> JsonObject:
    value: JsonObject = {}
    for draft in drafts:
        if draft.kind == "end" and draft.details is not None:
            value |= draft.details
        elif draft.status == "completed":
            value[last_name(draft.key)] = draft.outputs
    return value


def _branch_value(member: str, drafts: Sequence[_Draft]) -> JsonValue:
    """A branch that is one step of the list around it has that step's outputs for its own."""
    value = _list_value(drafts)
    name = member.strip('[]"')
    return value[name] if list(value) == [name] else value


def _exit_code(error: JsonObject | None) -> JsonValue:
    details = (error or {}).get("details")
    return details.get("exit_code") if isinstance(details, dict) else None


def _is_event(entry: e.AnyEntry) -> bool:
    return isinstance(entry, e.EventReceived)


def _event(entry: e.AnyEntry, position: int) -> JsonObject:
    shown = e.as_json(entry, position)
    return {name: shown[name] for name in ("event_id", "wait_id", "key", "payload", "actor", "at")}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
