"""What JSON Schema tells about the places that a path can reach; in doubt it tells nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Literal, TypeAlias

from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

Schema: TypeAlias = "JsonObject | bool | None"
TypeNames: TypeAlias = "frozenset[str] | None"
Standing = Literal["declared", "undeclared", "refused", "unknown"]

_BRANCHES = ("anyOf", "oneOf")
_LOOSE = (*_BRANCHES, "if", "then", "else", "not", "dependentSchemas", "patternProperties", "$dynamicRef")
_MAX_SCHEMAS = 256
_STATUS: JsonObject = {"type": "string", "enum": ["pending", "completed", "skipped", "failed"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """What is known at load time about one step.

    `outputs` is the schema of its outputs once completed; `fields` are the names beside `outputs`
    and `status`, with their schemas.
    """

    outputs: Schema
    fields: Mapping[str, Schema]


class Member:
    """What selecting one name gives.

    `may_be_absent`: the schema allows it to be missing, which reads as null. `has_default`: it is
    filled in where missing. `can_be_null`: the value itself may be null though its schema does not say so.
    """

    __slots__ = ("can_be_null", "has_default", "may_be_absent", "place", "standing")

    def __init__(
        self,
        place: Place,
        standing: Standing,
        *,
        may_be_absent: bool = False,
        has_default: bool = False,
        can_be_null: bool = False,
    ) -> None:
        self.place = place
        self.standing = standing
        self.may_be_absent = may_be_absent
        self.has_default = has_default
        self.can_be_null = can_be_null


class Place:
    """One place in the data, seen through its schema; `document` is where its local `$ref`s point into.

    `is_strict` places refuse undeclared names unless their schema says that there are more. What was found out is
    kept, so whoever has many questions about one schema asks one place.
    """

    def __init__(self, schema: Schema, document: Schema, *, is_strict: bool = False) -> None:
        self.document = document
        self.is_strict = is_strict
        self._conjuncts: list[JsonObject] = []
        self._is_partial = _spread(schema, document, self._conjuncts)
        self._members: dict[str, Member] = {}
        self._children: dict[int, Place] = {}

    def declared(self) -> Collection[str]:
        """Return the names that the schema, or any of its branches, declares."""
        return self._declared

    def types(self) -> TypeNames:
        """Return the names of the JSON types that the value can have, None if that is not known."""
        return self._types

    def member(self, name: str) -> Member:
        """Return what the schema says about a property."""
        known = self._members.get(name)
        if known is None:
            known = self._members[name] = self._member(name)
        return known

    @cached_property
    def _declared(self) -> Mapping[str, None]:
        names: dict[str, None] = {}
        seen: set[int] = set()
        for schema in _with_branches(self._conjuncts, self.document, seen):
            names.update(dict.fromkeys(_mapping(schema.get("properties"))))
        return names

    @cached_property
    def _types(self) -> TypeNames:
        for schema in self._conjuncts:
            found = _types(schema, self.document, 0)
            if found is not None:
                return found
        return None

    def _member(self, name: str) -> Member:
        for schema in self._conjuncts:
            properties = _mapping(schema.get("properties"))
            if name in properties:
                return self._declared_member(name, properties[name])
        if any(_refuses(schema) for schema in self._conjuncts):
            return Member(NOWHERE, "refused")
        if name in self.declared():
            return Member(NOWHERE, "declared", may_be_absent=not self._requires(name))
        return self._undeclared_member()

    def element(self, index: int | None) -> Place:
        """Return the place of a list's item; without an index, of any."""
        for schema in self._conjuncts:
            first = schema.get("prefixItems")
            if isinstance(first, list) and first:
                return self._child(first[index]) if index is not None and index < len(first) else NOWHERE
            if "items" in schema:
                return self._child(schema["items"])
        return NOWHERE

    def _declared_member(self, name: str, schema: JsonValue) -> Member:
        has_default = isinstance(schema, dict) and "default" in schema
        absent = not self._requires(name)
        return Member(self._child(schema), "declared", may_be_absent=absent, has_default=has_default)

    def _undeclared_member(self) -> Member:
        for schema in self._conjuncts:
            additional = schema.get("additionalProperties")
            if isinstance(additional, dict):
                return Member(self._child(additional), "unknown")
        if self._is_loose() or not self.declared():
            return Member(NOWHERE, "unknown")
        says_more = any(schema.get("additionalProperties") is True for schema in self._conjuncts)
        return Member(NOWHERE, "refused" if self.is_strict and not says_more else "undeclared")

    def _child(self, schema: JsonValue) -> Place:
        known = self._children.get(id(schema))
        if known is None:
            known = self._children[id(schema)] = Place(schema if isinstance(schema, dict) else None, self.document)
        return known

    def _requires(self, name: str) -> bool:
        return name in self._required

    @cached_property
    def _required(self) -> frozenset[str]:
        names = [name for schema in self._conjuncts for name in _sequence(schema.get("required"))]
        return frozenset(name for name in names if isinstance(name, str))

    def _is_loose(self) -> bool:
        return self._is_partial or any(key in schema for schema in self._conjuncts for key in _LOOSE)


class StepsPlace(Place):
    """The root `steps`."""

    def __init__(self, steps: Mapping[str, StepShape]) -> None:
        super().__init__({"type": "object"}, None)
        self._steps = steps

    def declared(self) -> Collection[str]:
        """Return the ids of the steps."""
        return self._steps

    def _member(self, name: str) -> Member:
        if name not in self._steps:
            return Member(NOWHERE, "refused")
        return Member(StepPlace(self._steps[name]), "declared")


class StepPlace(Place):
    """One step: its status, its outputs, and what its kind adds."""

    def __init__(self, shape: StepShape) -> None:
        super().__init__({"type": "object"}, None)
        self._shape = shape

    def declared(self) -> Collection[str]:
        """Return the names of the step's fields."""
        return ["status", "outputs", *self._shape.fields]

    def _member(self, name: str) -> Member:
        """Return the place of one of the step's fields.

        The outputs are null until the step completes, the error is unless it fails.
        """
        if name == "outputs":
            outputs = self._shape.outputs
            return Member(Place(outputs, outputs, is_strict=True), "declared", can_be_null=True)
        if name in self._shape.fields:
            schema = self._shape.fields[name]
            is_error = name == "error"
            return Member(Place(schema, schema), "declared", may_be_absent=is_error, can_be_null=is_error)
        if name == "status":
            return Member(Place(_STATUS, None), "declared")
        return Member(NOWHERE, "refused")


def type_of(value: JsonValue) -> str:
    """Return the name of the JSON type of a value."""
    return _TYPE_NAMES[type(value)]


_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _spread(schema: JsonValue, document: Schema, into: list[JsonObject]) -> bool:
    """Collect all schemas that apply together; True if some of them could not be found."""
    waiting, is_partial = [schema], False
    while waiting and len(into) < _MAX_SCHEMAS:
        current = waiting.pop()
        if not isinstance(current, dict):
            continue
        if any(current is known for known in into):
            continue
        into.append(current)
        if "$ref" in current:
            target = _target(current["$ref"], document)
            is_partial = is_partial or target is None
            waiting.append(target)
        waiting.extend(_sequence(current.get("allOf")))
    return is_partial or bool(waiting)


def _with_branches(start: list[JsonObject], document: Schema, seen: set[int]) -> Iterator[JsonObject]:
    waiting: list[JsonObject] = list(start)
    while waiting and len(seen) < _MAX_SCHEMAS:
        schema = waiting.pop(0)
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        for key in _BRANCHES:
            for branch in _sequence(schema.get(key)):
                _spread(branch, document, waiting)
        for key in ("if", "then", "else"):
            _spread(schema.get(key), document, waiting)


def _types(schema: JsonObject, document: Schema, depth: int) -> TypeNames:
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset((named,))
    if isinstance(named, list):
        return frozenset(str(name) for name in named)
    if "const" in schema:
        return frozenset((type_of(schema["const"]),))
    if isinstance(schema.get("enum"), list):
        return frozenset(type_of(value) for value in _sequence(schema["enum"]))
    return _types_of_branches(schema, document, depth)


def _types_of_branches(schema: JsonObject, document: Schema, depth: int) -> TypeNames:
    key = next((key for key in _BRANCHES if _sequence(schema.get(key))), None)
    if key is None or depth > 4:
        return None
    union: frozenset[str] = frozenset()
    for branch in _sequence(schema[key]):
        parts: list[JsonObject] = []
        _spread(branch, document, parts)
        found = next((types for part in parts if (types := _types(part, document, depth + 1))), None)
        if found is None:
            return None
        union |= found
    return union


def _refuses(schema: JsonObject) -> bool:
    return schema.get("additionalProperties") is False and "patternProperties" not in schema


def _target(ref: JsonValue, document: Schema) -> JsonValue:
    if not isinstance(ref, str) or not ref.startswith("#") or "%" in ref:
        return None
    value: JsonValue = document
    for part in ref[1:].split("/")[1:] if ref != "#" else ():
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return None if ref[1:2] not in ("", "/") else value


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _sequence(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


NOWHERE = Place(None, None)
