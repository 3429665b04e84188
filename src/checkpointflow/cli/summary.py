"""What a person at the terminal is told when a command ends: few lines, and the next command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from checkpointflow.cli.plain import plain, short
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.cli.envelope import Envelope

_DRIVING = {"run", "resume", "retry", "decide", "send", "cancel"}


def told(envelope: Envelope, door: Door) -> str:
    """Return the lines for stderr, newlines included; empty when there is nothing to add to the data."""
    lines = [plain(line) for line in envelope.said]
    fields = envelope.fields
    if envelope.ok and door.command in _DRIVING and isinstance(fields.get("run_id"), str):
        lines += [_state(fields), *_warning_lines(fields.get("warnings")), *_wait_lines(fields.get("wait"))]
    if not envelope.ok:
        lines += _refused(fields, door)
    if not envelope.ok or door.command in _DRIVING:
        lines += _next(fields.get("next_actions"))
    return "".join(f"{line}\n" for line in lines)


def _state(fields: JsonObject) -> str:
    name = fields.get("workflow_name") or fields.get("workflow_id") or "run"
    return plain(f"{fields.get('status')}: {name}, run {short(str(fields['run_id']))}")


def _warning_lines(warnings: JsonValue) -> list[str]:
    return [plain(f"  warning: {one}") for one in warnings] if isinstance(warnings, list) else []


def _wait_lines(wait: JsonValue) -> list[str]:
    if not isinstance(wait, dict):
        return []
    if wait.get("kind") == "timer":
        return [plain(f"  sleeps until {wait.get('due_at')}")]
    if wait.get("kind") == "in_doubt":
        return [plain(f"  somebody has to decide: {wait.get('prompt')}")]
    if wait.get("overdue") and not wait.get("answered"):
        return [plain(f"  the deadline of `{wait.get('event_name')}` has passed")]
    asked = [plain(f"  waits for `{wait.get('event_name')}` from {wait.get('audience')}")]
    texts = [wait.get("prompt"), wait.get("summary")]
    return asked + [f"  {plain(line)}" for text in texts if isinstance(text, str) for line in text.splitlines()]


def _refused(fields: JsonObject, door: Door) -> list[str]:
    error = fields.get("error")
    if not isinstance(error, dict):
        return [_state(fields)] if "run_id" in fields else []
    problems = fields.get("problems")
    listed = problems if isinstance(problems, list) else []
    lines = [plain(f"cpf {door.command}: {error.get('message')}")]
    lines += [problem_line(problem) for problem in listed if isinstance(problem, dict)]
    return [*lines, plain(f"  {error['hint']}")] if error.get("hint") else lines


def problem_line(problem: JsonObject) -> str:
    """Return a document's problem as editors and terminals link it: `file:line:column: severity: message`."""
    place = f"{problem.get('file') or '-'}:{problem.get('line')}:{problem.get('column')}"
    hint = f" ({problem['hint']})" if problem.get("hint") else ""
    return plain(f"{place}: {problem.get('severity')}: {problem.get('message')}{hint}")


def _next(actions: JsonValue) -> list[str]:
    first = actions[0] if isinstance(actions, list) and actions else None
    argv = first.get("argv") if isinstance(first, dict) else None
    return [plain("next: " + shlex.join(map(str, argv)))] if isinstance(argv, list) else []
