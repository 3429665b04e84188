"""Next actions: complete commands that help on from where a run or a refusal leaves its reader."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from checkpointflow.values import JsonObject, JsonValue

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
    if wait.kind != "external_event" or wait.is_answered or wait.event_name is None:
        return argv
    argv += [*_option("--event", wait.event_name), "--input", "@response.json"]
    return [*argv, *_option("--wait", wait.wait_id)] if by_id and wait.wait_id else argv


def decide_argv(wait: WaitView, decision: str) -> list[str]:
    """Return the command that settles a step in doubt."""
    return ["cpf", "decide", "--run-id", wait.run_id, wait.step_key, decision]


def crowded(waits: Sequence[WaitView]) -> set[tuple[str, str | None]]:
    """Return the runs and event names that several open waits share."""
    names = [(wait.run_id, wait.event_name) for wait in waits if wait.kind == "external_event"]
    return {name for name in names if names.count(name) > 1}


def for_run(view: RunView) -> list[JsonValue]:
    """Return how a run goes on from its status."""
    ask = ["--run-id", view.run_id]
    if view.status == "waiting":
        shared = crowded(view.waits)
        found = [one for wait in view.waits for one in _for_wait(wait, (view.run_id, wait.event_name) in shared)]
        return [*_unique(found), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "running":
        return [action("Follow it to its end", ["cpf", "resume", *ask]), action("Look again", ["cpf", "status", *ask])]
    if view.status == "paused" or view.status == "interrupted":
        return [action("Go on", ["cpf", "resume", *ask]), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "moved":
        again = ["cpf", "export", *ask, "-o", f"{view.run_id}.tar"]
        return [action("Write its bundle again", again), action("See all that happened", ["cpf", "inspect", *ask])]
    if view.status == "failed":
        return [
            action("Try the failed step again", ["cpf", "retry", *ask]),
            action("See all that happened", ["cpf", "inspect", *ask]),
            action("See what the steps wrote to stderr", ["cpf", "logs", *ask, "--stderr"]),
        ]
    return [action("See all that happened", ["cpf", "inspect", *ask])]


def _for_wait(wait: WaitView, by_id: bool) -> list[JsonObject]:
    if wait.kind == "in_doubt":
        return [action(f"{title} (`{wait.step_key}`)", decide_argv(wait, word)) for word, title in DECISIONS.items()]
    argv = resume_argv(wait, by_id=by_id)
    if wait.kind == "timer":
        return [action("Go on once the time has come", argv)]
    if wait.is_answered:
        return [action("Go on with the answer that was given", argv)]
    return [action(f"Answer `{wait.event_name}`", argv)]


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
