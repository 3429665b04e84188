"""Values of Python as JSON and back, by annotations: what a task is given, gives, and what its schema is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from types import FunctionType
from typing import Any, cast, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.values import MAX_DEPTH, JsonObject, JsonValue, checked

ANY = Any
_UNCHANGING = (str, int, float, bool, bytes, Enum, type(None), FunctionType)
_HINTS: WeakKeyDictionary[FunctionType, dict[tuple[str, ...], dict[str, Any]]] = WeakKeyDictionary()
"""What annotations stand for, by function and names: a task may be called thousands of times."""
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
    except (TypeError, ValueError):
        pass  # a second look, at what JSON lacks
    try:
        return checked(_taken_apart(value, what, 0), what)
    except (TypeError, ValueError) as error:
        raise WorkflowCodeError(
            f"{error}; give JSON, dataclasses, typed dicts, enums, instants or pydantic models"
        ) from None


def own(value: object) -> Any:
    """Return a value that nobody else changes: a copy, unless it cannot change or cannot be copied."""
    if isinstance(value, _UNCHANGING):
        return value
    import copy

    try:
        return copy.deepcopy(value)
    except Exception:
        return value


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

    models: JsonObject = {}
    try:
        schemas, parts = msgspec.json.schema_components(
            list(annotations.values()), schema_hook=_schemas_into(models), ref_template="#/$defs/{name}"
        )
    except (TypeError, ValueError, NotImplementedError) as error:
        if len(annotations) > 1:
            for name, annotation in annotations.items():
                schemas_of({name: annotation}, what)  # which says whose it is
        names = ", ".join(f"`{name}`" for name in annotations)
        raise WorkflowCodeError(f"the annotation of {names} of `{what}` has no JSON form: {error}") from None
    return dict(zip(annotations, schemas, strict=True)), {**models, **parts}


def hints_of(function: object, names: Iterable[str], what: str) -> dict[str, Any]:
    """Return those annotations of a callable that have these names, with what their words stand for.

    Raises:
        WorkflowCodeError: a word is not known where the callable stands.
    """
    chosen = tuple(names)
    known = _HINTS.get(function, {}) if isinstance(function, FunctionType) else {}
    if chosen not in known:
        known[chosen] = _hints(function, chosen, what)
        if isinstance(function, FunctionType):
            _HINTS[function] = known
    return known[chosen]


def _hints(function: object, names: tuple[str, ...], what: str) -> dict[str, Any]:
    annotations = getattr(function, "__annotations__", None) or {}
    wanted = {name: annotations[name] for name in names if name in annotations}

    def bearer() -> None:
        """Bear the annotations that are wanted: others may name what only type checkers import."""

    bearer.__annotations__ = wanted
    inner = function
    while (wrapped := getattr(inner, "__wrapped__", None)) is not None:
        inner = wrapped
    inner = getattr(inner, "__func__", inner)
    try:
        return get_type_hints(bearer, globalns=getattr(inner, "__globals__", {}), include_extras=True)
    except NameError as error:
        raise WorkflowCodeError(f"an annotation of `{what}` is not known: {error}; import it at the top") from None


def _taken_apart(value: object, where: str, depth: int) -> object:
    """Return what JSON lacks as what it has, down to what nobody knows, which is named by its place."""
    if depth > MAX_DEPTH:
        raise ValueError(f"`{where}` is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Enum):
        return _taken_apart(value.value, where, depth + 1)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        keys = [(key.value if isinstance(key, Enum) else key) for key in value]
        items = zip(keys, value.values(), strict=True)
        return {key: _taken_apart(item, f"{where}.{key}", depth + 1) for key, item in items}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_taken_apart(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        found = {name: getattr(value, name) for name in _field_names(value)}
        return {name: _taken_apart(item, f"{where}.{name}", depth + 1) for name, item in found.items()}
    return _foreign(value, where)


def _field_names(value: Any) -> list[str]:
    from dataclasses import fields  # noqa: TID251 - of the caller's classes

    return [one.name for one in fields(value)]


def _foreign(value: object, where: str) -> object:
    """Return a value of a library's type: a pydantic model, known by its methods, a path, or what msgspec knows."""
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    if isinstance(value, PurePath):
        return str(value)
    import msgspec

    def refused(inner: object) -> object:
        if hasattr(inner, "__await__"):
            raise TypeError(f"`{where}` was never awaited; write `await` before it")
        raise TypeError(f"`{where}` is of type `{type(inner).__name__}`, which JSON cannot hold")

    if isinstance(value, type):
        refused(value)
    # sets in an order of their own: that of the hashes is another one in each process
    return msgspec.to_builtins(value, enc_hook=refused, order="deterministic")


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


def _schemas_into(models: JsonObject) -> Callable[[type], JsonObject]:
    """Return what gives the schema of a type that msgspec does not know; the models that it names go into `models`."""
    kinds: dict[str, type] = {}

    def prefix_of(kind: type) -> str:
        name = kind.__name__
        while kinds.setdefault(name, kind) is not kind:
            name += "_"
        return name

    def schema_of(kind: type) -> JsonObject:
        schema = getattr(kind, "model_json_schema", None)
        if schema is not None:
            prefix = prefix_of(kind)
            found = cast(JsonObject, schema(ref_template=f"#/$defs/{prefix}.{{model}}"))
            inner = cast(JsonObject, found.pop("$defs", {}))
            models.update({f"{prefix}.{name}": one for name, one in inner.items()})
            return found
        if issubclass(kind, PurePath):
            return {"type": "string"}
        raise NotImplementedError(f"a `{getattr(kind, '__name__', kind)}` has none")

    return schema_of
