"""What to write instead: for each problem that a schema finds, a field with a value that fits; it judges nothing."""

from __future__ import annotations

import re

from checkpointflow.frontends.document.findings import Path
from checkpointflow.schemas import Problem, did_you_mean
from checkpointflow.values import JsonObject, JsonValue, dump

_NEAR_REASON = re.compile(r"(exit|http)[^0-9]*([0-9]+|[1-5]xx)", re.IGNORECASE)
_NOT_IN_ID = re.compile(r"""[\s\x00-\x1f\x7f/#\[\]{}$"']+""")
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_STEP: JsonObject = {"id": "greet", "kind": "cli", "command": "echo hello"}
_SCHEMA: JsonObject = {"type": "object", "properties": {"page": {"type": "string"}}}
_SAMPLES: dict[str, JsonValue] = {
    "string": "some_text",
    "number": 30,
    "integer": 3,
    "boolean": True,
    "array": [],
    "object": {},
}


STEP_REMEDY = "write `- {id: greet, kind: cli, command: 'echo hello'}`"


def what_to_write(found: Problem, schema: JsonObject) -> str:
    """Return a remedy for a problem: the field with a value that fits, made from the schema."""
    if found.keyword == "not":
        return "keep one of them"
    written = found.message.split('"')[1] if found.keyword == "pattern" and found.message.startswith('"') else ""
    if found.path[-2:-1] == ("on",):
        return reason_hint(written)
    path = found.path
    node = below(schema, path)
    if found.keyword == "required":
        path = (*path, found.message.split("`")[1])
        node = below(schema, path)
    elif found.keyword == "oneOf":
        fields = _sample(node)
        return f"write `{_yaml(fields)[1:-1]}`" if isinstance(fields, dict) else ""
    value = _NOT_IN_ID.sub("_", written).strip("_") or _sample(node)
    names = [key for key in path if isinstance(key, str)]
    return f"write `{names[-1]}: {_yaml(value)}`" if names else f"write `{_yaml(value)}`"


def reason_hint(word: str) -> str:
    """Return the remedy for a word of `retry.on` that names no error of a command or request."""
    near = _NEAR_REASON.fullmatch(word.strip())
    if near:
        return f"did you mean `{near[1].lower()}:{near[2].lower()}`?"
    return (
        did_you_mean(word, ["timeout", "connection"]) or "write `timeout`, `connection`, `exit:CODE` or `http:STATUS`"
    )


def below(schema: JsonObject, path: Path) -> JsonObject:
    """Return the schema of what stands at a path of a value."""
    node: JsonValue = schema
    for key in path:
        assert isinstance(node, dict)
        properties = node.get("properties")
        known = properties if isinstance(properties, dict) else {}
        node = node.get("items") if isinstance(key, int) else known.get(key, node.get("additionalProperties"))
        if not isinstance(node, dict):
            return {}
    assert isinstance(node, dict)
    return node


def _sample(schema: JsonObject) -> JsonValue:
    """Return a value that fits a schema of ours: its example, else what can be made of its other words."""
    for word in ("examples", "enum"):
        options = schema.get(word)
        if isinstance(options, list) and options:
            return options[0]
    places: dict[str, JsonValue] = {"schema": _SCHEMA, "steps": [_STEP]}
    for value in (schema.get("const"), places.get(str(schema.get("x-place"))), schema.get("default")):
        if value is not None:
            return value
    written = schema.get("type")
    name = str(written[0] if isinstance(written, list) else written)
    if isinstance(schema.get("properties"), dict):
        return _sample_object(schema)
    items = schema.get("items")
    if name == "array" and isinstance(items, dict):
        return [_sample(items)]
    return _SAMPLES.get(name, "some_text")


def _sample_object(schema: JsonObject) -> JsonObject:
    """Return an object with the fields that it cannot do without, or its first if there are none."""
    properties, names = schema["properties"], schema.get("required")
    groups = schema.get("oneOf")
    first = groups[0] if isinstance(groups, list) and groups else {}
    either = first.get("required") if isinstance(first, dict) else None
    assert isinstance(properties, dict)
    wanted = either if isinstance(either, list) and either else names
    shown = [str(name) for name in wanted] if isinstance(wanted, list) and wanted else list(properties)[:1]
    return {name: _sample(below(schema, (name,))) for name in shown}


def _yaml(value: JsonValue) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_yaml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value not in ("true", "false", "null")
    if isinstance(value, str) and not is_plain and "'" not in value:
        return f"'{value}'"
    return str(value) if is_plain else dump(value)
