"""A graph's definition as frozen data, made from a dict that was checked; nothing is judged or run here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

from checkpointflow.records import dataclass, field, fields
from checkpointflow.values import JsonObject, JsonValue, copied, fingerprint

Strategy: TypeAlias = Literal["fixed", "exponential"]

DONE = "ok"
"""The label that `subflow` and `map` nodes fire."""

ANSWER = ".answer"
"""A gate's wait stands under the name of its node with this."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a label leads; a loopback opens the next wave."""

    target: str
    is_loopback: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPolicy:
    """How a node's handler is tried; pauses and the time for each attempt in seconds, None for no bound."""

    max_retries: int = 0
    retry_sleep_seconds: float = 0.0
    strategy: Strategy = "fixed"
    timeout_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EnginePolicy:
    """What holds for a whole graph; `max_steps` bounds the calls of handlers, None does not."""

    strict_outputs: bool = True
    max_steps: int | None = None
    workflow_timeout_seconds: float | None = None
    persist_checkpoints: bool = True
    max_parallel: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """The paths of the state that a node needs, and those that it may change; None for any."""

    reads_from: tuple[str, ...] = ()
    writes_to: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Subflow:
    """A graph inside a node: the definition, or the name of one under `subflows`; `input` maps names to paths."""

    graph: str | JsonObject
    input: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOver:
    """A handler or a graph for every item of the list at a path of the state."""

    items: str
    handler: str | None
    subflow: Subflow | None
    max_parallel: int
    goes_on: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node; it has a handler, a subflow or a map. `wait_for` is None for an OR join."""

    name: str
    handler: str | None
    subflow: Subflow | None
    map: MapOver | None
    outputs: Mapping[str, tuple[Edge, ...]]
    on_error: Edge | None
    wait_for: tuple[str, ...] | None
    config: JsonObject
    policy: RunPolicy
    contract: Contract
    description: str = ""

    def edges(self) -> list[Edge]:
        """Return all edges that leave the node, in the order of the declaration."""
        found = [edge for edges in self.outputs.values() for edge in edges]
        return found if self.on_error is None else [*found, self.on_error]


@dataclass(frozen=True)
class Graph:
    """A checked definition, in parts; `subflows` are those of the outermost graph."""

    definition: JsonObject
    name: str
    entries: tuple[str, ...]
    error_node: str | None
    policy: EnginePolicy
    nodes: Mapping[str, Node]
    subflows: Mapping[str, JsonObject]

    @classmethod
    def of(cls, definition: JsonObject, subflows: Mapping[str, JsonObject] | None = None) -> Graph:
        """Return the parts of a checked definition, of which a copy is kept."""
        own = cast(JsonObject, copied(definition))
        nodes = cast("dict[str, JsonObject]", own["nodes"])
        entries = own.get("entry_nodes") or [own["default_entry_node"]]
        outer = cast("dict[str, JsonObject]", own.get("subflows") or {}) if subflows is None else subflows
        return cls(
            definition=own,
            name=str(own["workflow_name"]),
            entries=tuple(map(str, cast("list[str]", entries))),
            error_node=cast("str | None", own.get("default_error_node")),
            policy=EnginePolicy(**_known(own.get("engine_policy"), EnginePolicy)),
            nodes={name: _node(name, node, nodes) for name, node in nodes.items()},
            subflows=outer,
        )

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the definition's canonical text."""
        return fingerprint(self.definition)

    def inner(self, subflow: Subflow) -> Graph:
        """Return the graph of a subflow."""
        cached = self._inner.get(id(subflow))
        if cached is None:
            text = subflow.graph
            definition = self.subflows[text] if isinstance(text, str) else text
            cached = self._inner[id(subflow)] = Graph.of(definition, self.subflows)
        return cached

    @cached_property
    def _inner(self) -> dict[int, Graph]:
        return {}

    def reached_from(self, name: str) -> frozenset[str]:
        """Return the node and all that it reaches by forward edges."""
        if name not in self._reach:
            self._reach[name] = frozenset(_reached(self.nodes, name))
        return self._reach[name]

    @cached_property
    def _reach(self) -> dict[str, frozenset[str]]:
        return {}


def predecessors(nodes: Mapping[str, JsonObject], name: str) -> list[str]:
    """Return the nodes from which a forward edge leads to a node, in the order of the declaration."""
    return [
        source for source, node in nodes.items() if any(e.target == name and not e.is_loopback for e in edges_of(node))
    ]


def edges_of(node: JsonObject) -> list[Edge]:
    """Return all edges of a node as written."""
    edges = [edge for edges in outputs_of(node).values() for edge in edges]
    on_error = _edge(node["on_error"]) if node.get("on_error") is not None else None
    return edges if on_error is None else [*edges, on_error]


def outputs_of(node: JsonObject) -> dict[str, tuple[Edge, ...]]:
    """Return the edges under each label."""
    written = cast("dict[str, list[JsonValue]]", node.get("outputs") or {})
    return {label: tuple(map(_edge, edges)) for label, edges in written.items()}


def _edge(written: JsonValue) -> Edge:
    if isinstance(written, str):
        return Edge(written)
    edge = cast(JsonObject, written)
    return Edge(str(edge["target_node"]), bool(edge.get("is_loopback", False)))


def _node(name: str, node: JsonObject, nodes: Mapping[str, JsonObject]) -> Node:
    return Node(
        name=name,
        handler=cast("str | None", node.get("handler")),
        subflow=_subflow(node.get("subflow")),
        map=_map(node.get("map")),
        outputs=outputs_of(node),
        on_error=_edge(node["on_error"]) if node.get("on_error") is not None else None,
        wait_for=_wait_for(name, node, nodes),
        config=cast(JsonObject, node.get("config") or {}),
        policy=RunPolicy(**_known(node.get("run_policy"), RunPolicy)),
        contract=_contract(node.get("state_contract")),
        description=str(node.get("description") or ""),
    )


def _wait_for(name: str, node: JsonObject, nodes: Mapping[str, JsonObject]) -> tuple[str, ...] | None:
    join = cast(JsonObject, node.get("join") or {})
    if join.get("mode", "or") != "and":
        return None
    named = join.get("wait_for") or join.get("await_for")
    return tuple(cast("list[str]", named)) if named else tuple(predecessors(nodes, name))


def _subflow(written: JsonValue) -> Subflow | None:
    if not isinstance(written, dict):
        return None
    graph = cast("str | JsonObject", written["graph"])
    return Subflow(graph=graph, input=cast("dict[str, str]", written.get("input") or {}))


def _map(written: JsonValue) -> MapOver | None:
    if not isinstance(written, dict):
        return None
    return MapOver(
        items=str(written["items"]),
        handler=cast("str | None", written.get("handler")),
        subflow=_subflow(written.get("subflow")),
        max_parallel=int(cast(int, written.get("max_parallel", 1))),
        goes_on=written.get("on_item_error", "stop") == "continue",
    )


def _known(written: JsonValue, cls: type[RunPolicy] | type[EnginePolicy]) -> dict[str, Any]:
    """Return the fields that a policy has; what is null is left to its default."""
    names = {one.name for one in fields(cls)}
    given = written if isinstance(written, dict) else {}
    return {name: value for name, value in given.items() if name in names and value is not None}


def _contract(written: JsonValue) -> Contract:
    given = cast("dict[str, list[str]]", written or {})
    writes = given.get("writes_to")
    return Contract(
        reads_from=tuple(given.get("reads_from") or ()), writes_to=None if writes is None else tuple(writes)
    )


def _reached(nodes: Mapping[str, Node], start: str) -> set[str]:
    found, open_names = {start}, [start]
    while open_names:
        for edge in nodes[open_names.pop()].edges():
            if not edge.is_loopback and edge.target not in found:
                found.add(edge.target)
                open_names.append(edge.target)
    return found
