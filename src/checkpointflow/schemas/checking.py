"""Values against schemas, and schemas against theirs; the only importer of the validating library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, cast

from checkpointflow.schemas.problems import TYPE_WORDS, Path, Problem, Schema, explain
from checkpointflow.schemas.wording import cut, describe, did_you_mean, one_of, show
from checkpointflow.values import JsonObject, JsonValue, dump, load

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MAX_PROBLEMS = 50
_META = "https://json-schema.org/draft/2020-12/schema"


def check(value: JsonValue, schema: Schema) -> list[Problem]:
    """Return why a value does not fit a schema, at most 50 reasons; an empty list means that it fits.

    `format` is asserted. Messages show at most the beginning of a value.

    Raises:
        ValueError: the schema itself is invalid.
    """
    if _is_met_by_nothing(schema) and value == {}:
        return []
    return Checker(schema).check(value)


class Checker:
    """A schema that is made ready once, for many values.

    Raises:
        ValueError: the schema itself is invalid.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator = _validator(schema)

    def check(self, value: JsonValue) -> list[Problem]:
        """Return why a value does not fit, as `check` does."""
        try:
            errors = list(islice(self._validator.iter_errors(value), MAX_PROBLEMS))
        except UnicodeEncodeError:
            return [Problem((), "holds text that is not Unicode (half of a surrogate pair)")]
        except ValueError as error:
            return [Problem((), f"cannot be checked: {cut(str(error))}")]
        return list(islice((problem for error in errors for problem in explain(error, self._schema)), MAX_PROBLEMS))


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
            if not isinstance(name, str) or name not in TYPE_WORDS:
                yield _unknown_type((*path, "type"), name)


def _unknown_type(path: Path, name: JsonValue) -> Problem:
    usual = {"int": "integer", "str": "string", "float": "number", "bool": "boolean", "text": "string"}
    usual |= {"list": "array", "dict": "object", "map": "object", "none": "null"}
    guess = usual.get(name.lower()) if isinstance(name, str) else None
    hint = did_you_mean(name, TYPE_WORDS) if guess is None else f"did you mean `{guess}`?"
    return Problem(path, f"{show(name)} is no type of JSON Schema", "type", hint or one_of(TYPE_WORDS))


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


def _compile_problems(schema: Schema) -> list[Problem]:
    try:
        _validator(schema)
    except ValueError as error:
        return [Problem((), str(error))]
    return []


def _is_met_by_nothing(schema: Schema) -> bool:
    """Tell whether an empty object fits, plainly: most runs have no input, and loading a validator takes time."""
    return schema is True or schema in ({}, {"type": "object"})


def _validator(schema: Schema) -> Validator:
    return _compiled(dump(schema))


@lru_cache(maxsize=128)
def _compiled(text: str) -> Validator:
    from jsonschema_rs import Draft202012Validator, ValidationError

    schema = cast("dict[str, Any] | bool", load(text))
    try:
        return Draft202012Validator(schema, validate_formats=True, retriever=_never_fetch)
    except ValidationError as error:
        raise ValueError(f"the schema cannot be used: {cut(error.message, 300)}") from None


def _never_fetch(uri: str) -> NoReturn:
    raise ValueError(f"other documents are never fetched ({uri})")


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
