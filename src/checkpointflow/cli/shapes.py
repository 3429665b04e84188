"""Views as the fields of an envelope: runs, waits, steps; nothing here asks the client for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpointflow import clock
from checkpointflow.cli import actions
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import CheckpointflowError, RunInterruptedError
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.views import Inspection, RunView, StepView, WaitView

_ENDED_BADLY = {"failed", "cancelled", "interrupted"}
_ASKS = {
    "user": "Show the prompt and the summary to the user and let them decide; never answer in their place.",
    "agent": "Read the prompt and the summary, look at what they name, and come to a judgement of your own.",
    "system": "The answer comes from another system; pass on what it reports and add nothing to it.",
}
_ANSWER = [
    "Write the answer as JSON that fits `input_schema` into `response.json`; `example` shows its shape.",
    "Then run `resume.command`; an answer that does not fit is refused and changes nothing.",
]
_TIMER = [
    "Nobody has to do anything: the run sleeps until `due_at`.",
    "Time fires only when somebody drives the run, so run `resume.command` from then on.",
    "Earlier it does no harm: the run parks again.",
]
_OVERDUE = [
    "The deadline has passed: an answer is refused now.",
    "Time fires only when somebody drives the run, so run `resume.command`: it goes on as `on_timeout` says, or fails.",
]
_DOUBTS = {
    "once": "The step must take effect once, and nobody saw whether it did.",
    "idempotent": "The step may be repeated, but its driver died three times in a row while it ran.",
    None: "Nobody saw how the step ended.",
}
_LOOK = {
    "once": "Find out outside of checkpointflow: look at the system that the step changes.",
    "idempotent": "Look before it runs again: does it take down the process, or the machine, that drives it?",
    None: "Find out outside of checkpointflow: look at the system that the step changes.",
}
_DECIDE = "Then run the command under `decide` that says what you found."
_OUTPUT = "For `done` write what the step gave in place of the placeholders in `--output`."
_DECIDED = (
    "a retry alone would end in the same way: mend the document, then `cpf retry --with` it; "
    "if the input is at fault, start a new run with another"
)


# -- runs ------------------------------------------------------------------------------------------


def run_fields(view: RunView) -> JsonObject:
    """Return what every envelope that knows a run says of it."""
    fields: JsonObject = {
        "status": view.status,
        "run_id": view.run_id,
        "workflow_id": view.workflow_id,
        "workflow_name": view.workflow_name,
        "workflow_version": view.workflow_version,
        "current_step_id": view.current_step_id,
        "current_step_key": view.current_step_key,
        "started_at": clock.to_text(view.started_at),
        "updated_at": clock.to_text(view.updated_at),
        "labels": view.labels,
    }
    if view.holder is not None and view.status == "running":
        since = clock.to_text(view.holder.since)
        fields["holder"] = {"host": view.holder.host, "pid": view.holder.pid, "since": since}
    return {name: value for name, value in fields.items() if value is not None}


def of_run(
    view: RunView, *, exit_code: int | None = None, ok: bool | None = None, more: JsonObject | None = None
) -> Envelope:
    """Return the envelope of a run as it stands; exit code and `ok` are the run's own unless given.

    What ends with 0 went well: that nobody drives the run is no error then.
    """
    code = view.exit_code if exit_code is None else exit_code
    is_well = (code == 0 or view.status not in _ENDED_BADLY) if ok is None else ok
    fields = {**run_fields(view), **_wait_fields(view), **view.value, **(more or {})}
    if view.warnings:
        fields["warnings"] = list(view.warnings)
    error = _error_of(view)
    if error is not None and not (is_well and view.status == "interrupted"):
        fields["error"] = error
    fields.setdefault("next_actions", actions.for_run(view))
    return Envelope(ok=is_well, exit_code=code, fields=fields)


def _error_of(view: RunView) -> JsonObject | None:
    if view.status == "interrupted":
        return error_fields(RunInterruptedError("nobody drives the run any more; `cpf resume` goes on with it"))
    if view.error is None:
        return None
    code, key = str(view.error.get("code")), view.error.get("step_key")
    shown: JsonObject = {"code": code, "message": view.error.get("message", "")}
    if isinstance(key, str):
        shown |= {"step_id": step_id(key), "step_key": key}
    shown |= {"details": view.error.get("details", {}), "retryable": _is_retryable(code)}
    rest = {name: value for name, value in view.error.items() if name not in shown and value is not None}
    if actions.is_decided(view):
        rest.setdefault("hint", _DECIDED)
    return shown | rest


def error_fields(error: CheckpointflowError) -> JsonObject:
    """Return the `error` of an envelope."""
    shown: JsonObject = {"code": error.code, "message": error.message}
    if error.step_key is not None:
        shown |= {"step_id": step_id(error.step_key), "step_key": error.step_key}
    shown |= {"details": error.details, "retryable": error.retryable}
    return shown | {"hint": error.hint} if error.hint else shown


def step_id(key: str) -> str:
    """Return the id, as written in the workflow, of the step with this key."""
    from checkpointflow.kernel.scope import last_name

    return last_name(key)


def _is_retryable(code: str) -> bool:
    waiting: list[type[CheckpointflowError]] = [CheckpointflowError]
    while waiting:
        cls = waiting.pop()
        if cls.code == code:
            return cls.retryable
        waiting.extend(cls.__subclasses__())
    return False


# -- waits -----------------------------------------------------------------------------------------


def _wait_fields(view: RunView) -> JsonObject:
    if not view.waits or view.status in {"completed", "failed", "cancelled", "moved"}:
        return {}
    shared = actions.crowded(view.waits)
    blocks = [wait_fields(wait, by_id=(wait.run_id, wait.event_name) in shared) for wait in view.waits]
    open_ones = [block for block in blocks if not block["answered"]]
    all_of_them: list[JsonValue] = [*blocks]
    return {"wait": (open_ones or blocks)[0], "waits": all_of_them}


def wait_fields(wait: WaitView, *, by_id: bool) -> JsonObject:
    """Return a wait with all that is needed to answer it; `by_id` when its event name does not name it alone."""
    fields: JsonObject = {
        "kind": wait.kind,
        "wait_id": wait.wait_id,
        "step_key": wait.step_key,
        "audience": wait.audience,
        "event_name": wait.event_name,
        "prompt": wait.prompt,
        "summary": wait.summary,
        "input_schema": wait.input_schema,
        "risk_level": wait.risk_level,
        "opened_at": clock.to_text(wait.opened_at),
    }
    known = {name: value for name, value in fields.items() if value is not None}
    due_at = None if wait.due_at is None else clock.to_text(wait.due_at)
    return known | {"due_at": due_at, "overdue": wait.is_overdue, "answered": wait.is_answered} | _how(wait, by_id)


def _how(wait: WaitView, by_id: bool) -> JsonObject:
    """How somebody goes on from a wait."""
    if wait.kind == "in_doubt":
        return _doubt(wait)
    resume = actions.command(actions.resume_argv(wait, by_id=by_id))
    if wait.kind == "timer":
        return {"instructions": [*_TIMER], "resume": resume}
    if wait.is_overdue and not wait.is_answered:
        return {"instructions": [*_OVERDUE], "resume": resume}
    asks = _ASKS.get(wait.audience or "user", _ASKS["user"])
    file = actions.response_file(wait, by_id=by_id)
    told = [line.replace("response.json", file) for line in _ANSWER]
    return {"example": _example(wait.input_schema), "instructions": [asks, *told], "resume": resume}


def _doubt(wait: WaitView) -> JsonObject:
    ways: JsonObject = {word: actions.command(actions.decide_argv(wait, word)) for word in actions.DECISIONS}
    effect = None if wait.doubtful is None else wait.doubtful.effect
    told = [_DOUBTS[effect], _LOOK[effect], _DECIDE]
    schema = None if wait.doubtful is None else wait.doubtful.output_schema
    if not isinstance(schema, dict | bool):
        return {"instructions": [*told], "decide": ways}
    return {"output_schema": schema, "instructions": [*told, _OUTPUT], "decide": ways}


def _example(schema: JsonValue) -> JsonValue:
    from checkpointflow.schemas import example

    return example(schema if isinstance(schema, dict | bool) else {})


# -- all of a run ----------------------------------------------------------------------------------


def inspection(found: Inspection) -> JsonObject:
    """Return the `result` of `cpf inspect`."""
    state: JsonObject = {} if found.state is None else {"state": found.state}
    return {
        "inputs": found.inputs,
        **state,
        "step_outputs": found.step_outputs,
        "step_results": [_step(step) for step in found.step_results],
        "events": [*found.events],
        "entries": [*found.entries],
    }


def _step(step: StepView) -> JsonObject:
    return {
        "step_id": step.step_id,
        "step_key": step.step_key,
        "step_kind": step.step_kind,
        "status": step.status,
        "attempt": step.attempt,
        "exit_code": step.exit_code,
        "error_code": step.error_code,
        "error_message": step.error_message,
        "outputs": step.outputs,
        "stdout_path": _text(step.stdout_path),
        "stderr_path": _text(step.stderr_path),
        "created_at": clock.to_text(step.created_at),
    }


def _text(path: object) -> str | None:
    return None if path is None else str(path)
