"""Why a value does not fit a schema, in sentences with a place and a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from checkpointflow.records import dataclass
from checkpointflow.schemas.wording import cut, describe, did_you_mean, listed, show
from checkpointflow.values import JsonObject, JsonValue, dump

Schema: TypeAlias = JsonObject | bool
Path: TypeAlias = tuple[str | int, ...]
TYPE_WORDS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a value does not fit: where (keys and indexes from the top), what, and a remedy.

    `keyword` is the word of the schema that was not met, for callers that have a better sentence.
    """

    path: Path
    message: str
    keyword: str = ""
    hint: str = ""


_TOLD = 5


def told(problems: list[Problem]) -> tuple[str, JsonObject]:
    """Return problems for an error: the first few in a sentence, and all as `details`."""
    listed: list[JsonValue] = [{"path": list(one.path), "message": one.message} for one in problems]
    return "; ".join(map(sentence, problems[:_TOLD])), {"problems": listed}


def sentence(problem: Problem) -> str:
    """Return a problem with the field that it is about: "`pages[0].size` must be a number, but is null"."""
    path, message = problem.path, problem.message
    if problem.keyword in ("additionalProperties", "unevaluatedProperties"):
        path = path[:-1]
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
    if not place:
        return message
    if message.startswith(("must be ", "has ", "is ", "needs ", "holds ")):
        return f"`{cut(place)}` {message}"
    if message.startswith(("`", "unknown field")):
        return f"{message} in `{cut(place)}`"
    return f"`{cut(place)}`: {message}"


def explain(error: Any, schema: Schema) -> Iterator[Problem]:
    """Yield what one error of the library means."""
    keyword = str(error.kind.name)
    path: Path = tuple(error.instance_path)
    parent = _walk(schema, error.schema_path[:-1])
    if keyword in {"additionalProperties", "unevaluatedProperties"}:
        yield from (_unexpected(path, name, parent, keyword) for name in error.kind.unexpected)
        return
    says = parent.get("x-says") if keyword in {"pattern", "oneOf", "anyOf"} else None
    sentence = _SENTENCES.get(keyword)
    if keyword == "not" and isinstance(parent.get("x-says"), str):
        message, hint = str(parent["x-says"]), ""
    elif isinstance(says, str):
        message, hint = f"{show(error.instance)} is not {says}", ""
    elif sentence is None:
        message, hint = _of_library(error), ""
    else:
        message, hint = sentence(error, parent)
    yield Problem(path, message, keyword, hint)


def _of_library(error: Any) -> str:
    """Return the library's own sentence, of whose value only the beginning is kept."""
    sentence, written = str(error.message), dump(error.instance)
    rest = sentence.removeprefix(written)
    return cut(sentence) if rest == sentence else f"{cut(written)}{cut(rest)}"


def _unexpected(path: Path, name: str, parent: JsonObject, keyword: str) -> Problem:
    known = parent.get("properties")
    names = list(known) if isinstance(known, dict) else []
    hint = did_you_mean(name, names) or (f"known here: {listed(names)}" if names else "")
    return Problem((*path, name), f"unknown field `{cut(name)}`", keyword, hint)


def _walk(schema: JsonValue, path: Sequence[str | int]) -> JsonObject:
    node = schema
    for key in path:
        if isinstance(node, dict) and isinstance(key, str):
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
        else:
            return {}
    return node if isinstance(node, dict) else {}


def _type(error: Any, _parent: JsonObject) -> tuple[str, str]:
    types = [str(name) for name in error.kind.types]
    wanted = " or ".join(TYPE_WORDS.get(name, name) for name in types)
    value = error.instance
    quoted = types == ["string"] and value is not None and not isinstance(value, list | dict)
    return f"must be {wanted}, but is {describe(value)}", "write it in quotes" if quoted else ""


def _required(error: Any, _parent: JsonObject) -> tuple[str, str]:
    return f"`{cut(str(error.kind.property))}` is missing", ""


def _enum(error: Any, parent: JsonObject) -> tuple[str, str]:
    options = as_list(parent.get("enum")) or list(error.kind.options)
    texts = [option for option in options if isinstance(option, str)]
    return f"{show(error.instance)} is not one of {listed(options)}", did_you_mean(error.instance, texts)


def _alternatives(error: Any, parent: JsonObject) -> tuple[str, str]:
    """`oneOf` and `anyOf`; when the alternatives only name fields, say which fields are meant."""
    options = as_list(parent.get(str(error.kind.name)))
    names = [_only_required(option) for option in options]
    if not names or not all(names) or not isinstance(error.instance, dict):
        return _of_library(error), ""
    present = [group for group in names if group and all(name in error.instance for name in group)]
    spoken = [" with ".join(f"`{name}`" for name in group or ()) for group in names]
    if len(present) > 1:
        return f"has {' and '.join(spoken)}, which exclude each other", "keep one of them"
    return f"needs either {' or '.join(spoken)}", ""


def _only_required(option: JsonValue) -> list[str] | None:
    names = option.get("required") if isinstance(option, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _limit(words: str) -> Callable[[Any, JsonObject], tuple[str, str]]:
    def sentence(error: Any, _parent: JsonObject) -> tuple[str, str]:
        return f"{show(error.instance)} {words} {error.kind.limit}", ""

    return sentence


def _size(words: str) -> Callable[[Any, JsonObject], tuple[str, str]]:
    def sentence(error: Any, _parent: JsonObject) -> tuple[str, str]:
        return f"has {len(error.instance)} {words} {error.kind.limit}", ""

    return sentence


def _format(error: Any, _parent: JsonObject) -> tuple[str, str]:
    return f"{show(error.instance)} is not a valid `{error.kind.format}`", ""


def _pattern(error: Any, _parent: JsonObject) -> tuple[str, str]:
    return f"{show(error.instance)} does not match the pattern `{cut(str(error.kind.pattern))}`", ""


def _const(error: Any, _parent: JsonObject) -> tuple[str, str]:
    return f"{show(error.instance)} is not {show(error.kind.expected_value)}", ""


def _no_value(_error: Any, _parent: JsonObject) -> tuple[str, str]:
    return "is not allowed here", ""


def _unique_items(_error: Any, _parent: JsonObject) -> tuple[str, str]:
    return "holds the same item twice", ""


def _property_names(error: Any, parent: JsonObject) -> tuple[str, str]:
    inner = error.kind.error
    says = _walk(parent, ["propertyNames"]).get("x-says") or parent.get("x-says")
    name = getattr(inner, "instance", "")
    return f"the name {show(name)} is not allowed" + (f"; it must be {says}" if says else ""), ""


_SENTENCES: Mapping[str, Callable[[Any, JsonObject], tuple[str, str]]] = {
    "type": _type,
    "required": _required,
    "enum": _enum,
    "const": _const,
    "oneOf": _alternatives,
    "anyOf": _alternatives,
    "format": _format,
    "pattern": _pattern,
    "minimum": _limit("is less than"),
    "maximum": _limit("is more than"),
    "exclusiveMinimum": _limit("is not more than"),
    "exclusiveMaximum": _limit("is not less than"),
    "minLength": _size("characters; the least is"),
    "maxLength": _size("characters; the most is"),
    "minItems": _size("items; the least is"),
    "maxItems": _size("items; the most is"),
    "minProperties": _size("fields; the least is"),
    "maxProperties": _size("fields; the most is"),
    "falseSchema": _no_value,
    "false schema": _no_value,
    "uniqueItems": _unique_items,
    "propertyNames": _property_names,
}


def as_list(value: JsonValue) -> list[JsonValue]:
    """Return a value that is a list, else an empty one."""
    return value if isinstance(value, list) else []
