"""Readers of rendered pictures, stricter than the programs that show them; and a picture of hostile texts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree

from checkpointflow.pictures.picture import Edge, Group, Node, Picture, RunNote, State

HOSTILE = [
    "end", "subgraph", "\"quoted\" 'x'", "<script>alert(1)</script>", "</script></style></svg>", "]]>", "<!-- -->",
    "a]b)c}d|e", "`code`", "line\nbreak\r\n%%{init: {}}%%", "%% comment", "style x: y #a;", "classDef a:#b;", "1. list",
    "- item", "# head", "fa:fa-car", "&amp;&lt; &#60; #quot; #35;", "ﬂ°°60¶ß",
    "𝒜 😀 👩‍👩‍👧 日本語", "\u202eRTL\u2066 שלום",
    "x" * 5000, "-->|y| z", 'click n "javascript:x"', "$$x$$", "\\u0041 \\n", "a---b", "graph TD;A-->B",
    "~~a~~ **b** _c_",
    "\x00\x01\x1b[31m\ufffe\ud800\x7f\x85", "---", "===", "", " ", "é́́́́", "\t", "{{x}}", "${secrets.token}", ":::failed",
]  # fmt: skip

_SHAPES = {
    '["': '"]', '[/"': '"/]', '{{"': '"}}', '(["': '"])', '[["': '"]]', '(("': '"))', '((("': '")))', '>"': '"]',
}  # fmt: skip
_NODE = re.compile(r'(b\d+)([\[({>/]+")([^"]*)("[\])}/]+)')
_EDGE = re.compile(r'(b\d+) (-->|-\.->)(?:\|"([^"]+)"\|)? (b\d+)')
_SUBGRAPH = re.compile(r'subgraph (b\d+)\["([^"]*)"\]')
_CLASS = re.compile(r"class (b\d+(?:,b\d+)*) (\w+)")
_CLASS_DEF = re.compile(r"classDef (\w+) [\w:#,\- ]+")
_LABEL = re.compile(r"(?:#\d+;|<br/>|[^\x00-\x1f#;<>&\"`%:{}\[\]|\\$~*@])*")


@dataclass
class Chart:
    """A Mermaid flowchart as it was read: labels by id, edges in order, the groups around each box, classes by id."""

    title: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    groups: dict[str, str | None] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)


def read_mermaid(text: str) -> Chart:
    """Read the subset that we write, and nothing else."""
    first, title, third, head, *lines, last = text.split("\n")
    assert (first, third, head, last) == ("---", "---", "flowchart TD", "")
    chart, stack, defined = Chart(title=json.loads(title.removeprefix("title: "))), [None], set[str]()
    for line in map(str.strip, lines):
        if found := _NODE.fullmatch(line):
            assert _SHAPES[found[2]] == found[4], line
            _add(chart, found[1], found[3], stack[-1])
        elif found := _SUBGRAPH.fullmatch(line):
            _add(chart, found[1], found[2], stack[-1])
            stack.append(found[1])
        elif line == "end":
            stack.pop()
        elif found := _EDGE.fullmatch(line):
            assert {found[1], found[4]} <= set(chart.labels), line
            chart.edges.append((found[1], found[4], _decoded(found[3] or "")))
        elif found := _CLASS.fullmatch(line):
            chart.classes |= dict.fromkeys(found[1].split(","), found[2])
        else:
            found = _CLASS_DEF.fullmatch(line)
            assert found, line
            defined.add(found[1])
    assert stack == [None]
    assert set(chart.classes.values()) == defined
    return chart


def _add(chart: Chart, name: str, label: str, group: str | None) -> None:
    assert name not in chart.labels
    chart.labels[name], chart.groups[name] = _decoded(label), group


def _decoded(label: str) -> str:
    assert _LABEL.fullmatch(label), label
    text = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label.replace("<br/>", "\n"))
    return text.replace("\u200b", "")


SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "title", "style", "text", "g", "a", "rect", "polygon", "path", "circle"}
_ATTRIBUTES = {
    "class", "role", "width", "height", "viewBox", "aria-label", "x", "y", "rx", "cx", "cy", "r", "d", "points",
    "text-anchor", "href",
}  # fmt: skip


def read_svg(text: str) -> ElementTree.Element:
    """Read a drawing: it holds the elements and attributes that we write, and nothing else."""
    root = ElementTree.fromstring(text)
    for one in root.iter():
        assert one.tag.removeprefix(SVG) in _ELEMENTS, one.tag
        assert set(one.attrib) <= _ATTRIBUTES, one.attrib
        assert one.attrib.get("href", "#").startswith("#")
    return root


def edges_of(root: ElementTree.Element) -> list[str]:
    """Return the titles of the edges that a drawing shows."""
    edges = [one for one in root.iter(f"{SVG}g") if one.get("class", "").startswith("edge ")]
    return [edge.findtext(f"{SVG}title") or "" for edge in edges]


def texts_of(root: ElementTree.Element) -> list[str]:
    """Return the texts that a drawing shows."""
    return [one.text or "" for one in root.iter(f"{SVG}text")]


_VOID = {"meta"}
_PAGE = _ELEMENTS | {
    "html", "head", "meta", "body", "header", "h1", "h2", "h3", "p", "bdi", "strong", "figure", "section", "article",
    "span", "dl", "dt", "dd", "pre",
}  # fmt: skip


class Page(HTMLParser):
    """An HTML page that holds the elements that we write, each closed, no handlers, no link that leads out of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.articles: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []
        assert len(self.ids) == len(set(self.ids))
        assert {link.removeprefix("#") for link in self.links} <= set(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _PAGE, tag
        given = dict(attrs)
        assert not any(name.startswith("on") or name in ("src", "style", "xlink:href") for name in given)
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [given["href"]] if given.get("href") else []
        assert given.get("href", "#").startswith("#")
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "article":
            self.articles.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self._open:
            self.articles[-1] += data


def hostile_picture() -> Picture:
    """Return a picture in which every text is hostile, with a state on every box."""
    shapes = ("step", "wait", "decision", "end", "reference", "failure")
    nodes = [
        Node(
            id=f"b{index}", shape=shapes[index % 6], label=text, kind="cli", about=text, key=text,
            details=(("command", text), (text, text)), state=State(status="completed", visits=2),
        )
        for index, text in enumerate(HOSTILE)
    ]  # fmt: skip
    groups = [
        Group(id=f"b{100 + index}", label=text, kind="foreach", about=text, state=State(status="waiting"))
        for index, text in enumerate(HOSTILE)
    ]
    inner = [Node(id=f"b{200 + index}", shape="exit", label=text, group=group.id) for index, (text, group) in
             enumerate(zip(HOSTILE, groups, strict=True))]  # fmt: skip
    boxes = [*nodes, *groups, *inner]
    return Picture(
        title="</title>" + HOSTILE[9],
        about=HOSTILE[3],
        nodes=(*nodes, *inner),
        groups=tuple(groups),
        edges=tuple(
            Edge(source=f"b{index}", target=f"b{index + 1}", kind="case" if index % 2 else "error", label=text)
            for index, text in enumerate(HOSTILE[:-1])
        ),
        boxes=tuple(one.id for one in boxes),
        run=RunNote(run_id="<r>\n", status="waiting", remark=HOSTILE[3]),
    )
