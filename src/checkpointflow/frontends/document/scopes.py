"""What an expression may see at each place of a document; schemas only, no values."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from typing import Literal, TypeAlias

from checkpointflow.expressions import Schema, Scope, StepShape
from checkpointflow.frontends.document.model import STEPS_PATH, Document, Path, Step
from checkpointflow.values import JsonObject, JsonValue

Inside: TypeAlias = Literal["", "event", "item"]

_RUN: JsonObject = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "workflow_id": {"type": "string"}, "started_at": {"type": "string"}},
    "required": ["id", "workflow_id", "started_at"],
    "additionalProperties": False,
}
_INTEGER: JsonObject = {"type": "integer"}
_MATCHED: JsonObject = {
    "type": "object",
    "properties": {"matched": {}},
    "required": ["matched"],
    "additionalProperties": False,
}
_READING = re.compile(r"(?:\$\{\s*)?inputs\.(\w+)(?:\s*\})?")


class Scopes:
    """The scopes of one document, each list's made once.

    Steps of an inner list shadow those of the lists around it.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lists = document.places
        self._owners = {step.path: step for step in document.all_steps() if step.lists}
        self._known: dict[Path, Scope] = {}
        self._siblings: dict[Path, Mapping[str, Step]] = {}
        self._shapes: dict[Path, ChainMap[str, StepShape]] = {}
        self._known_roots: dict[Path, Mapping[str, Schema]] = {}

    def of_step(self, step: Step, inside: Inside = "") -> Scope:
        """Return what the texts of a step see.

        `event`: those in the conditions of its transitions, `item`: those that a `foreach` reads once per item.
        """
        at = (*step.path, inside) if inside else step.path[:-1]
        known = self._known.get(at)
        if known is None:
            known = self._known[at] = self._scope(step, inside)
        return known

    def _scope(self, step: Step, inside: Inside) -> Scope:
        roots = dict(self._roots(step.path[:-1]))
        if inside == "event":
            roots["event"] = _schema(step.fields.get("input_schema"))
        if inside == "item":
            roots |= self._item_roots(step, roots)
        return Scope(roots=roots, steps=self._steps_of(step.path[:-1]))

    def of_outputs(self) -> Scope:
        """Return what `outputs.from` sees: the main list's steps, as they ended."""
        return Scope(roots=self._roots(STEPS_PATH), steps=self._steps_of(STEPS_PATH))

    def of_defaults(self) -> Scope:
        """Return what the document's `defaults` see: the input and the run."""
        return Scope(roots=self._roots(STEPS_PATH))

    def _around(self, path: Path) -> tuple[Step, ...]:
        """The steps whose inner lists hold the list at a path, outermost first."""
        found: list[Step] = []
        while path != STEPS_PATH:
            owner = path[:-1] if path[-1] == "body" else path[:-3]
            found.append(self._owners[owner])
            path = owner[:-1]
        return tuple(reversed(found))

    def _roots(self, path: Path) -> Mapping[str, Schema]:
        known = self._known_roots.get(path)
        if known is None:
            roots: dict[str, Schema] = {"inputs": _schema(self._document.inputs), "run": _RUN}
            if self._document.secrets:  # seen everywhere, so that each wrong place can be named; see secret_places
                roots["secrets"] = _secrets(self._document)
            for step in self._around(path):
                if step.kind == "foreach":
                    roots |= self._item_roots(step, roots)
            known = self._known_roots[path] = roots
        return known

    def _item_roots(self, foreach: Step, roots: Mapping[str, Schema]) -> dict[str, Schema]:
        item = _item_schema(foreach, self._document.inputs)
        inputs = roots["inputs"]
        if isinstance(inputs, dict) and inputs.get("properties"):
            properties: JsonObject = {**_object(inputs["properties"])}
            properties |= {"_foreach_item": True if item is None else item, "_foreach_index": _INTEGER}
            required = [*_texts(inputs.get("required")), "_foreach_item", "_foreach_index"]
            inputs = inputs | {"properties": properties, "required": required}
        elif isinstance(inputs, dict):
            inputs = {key: value for key, value in inputs.items() if key != "additionalProperties"}
        return {"inputs": inputs, "item": item, "item_index": _INTEGER}

    def _steps_of(self, path: Path) -> ChainMap[str, StepShape]:
        known = self._shapes.get(path)
        if known is None:
            own = {step.id: self._shape(step) for step in self._lists.get(path, ())}
            outer = self._steps_of(self._around(path)[-1].path[:-1]).maps if path != STEPS_PATH else []
            known = self._shapes[path] = ChainMap(own, *outer)
        return known

    def _shape(self, step: Step) -> StepShape:
        fields: dict[str, Schema] = {"error": None}
        if step.kind == "cli":
            fields |= {"exit_code": _INTEGER, "stdout": {"type": "string"}}
        if step.kind == "api":
            fields |= {"status_code": _INTEGER}
        return StepShape(outputs=self._outputs(step), fields=fields)

    def _outputs(self, step: Step) -> Schema:
        if step.outputs is not None:
            return _schema(step.outputs)
        if step.kind == "await_event":
            return _answer(step)
        if step.kind == "set":
            return _values(step)
        if step.kind == "switch":
            return _MATCHED
        if step.kind == "foreach":
            return _iterations(self._by_id(step.lists["body"]) if "body" in step.lists else None)
        if step.kind == "parallel":
            return self._branches(step)
        return None

    def _branches(self, step: Step) -> Schema:
        siblings = self._siblings_of(step.path[:-1])
        started = [target for _, target in step.started() if target in siblings and target != step.id]
        properties: JsonObject = {name: self._started_outputs(siblings[name]) for name in started}
        for name, steps in step.lists.items():
            inner = self._by_id(steps) | {"error": True, "result": True}
            properties[name] = {"type": "object", "properties": inner, "additionalProperties": False}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _siblings_of(self, path: Path) -> Mapping[str, Step]:
        known = self._siblings.get(path)
        if known is None:
            known = self._siblings[path] = {step.id: step for step in self._lists[path]}
        return known

    def _started_outputs(self, step: Step) -> JsonValue:
        """A `parallel` that starts a `parallel` stays unknown, since two of them may name each other."""
        return True if step.kind == "parallel" else _any_if_unknown(self._outputs(step))

    def _by_id(self, steps: tuple[Step, ...]) -> JsonObject:
        return {step.id: _any_if_unknown(self._outputs(step)) for step in steps}


def _secrets(document: Document) -> Schema:
    properties: JsonObject = dict.fromkeys(document.secrets, True)  # that they are texts helps nowhere
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def scope_of(document: Document, step: Step, inside: Inside = "") -> Scope:
    """Return what the texts of one step see; for many steps of one document, keep a `Scopes`."""
    return Scopes(document).of_step(step, inside)


def inside_of(kind: str, path: Path) -> Inside:
    """Return which further names the text at a path below a step sees: `event`, `item`, or none."""
    if kind == "await_event" and path[:1] == ("transitions",):
        return "event"
    if kind == "foreach" and path[:1] in (("inputs",), ("item_key",)):
        return "item"
    return ""


def _answer(step: Step) -> Schema:
    """The schema of an answer; where expiry may put outputs of its own, those are declared as well."""
    schema = _schema(step.fields.get("input_schema"))
    instead = _object(step.fields.get("on_timeout")).get("outputs")
    if instead is None:
        return schema
    if not isinstance(schema, dict) or not isinstance(instead, dict) or "properties" not in schema:
        return None
    properties = dict.fromkeys(instead, True) | _object(schema["properties"])
    rest = {key: value for key, value in schema.items() if key not in ("required", "properties")}
    return rest | {"properties": properties}


def _iterations(steps: JsonObject | None) -> Schema:
    items: JsonValue = True
    if steps is not None:
        properties = steps | {"error": True, "result": True}
        items = {"type": "object", "properties": properties, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"iterations": {"type": "array", "items": items}},
        "required": ["iterations"],
        "additionalProperties": False,
    }


def _values(step: Step) -> Schema:
    values = _object(step.fields.get("values"))
    properties: JsonObject = dict.fromkeys(values, True)
    return {"type": "object", "properties": properties, "required": list(values), "additionalProperties": False}


def _item_schema(foreach: Step, inputs: JsonValue) -> Schema:
    """The schema of an item, where the list is simply one of the inputs and needs nothing from elsewhere."""
    found = _READING.fullmatch(str(foreach.fields.get("items", "")).strip())
    declared = _object(_object(inputs).get("properties")).get(found.group(1)) if found else None
    item = _object(declared).get("items")
    return item if isinstance(item, dict) and "$ref" not in str(item) else None


def _schema(value: JsonValue) -> Schema:
    return value if isinstance(value, dict | bool) else None


def _any_if_unknown(schema: Schema) -> JsonValue:
    return True if schema is None else schema


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _texts(value: JsonValue) -> list[JsonValue]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
