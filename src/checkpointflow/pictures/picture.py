"""A picture as frozen data: nodes, edges between siblings, groups, and how each stands in a run; no drawing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal, TypeAlias

from checkpointflow.records import dataclass, field

Shape: TypeAlias = Literal["step", "wait", "decision", "end", "reference", "start", "exit", "failure"]
"""What a node is: `start` and `exit` are where a list is entered and left, `failure` stands for any failure in it."""

EdgeKind: TypeAlias = Literal["next", "jump", "case", "skip", "error", "timeout"]
"""Why one follows the other: order of the list, `next`, a condition, a false `if`, a failure, a deadline."""

Status: TypeAlias = Literal[
    "failed", "in_doubt", "waiting", "running", "interrupted", "cancelled", "completed", "skipped", "not_reached"
]

STATUSES: Mapping[Status, tuple[str, str]] = {
    "failed": ("✗", "failed"),
    "in_doubt": ("?", "in doubt"),
    "waiting": ("‖", "waiting"),
    "running": ("▸", "running"),
    "interrupted": ("!", "interrupted"),
    "cancelled": ("⊘", "cancelled"),
    "completed": ("✓", "completed"),
    "skipped": ("↷", "skipped"),
    "not_reached": ("·", "not reached"),
}
"""The mark and the words of each status, the most pressing first."""

EDGE_WORDS: Mapping[EdgeKind, str] = {
    "next": "",
    "jump": "",
    "case": "",
    "skip": "if false",
    "error": "on error",
    "timeout": "on timeout",
}
"""What is written on an edge that has no label of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a node or group stands in a run.

    `visits` is how often it was begun. `done` of `total` is told where it has members, or stands in some: for
    a group the members that have ended, for a node the members in which it completed.
    """

    status: Status
    visits: int = 0
    done: int | None = None
    total: int | None = None

    @property
    def words(self) -> str:
        """The state in words: `completed`, `waiting 2/3`, `completed ×2`."""
        text = STATUSES[self.status][1]
        if self.done is not None and self.total is not None:
            text += f" {self.done}/{self.total}"
        return text + (f" ×{self.visits}" if self.visits > (self.total or 1) else "")

    @property
    def mark(self) -> str:
        """One character for the status."""
        return STATUSES[self.status][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box without anything inside.

    `id` is unique among the nodes and groups of a picture, `key` the pattern of the step keys that it stands for
    (`each[*]/ask`), `group` the id of the group around it. Every text may be anything.
    """

    id: str
    shape: Shape
    label: str
    kind: str = ""
    about: str = ""
    key: str = ""
    group: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A box with nodes and groups inside: a step with members or a sub-workflow, or one branch of such a step."""

    id: str
    label: str
    kind: str = ""
    about: str = ""
    key: str = ""
    group: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An arrow between two nodes or groups that stand in the same group."""

    source: str
    target: str
    kind: EdgeKind = "next"
    label: str = ""

    @property
    def words(self) -> str:
        """What is written on the edge."""
        return self.label or EDGE_WORDS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """The run whose state is shown; `remark` is what the reader has to know beside its status."""

    run_id: str
    status: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A workflow as a picture: nodes, groups and edges in the order in which they are written."""

    title: str
    about: str = ""
    nodes: tuple[Node, ...] = ()
    groups: tuple[Group, ...] = ()
    edges: tuple[Edge, ...] = ()
    boxes: tuple[str, ...] = field(default=())
    run: RunNote | None = None

    @cached_property
    def by_id(self) -> Mapping[str, Node | Group]:
        """Every node and group by its id."""
        found: dict[str, Node | Group] = {group.id: group for group in self.groups}
        return found | {node.id: node for node in self.nodes}

    @cached_property
    def inside(self) -> Mapping[str | None, tuple[Node | Group, ...]]:
        """What stands right inside each group, None for the picture itself, in the order of `boxes`."""
        found: dict[str | None, list[Node | Group]] = {}
        for name in self.boxes:
            one = self.by_id[name]
            found.setdefault(one.group, []).append(one)
        return {name: tuple(ones) for name, ones in found.items()}

    @cached_property
    def leaving(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that leave each node or group."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    @cached_property
    def edges_inside(self) -> Mapping[str | None, tuple[Edge, ...]]:
        """The edges between what stands right inside each group."""
        found: dict[str | None, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(self.by_id[edge.source].group, []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}
