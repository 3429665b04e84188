"""JSON Schema 2020-12: checks, defaults and examples; the only place that knows the validating library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from checkpointflow.values import JsonObject, JsonValue, dump, load

if TYPE_CHECKING:
    from jsonschema_rs import Validator

Schema: TypeAlias = JsonObject | bool
Path: TypeAlias = tuple[str | int, ...]

MAX_PROBLEMS = 50
_SHOWN = 120
_LISTED = 12
_LONGEST_GUESSED = 100
_GUESSED_AMONG = 1000
_COMPARED = 200
_META = "https://json-schema.org/draft/2020-12/schema"
_TYPE_WORDS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
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
        return f"`{_cut(place)}` {message}"
    if message.startswith(("`", "unknown field")):
        return f"{message} in `{_cut(place)}`"
    return f"`{_cut(place)}`: {message}"


# -- values against schemas ------------------------------------------------------------------------


def check(value: JsonValue, schema: Schema) -> list[Problem]:
    """Return why a value does not fit a schema, at most 50 reasons; an empty list means that it fits.

    `format` is asserted. Messages show at most the beginning of a value.

    Raises:
        ValueError: the schema itself is invalid.
    """
    validator = _validator(schema)
    try:
        errors = list(islice(validator.iter_errors(value), MAX_PROBLEMS))
    except UnicodeEncodeError:
        return [Problem((), "holds text that is not Unicode (half of a surrogate pair)")]
    except ValueError as error:
        return [Problem((), f"cannot be checked: {_cut(str(error))}")]
    return list(islice((problem for error in errors for problem in _explain(error, schema)), MAX_PROBLEMS))


def is_valid(value: JsonValue, schema: Schema) -> bool:
    """Tell whether a value fits a schema, `format` included.

    Raises:
        ValueError: the schema itself is invalid.
    """
    try:
        return _validator(schema).is_valid(value)
    except UnicodeEncodeError:
        return False


def schema_problems(schema: JsonValue) -> list[Problem]:
    """Return what is wrong with a schema, each with the path inside the schema; empty when it can be used.

    References to other documents are never fetched, so they are problems too.
    """
    if not isinstance(schema, dict | bool):
        return [Problem((), f"a JSON Schema is an object, or true or false, not {describe(schema)}", "type")]
    found = [*_remote_references(schema), *_misspelt_types(schema), *_against_metaschema(schema)]
    return _unique(found) or _compile_problems(schema)


def _against_metaschema(schema: Schema) -> list[Problem]:
    return [
        problem
        for problem in check(schema, {"$ref": _META})
        if not (problem.path[-1:] == ("type",) and problem.keyword == "anyOf")
    ]


def _misspelt_types(schema: JsonValue) -> Iterator[Problem]:
    for path, node in _subschemas(schema, ()):
        if "type" not in node:
            continue
        written = node["type"]
        names = written if isinstance(written, list) and written else [written]
        for name in names:
            if not isinstance(name, str) or name not in _TYPE_WORDS:
                yield _unknown_type((*path, "type"), name)


def _unknown_type(path: Path, name: JsonValue) -> Problem:
    usual = {"int": "integer", "str": "string", "float": "number", "bool": "boolean", "text": "string"}
    usual |= {"list": "array", "dict": "object", "map": "object", "none": "null"}
    guess = usual.get(name.lower()) if isinstance(name, str) else None
    hint = did_you_mean(name, _TYPE_WORDS) if guess is None else f"did you mean `{guess}`?"
    return Problem(path, f"{show(name)} is no type of JSON Schema", "type", hint or _one_of(_TYPE_WORDS))


def _remote_references(schema: JsonValue) -> Iterator[Problem]:
    """References into other documents; an `$id` in the same schema makes a URI local."""
    known = {str(node["$id"]).rstrip("#") for _, node in _subschemas(schema, ()) if "$id" in node}
    for path, node in _subschemas(schema, ()):
        target = node.get("$ref")
        if isinstance(target, str) and not target.startswith("#") and not _is_known(target, known):
            yield Problem(
                (*path, "$ref"),
                f"`$ref` points to {show(target)}, and other documents are never fetched",
                "$ref",
                "copy that schema under `$defs` and refer to `#/$defs/NAME`",
            )


def _is_known(target: str, known: set[str]) -> bool:
    base = target.split("#", 1)[0]
    relative = bool(known) and "://" not in base  # resolved against an `$id`, so the library has to judge
    return relative or base in known or base.startswith("https://json-schema.org/draft/2020-12/")


def _subschemas(schema: JsonValue, path: Path) -> Iterator[tuple[Path, JsonObject]]:
    """Every schema inside a schema, itself first; values under `const`, `enum`, `default` are data."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            for name, inner in value.items():
                yield from _subschemas(inner, (*path, key, name))
        elif key in _LISTS and isinstance(value, list):
            for index, inner in enumerate(value):
                yield from _subschemas(inner, (*path, key, index))
        elif key in _SINGLE:
            yield from _subschemas(value, (*path, key))


_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains"})
_SINGLE |= {"propertyNames", "unevaluatedItems", "unevaluatedProperties"}


def _compile_problems(schema: Schema) -> list[Problem]:
    try:
        _validator(schema)
    except ValueError as error:
        return [Problem((), str(error))]
    return []


# -- the library -----------------------------------------------------------------------------------


def _validator(schema: Schema) -> Validator:
    return _compiled(dump(schema))


@lru_cache(maxsize=128)
def _compiled(text: str) -> Validator:
    from jsonschema_rs import Draft202012Validator, ValidationError

    schema = cast("dict[str, Any] | bool", load(text))
    try:
        return Draft202012Validator(schema, validate_formats=True, retriever=_never_fetch)
    except ValidationError as error:
        raise ValueError(f"the schema cannot be used: {_cut(error.message, 300)}") from None


def _never_fetch(uri: str) -> NoReturn:
    raise ValueError(f"other documents are never fetched ({uri})")


# -- sentences -------------------------------------------------------------------------------------


def _explain(error: Any, schema: Schema) -> Iterator[Problem]:
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
    return _cut(sentence) if rest == sentence else f"{_cut(written)}{_cut(rest)}"


def _unexpected(path: Path, name: str, parent: JsonObject, keyword: str) -> Problem:
    known = parent.get("properties")
    names = list(known) if isinstance(known, dict) else []
    hint = did_you_mean(name, names) or (f"known here: {_list(names)}" if names else "")
    return Problem((*path, name), f"unknown field `{_cut(name)}`", keyword, hint)


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
    wanted = " or ".join(_TYPE_WORDS.get(name, name) for name in types)
    value = error.instance
    quoted = types == ["string"] and value is not None and not isinstance(value, list | dict)
    return f"must be {wanted}, but is {describe(value)}", "write it in quotes" if quoted else ""


def _required(error: Any, _parent: JsonObject) -> tuple[str, str]:
    return f"`{_cut(str(error.kind.property))}` is missing", ""


def _enum(error: Any, parent: JsonObject) -> tuple[str, str]:
    options = _as_list(parent.get("enum")) or list(error.kind.options)
    texts = [option for option in options if isinstance(option, str)]
    return f"{show(error.instance)} is not one of {_list(options)}", did_you_mean(error.instance, texts)


def _alternatives(error: Any, parent: JsonObject) -> tuple[str, str]:
    """`oneOf` and `anyOf`; when the alternatives only name fields, say which fields are meant."""
    options = _as_list(parent.get(str(error.kind.name)))
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
    return f"{show(error.instance)} does not match the pattern `{_cut(str(error.kind.pattern))}`", ""


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


def show(value: JsonValue) -> str:
    """Return a value as it may stand in a message: JSON, cut after 120 characters."""
    try:
        return _cut(dump(value))
    except (ValueError, TypeError, RecursionError):
        return f"a value of type `{type(value).__name__}`"


def describe(value: JsonValue) -> str:
    """Return what a value is, in words: `the text "abc"`, `the number 3`, `an empty list`."""
    if value is None or isinstance(value, bool):
        return show(value)
    if isinstance(value, str):
        return f"the text {show(value)}"
    if isinstance(value, int | float):
        return f"the number {show(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "an object" if value else "an empty object"


def did_you_mean(name: JsonValue, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the known name nearest to a mistyped one, else an empty text."""
    close = closest(name, known) if isinstance(name, str) else None
    return "" if close is None else f"did you mean `{close}`?"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to a mistyped one, None if none is near.

    However many and long the names are, only so many are compared that it takes milliseconds.
    """
    if not 0 < len(name) <= _LONGEST_GUESSED:
        return None
    from difflib import get_close_matches

    least, most = len(name) * 3 // 7, len(name) * 7 // 3 + 1  # others are too short or long to be near
    names = {word.lower(): word for word in islice(known, _GUESSED_AMONG) if least <= len(word) <= most}
    limit = min(_COMPARED, max(20, 2000 // len(name)))
    near = sorted(names, key=lambda word: word[:1] != name[:1].lower()) if len(names) > limit else list(names)
    close = get_close_matches(name.lower(), near[:limit], n=1, cutoff=0.6)
    return names[close[0]] if close else None


def _one_of(names: Iterable[str]) -> str:
    return "known: " + _list(list(names))


def _list(values: Sequence[JsonValue]) -> str:
    shown = [f"`{_cut(value, 40)}`" if isinstance(value, str) else show(value) for value in values[:_LISTED]]
    more = len(values) - _LISTED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _cut(text: str, length: int = _SHOWN) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _as_list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


# -- defaults --------------------------------------------------------------------------------------


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
    for part in _as_list(schema.get("allOf")):
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


# -- examples --------------------------------------------------------------------------------------


def example(schema: Schema) -> JsonValue:
    """Return what an answer looks like, made of placeholders: `{"decision": "<approve|reject>"}`.

    The required properties are shown, or all if none is required. It never fits the schema, so it
    cannot be sent by mistake; only a schema that takes any text can be met by a placeholder.
    """
    shown = _placeholder(schema, schema, 0)
    if isinstance(shown, str) or _is_refused(shown, schema, schema, 0):
        return shown
    return f"<{_cut(dump(shown), 400)}>"


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
    choices = [schema["const"]] if "const" in schema else _as_list(schema.get("enum"))
    written = schema.get("type")
    types = written if isinstance(written, list) else [written]
    has_other_type = written is not None and "string" not in types
    return has_other_type or (bool(choices) and shown not in choices) or schema.get("format") in _BRACKETLESS


def _placeholder(schema: JsonValue, root: Schema, depth: int) -> JsonValue:
    if not isinstance(schema, dict) or depth > 8:
        return "<any JSON>"
    if isinstance(schema.get("$ref"), str):
        return _placeholder(_local(root, str(schema["$ref"])), root, depth + 1)
    choices = [schema["const"]] if "const" in schema else _as_list(schema.get("enum"))
    if choices:
        return f"<{'|'.join(_word(choice) for choice in choices[:_LISTED])}>"
    properties = schema.get("properties")
    if isinstance(properties, dict) and properties:
        names = [str(name) for name in _as_list(schema.get("required"))] or list(properties)
        return {name: _placeholder(properties.get(name), root, depth + 1) for name in names}
    if isinstance(schema.get("items"), dict):
        return [_placeholder(schema["items"], root, depth + 1)]
    return _plain_placeholder(schema, root, depth)


def _plain_placeholder(schema: JsonObject, root: Schema, depth: int) -> JsonValue:
    for word in ("oneOf", "anyOf", "allOf"):
        options = _as_list(schema.get(word))
        if options:
            return _placeholder(options[0], root, depth + 1)
    if isinstance(schema.get("format"), str):
        return f"<{schema['format']}>"
    written = schema.get("type")
    types = written if isinstance(written, list) else [written]
    return "|".join(_PLACEHOLDERS.get(str(name), "<any JSON>") for name in types)


def _word(value: JsonValue) -> str:
    return _cut(value, 60) if isinstance(value, str) else _cut(dump(value), 60)
