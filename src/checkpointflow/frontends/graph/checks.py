"""What is wrong with a graph's definition, each with its JSON path; nothing is imported, run or repaired."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from checkpointflow.errors import GraphError
from checkpointflow.frontends.graph import paths
from checkpointflow.frontends.graph.grammar import DONE, edges_of, predecessors
from checkpointflow.schemas import did_you_mean
from checkpointflow.values import JsonObject, JsonValue, checked

Path: TypeAlias = tuple[str | int, ...]
Field: TypeAlias = "tuple[Callable[[object], bool], str]"

MOST_PROBLEMS = 50
_DEEPEST = 32


def checked_definition(definition: object) -> JsonObject:
    """Return a copy of a definition that can be used.

    Raises:
        GraphError: it cannot; `problems` has each with `path`, `message` and `hint`.
    """
    copy, problems = _copied(definition)
    problems = problems or problems_of(copy)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise GraphError(f"the graph cannot be used: {problems[0]['message']}{more}", problems=problems)
    assert isinstance(copy, dict)
    return copy


def problems_of(definition: JsonValue) -> list[JsonObject]:
    """Return what is wrong with a definition, at most fifty problems; empty if it can be used."""
    found = _Problems()
    _check_graph(found, definition, (), {}, 0)
    return found.listed[:MOST_PROBLEMS]


def _copied(definition: object) -> tuple[JsonValue, list[JsonObject]]:
    from checkpointflow.frontends.graph.results import refuse_circles

    try:
        refuse_circles(definition, "definition")
        return checked(definition, "definition"), []
    except (TypeError, ValueError) as error:
        return None, [{"path": "$", "message": f"a definition has to be JSON: {error}", "hint": ""}]


class _Problems:
    """What was found so far."""

    def __init__(self) -> None:
        self.listed: list[JsonObject] = []

    def add(self, path: Path, message: str, hint: str = "") -> None:
        self.listed.append({"path": json_path(path), "message": message, "hint": hint})


def json_path(path: Path) -> str:
    """Return a place in a definition as text: `$.nodes.plan.outputs.ok[0]`."""
    text = "$"
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if part.isidentifier() else f"[{part!r}]"
    return text


# -- shapes ----------------------------------------------------------------------------------------


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_some_time(value: object) -> bool:
    return _is_seconds(value) and value != 0


def _one_of(*words: str) -> Field:
    return (lambda value: value in words), " or ".join(f"`{word}`" for word in words)


TEXT: Field = (_is_text, "text that is not empty")
ANY_TEXT: Field = (lambda value: isinstance(value, str), "text")
FLAG: Field = (lambda value: isinstance(value, bool), "true or false")
OBJECT: Field = (lambda value: isinstance(value, dict), "an object")
LIST: Field = (lambda value: isinstance(value, list), "a list")
NAMES: Field = (
    lambda value: (
        isinstance(value, list) and bool(value) and all(map(_is_text, value)) and len(set(value)) == len(value)
    ),
    "a list of different names that is not empty",
)
TEXTS: Field = (lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of texts")
TARGET: Field = (lambda value: _is_text(value) or isinstance(value, dict), "a node's name or an edge")
GRAPH: Field = (lambda value: _is_text(value) or isinstance(value, dict), "a graph, or a name under `subflows`")
ANYTHING: Field = (lambda _value: True, "anything")
SECONDS: Field = (_is_seconds, "seconds, 0 or more")
SOME_TIME: Field = (_is_some_time, "seconds, more than 0")
COUNT: Field = (_is_count, "an integer, 0 or more")
POSITIVE: Field = (_is_positive, "an integer, 1 or more")

GRAPH_FIELDS: Mapping[str, Field] = {
    "workflow_name": TEXT, "description": ANY_TEXT, "version": ANY_TEXT, "metadata": ANYTHING,
    "default_entry_node": TEXT, "entry_nodes": NAMES, "default_error_node": TEXT, "engine_policy": OBJECT,
    "nodes": OBJECT, "subflows": OBJECT,
}  # fmt: skip
ENGINE_FIELDS: Mapping[str, Field] = {
    "strict_outputs": FLAG, "max_steps": POSITIVE, "workflow_timeout_seconds": SOME_TIME, "persist_checkpoints": FLAG,
    "max_parallel": POSITIVE,
}  # fmt: skip
NODE_FIELDS: Mapping[str, Field] = {
    "handler": TEXT, "subflow": OBJECT, "map": OBJECT, "outputs": OBJECT, "config": OBJECT, "run_policy": OBJECT,
    "join": OBJECT, "on_error": TARGET, "state_contract": OBJECT, "description": ANY_TEXT, "metadata": ANYTHING,
}  # fmt: skip
RUN_FIELDS: Mapping[str, Field] = {
    "max_retries": COUNT, "retry_sleep_seconds": SECONDS, "strategy": _one_of("fixed", "exponential"),
    "timeout_seconds": SOME_TIME,
}  # fmt: skip
JOIN_FIELDS: Mapping[str, Field] = {"mode": _one_of("or", "and"), "wait_for": NAMES, "await_for": NAMES}
EDGE_FIELDS: Mapping[str, Field] = {"target_node": TEXT, "is_loopback": FLAG}
CONTRACT_FIELDS: Mapping[str, Field] = {"reads_from": TEXTS, "writes_to": TEXTS}
SUBFLOW_FIELDS: Mapping[str, Field] = {"graph": GRAPH, "input": OBJECT}
MAP_FIELDS: Mapping[str, Field] = {
    "items": TEXT, "handler": TEXT, "subflow": OBJECT, "max_parallel": POSITIVE,
    "on_item_error": _one_of("stop", "continue"),
}  # fmt: skip
_OPTIONAL = {
    "default_error_node", "engine_policy", "max_steps", "workflow_timeout_seconds", "timeout_seconds", "on_error",
}  # fmt: skip
"""Fields that may be written as null, which says no more than leaving them out."""


def _fields(
    found: _Problems, value: JsonValue, path: Path, known: Mapping[str, Field], needed: Iterable[str] = ()
) -> JsonObject:
    """Return the fields of an object that have the right shape; report the others."""
    if not isinstance(value, dict):
        found.add(path, f"`{json_path(path)}` has to be an object")
        return {}
    for name in needed:
        if name not in value:
            found.add(path, f"`{json_path(path)}` lacks `{name}`", f"give it {known[name][1]}")
    good: JsonObject = {}
    for name, one in value.items():
        if name not in known:
            if not name.startswith("x-"):
                found.add((*path, name), f"`{json_path(path)}` has no field `{name}`", did_you_mean(name, known))
        elif one is None and name in _OPTIONAL:
            continue
        elif known[name][0](one):
            good[name] = one
        else:
            found.add((*path, name), f"`{name}` has to be {known[name][1]}")
    return good


# -- a graph ---------------------------------------------------------------------------------------


def _check_graph(found: _Problems, value: JsonValue, path: Path, outer: Mapping[str, JsonValue], depth: int) -> None:
    if depth > _DEEPEST:
        found.add(path, f"graphs stand in graphs more than {_DEEPEST} deep")
        return
    before = len(found.listed)
    graph = _fields(found, value, path, GRAPH_FIELDS, ("workflow_name", "nodes"))
    _check_engine(found, graph.get("engine_policy"), (*path, "engine_policy"), depth)
    subflows = _check_subflows(found, graph, path, outer, depth)
    written = graph.get("nodes")
    nodes = written if isinstance(written, dict) else {}
    if isinstance(written, dict) and not written:
        found.add((*path, "nodes"), "`nodes` has no node")
    good = {
        name: node
        for name, written_node in nodes.items()
        if (node := _check_node(found, name, written_node, (*path, "nodes", name), subflows, depth)) is not None
    }
    _check_entries(found, graph, path, nodes)
    for name, node in good.items():
        _check_targets(found, node, (*path, "nodes", name), nodes)
    if len(found.listed) == before:
        for name, node in good.items():
            _check_join(found, name, node, (*path, "nodes", name), good)
        _check_circles(found, good, path)


def _check_engine(found: _Problems, policy: JsonValue, path: Path, depth: int) -> None:
    fields = {} if policy is None else _fields(found, policy, path, ENGINE_FIELDS)
    if depth and "persist_checkpoints" in fields:
        found.add((*path, "persist_checkpoints"), "`persist_checkpoints` is said by the outermost graph alone")


def _check_subflows(
    found: _Problems, graph: JsonObject, path: Path, outer: Mapping[str, JsonValue], depth: int
) -> Mapping[str, JsonValue]:
    """Check the graphs under `subflows`, which know each other, and return what nodes may name."""
    written = graph.get("subflows")
    if not isinstance(written, dict):
        return outer
    if depth:
        found.add((*path, "subflows"), "`subflows` stands in the outermost graph alone")
        return outer
    for name, one in written.items():
        _check_graph(found, one, (*path, "subflows", name), written, 1)
    return written


def _check_entries(found: _Problems, graph: JsonObject, path: Path, nodes: JsonObject) -> None:
    if ("default_entry_node" in graph) == ("entry_nodes" in graph):
        found.add(path, "a graph begins at `default_entry_node`, or at several `entry_nodes`; give it one of the two")
    _check_name(found, graph.get("default_entry_node"), (*path, "default_entry_node"), nodes)
    _check_name(found, graph.get("default_error_node"), (*path, "default_error_node"), nodes)
    entries = graph.get("entry_nodes")
    for index, name in enumerate(entries if isinstance(entries, list) else ()):
        _check_name(found, name, (*path, "entry_nodes", index), nodes)


def _check_name(found: _Problems, name: JsonValue, path: Path, nodes: Mapping[str, object]) -> None:
    if isinstance(name, str) and name not in nodes:
        found.add(path, f"there is no node `{name}`", did_you_mean(name, nodes))


# -- a node ----------------------------------------------------------------------------------------


def _check_node(
    found: _Problems, name: str, value: JsonValue, path: Path, subflows: Mapping[str, JsonValue], depth: int
) -> JsonObject | None:
    before = len(found.listed)
    if not name:
        found.add(path, "a node's name is empty")
    node = _fields(found, value, path, NODE_FIELDS, ("outputs",))
    kinds = [kind for kind in ("handler", "subflow", "map") if kind in node]
    if len(kinds) != 1:
        found.add(path, f"node `{name}` needs one of `handler`, `subflow` and `map`")
    _check_outputs(found, node, path)
    policy = _fields(found, node.get("run_policy") or {}, (*path, "run_policy"), RUN_FIELDS)
    if policy and kinds == ["subflow"]:
        found.add((*path, "run_policy"), "a `subflow` is not tried again as a whole; its nodes have a `run_policy`")
    contract = _fields(found, node.get("state_contract") or {}, (*path, "state_contract"), CONTRACT_FIELDS)
    for field, texts in contract.items():
        for index, text in enumerate(texts if isinstance(texts, list) else ()):
            _check_path(found, text, (*path, "state_contract", field, index))
    if contract and kinds == ["subflow"]:
        found.add((*path, "state_contract"), "a `subflow` changes its own part of the state alone")
    if "subflow" in node:
        _check_subflow(found, node["subflow"], (*path, "subflow"), subflows, depth)
    if "map" in node:
        _check_map(found, node["map"], (*path, "map"), subflows, depth)
    return node if len(found.listed) == before else None


def _check_outputs(found: _Problems, node: JsonObject, path: Path) -> None:
    outputs = node.get("outputs")
    for label, edges in outputs.items() if isinstance(outputs, dict) else ():
        here = (*path, "outputs", label)
        if "handler" not in node and label != DONE:
            found.add(here, f"a `subflow` or `map` fires `{DONE}` alone")
        if not isinstance(edges, list):
            found.add(here, f"`{json_path(here)}` has to be a list of edges")
            continue
        for index, edge in enumerate(edges):
            _fields(found, edge, (*here, index), EDGE_FIELDS, ("target_node",))
    if isinstance(node.get("on_error"), dict):
        _fields(found, node["on_error"], (*path, "on_error"), EDGE_FIELDS, ("target_node",))


def _check_targets(found: _Problems, node: JsonObject, path: Path, nodes: Mapping[str, object]) -> None:
    outputs = node.get("outputs")
    for label, edges in outputs.items() if isinstance(outputs, dict) else ():
        for index, edge in enumerate(edges if isinstance(edges, list) else ()):
            if isinstance(edge, dict):
                _check_name(found, edge["target_node"], (*path, "outputs", label, index, "target_node"), nodes)
    on_error = node.get("on_error")
    target = on_error["target_node"] if isinstance(on_error, dict) else on_error
    _check_name(found, target, (*path, "on_error"), nodes)


def _check_path(found: _Problems, text: JsonValue, path: Path) -> None:
    if not isinstance(text, str) or not paths.is_path(text):
        found.add(
            path,
            f"{text!r} is no path into the state",
            "write `input.NAME`, `workflow.NAME` or `node.NODE.NAME`, as in `workflow.goal`",
        )


def _check_subflow(
    found: _Problems, value: JsonValue, path: Path, subflows: Mapping[str, JsonValue], depth: int
) -> None:
    fields = _fields(found, value, path, SUBFLOW_FIELDS, ("graph",))
    graph, given = fields.get("graph"), fields.get("input")
    if isinstance(graph, str):
        if graph not in subflows:
            found.add((*path, "graph"), f"there is no graph `{graph}` under `subflows`", did_you_mean(graph, subflows))
    elif graph is not None:
        _check_graph(found, graph, (*path, "graph"), subflows, depth + 1)
    for name, text in given.items() if isinstance(given, dict) else ():
        _check_path(found, text, (*path, "input", name))


def _check_map(found: _Problems, value: JsonValue, path: Path, subflows: Mapping[str, JsonValue], depth: int) -> None:
    fields = _fields(found, value, path, MAP_FIELDS, ("items",))
    if ("handler" in fields) == ("subflow" in fields):
        found.add(path, "a `map` needs one of `handler` and `subflow`")
    if "items" in fields:
        _check_path(found, fields["items"], (*path, "items"))
    if "subflow" in fields:
        _check_subflow(found, fields["subflow"], (*path, "subflow"), subflows, depth)


# -- the whole -------------------------------------------------------------------------------------


def _check_join(found: _Problems, name: str, node: JsonObject, path: Path, nodes: Mapping[str, JsonObject]) -> None:
    join = _fields(found, node.get("join") or {}, (*path, "join"), JOIN_FIELDS)
    named = join.get("wait_for") or join.get("await_for")
    if "wait_for" in join and "await_for" in join:
        found.add((*path, "join"), "`await_for` is another word for `wait_for`; write one of the two")
    if join.get("mode") != "and":
        if named is not None:
            found.add((*path, "join"), '`wait_for` belongs to `"mode": "and"`; an `or` join waits for nobody')
        return
    before = predecessors(nodes, name)
    if not before:
        found.add((*path, "join"), f"no forward edge leads to `{name}`, so its join would wait for ever")
    if not isinstance(named, list):
        return
    for one in named:
        if one not in before:
            hint = did_you_mean(one, before)
            found.add((*path, "join"), f"`wait_for` names `{one}`, from which no forward edge leads here", hint)
    for one in before:
        if one not in named:
            found.add((*path, "join"), f"a forward edge leads here from `{one}`, which `wait_for` does not name")


def _check_circles(found: _Problems, nodes: Mapping[str, JsonObject], path: Path) -> None:
    """Report the first circle of forward edges; the walk keeps its own stack, since graphs may be deep."""
    done: set[str] = set()
    for start in nodes:
        circle = _circle_from(start, nodes, done)
        if circle:
            shown = " → ".join(circle)
            hint = 'mark the edge that closes a wanted loop with `"is_loopback": true`'
            found.add((*path, "nodes", circle[0]), f"forward edges go in a circle: {shown}", hint)
            return


def _circle_from(start: str, nodes: Mapping[str, JsonObject], done: set[str]) -> list[str]:
    if start in done:
        return []
    trail: dict[str, None] = {start: None}
    stack = [(start, iter(_forward(nodes[start])))]
    while stack:
        name, targets = stack[-1]
        target = next(targets, None)
        if target is None:
            stack.pop()
            done.add(name)
            del trail[name]
        elif target in trail:
            names = list(trail)
            return [*names[names.index(target) :], target]
        elif target not in done:
            trail[target] = None
            stack.append((target, iter(_forward(nodes[target]))))
    return []


def _forward(node: JsonObject) -> list[str]:
    return [edge.target for edge in edges_of(node) if not edge.is_loopback]
