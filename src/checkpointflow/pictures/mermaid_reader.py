"""Reads the flowcharts that `mermaid` writes back into pictures; other Mermaid is refused, not guessed at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

from checkpointflow.pictures.mermaid import _ARROWS, _SHAPES
from checkpointflow.pictures.picture import (
    EDGE_WORDS,
    STATUSES,
    Edge,
    EdgeKind,
    Group,
    Node,
    Picture,
    Shape,
    State,
    Status,
)
from checkpointflow.records import dataclass, field
from checkpointflow.values import load

_NODES = [
    (shape, re.compile(rf"(\w+){re.escape(opening)}([^\"]*){re.escape(closing)}"))
    for shape, (opening, closing) in sorted(_SHAPES.items(), key=lambda one: -len(one[1][0]))
]
_GROUP = re.compile(r'subgraph (\w+)\["([^"]*)"\]')
_ARROW = re.compile(r'(\w+) (-->|-\.->)(?:\|"([^"]*)"\|)? (\w+)')
_CLASS = re.compile(r"class ([\w,]+) (\w+)")
_TITLE = re.compile(r'title: (".*")')
_NUMBER = re.compile(r"#(\d{1,7});")


def read(source: str) -> Picture:
    """Return the picture of a flowchart, whether or not it stands in a fence.

    Raises:
        ValueError: it is not what `mermaid` writes; the message names the line.
    """
    reading = _Reading()
    for number, line in enumerate(_inside_fence(source), 1):
        reading.take(line.strip(), number)
    return reading.picture()


def _inside_fence(source: str) -> Sequence[str]:
    lines = source.strip().splitlines()
    is_fenced = len(lines) > 1 and lines[0].strip() == "```mermaid" and lines[-1].strip() == "```"
    return lines[1:-1] if is_fenced else lines


def decoded(text: str) -> str:
    """Return the text of a label."""
    return _NUMBER.sub(lambda found: "" if found[1] == "8203" else _sign(int(found[1])), text)


def _sign(number: int) -> str:
    return chr(number) if number < 0x110000 else "\ufffd"


@dataclass
class _Box:
    rows: list[str]
    shape: Shape | None
    group: str | None
    status: Status | None = None


@dataclass
class _Reading:
    title: str = ""
    boxes: dict[str, _Box] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    within: list[str] = field(default_factory=list)

    def take(self, line: str, number: int) -> None:
        """Take in the next line."""
        if line in ("", "---", "flowchart TD") or line.startswith("classDef "):
            return
        if line == "end" and self.within:
            self.within.pop()
            return
        readers: list[Callable[[str], bool]] = [self._title, self._group, self._arrow, self._class, self._node]
        if not any(reader(line) for reader in readers):
            raise ValueError(f"line {number} is nothing that `workflow_to_mermaid` writes: {line[:80]!r}")

    def _title(self, line: str) -> bool:
        found = _TITLE.fullmatch(line)
        if found is not None:
            self.title = str(load(found[1]))
        return found is not None

    def _group(self, line: str) -> bool:
        found = _GROUP.fullmatch(line)
        if found is not None:
            self._add(found[1], _Box(decoded(found[2]).split(" · "), None, self._around()))
            self.within.append(found[1])
        return found is not None

    def _node(self, line: str) -> bool:
        for shape, pattern in _NODES:
            found = pattern.fullmatch(line)
            if found is not None:
                rows = [decoded(row) for row in found[2].split("<br/>")]
                self._add(found[1], _Box(rows, cast(Shape, shape), self._around()))
                return True
        return False

    def _arrow(self, line: str) -> bool:
        found = _ARROW.fullmatch(line)
        if found is None or found[1] not in self.boxes or found[4] not in self.boxes:
            return False
        words = decoded(found[3] or "")
        kind = _edge_kind(found[2], words)
        self.edges.append(Edge(source=found[1], target=found[4], kind=kind, label=words))
        return True

    def _class(self, line: str) -> bool:
        found = _CLASS.fullmatch(line)
        if found is None or found[2] not in STATUSES or not all(name in self.boxes for name in found[1].split(",")):
            return False
        for name in found[1].split(","):
            self.boxes[name].status = cast(Status, found[2])
        return True

    def _around(self) -> str | None:
        return self.within[-1] if self.within else None

    def _add(self, name: str, box: _Box) -> None:
        if name in self.boxes:
            raise ValueError(f"`{name}` stands in the flowchart twice")
        self.boxes[name] = box

    def picture(self) -> Picture:
        """Return what was read."""
        nodes = [_as_node(name, box, box.shape) for name, box in self.boxes.items() if box.shape is not None]
        groups = [_as_group(name, box) for name, box in self.boxes.items() if box.shape is None]
        return Picture(
            title=self.title,
            nodes=tuple(nodes),
            groups=tuple(groups),
            edges=tuple(edge for edge in self.edges if self.boxes[edge.source].group == self.boxes[edge.target].group),
            boxes=tuple(self.boxes),
        )


def _edge_kind(arrow: str, words: str) -> EdgeKind:
    named = [kind for kind, text in EDGE_WORDS.items() if text and words.startswith(text) and _ARROWS[kind] == arrow]
    return named[0] if named else "skip" if arrow == "-.->" else "case" if words else "next"


def _as_node(name: str, box: _Box, shape: Shape) -> Node:
    about = "" if len(box.rows) < 2 else box.rows[1]
    state = None if box.status is None else State(status=box.status)
    is_state = state is not None and about == f"{state.mark} {state.words}"
    return Node(id=name, shape=shape, label=box.rows[0], about="" if is_state else about, group=box.group, state=state)


def _as_group(name: str, box: _Box) -> Group:
    state = None if box.status is None else State(status=box.status)
    return Group(id=name, label=box.rows[0], kind=" · ".join(box.rows[1:]), group=box.group, state=state)
