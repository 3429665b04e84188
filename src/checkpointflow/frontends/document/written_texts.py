"""The texts of a step as written and how each is read, told by the `x-place` of the schema; parsing is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from checkpointflow.expressions import Expression, Template
from checkpointflow.frontends.document.model import Path, condition_text
from checkpointflow.frontends.document.schema import header_schema, step_schema
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

_SKIPPED = frozenset({"note", "schema", "steps"})


@dataclass(frozen=True, slots=True)
class Text:
    """One text: where it stands below its step or header, and its place (`template`, `shell`, `condition`, …).

    `takes_secrets`: secrets may stand in it.
    """

    path: Path
    text: str
    place: str
    takes_secrets: bool = False


Parsed: TypeAlias = "list[tuple[Text, Template | Expression | None]]"
"""The texts of one step as they were read; None for a text that is no template, or a wrong one."""


def expressions_of(parsed: Template | Expression) -> Iterator[Expression]:
    """Yield the expressions of a text, in its order."""
    if isinstance(parsed, Expression):
        yield parsed
    else:
        yield from (part for part in parsed.parts if isinstance(part, Expression))


def texts_of_step(kind: str, fields: JsonObject) -> Iterator[Text]:
    """Yield every text of a step that holds, or must not hold, expressions; inner lists are left out."""
    yield from _texts(fields, step_schema(kind), (), "template")


def texts_of_defaults(defaults: JsonObject) -> Iterator[Text]:
    """Yield the texts of a document's `defaults`."""
    schema = _properties(_properties(header_schema())["workflow"])["defaults"]
    yield from _texts(defaults, schema, (), "template")


def _texts(value: JsonValue, schema: JsonValue, path: Path, place: str, secrets: bool = False) -> Iterator[Text]:
    known = schema if isinstance(schema, dict) else {}
    place = str(known.get("x-place", place))
    secrets = secrets or known.get("x-secrets") is True
    if place in _SKIPPED:
        return
    if place == "condition":
        value = condition_text(value)
    if isinstance(value, str):
        yield Text(path, value, place, secrets)
    elif isinstance(value, dict):
        properties = _properties(known)
        for key, inner in value.items():
            below = properties.get(key, known.get("additionalProperties"))
            yield from _texts(inner, below, (*path, key), place, secrets)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, known.get("items"), (*path, index), place, secrets)


def _properties(schema: JsonValue) -> JsonObject:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}
