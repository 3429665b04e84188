"""The JSON Schema of graph definitions, for editors and agents; `checks` says more, and alone decides."""

from __future__ import annotations

from checkpointflow.values import JsonObject, JsonValue

_TEXT: JsonObject = {"type": "string", "minLength": 1}
_NAMES: JsonObject = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_POSITIVE: JsonObject = {"type": "integer", "minimum": 1}
_PATH: JsonObject = {
    "type": "string",
    "pattern": r"^(input|workflow|node)(\.[^.]+)*$",
    "description": "A place in the state: `input.NAME`, `workflow.NAME`, `node.NODE.NAME`.",
}
_DURATION: JsonObject = {"type": "number", "exclusiveMinimum": 0}


def graph_schema() -> JsonObject:
    """Return the schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "checkpointflow graph",
        "$ref": "#/$defs/graph",
        "$defs": {
            "graph": _graph(),
            "node": _node(),
            "edge": _record("Where a label leads.", {"target_node": _TEXT, "is_loopback": _flag()}, ["target_node"]),
            "subflow": _subflow(),
            "map": _map(),
        },
    }


def _graph() -> JsonObject:
    fields: JsonObject = {
        "workflow_name": _TEXT,
        "description": {"type": "string"},
        "version": {"type": "string"},
        "metadata": True,
        "default_entry_node": _said(_TEXT, "The node at which a run begins."),
        "entry_nodes": _said(_NAMES, "The nodes at which a run begins, in place of `default_entry_node`."),
        "default_error_node": _said(_or_null(_TEXT), "The node that is visited when one fails without an `on_error`."),
        "engine_policy": _or_null(_engine_policy()),
        "nodes": {"type": "object", "minProperties": 1, "additionalProperties": _ref("node"), "propertyNames": _TEXT},
        "subflows": {"type": "object", "additionalProperties": _ref("graph")},
    }
    graph = _record("A workflow as a graph of handlers.", fields, ["workflow_name", "nodes"])
    return graph | {"oneOf": [{"required": ["default_entry_node"]}, {"required": ["entry_nodes"]}]}


def _engine_policy() -> JsonObject:
    fields: JsonObject = {
        "strict_outputs": _said(_flag(), "Whether a label that is not declared is an error (true) or a warning."),
        "max_steps": _said(_or_null(_POSITIVE), "How many calls of handlers a run may make."),
        "workflow_timeout_seconds": _said(_or_null(_DURATION), "How long a run may work; waiting does not count."),
        "persist_checkpoints": _said(_flag(), "Whether the engine's store is given every checkpoint."),
        "max_parallel": _said(_POSITIVE, "How many nodes may work at the same time."),
    }
    return _record("What holds for the whole graph.", fields)


def _node() -> JsonObject:
    edges: JsonObject = {"type": "array", "items": _ref("edge")}
    fields: JsonObject = {
        "description": {"type": "string"},
        "metadata": True,
        "handler": _said(_TEXT, "The name under which the function is registered."),
        "subflow": _ref("subflow"),
        "map": _ref("map"),
        "outputs": _said({"type": "object", "additionalProperties": edges}, "For each label where it leads."),
        "config": _said({"type": "object"}, "What the handler finds in `node_config`."),
        "run_policy": _run_policy(),
        "join": _join(),
        "on_error": _said({"anyOf": [_TEXT, _ref("edge"), {"type": "null"}]}, "Where a failure of this node leads."),
        "state_contract": _record(
            "What the node needs of the state, and what it may change.",
            {"reads_from": {"type": "array", "items": _PATH}, "writes_to": {"type": "array", "items": _PATH}},
        ),
    }
    one_of: list[JsonValue] = [{"required": [kind]} for kind in ("handler", "subflow", "map")]
    return _record("One node.", fields, ["outputs"]) | {"oneOf": one_of}


def _run_policy() -> JsonObject:
    fields: JsonObject = {
        "max_retries": _said({"type": "integer", "minimum": 0}, "How often a handler that raised is called again."),
        "retry_sleep_seconds": {"type": "number", "minimum": 0},
        "strategy": _said({"enum": ["fixed", "exponential"]}, "`exponential` doubles the pause each time."),
        "timeout_seconds": _said(_or_null(_DURATION), "How long one attempt may take."),
    }
    return _record("How a node is tried.", fields)


def _join() -> JsonObject:
    fields: JsonObject = {
        "mode": {"enum": ["or", "and"]},
        "wait_for": _said(_NAMES, "The predecessors of an `and` join; without it all of them."),
        "await_for": _said(_NAMES, "Another word for `wait_for`."),
    }
    return _record("When a node with several predecessors is visited.", fields)


def _subflow() -> JsonObject:
    graph: JsonObject = {"anyOf": [_said(_TEXT, "A name under `subflows`."), _ref("graph")]}
    given: JsonObject = {"type": "object", "additionalProperties": _PATH}
    return _record("A graph inside a node.", {"graph": graph, "input": given}, ["graph"])


def _map() -> JsonObject:
    fields: JsonObject = {
        "items": _said(_PATH, "Where the list stands."),
        "handler": _TEXT,
        "subflow": _ref("subflow"),
        "max_parallel": _POSITIVE,
        "on_item_error": {"enum": ["stop", "continue"]},
    }
    one_of: list[JsonValue] = [{"required": ["handler"]}, {"required": ["subflow"]}]
    return _record("A handler or a graph for every item of a list.", fields, ["items"]) | {"oneOf": one_of}


def _record(meaning: str, fields: JsonObject, needed: list[JsonValue] | None = None) -> JsonObject:
    record: JsonObject = {"type": "object", "description": meaning, "properties": fields}
    closed: JsonObject = {"patternProperties": {"^x-": True}, "additionalProperties": False}
    return record | ({"required": needed} if needed else {}) | closed


def _said(schema: JsonObject, meaning: str) -> JsonObject:
    return schema | {"description": meaning}


def _or_null(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, {"type": "null"}]}


def _flag() -> JsonObject:
    return {"type": "boolean"}


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/$defs/{name}"}
