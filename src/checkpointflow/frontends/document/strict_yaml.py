"""Strict YAML: a document's text becomes plain JSON with places, or an error that says line, column and remedy."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from checkpointflow.frontends.document.positions import Node, Place, Source
from checkpointflow.frontends.document.yaml_problems import SyntaxProblem, explain
from checkpointflow.records import dataclass
from checkpointflow.values import JsonValue

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 8 * 1024 * 1024
MAX_NODES = 100_000
MAX_CHARACTERS = 2 * MAX_BYTES
MAX_DEPTH = 100
MAX_DIGITS = 1000

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_NEVER = re.compile("[\x00\ud800-\udfff]")
_CONSTANTS: dict[str, JsonValue] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_CONSTANTS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_PLAIN_TAGS = {"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class ReadSource(Source):
    """A source, and the keys that stand twice in one mapping; the tree holds the first value of each."""

    repeated: tuple[SyntaxProblem, ...] = ()


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8 with or without a byte order mark, at most 8 MiB.

    Raises:
        SyntaxProblem: the file is too large, or encoded otherwise.
    """
    if len(data) > MAX_BYTES:
        raise SyntaxProblem(f"the document is larger than {MAX_BYTES // 1024**2} MiB", Place(1, 1))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4]:
        raise SyntaxProblem("the document is UTF-16 or UTF-32", Place(1, 1), "save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        raise SyntaxProblem("this is not UTF-8", _place_of(before, len(before)), "save it as UTF-8") from None


def parse(text: str, *, pure: bool = False, version: str = "checkpointflow/v1") -> ReadSource:
    """Return a document's tree with the place of each key and value, and the keys that stand twice.

    `pure` reads with PyYAML's Python parser, as is done anyway where its C parser is missing; `version` is what the
    text is expected to begin with.

    Raises:
        SyntaxProblem: the text is not YAML, or is YAML that a document may not use.
    """
    text = text.removeprefix("\ufeff")
    _check_characters(text)
    readable = _with_whole_characters(text)
    reader = _Reader(readable, _parser(pure)(readable))
    try:
        root = reader.document()
    except SyntaxProblem as problem:
        problem.before = tuple(reader.repeated)
        raise
    if root.value is None and root.style == "":
        raise _empty(root.place)
    if root.style != "{":
        raise SyntaxProblem("the document is no mapping", root.place, f"it begins with `schema_version: {version}`")
    tree = root.json()
    assert isinstance(tree, dict)
    return ReadSource(text=readable, tree=tree, root=root, repeated=tuple(reader.repeated))


def _check_characters(text: str) -> None:
    if len(text) > MAX_BYTES:
        raise SyntaxProblem(f"the document is larger than {MAX_BYTES // 1024**2} MiB", Place(1, 1))
    if not text.strip():
        raise _empty(Place(1, 1))
    found = _FORBIDDEN.search(text)
    if found:
        raise SyntaxProblem(
            f"the character U+{ord(found.group()):04X} may not stand in a document",
            _place_of(text, found.start()),
            "remove it, or write it as an escape in double quotes",
        )


def _empty(place: Place) -> SyntaxProblem:
    return SyntaxProblem("the document is empty", place, "`cpf init` writes one to start from")


def _with_whole_characters(text: str) -> str:
    r"""JSON writes characters beyond U+FFFF as two `\u` escapes; YAML wants one. Only JSON is touched."""
    if not text.lstrip().startswith("{") or not _SURROGATES.search(text):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _SURROGATES.sub(_whole_character, text)


def _whole_character(found: re.Match[str]) -> str:
    high, low = int(found.group(2), 16), int(found.group(3), 16)
    return f"{found.group(1)}\\U{0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00):08x}"


def _parser(pure: bool) -> Callable[[str], Any]:
    import yaml

    fast = None if pure else getattr(getattr(yaml, "cyaml", None), "CParser", None)
    return fast or _pure_parser()


def _pure_parser() -> type[Any]:
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class PureParser(Reader, Scanner, Parser):
        """PyYAML's Python parser, put together as its own loaders do."""

        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)

    return PureParser


class _Reader:
    """Builds nodes from parser events, within bounds on number, depth and size."""

    def __init__(self, text: str, parser: Any) -> None:
        self._text = text
        self._parser = parser
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self.repeated: list[SyntaxProblem] = []
        self._nodes = 0
        self._characters = 0

    def document(self) -> Node:
        self._next()
        event = self._next()
        if _name(event) == "StreamEndEvent":
            raise _empty(Place(1, 1))
        node = self._node(self._next(), 0)
        self._next()
        after = self._next()
        if _name(after) != "StreamEndEvent":
            raise SyntaxProblem(
                "a second document begins here", _mark(after), "write each workflow into a file of its own"
            )
        return node

    def _next(self) -> Any:
        from yaml import YAMLError

        try:
            return self._parser.get_event()
        except YAMLError as error:
            raise explain(self._text, error) from None
        except UnicodeEncodeError:
            raise SyntaxProblem("the text is not Unicode", Place(1, 1), "save it as UTF-8") from None

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise SyntaxProblem(f"this is nested more than {MAX_DEPTH} levels deep", _mark(event))
        name = _name(event)
        if name == "AliasEvent":
            return self._alias(event)
        self._count(1, 0, event)
        _check_tag(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        before = (self._nodes, self._characters)
        if name == "ScalarEvent":
            node = self._scalar(event)
        elif name == "SequenceStartEvent":
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if event.anchor:
            size = (self._nodes - before[0] + 1, self._characters - before[1])
            self._anchors[event.anchor] = (node, *size)
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise SyntaxProblem(
                f"the alias `*{event.anchor}` names nothing written before it",
                _mark(event),
                "text that begins with `*` has to stand in quotes",
            )
        known = self._anchors[event.anchor]
        if known is None:
            raise SyntaxProblem(f"the alias `*{event.anchor}` stands inside itself", _mark(event))
        node, nodes, characters = known
        self._count(nodes, characters, event)
        return node

    def _count(self, nodes: int, characters: int, event: Any) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MAX_NODES or self._characters > MAX_CHARACTERS:
            raise SyntaxProblem(
                f"the document holds more than {MAX_NODES} values or {MAX_CHARACTERS} characters, aliases expanded",
                _mark(event),
                "split it into sub-workflows",
            )

    def _scalar(self, event: Any) -> Node:
        self._count(0, len(event.value), event)
        _check_text(event)
        node = Node(event.style or "", _mark(event), event.start_mark.index, event.end_mark.index)
        node.value = _value(event)
        return node

    def _sequence(self, event: Any, depth: int) -> Node:
        node = Node("[", _mark(event), event.start_mark.index)
        while _name(inner := self._next()) != "SequenceEndEvent":
            node.items.append(self._node(inner, depth + 1))
        return node

    def _mapping(self, event: Any, depth: int) -> Node:
        node = Node("{", _mark(event), event.start_mark.index)
        while _name(key := self._next()) != "MappingEndEvent":
            name = self._key(key, node)
            node.fields.setdefault(name, (_mark(key), self._node(self._next(), depth + 1)))
        return node

    def _key(self, event: Any, node: Node) -> str:
        name = event.value if _name(event) == "ScalarEvent" else None
        plain = name is not None and not event.style
        self._count(0, len(name or ""), event)
        if name is None or (plain and name in ("", "?")):
            raise _odd_key(self._text, event)
        _check_text(event)
        if plain and name == "<<":
            raise SyntaxProblem(
                "merge keys (`<<`) are not read", _mark(event), "write the fields out, or alias a whole value"
            )
        if name in node.fields:
            first = node.fields[name][0]
            message = f"the key `{name[:100]}` stands here a second time"
            hint = f"the first is in line {first.line}; keep one of them"
            self.repeated.append(SyntaxProblem(message, _mark(event), hint))
        return str(name)


def _odd_key(text: str, event: Any) -> SyntaxProblem:
    place = _mark(event)
    braces = text.startswith("{", event.start_mark.index)
    hint = "text with `{` or `[` at its beginning has to stand in quotes" if braces else "keys are text"
    return SyntaxProblem("a key is not plain text", place, hint)


def _check_text(event: Any) -> None:
    """Escapes can write what no text may hold."""
    found = _NEVER.search(event.value)
    if found:
        message = f"the character U+{ord(found.group()):04X} may not stand in a text"
        raise SyntaxProblem(message, _mark(event), "remove its escape")


def _check_tag(event: Any) -> None:
    if event.tag is not None and event.tag not in _PLAIN_TAGS:
        raise SyntaxProblem(
            f"the tag `{event.tag[:100]}` is not read",
            _mark(event),
            "remove it; text that begins with `!` has to stand in quotes",
        )


def _value(event: Any) -> JsonValue:
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    return _number(text, event)


def _number(text: str, event: Any) -> JsonValue:
    if len(text) > MAX_DIGITS and _FLOAT.match(text):
        raise SyntaxProblem("a number has too many digits", _mark(event), "write it in quotes")
    if _INTEGER.match(text):
        return int(text)
    if _OCTAL.match(text) or _HEXADECIMAL.match(text):
        return int(text, 0)
    if _FLOAT.match(text) and math.isfinite(float(text)):
        return float(text)
    if _FLOAT.match(text) or _NOT_FINITE.match(text):
        raise SyntaxProblem(f"`{text}` is no number that JSON can hold", _mark(event), "write it in quotes")
    return text


def _name(event: Any) -> str:
    return type(event).__name__


def _mark(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _place_of(text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - before.rfind("\n"))
