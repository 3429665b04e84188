"""A picture as a Mermaid flowchart in which every text is data: what has a meaning in that language is encoded."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.pictures import texts
from checkpointflow.pictures.picture import STATUSES, Edge, Group, Node, Picture

_LABEL = 60
_ABOUT = 60
_CONDITION = 80
_MARKERS = "ﬂ°¶ß"
"""What Mermaid itself puts in the place of encoded characters while it reads."""
_MEANT = (":fa-", "$$", "\\n")
"""What Mermaid looks for once it has decoded a label (icons, formulas, line breaks): an invisible blank parts it."""
_HARMLESS = "(),=!?'"
"""Signs that mean nothing inside quotes, if a label does not begin with them."""
_SHAPES = {
    "step": ('["', '"]'),
    "wait": ('[/"', '"/]'),
    "decision": ('{{"', '"}}'),
    "end": ('(["', '"])'),
    "reference": ('[["', '"]]'),
    "start": ('(("', '"))'),
    "exit": ('((("', '")))'),
    "failure": ('>"', '"]'),
}
_ARROWS = {"next": "-->", "jump": "-->", "case": "-->", "skip": "-.->", "error": "-.->", "timeout": "-.->"}
_CLASSES = {
    "failed": "fill:#fbe3e1,stroke:#b3261e,color:#4a0e0a,stroke-width:2px",
    "in_doubt": "fill:#f3e5fb,stroke:#7b2cbf,color:#32104f,stroke-width:2px,stroke-dasharray:6 3",
    "waiting": "fill:#fdf0d0,stroke:#a86700,color:#452b00,stroke-width:2px",
    "running": "fill:#dcebfd,stroke:#1a63c4,color:#0a2a57,stroke-width:2px",
    "interrupted": "fill:#fdf0d0,stroke:#a86700,color:#452b00,stroke-dasharray:6 3",
    "cancelled": "fill:#ececec,stroke:#6b6b6b,color:#333333,stroke-dasharray:6 3",
    "completed": "fill:#def3e4,stroke:#2c7a4b,color:#0f3320",
    "skipped": "fill:#ececec,stroke:#8a8a8a,color:#444444",
    "not_reached": "fill:#ffffff,stroke:#9a9a9a,color:#555555,stroke-dasharray:3 3",
}


def render(picture: Picture) -> str:
    """Return the picture as a flowchart with a title; ids are ours, and labels are cut."""
    title = _quoted_title(_title(picture))
    used = {one.state.status for one in picture.by_id.values() if one.state is not None}
    classes = [f"  classDef {status} {_CLASSES[status]}" for status in STATUSES if status in used]
    lines = ["---", f"title: {title}", "---", "flowchart TD", *_inside(picture, None, 1)]
    return "\n".join([*lines, *map(_arrow, picture.edges), *_classed(picture), *classes]) + "\n"


def _title(picture: Picture) -> str:
    title = texts.cut(texts.one_line(picture.title), 120)
    if picture.run is None:
        return title
    remark = f" ({picture.run.remark})" if picture.run.remark else ""
    return texts.one_line(f"{title} · run {picture.run.run_id}: {picture.run.status}{remark}")


def _inside(picture: Picture, group: str | None, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for one in picture.inside.get(group, ()):
        if isinstance(one, Node):
            opening, closing = _SHAPES[one.shape]
            yield f"{indent}{one.id}{opening}{_label(one)}{closing}"
        else:
            yield f'{indent}subgraph {one.id}["{_label(one)}"]'
            yield from (line for line in _inside(picture, one.id, depth + 1))
            yield f"{indent}end"


def _label(one: Node | Group) -> str:
    about = " · ".join(part for part in (one.kind, texts.one_line(one.about[:1000])) if part)
    rows = [texts.cut(texts.one_line(one.label[:1000]), _LABEL), texts.cut(about, _ABOUT)]
    if one.state is not None:
        rows.append(f"{one.state.mark} {one.state.words}")
    if isinstance(one, Group):  # whose title has one row only
        return encoded(" · ".join(row for row in rows if row))
    return "<br/>".join(encoded(row) for row in rows if row)


def _arrow(edge: Edge) -> str:
    words = texts.cut(texts.one_line(edge.words[:1000]), _CONDITION)
    label = f'|"{encoded(words)}"|' if words else ""
    return f"  {edge.source} {_ARROWS[edge.kind]}{label} {edge.target}"


def _classed(picture: Picture) -> Iterator[str]:
    for status in STATUSES:
        names = [name for name in picture.boxes for one in [picture.by_id[name]] if one.state is not None]
        here = [name for name in names if (state := picture.by_id[name].state) and state.status == status]
        if here:
            yield f"  class {','.join(here)} {status}"


def encoded(text: str) -> str:
    """Return a text for a quoted label: letters, digits and signs inside words as they are, the rest by number.

    So nothing can end the quotes, begin a directive, an entity or an icon, or be read as Markdown.
    """
    return "".join(_encoded(text, index, char) for index, char in enumerate(text))


def _encoded(text: str, index: int, char: str) -> str:
    before, after = text[max(index - 1, 0) : index], text[index + 1 : index + 2]
    if char in _MARKERS:
        return f"#{ord(char)};"
    if char == " " or char.isalnum() or not char.isascii() or (index and char in _HARMLESS):
        return char
    if char in "_./-" and before.isalpha() and after.isalnum():
        return char
    is_meant = text.startswith(_MEANT, index)
    return f"#{ord(char)};#8203;" if is_meant else f"#{ord(char)};"


def _quoted_title(text: str) -> str:
    plain = (char if char == " " or char.isalnum() or not char.isascii() else f"\\u{ord(char):04x}" for char in text)
    return f'"{"".join(plain)}"'
