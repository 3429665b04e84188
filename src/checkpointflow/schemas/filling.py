"""What a schema tells beside checking: defaults to fill in, and what an answer looks like."""

from __future__ import annotations

from checkpointflow.schemas.problems import Schema, as_list
from checkpointflow.schemas.wording import MOST_LISTED, cut
from checkpointflow.values import JsonObject, JsonValue, dump, load

_BRACKETLESS = ("date", "date-time", "time", "email", "uri", "uuid", "hostname", "ipv4", "ipv6")
"""Formats whose texts never hold the angle brackets of a placeholder."""
_PLACEHOLDERS = {
    "string": "<text>",
    "integer": "<integer>",
    "number": "<number>",
    "boolean": "<true|false>",
    "null": "<null>",
    "array": "<list>",
    "object": "<object>",
}


def with_defaults(value: JsonValue, schema: Schema) -> JsonValue:
    """Return a value with the `default`s of missing properties filled in, at every depth.

    `properties`, `items`, `allOf` and local `$ref` are followed. Neither argument is changed.
    """
    return _filled(value, schema, schema, frozenset())


def _filled(value: JsonValue, schema: JsonValue, root: Schema, seen: frozenset[str]) -> JsonValue:
    """`seen` are the references followed since the last value that was really there: no endless defaults."""
    if not isinstance(schema, dict):
        return value
    target = schema.get("$ref")
    if isinstance(target, str) and target not in seen:
        value = _filled(value, _local(root, target), root, seen | {target})
    for part in as_list(schema.get("allOf")):
        value = _filled(value, part, root, seen)
    if isinstance(value, dict):
        return _filled_object(value, schema, root, seen)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_filled(item, schema["items"], root, frozenset()) for item in value]
    return value


def _filled_object(value: JsonObject, schema: JsonObject, root: Schema, seen: frozenset[str]) -> JsonObject:
    properties = schema.get("properties")
    result = dict(value)
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        if name in result:
            result[name] = _filled(result[name], inner, root, frozenset() if name in value else seen)
        elif isinstance(inner, dict) and "default" in inner:
            result[name] = _filled(_copy(inner["default"]), inner, root, seen)
    return result


def _copy(value: JsonValue) -> JsonValue:
    return load(dump(value)) if isinstance(value, dict | list) else value


def _local(root: Schema, reference: str) -> JsonValue:
    """What `#` or `#/a/b` means in this schema; nothing for any other reference."""
    if not reference.startswith("#"):
        return None
    steps = [part.replace("~1", "/").replace("~0", "~") for part in reference[1:].split("/")[1:]]
    node: JsonValue = root
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def example(schema: Schema) -> JsonValue:
    """Return what an answer looks like, made of placeholders: `{"decision": "<approve|reject>"}`.

    The required properties are shown, or all if none is required. It never fits the schema, so it
    cannot be sent by mistake; only a schema that takes any text can be met by a placeholder.
    """
    shown = _placeholder(schema, schema, 0)
    if isinstance(shown, str) or _is_refused(shown, schema, schema, 0):
        return shown
    return f"<{cut(dump(shown), 400)}>"


def _is_refused(shown: JsonValue, schema: JsonValue, root: Schema, depth: int) -> bool:
    """Tell whether placeholders plainly do not fit; without the library, whose import would slow each `status`."""
    if not isinstance(schema, dict) or depth > 8:
        return False
    if isinstance(schema.get("$ref"), str):
        return _is_refused(shown, _local(root, str(schema["$ref"])), root, depth + 1)
    if isinstance(shown, list):
        return any(_is_refused(item, schema.get("items"), root, depth + 1) for item in shown)
    if isinstance(shown, dict):
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        return any(_is_refused(item, known.get(name), root, depth + 1) for name, item in shown.items())
    return _is_refused_text(shown, schema)


def _is_refused_text(shown: JsonValue, schema: JsonObject) -> bool:
    choices = [schema["const"]] if "const" in schema else as_list(schema.get("enum"))
    written = schema.get("type")
    types = written if isinstance(written, list) else [written]
    has_other_type = written is not None and "string" not in types
    return has_other_type or (bool(choices) and shown not in choices) or schema.get("format") in _BRACKETLESS


def _placeholder(schema: JsonValue, root: Schema, depth: int) -> JsonValue:
    if not isinstance(schema, dict) or depth > 8:
        return "<any JSON>"
    if isinstance(schema.get("$ref"), str):
        return _placeholder(_local(root, str(schema["$ref"])), root, depth + 1)
    choices = [schema["const"]] if "const" in schema else as_list(schema.get("enum"))
    if choices:
        return f"<{'|'.join(_word(choice) for choice in choices[:MOST_LISTED])}>"
    properties = schema.get("properties")
    if isinstance(properties, dict) and properties:
        names = [str(name) for name in as_list(schema.get("required"))] or list(properties)
        return {name: _placeholder(properties.get(name), root, depth + 1) for name in names}
    if isinstance(schema.get("items"), dict):
        return [_placeholder(schema["items"], root, depth + 1)]
    return _plain_placeholder(schema, root, depth)


def _plain_placeholder(schema: JsonObject, root: Schema, depth: int) -> JsonValue:
    for word in ("oneOf", "anyOf", "allOf"):
        options = as_list(schema.get(word))
        if options:
            return _placeholder(options[0], root, depth + 1)
    if isinstance(schema.get("format"), str):
        return f"<{schema['format']}>"
    written = schema.get("type")
    types = written if isinstance(written, list) else [written]
    return "|".join(_PLACEHOLDERS.get(str(name), "<any JSON>") for name in types)


def _word(value: JsonValue) -> str:
    return cut(value, 60) if isinstance(value, str) else cut(dump(value), 60)
