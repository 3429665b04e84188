"""Values of Python as JSON and back, by annotations: what a task is given, gives, and what its schema is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, cast, get_origin, get_type_hints

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.values import JsonObject, JsonValue, checked

ANY = Any
_PLAIN: Mapping[object, tuple[type, ...]] = {
    bool: (bool,),
    str: (str,),
    int: (int,),
    float: (float,),
    list: (list,),
    dict: (dict,),
    type(None): (type(None),),
}
"""Annotations whose values JSON gives back as they were."""


def to_json(value: object, what: str) -> JsonValue:
    """Return a value as JSON: dataclasses and typed dicts as objects, enums by value, instants and UUIDs as text.

    Raises:
        WorkflowCodeError: it holds something that is none of these; `what` says whose value it is.
    """
    try:
        return checked(value, what)
    except (TypeError, ValueError) as error:
        refused = error
    import msgspec

    try:
        return checked(msgspec.to_builtins(value, enc_hook=_encoded), what)
    except (TypeError, ValueError, msgspec.MsgspecError):
        raise WorkflowCodeError(
            f"{refused}; give JSON, dataclasses, typed dicts, enums, instants or pydantic models"
        ) from None


def from_json(value: JsonValue, annotation: object, what: str) -> Any:
    """Return JSON as its annotation says; without one as it is.

    Raises:
        WorkflowCodeError: it does not fit.
    """
    if annotation in (ANY, object):
        return value
    plain = _PLAIN.get(annotation) if isinstance(annotation, type) else None
    if plain is not None and type(value) in plain:
        return value
    import msgspec

    try:
        return msgspec.convert(value, cast(Any, annotation), dec_hook=_decoded)
    except msgspec.ValidationError as error:
        raise WorkflowCodeError(f"{what} does not fit its annotation: {error}") from None
    except TypeError as error:
        raise WorkflowCodeError(f"{what} cannot be made from JSON: {error}") from None


def schemas_of(annotations: Mapping[str, object], what: str) -> tuple[dict[str, JsonObject], JsonObject]:
    """Return the JSON Schema of each annotation, and the definitions that these refer to as `#/$defs/…`.

    Raises:
        WorkflowCodeError: one of them has no schema.
    """
    import msgspec

    found: dict[str, JsonObject] = {}
    shared: JsonObject = {}
    for name, annotation in annotations.items():
        if annotation in (ANY, object):
            found[name] = {}
            continue
        try:
            (schema,), parts = msgspec.json.schema_components(
                [annotation], schema_hook=_schema, ref_template="#/$defs/{name}"
            )
        except (TypeError, ValueError, NotImplementedError) as error:
            raise WorkflowCodeError(f"the annotation of `{name}` of `{what}` has no JSON form: {error}") from None
        found[name] = schema
        shared |= parts
    return found, shared


def hints_of(function: object, what: str) -> dict[str, Any]:
    """Return the annotations of a callable, with what their names stand for.

    Raises:
        WorkflowCodeError: a name is not known where the callable stands.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise WorkflowCodeError(f"an annotation of `{what}` is not known: {error}; import it at the top") from None
    except TypeError:
        return {}  # a callable that has none, as a partial or a builtin


def _encoded(value: object) -> object:
    """Return what msgspec does not know: pydantic models, recognised by their methods, and paths."""
    dumped = getattr(value, "model_dump", None)
    if dumped is not None:
        return dumped(mode="json")
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a `{type(value).__name__}` is no JSON")


def _decoded(kind: type, value: object) -> object:
    validate = getattr(kind, "model_validate", None)
    if validate is not None:
        try:
            return validate(value)
        except ValueError as error:
            raise ValueError(" ".join(str(error).split())) from None
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, PurePath) and isinstance(value, str):
        return origin(value)
    raise TypeError(f"nothing says how a `{getattr(kind, '__name__', kind)}` is made of JSON")


def _schema(kind: type) -> JsonObject:
    schema = getattr(kind, "model_json_schema", None)
    if schema is not None:
        return cast(JsonObject, schema())
    if issubclass(kind, PurePath):
        return {"type": "string"}
    raise NotImplementedError(f"a `{getattr(kind, '__name__', kind)}` has none")
