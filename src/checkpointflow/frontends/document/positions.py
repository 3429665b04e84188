"""Where things stand in a document's text: line and column of keys, values and characters inside values."""

from __future__ import annotations

from typing import TypeAlias

from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


START = Place(1, 1)
_FAR = 20_000
"""What is wrong behind so many characters of one text is told at the beginning of that text."""


@dataclass(slots=True)
class Node:
    """One value of the text: its JSON (for a scalar) or its children, and the span it takes up.

    `start` and `end` are offsets into the text. `style` is that of a text: plain (empty), `'`, `"`,
    `|`, `>`; `[` and `{` for containers. Aliases share nodes, so nobody changes one once it is read.
    """

    style: str
    place: Place
    start: int
    end: int = 0
    value: JsonValue = None
    items: list[Node] = field(default_factory=list)
    fields: dict[str, tuple[Place, Node]] = field(default_factory=dict)

    def json(self) -> JsonValue:
        """Return the value as JSON of its own, sharing nothing that can be changed."""
        if self.style == "{":
            return {key: node.json() for key, (_, node) in self.fields.items()}
        if self.style == "[":
            return [node.json() for node in self.items]
        return self.value


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it was read: its text, its JSON tree, and the places of everything in it."""

    text: str
    tree: JsonObject
    root: Node

    @property
    def last_line(self) -> Place:
        """Where the last line begins."""
        return Place(self.text.count("\n", 0, -1) + 1, 1)

    def value_at(self, path: Path) -> Place:
        """Return where the value at a path begins; the nearest value above it if there is none."""
        return _found(self.root, path)[2].place

    def key_at(self, path: Path) -> Place:
        """Return where the key of a path begins (for a list item, the item); else the nearest key above."""
        return _found(self.root, path)[1]

    def character_at(self, path: Path, offset: int) -> Place:
        """Return where a character of the text at a path stands in the document.

        Exact for text on one line and for literal blocks (`|`); in folded text at least the line is right
        wherever the characters around it can be found again.
        """
        used, _, node = _found(self.root, path)
        if used != len(path) or not isinstance(node.value, str):
            return node.place
        return _character(self.text, node, max(0, min(offset, len(node.value))))


def _found(node: Node, path: Path) -> tuple[int, Place, Node]:
    """Walk down a path as far as it goes: how many keys were used, the place of the last, what is there."""
    place = node.place
    for used, key in enumerate(path):
        if isinstance(key, str) and key in node.fields:
            place, node = node.fields[key]
        elif isinstance(key, int) and 0 <= key < len(node.items):
            node = node.items[key]
            place = node.place
        else:
            return used, place, node
    return len(path), place, node


def _character(text: str, node: Node, offset: int) -> Place:
    assert isinstance(node.value, str)
    if node.style == "|":
        return _in_literal_block(text, node, node.value, offset)
    if offset > _FAR:
        return node.place
    raw = text[node.start : min(node.end, node.start + 4 * _FAR)]
    if "\n" not in raw.rstrip() and node.style in ("", "'", '"'):
        return Place(node.place.line, node.place.column + _raw_length(raw, node.style, offset))
    return _searched(raw, node, node.value, offset)


def _raw_length(raw: str, style: str, offset: int) -> int:
    """How many characters of a one-line scalar stand before its character `offset`."""
    if not style:
        return offset
    index = 1
    for _ in range(offset):
        if style == "'" and raw.startswith("''", index):
            index += 2
        elif style == '"' and raw.startswith("\\", index):
            index += _escape_length(raw, index)
        else:
            index += 1
    return index


def _escape_length(raw: str, index: int) -> int:
    return 2 + {"x": 2, "u": 4, "U": 8}.get(raw[index + 1 : index + 2], 0)


def _in_literal_block(text: str, node: Node, value: str, offset: int) -> Place:
    """Line n of a literal block is the n-th line after its `|`, moved right by the block's indentation."""
    line = node.place.line + 1 + value.count("\n", 0, offset)
    column = offset - (value.rfind("\n", 0, offset) + 1)
    written = text.find("\n", node.start, node.end) + 1
    first = len(value) - len(value.lstrip("\n"))  # lines that are empty stand there without indentation
    for _ in range(first):
        written = text.find("\n", written, node.end) + 1
    content = _line_at(text, written, node.end) if written else ""
    indent = len(content) - len(_line_at(value, first, len(value))) if content else 0
    return Place(line, max(0, indent) + column + 1)


def _line_at(text: str, start: int, stop: int) -> str:
    end = text.find("\n", start, stop)
    return text[start : stop if end < 0 else end]


def _searched(raw: str, node: Node, value: str, offset: int) -> Place:
    """Find the word at `offset` again in the text as written: the same word, the same time around."""
    word = value[offset : offset + 40].split("\n", 1)[0].split(" ", 1)[0]
    index = -1
    if word:
        for _ in range(value.count(word, 0, offset) + 1):
            found = raw.find(word, index + 1)
            if found < 0:
                break
            index = found
    if index < 0:
        return node.place
    before = raw[:index]
    lines = before.count("\n")
    column = index - before.rfind("\n") if lines else node.place.column + index
    return Place(node.place.line + lines, column)
