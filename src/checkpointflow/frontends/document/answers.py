"""Where the answers to a wait lead, told by trying each one that its schema lists; what to say of that is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import cast

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Expression, as_condition, parse_condition
from checkpointflow.frontends.document.model import Document, Step, condition_text
from checkpointflow.frontends.document.scopes import Scopes
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue, dump

_MAX_TRIES = 512
_MAX_TEXT = 200
_WHOLE = ""
"""Stands for the answer itself, where the conditions read it as `event`."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a wait's answers lead.

    `left`: those that no transition takes, in words; `unused`: the transitions, by number, that take none;
    `listed`: the answers that there are, in words; `is_decided`: nothing goes on to the next step in the list.
    """

    left: tuple[str, ...]
    unused: tuple[int, ...]
    listed: str
    is_decided: bool


class Answers:
    """The answers to the waits of one document; each wait's are tried once."""

    def __init__(self, document: Document) -> None:
        self._scopes = Scopes(document)
        self._known: dict[int, Ways | None] = {}

    def ways(self, step: Step) -> Ways | None:
        """Return where the answers to a step lead; None if they cannot be told from its schema alone."""
        if id(step) not in self._known:
            self._known[id(step)] = self._tried(step)
        return self._known[id(step)]

    def are_all_taken(self, step: Step) -> bool:
        """Tell whether a wait's transitions take every answer, so that none goes on to the next in the list."""
        ways = self.ways(step)
        return ways is not None and ways.is_decided

    def _tried(self, step: Step) -> Ways | None:
        conditions = _parsed(step, self._scopes) if step.kind == "await_event" else []
        schema = step.fields.get("input_schema")
        axes = _axes(conditions, schema if isinstance(schema, dict) else {})
        if axes is None or not conditions or prod(map(len, axes.values())) * len(conditions) > _MAX_TRIES:
            return None
        left: list[str] = []
        taken: set[int | None] = set()
        for values in product(*axes.values()):
            answer = dict(zip(axes, values, strict=True))
            way = _way(conditions, answer)
            taken.add(way)
            if way == _UNKNOWN:
                return None
            if way is None and None not in values and _is_choice(axes):
                left.append(" and ".join(_words(name, value) for name, value in answer.items()))
        unused = tuple(index for index in range(len(conditions)) if index not in taken)
        listed = "; ".join(_options(name, values) for name, values in axes.items())
        return Ways(tuple(left), unused, listed, is_decided=None not in taken)


_UNKNOWN = -1


def _parsed(step: Step, scopes: Scopes) -> list[Expression]:
    """Return the conditions of a wait; none if one of them is wrong, costly or long."""
    scope = scopes.of_step(step, "event")
    found: list[Expression] = []
    transitions = step.fields.get("transitions")
    for case in transitions if isinstance(transitions, list) else []:
        text = condition_text(case.get("when")) if isinstance(case, dict) else None
        if text is None or len(text) > _MAX_TEXT:
            return []
        try:
            found.append(parse_condition(text, scope))
        except ExpressionError:
            return []
        if found[-1].has_loops:
            return []
    return found


def _axes(conditions: list[Expression], schema: JsonObject) -> Mapping[str, list[JsonValue]] | None:
    """Return the values that each part which the conditions read can have; None if one is not known. Null: absent."""
    paths = {reference.path for condition in conditions for reference in condition.references}
    if paths == {("event",)}:
        options = _listed(schema)
        return {_WHOLE: options} if options else None
    axes: dict[str, list[JsonValue]] = {}
    properties, required = schema.get("properties"), schema.get("required")
    for path in sorted(paths, key=str):
        name = str(path[1]) if len(path) == 2 and path[0] == "event" else None
        options = _listed(properties.get(name)) if name is not None and isinstance(properties, dict) else []
        if not name or not options:
            return None
        axes[name] = options if isinstance(required, list) and name in required else [*options, None]
    return axes


def _listed(schema: JsonValue) -> list[JsonValue]:
    """Return all values that fit a schema, as far as it lists them."""
    if not isinstance(schema, dict):
        return []
    listed: list[JsonValue] = [schema["const"]] if "const" in schema else []
    if not listed and isinstance(schema.get("enum"), list):
        listed = cast("list[JsonValue]", schema["enum"])
    elif not listed and schema.get("type") == "boolean":
        listed = [True, False]
    is_short = all(isinstance(value, bool | int) or (isinstance(value, str) and len(value) <= 1000) for value in listed)
    return listed if is_short else []


def _is_choice(axes: Mapping[str, list[JsonValue]]) -> bool:
    """Tell whether there is more to choose from than yes and no, of which one often just goes on."""
    return not all(value is None or isinstance(value, bool) for values in axes.values() for value in values)


def _way(conditions: list[Expression], answer: Mapping[str, JsonValue]) -> int | None:
    """Return the number of the transition that an answer takes."""
    event = answer.get(_WHOLE, {name: value for name, value in answer.items() if value is not None})
    for index, condition in enumerate(conditions):
        try:
            if as_condition(condition.evaluate({"event": event}), condition):
                return index
        except ExpressionError:
            return _UNKNOWN
    return None


def _words(name: str, value: JsonValue) -> str:
    return f"{_subject(name)} is {_shown(value)}"


def _options(name: str, values: list[JsonValue]) -> str:
    shown = list(_each(values))
    return f"{_subject(name)} is one of {', '.join(shown)}" if len(shown) > 1 else f"{_subject(name)} is {shown[0]}"


def _each(values: list[JsonValue]) -> Iterator[str]:
    known = [value for value in values if value is not None]
    yield from map(_shown, known[:12])
    if len(known) > 12:
        yield "…"


def _subject(name: str) -> str:
    return f"`{name[:60]}`" if name else "the answer"


def _shown(value: JsonValue) -> str:
    return f"`{value[:60] if isinstance(value, str) else dump(value)}`"
