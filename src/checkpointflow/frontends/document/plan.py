"""What a run would do, told without doing it: its steps, its waits, the programs and secrets that it needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import cast

from checkpointflow.errors import CheckpointflowError, ExpressionError
from checkpointflow.expressions import (
    Expression,
    Template,
    as_condition,
    parse_bare_or_wrapped,
    parse_condition,
    parse_template,
)
from checkpointflow.frontends.document.answers import Answers
from checkpointflow.frontends.document.holes import shell_parts
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.frontends.document.reach import Runs, both, runs_of
from checkpointflow.frontends.document.scopes import Scopes
from checkpointflow.frontends.document.shell import programs_of
from checkpointflow.kernel.scope import encoded_name
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

_TELLING = ("command", "argv", "method", "url", "call", "workflow_ref")
"""The fields that say what a step does."""
_ASKING = ("event_name", "audience", "prompt", "summary", "risk_level", "input_schema", "timeout_seconds")
_TEXTS = ("prompt", "summary")


def plan(document: Document, inputs: JsonValue, *, path: str | None, missing_secrets: list[JsonObject]) -> JsonObject:
    """Return `steps`, `waits`, `programs` and `secrets` of a document for a checked input.

    `path` is where programs are found; `missing_secrets` are those that cannot be had here; no secret is ever shown.
    `runs` is `yes`, `no` or `depends`: on what only the run will know. `step_key` is the step's key in a run, with
    `[*]` where iterations are told apart, `parent` the key of the step that it stands in.
    """
    steps = list(_Plan(document, inputs).steps())
    waits: list[JsonValue] = [wait for _, wait in steps if wait is not None]
    programs: list[JsonValue] = [
        {"program": name, "found": found} for name in _programs(document) for found in [shutil.which(name, path=path)]
    ]
    return {
        "workflow_id": document.id,
        "inputs": inputs,
        "steps": [shown for shown, _ in steps],
        "waits": waits,
        "programs": programs,
        "missing_programs": list(missing_programs(document, path=path)),
        "secrets": [{"secret": name, **source} for name, source in document.all_secrets()],
        "missing_secrets": list(missing_secrets),
    }


def missing_programs(document: Document, *, path: str | None) -> list[str]:
    """Return the programs that a document names and that are not found."""
    return [name for name in _programs(document) if shutil.which(name, path=path) is None]


# -- steps and waits -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list stands: the key before its steps', the key of the step around it, whether the list runs."""

    prefix: str = ""
    parent: str | None = None
    runs: Runs = "yes"


class _Plan:
    """The steps of one document for its input, None where only the run knows it; `within` names what leads to it."""

    def __init__(self, document: Document, inputs: JsonValue, within: tuple[str, ...] = ()) -> None:
        self._document = document
        self._inputs = inputs
        self._within = within
        self._scopes = Scopes(document)
        self._answers = Answers(document)

    def steps(self, place: _Place | None = None) -> Iterator[tuple[JsonObject, JsonObject | None]]:
        """Yield every step, those inside a step right after it; and what it waits for, if it does."""
        yield from self._list(self._document.steps, place or _Place(), entry=self._document.on_error)

    def _list(
        self, steps: tuple[Step, ...], place: _Place, entry: str | None = None
    ) -> Iterator[tuple[JsonObject, JsonObject | None]]:
        runs = runs_of(steps, self._condition, self._answers, entry=entry)
        started = {target: self._key(place, step) for step in steps for _, target in step.started()}
        for step in steps:
            around = started.get(step.id)
            inner = place if around is None else _Place(f'{around}["{encoded_name(step.id)}"]/', around, place.runs)
            here = both(place.runs, runs[step.id])
            key = self._key(inner, step)
            yield self._shown(step, key, inner.parent, here), self._wait(step, key, here)
            yield from self._inside(step, key, here)

    def _inside(self, step: Step, key: str, runs: Runs) -> Iterator[tuple[JsonObject, JsonObject | None]]:
        members = "[*]" if step.kind == "foreach" else ""
        if step.kind == "foreach":
            runs = both(runs, self._has_items(step))
        for name, steps in step.lists.items():
            member = members or f'["{encoded_name(name)}"]'
            yield from self._list(steps, _Place(f"{key}{member}/", key, runs))
        ref = step.workflow_ref
        if ref is not None and ref not in self._within:
            document = self._document.sub_workflow(ref)
            below = _Plan(document, self._sub_inputs(step, document), (*self._within, ref))
            yield from below.steps(_Place(f"{key}{members}/", key, runs))

    def _shown(self, step: Step, key: str, parent: str | None, runs: Runs) -> JsonObject:
        shown: JsonObject = {"step_id": step.id, "step_key": key, "kind": step.kind, "runs": runs}
        shown |= {} if parent is None else {"parent": parent}
        shown |= {name: step.fields[name] for name in _TELLING if name in step.fields}
        return shown | ({"within": list(self._within)} if self._within else {})

    def _wait(self, step: Step, key: str, runs: Runs) -> JsonObject | None:
        if step.kind != "await_event":
            return None
        known = {name: step.fields[name] for name in _ASKING if name in step.fields}
        filled = {name: self._filled(step, str(known[name])) for name in _TEXTS if name in known}
        return {"step_id": step.id, "step_key": key, "runs": runs} | known | filled

    def _key(self, place: _Place, step: Step) -> str:
        return f"{place.prefix}{encoded_name(step.id)}" if step.id else place.prefix

    # -- what the input alone tells --------------------------------------------------------------

    def _condition(self, step: Step, text: str) -> bool | None:
        """Return what a condition is; None for what depends on more than the input."""
        inside = "event" if step.kind == "await_event" and text != step.when else ""
        try:
            expression = parse_condition(text, self._scopes.of_step(step, inside))  # type: ignore[arg-type]
            if not self._is_known([expression]):
                return None
            return as_condition(expression.evaluate({"inputs": self._inputs}), expression)
        except CheckpointflowError:
            return None

    def _has_items(self, step: Step) -> Runs:
        """Tell whether a `foreach` has any iteration."""
        try:
            items = parse_bare_or_wrapped(str(step.fields["items"]), self._scopes.of_step(step))
            if not self._is_known([items]):
                return "depends"
            found = items.evaluate({"inputs": self._inputs})
        except CheckpointflowError:
            return "depends"
        return "yes" if isinstance(found, list) and found else "no"

    def _filled(self, step: Step, text: str) -> JsonValue:
        """Return a text with its values, as it stands if they depend on more than the input."""
        template = parse_template(text, self._scopes.of_step(step))
        return self._rendered(template, text)

    def _rendered(self, template: Template, otherwise: JsonValue) -> JsonValue:
        expressions = [part for part in template.parts if isinstance(part, Expression)]
        try:
            return template.render({"inputs": self._inputs}) if self._is_known(expressions) else otherwise
        except ExpressionError:
            return otherwise

    def _sub_inputs(self, step: Step, document: Document) -> JsonValue:
        """Return the input of a sub-workflow, None if that depends on more than the input here."""
        from checkpointflow.schemas import with_defaults

        unknown = object()

        def value(part: JsonValue) -> object:
            if isinstance(part, str):
                template = parse_template(part, self._scopes.of_step(step, "item" if step.kind == "foreach" else ""))
                return self._rendered(template, cast(JsonValue, unknown))
            if isinstance(part, dict):
                return {name: value(inner) for name, inner in part.items()}
            return [value(inner) for inner in part] if isinstance(part, list) else part

        given = value(step.fields.get("inputs") or {})
        if _holds(given, unknown):
            return None
        return with_defaults(cast(JsonValue, given), cast("JsonObject | bool", document.inputs))

    def _is_known(self, expressions: list[Expression]) -> bool:
        """Tell whether expressions read nothing but the input, which is known."""
        paths = [reference.path for one in expressions for reference in one.references]
        return all(path[:1] == ("inputs",) for path in paths) and (self._inputs is not None or not paths)


def _holds(value: object, wanted: object) -> bool:
    if isinstance(value, dict):
        return any(_holds(one, wanted) for one in value.values())
    return any(_holds(one, wanted) for one in value) if isinstance(value, list) else value is wanted


# -- programs --------------------------------------------------------------------------------------


def _programs(document: Document) -> list[str]:
    """Return the programs that are named as such: shells, first words of `argv`, and of the commands in a text."""
    found: dict[str, None] = {}
    for one in [document, *(other for other in document.library.values() if other is not document)]:
        scopes = Scopes(one)
        for step in one.all_steps():
            if step.kind == "cli":
                found.update(dict.fromkeys(_named(one, scopes, step)))
    return [name for name in found if name and "${" not in name]


def _named(document: Document, scopes: Scopes, step: Step) -> list[str]:
    argv = step.fields.get("argv")
    if isinstance(argv, list):
        return [str(argv[0])]
    shell = str(step.fields.get("shell") or document.defaults.get("shell") or "sh")
    command = step.fields.get("command")
    texts = command if isinstance(command, list) else [command]
    if shell.removesuffix(".exe") not in ("sh", "bash"):
        return [shell]
    templates = [parse_template(str(text), scopes.of_step(step)) for text in texts]
    return [shell, *(name for one in templates for name in programs_of(shell_parts(one), shell=shell))]
