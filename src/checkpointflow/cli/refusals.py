"""Errors as envelopes: what is refused, what the run's status is all the same, and which command helps on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from checkpointflow.cli import actions, shapes
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import (
    BundleError,
    CheckpointflowError,
    CommandInterruptedError,
    DocumentError,
    FileExistsAlreadyError,
    FileMissingError,
    InputError,
    InternalError,
    NondeterminismError,
    PersistenceError,
    RunNotFoundError,
    RunNotWaitingError,
    SecretMissingError,
    UnknownKindError,
    UsageError,
    said,
)
from checkpointflow.kernel.scope import last_name
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.views import RunView


def refusal(error: CheckpointflowError, door: Door) -> Envelope:
    """Return the envelope of an error; a run that is known keeps its status in it."""
    view = door.present_run(error.run_id)
    fields: JsonObject = {}
    if view is not None:
        fields = shapes.of_run(view).fields
    elif error.run_id or door.run_id:
        fields["run_id"] = error.run_id or door.run_id
    failed = fields.get("error") if view is not None and view.status == "failed" else None
    told = shapes.error_fields(error)
    if again := _rerunning(error, door) or _retrying(error, door, view):
        told["hint"] = f"`{shlex.join(again)}`"
    fields["error"] = told if failed is None else {**told, "details": {**error.details, "run_error": failed}}
    problems = _problems(error)
    if problems:
        fields["problems"] = problems
    fields["next_actions"] = next_actions(error, door, view)
    return Envelope(ok=False, exit_code=error.exit_code, fields=fields)


def _rerunning(error: CheckpointflowError, door: Door) -> list[str]:
    """Return the command that was typed with the steps that an error says have to run again; empty if it says none."""
    steps = error.details.get("rerun")
    named = [one for step in steps if isinstance(step, str) for one in _rerun(step)] if isinstance(steps, list) else []
    return door.again(*named) if named else []


def _retrying(error: CheckpointflowError, door: Door, view: RunView | None) -> list[str]:
    """Return a `resume` that was to revise a run as the `retry` that a failed one needs; empty for anything else."""
    is_failed = view is not None and view.status == "failed" and isinstance(error, RunNotWaitingError)
    again = door.again()
    is_revision = any(word.split("=")[0] in ("--rerun", "--with") for word in again)
    return ["cpf", "retry", *again[2:]] if is_failed and is_revision and again[1:2] == ["resume"] else []


def _voiding(error: CheckpointflowError, view: RunView) -> list[str]:
    """Return the command that gives up what was recorded otherwise than it is asked for; empty if no step is named."""
    key = error.details.get("key") if isinstance(error, NondeterminismError) else None
    if not isinstance(key, str) or last_name(key).startswith(("%", "(")):
        return []
    word = "retry" if view.status == "failed" else "resume"
    return ["cpf", word, "--run-id", view.run_id, *_rerun(key)]


def _rerun(step: str) -> list[str]:
    return [f"--rerun={step}"] if step.startswith("-") else ["--rerun", step]


def defect(error: BaseException, door: Door) -> Envelope:
    """Return the envelope of an exception that nothing else named: a defect of ours."""
    message = f"checkpointflow met a defect of its own: {said(error)[:300]}"
    hint = "run it again with `--debug` and report the traceback that it prints on stderr"
    fields: JsonObject = {"error": shapes.error_fields(InternalError(message, hint=hint))}
    if door.run_id:
        fields["run_id"] = door.run_id
    fields["next_actions"] = [action("Show the traceback", door.again("--debug"))]
    return Envelope(ok=False, exit_code=InternalError.exit_code, fields=fields)


def interrupted(door: Door) -> Envelope:
    """Return the envelope of a Ctrl-C that no drive took."""
    return refusal(CommandInterruptedError(f"`cpf {door.command}` was interrupted before it was done"), door)


def next_actions(error: CheckpointflowError, door: Door, view: RunView | None) -> list[JsonValue]:
    """Return the commands that help on from an error, at least one."""
    if isinstance(error, RunNotFoundError):
        return [action("List the runs", ["cpf", "runs"])]
    if isinstance(error, UsageError):
        is_about_waits = not {"waits", "events"}.isdisjoint(error.details)
        given = actions.answers(view) if view is not None and is_about_waits else []
        usage = action("See what can be said", ["cpf", *([door.command] if door.command else []), "--help"])
        return given or [*_where_to_find(error), usage]
    if isinstance(error, BundleError) and error.details.get("only_a_copy"):
        return [action("Take over a copy with an id of its own", door.again("--copy"))]
    if isinstance(error, FileExistsAlreadyError):
        return [action("Write over it", door.again("--force"))]
    if isinstance(error, PersistenceError) and door.run_id is not None:
        return [action("Go on once the store can be used again", ["cpf", "resume", "--run-id", door.run_id])]
    if isinstance(error, PersistenceError) or (isinstance(error, CommandInterruptedError) and view is None):
        return [action("Try again", door.again())]
    if again := _rerunning(error, door):
        shown: list[JsonValue] = [action("Go on like this, and have them run again", again)]
        return [*shown, *(actions.for_run(view) if view is not None else [])]
    if view is not None:
        found: list[JsonValue] = []
        if again := _retrying(error, door, view):
            found = [action("Go on like this", again)]
        elif again := _voiding(error, view):
            found = [action("Go on, and have that step run again", again)]
        return [*found, *actions.for_run(view)]
    return _about_file(error, door) or [action("See what can be said", ["cpf", door.command, "--help"])]


def _where_to_find(error: UsageError) -> list[JsonValue]:
    """Return what lists the runs or documents that a command lacks."""
    missing = error.details.get("missing")
    names = missing if isinstance(missing, list) else []
    found: list[JsonValue] = [action("List the runs, for `--run-id`", ["cpf", "runs"])] if "--run-id" in names else []
    if "-f/--file" in names:
        found.append(action("List the workflows that have an id, for `-f`", ["cpf", "flows"]))
    return found


def _about_file(error: CheckpointflowError, door: Door) -> list[JsonValue]:
    if door.file is None:
        return []
    if isinstance(error, DocumentError | UnknownKindError) and door.command == "test":
        return [action("Play them again once it is mended", door.again())]
    if isinstance(error, DocumentError | UnknownKindError):
        check = ["cpf", "validate", *actions.of_file(door.file), *door.strict]
        return [action("Check it again once it is mended", check)]
    if isinstance(error, FileMissingError):
        return [action("Write a starter document", ["cpf", "init"])]
    if isinstance(error, SecretMissingError):
        return [action("Run it again once they are provided", door.again())]
    if isinstance(error, InputError):
        ask = [*actions.of_file(door.file), *door.strict]
        titles = {"run": "Run it", "plan": "See what it would do"}
        return [
            actions.with_input(title, ["cpf", word, *ask], door.inputs)
            for word, title in sorted(titles.items(), key=lambda one: one[0] != door.command)
        ]
    return []


def _problems(error: CheckpointflowError) -> list[JsonValue]:
    """Take the problems of a document out of its error: they stand at the top of the envelope."""
    if isinstance(error, DocumentError):
        return [*error.problems]
    problems = error.details.get("problems") if isinstance(error, UnknownKindError) else None
    return problems if isinstance(problems, list) else []
