"""A graph as a picture: its nodes, what each label leads to, and graphs inside nodes as groups; nothing is drawn."""

from __future__ import annotations

from checkpointflow.frontends.graph.grammar import Edge as GraphEdge
from checkpointflow.frontends.graph.grammar import Graph, Node, Subflow
from checkpointflow.kernel.scope import encoded_name
from checkpointflow.pictures.picture import Edge, Group, Picture, Shape
from checkpointflow.pictures.picture import Node as Box
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonValue, dump

MOST_BOXES = 5_000
MOST_DEPTH = 20
"""Graphs inside nodes that would lead beyond these are shown as references: they may name each other without end."""

LOOP = "↺"
"""Stands behind the label of a loopback."""

_MOST_DETAIL = 2_000


def picture_of(graph: Graph) -> Picture:
    """Return the picture of a graph."""
    builder = _Builder()
    builder.add(graph, None, "", 0)
    description = graph.definition.get("description")
    version = graph.definition.get("version")
    about = [f"version {version}" if version else "", description if isinstance(description, str) else ""]
    return Picture(
        title=graph.name,
        about=" · ".join(part for part in about if part),
        nodes=tuple(builder.nodes),
        groups=tuple(builder.groups),
        edges=tuple(builder.edges),
        boxes=tuple(builder.boxes),
    )


@dataclass(slots=True)
class _Builder:
    nodes: list[Box] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)

    def add(self, graph: Graph, group: str | None, prefix: str, depth: int) -> None:
        """Add a graph: where it is entered, its nodes, what they lead to, and where it is left."""
        start = self._mark("start", "start", group)
        failure = self._mark("failure", "on any failure", group) if graph.error_node is not None else ""
        names = {name: self._node(graph, node, group, prefix, depth) for name, node in graph.nodes.items()}
        self.edges += [Edge(source=start, target=names[name]) for name in graph.entries]
        if graph.error_node is not None:
            self.edges.append(Edge(source=failure, target=names[graph.error_node], kind="error"))
        leaving = [(node, label) for node in graph.nodes.values() for label, edges in node.outputs.items() if not edges]
        exit_box = self._mark("exit", "(end)", group) if leaving else ""
        for node in graph.nodes.values():
            self._leaving(node, names, exit_box)

    def _leaving(self, node: Node, names: dict[str, str], exit_box: str) -> None:
        source = names[node.name]
        for label, edges in node.outputs.items():
            if not edges:
                self.edges.append(Edge(source=source, target=exit_box, kind="case", label=label))
            for edge in edges:
                self.edges.append(
                    Edge(source=source, target=names[edge.target], kind="case", label=_label(label, edge))
                )
        if node.on_error is not None:
            label = f"on error {LOOP}" if node.on_error.is_loopback else ""
            self.edges.append(Edge(source=source, target=names[node.on_error.target], kind="error", label=label))

    def _node(self, graph: Graph, node: Node, group: str | None, prefix: str, depth: int) -> str:
        key = prefix + encoded_name(node.name)
        subflow = node.subflow if node.subflow is not None else node.map.subflow if node.map is not None else None
        if subflow is None:
            return self._box(node, group, key, "step")
        if depth >= MOST_DEPTH or len(self.boxes) >= MOST_BOXES:
            return self._box(node, group, key, "reference")
        box = Group(
            id=self._name(),
            label=node.name,
            kind="subflow" if node.map is None else "map",
            about=_about(node),
            key=key,
            group=group,
            details=_details(node),
        )
        self.groups.append(box)
        inner = f"{key}/" if node.map is None else f"{key}[*]/{encoded_name(node.name)}/"
        self.add(graph.inner(subflow), box.id, inner, depth + 1)
        return box.id

    def _box(self, node: Node, group: str | None, key: str, shape: Shape) -> str:
        kind = "handler" if node.map is None else "map"
        box = Box(
            id=self._name(), shape=shape, label=node.name, kind=kind if shape == "step" else "subflow",
            about=_about(node), key=key, group=group, details=_details(node),
        )  # fmt: skip
        self.nodes.append(box)
        return box.id

    def _mark(self, shape: Shape, label: str, group: str | None) -> str:
        box = Box(id=self._name(), shape=shape, label=label, group=group)
        self.nodes.append(box)
        return box.id

    def _name(self) -> str:
        self.boxes.append(f"b{len(self.boxes)}")
        return self.boxes[-1]


def _label(label: str, edge: GraphEdge) -> str:
    return f"{label} {LOOP}" if edge.is_loopback else label


def _about(node: Node) -> str:
    """Return what a node does, in a few words."""
    if node.map is not None:
        return f"{node.map.handler or _named(node.map.subflow)} for each of {node.map.items}"
    if node.subflow is not None:
        return _named(node.subflow)
    told = [node.handler or ""] if node.handler != node.name else []
    told += [f"waits for all of {', '.join(node.wait_for)}"] if node.wait_for is not None else []
    return " · ".join([*told, *([node.description] if node.description else [])])


def _named(subflow: Subflow | None) -> str:
    return subflow.graph if subflow is not None and isinstance(subflow.graph, str) else ""


def _details(node: Node) -> tuple[tuple[str, str], ...]:
    policy = node.policy
    told: list[tuple[str, JsonValue]] = [
        ("description", node.description or None),
        ("handler", node.handler),
        ("wait for", None if node.wait_for is None else ", ".join(node.wait_for)),
        ("retries", policy.max_retries or None),
        ("timeout_seconds", policy.timeout_seconds),
    ]
    return tuple((name, _text(value)[:_MOST_DETAIL]) for name, value in told if value is not None)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else dump(value)
