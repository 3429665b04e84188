"""What a run would do, told without doing it: its steps, its waits, the programs and secrets that it needs."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator

from checkpointflow.errors import CheckpointflowError
from checkpointflow.expressions import as_condition, parse_condition
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.frontends.document.scopes import Scopes
from checkpointflow.values import JsonObject, JsonValue

_TELLING = ("command", "argv", "method", "url", "call", "workflow_ref")
"""The fields that say what a step does."""
_HOLE = re.compile(r"\$\{[^}]*\}")
_PLAIN = re.compile(r"[A-Za-z0-9_.+/-]+")
_BEFORE_COMMANDS = frozenset({"then", "do", "else", "if", "elif", "while", "until", "!", "{"})
_SHELL_WORDS = _BEFORE_COMMANDS | {
    "alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "declare", "done", "echo", "esac",
    "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "function", "getopts", "hash", "in", "jobs",
    "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "select", "set", "shift", "source",
    "test", "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "wait",
    ".", ":", "[",
}  # fmt: skip


def plan(document: Document, inputs: JsonValue, *, path: str | None, missing_secrets: list[JsonObject]) -> JsonObject:
    """Return `steps`, `waits`, `programs` and `secrets` of a document for a checked input.

    `path` is where programs are found; `missing_secrets` are those that cannot be had here. No value is ever shown.
    `runs` of a step is `yes`, `no` or `depends`: on what only the run will know.
    """
    steps = list(_steps(document, inputs, ()))
    waits: list[JsonValue] = [
        _wait(step) for one in _documents(document) for step in one.all_steps() if step.kind == "await_event"
    ]
    programs: list[JsonValue] = [
        {"program": name, "found": found} for name in _programs(document) for found in [shutil.which(name, path=path)]
    ]
    return {
        "workflow_id": document.id,
        "inputs": inputs,
        "steps": list(steps),
        "waits": waits,
        "programs": programs,
        "missing_programs": list(missing_programs(document, path=path)),
        "secrets": [{"secret": name, **source} for name, source in document.all_secrets()],
        "missing_secrets": list(missing_secrets),
    }


def missing_programs(document: Document, *, path: str | None) -> list[str]:
    """Return the programs that a document names and that are not found."""
    return [name for name in _programs(document) if shutil.which(name, path=path) is None]


def _steps(document: Document, inputs: JsonValue, within: tuple[str, ...]) -> Iterator[JsonValue]:
    scopes = Scopes(document)
    for step in document.all_steps():
        shown: JsonObject = {"step_id": step.id, "kind": step.kind, "runs": _runs(step, scopes, inputs)}
        shown |= {name: step.fields[name] for name in _TELLING if name in step.fields}
        if within:
            shown["within"] = list(within)
        yield shown
        if step.workflow_ref is not None and step.workflow_ref not in within:
            yield from _steps(document.sub_workflow(step.workflow_ref), None, (*within, step.workflow_ref))


def _runs(step: Step, scopes: Scopes, inputs: JsonValue) -> str:
    """Tell what is known of a step's `if`; jumps may still lead past it or to it."""
    if step.when is None:
        return "yes"
    expression = parse_condition(step.when, scopes.of_step(step))
    if inputs is None or any(reference.path[:1] != ("inputs",) for reference in expression.references):
        return "depends"
    try:
        return "yes" if as_condition(expression.evaluate({"inputs": inputs}), expression) else "no"
    except CheckpointflowError:
        return "depends"


def _documents(document: Document) -> list[Document]:
    """Return a document and those that it names, each once."""
    return [document, *(one for one in document.library.values() if one is not document)]


def _wait(step: Step) -> JsonObject:
    known = ("event_name", "audience", "prompt", "input_schema", "timeout_seconds")
    return {"step_id": step.id} | {name: step.fields[name] for name in known if name in step.fields}


def _programs(document: Document) -> list[str]:
    """Return the programs that are named as such: shells, first words of `argv`, and of the commands in a text."""
    found: dict[str, None] = {}
    for one in _documents(document):
        for step in one.all_steps():
            if step.kind == "cli":
                found.update(dict.fromkeys(_named(one, step)))
    return [name for name in found if name and "${" not in name]


def _named(document: Document, step: Step) -> list[str]:
    argv = step.fields.get("argv")
    if isinstance(argv, list):
        return [str(argv[0])]
    shell = str(step.fields.get("shell") or document.defaults.get("shell") or "sh")
    command = step.fields.get("command")
    texts = command if isinstance(command, list) else [command]
    reads = shell in ("sh", "bash")
    return [shell, *(word for text in texts if reads for word in _command_words(str(text)))]


def _command_words(text: str) -> list[str]:
    """Return the first words of the simple commands at the beginning of a shell's text, as far as they are plain.

    A hint for people, so it stops where reading takes a whole shell: at here-documents, functions and quotes that
    do not close.
    """
    lexer = shlex.shlex(_HOLE.sub("$", text).partition("<<")[0], posix=True, punctuation_chars=True)
    found: list[str] = []
    is_first = True
    try:
        for word in lexer:
            if is_first and _PLAIN.fullmatch(word) and word not in _SHELL_WORDS:
                found.append(word)
            is_first = set(word) <= set(";&|") or word in _BEFORE_COMMANDS
    except ValueError:
        return found
    return [] if "(" in text else found
