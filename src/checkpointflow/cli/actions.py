"""Next actions: complete commands that help on from where a run or a refusal leaves its reader."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from checkpointflow.errors import VisitLimitError
from checkpointflow.values import JsonObject, JsonValue, dump

if TYPE_CHECKING:
    from checkpointflow.views import RunView, WaitView

DECISIONS = {
    "done": "It took effect: go on as if the step had completed",
    "again": "It took no effect: perform the step again",
    "fail": "Give the step up: it has failed",
}


def action(title: str, argv: Sequence[str]) -> JsonObject:
    """Return one next action; `argv` is a whole command."""
    return {"title": title, "argv": list(argv)}


def command(argv: Sequence[str]) -> JsonObject:
    """Return a command as words and as one line for a shell."""
    return {"command": shlex.join(argv), "argv": list(argv)}


def resume_argv(wait: WaitView, *, by_id: bool) -> list[str]:
    """Return the command that answers a wait; `by_id` when its event name does not name it alone."""
    argv = ["cpf", "resume", "--run-id", wait.run_id]
    if not takes_answer(wait) or wait.event_name is None:
        return argv
    argv += [*_option("--event", wait.event_name), "--input", f"@{response_file(wait, by_id=by_id)}"]
    return [*argv, *_option("--wait", wait.wait_id)] if by_id and wait.wait_id else argv


def takes_answer(wait: WaitView) -> bool:
    """Tell whether an answer to a wait would be taken now."""
    return wait.kind == "external_event" and not wait.is_answered and not wait.is_overdue


def response_file(wait: WaitView, *, by_id: bool) -> str:
    """Return the name of the file from which the command that answers a wait reads the answer."""
    return f"response-{wait.wait_id}.json" if by_id and wait.wait_id else "response.json"


def decide_argv(wait: WaitView, decision: str) -> list[str]:
    """Return the command that settles a step in doubt; with an output to fill in where the step has to have one."""
    schema = wait.doubtful.output_schema if wait.doubtful is not None else None
    has_output = decision == "done" and isinstance(schema, dict | bool)
    output = ["--output", example_text(schema)] if has_output and isinstance(schema, dict | bool) else []
    argv = ["cpf", "decide", "--run-id", wait.run_id]
    if wait.step_key.startswith("-"):
        return [*argv, *output, "--", wait.step_key, decision]
    return [*argv, wait.step_key, decision, *output]


def example_text(schema: JsonObject | bool) -> str:
    """Return what fits a schema, with placeholders for its values, as a word that is refused until they are filled."""
    from checkpointflow.schemas import example

    shown = example(schema)
    return shown if isinstance(shown, str) else dump(shown)


def with_input(title: str, argv: Sequence[str], inputs: JsonValue) -> JsonObject:
    """Return an action whose command starts from a run's input; its shape is shown where the schema needs one."""
    from checkpointflow.schemas import is_valid, with_defaults

    if not isinstance(inputs, dict) or is_valid(with_defaults({}, inputs), inputs):
        return action(title, argv)
    return action(f"{title}, with values in place of `<…>`", [*argv, "--input", example_text(inputs)])


def crowded(waits: Sequence[WaitView]) -> set[tuple[str, str | None]]:
    """Return the runs and event names that several open waits share."""
    names = Counter((wait.run_id, wait.event_name) for wait in waits if wait.kind == "external_event")
    return {name for name, count in names.items() if count > 1}


def for_run(view: RunView) -> list[JsonValue]:
    """Return how a run goes on from its status."""
    ask = ["--run-id", view.run_id]
    if view.status == "waiting":
        shared = crowded(view.waits)
        waits = sorted(view.waits, key=lambda wait: not wait.is_overdue)
        found = [one for wait in waits for one in _for_wait(wait, (view.run_id, wait.event_name) in shared)]
        return [*_unique(found), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "running":
        return [
            action("Follow it to its end", ["cpf", "resume", *ask]),
            *answers(view),
            action("Look again", ["cpf", "status", *ask]),
        ]
    if view.status == "paused" or view.status == "interrupted":
        return [action("Go on", ["cpf", "resume", *ask]), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "moved":
        again = ["cpf", "export", *ask, "-o", f"{view.run_id}.tar"]
        return [action("Write its bundle again", again), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "failed":
        first = _mended(view) if is_decided(view) else [action("Try the failed step again", ["cpf", "retry", *ask])]
        return [
            *first,
            action("See all that happened", ["cpf", "inspect", *ask]),
            action("See what the steps wrote to stderr", ["cpf", "logs", *ask, "--stderr"]),
        ]
    return [action("See all that happened", ["cpf", "inspect", *ask])]


def answers(view: RunView) -> list[JsonValue]:
    """Return the commands that answer what a run waits for, as far as an answer would be taken now."""
    shared = crowded(view.waits)
    waits = [wait for wait in view.waits if takes_answer(wait) or wait.kind == "in_doubt"]
    return _unique([one for wait in waits for one in _for_wait(wait, (view.run_id, wait.event_name) in shared)])


def is_decided(view: RunView) -> bool:
    """Tell whether a run failed because its document says so or is wrong, so that a retry would end the same way."""
    error = view.error or {}
    is_of_document = error.get("cause") == "document" or error.get("code") == VisitLimitError.code
    return is_of_document and not error.get("further_keys")


def _mended(view: RunView) -> list[JsonObject]:
    """What helps where the document itself is at fault: it has to be another one."""
    if view.source_path is None:
        return []
    retry = ["cpf", "retry", "--run-id", view.run_id, *_option("--with", view.source_path)]
    return [
        action("Check the document once it is mended", ["cpf", "validate", *of_file(view.source_path)]),
        action("Go on with the mended document", retry),
    ]


def _for_wait(wait: WaitView, by_id: bool) -> list[JsonObject]:
    if wait.kind == "in_doubt" and wait.is_answered:
        return [action(f"Go on with what was decided of `{wait.step_key}`", ["cpf", "resume", "--run-id", wait.run_id])]
    if wait.kind == "in_doubt":
        ways = [action(f"{title} (`{wait.step_key}`)", decide_argv(wait, word)) for word, title in DECISIONS.items()]
        return [_look(wait), *ways]
    name = f"`{wait.event_name}` (`{wait.step_key}`)" if by_id else f"`{wait.event_name}`"
    argv = resume_argv(wait, by_id=by_id)
    if wait.kind == "timer":
        return [action("Go on once the time has come", argv)]
    if wait.is_answered:
        return [action("Go on with the answer that was given", argv)]
    if wait.is_overdue:
        return [action(f"Go on without an answer: the deadline of {name} has passed", argv)]
    return [action(f"Answer {name}", argv)]


def _look(wait: WaitView) -> JsonObject:
    """Return what shows how far a step in doubt came: look, then decide."""
    title = f"Look first: see how far `{wait.step_key}` came, and find out what it did"
    return action(title, ["cpf", "inspect", "--run-id", wait.run_id, "--exit-zero"])


def _unique(actions: list[JsonObject]) -> list[JsonValue]:
    found: list[JsonValue] = []
    for one in actions:
        if one not in found:
            found.append(one)
    return found


def of_file(file: str) -> list[str]:
    """Return the words that name a document."""
    return [f"--file={file}"] if file.startswith("-") else ["-f", file]


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]
