"""A picture as an indented text for terminals and agents: each box on a line, each edge on a line below it."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.pictures import texts
from checkpointflow.pictures.picture import EDGE_WORDS, Edge, Group, Node, Picture

_LABEL = 60
_ABOUT = 100
_CONDITION = 160
_SIGNS = {"start": "●", "exit": "◉", "failure": "!"}
_KINDS = {"reference": "↺ "}


def render(picture: Picture) -> str:
    """Return the picture; boxes in groups are indented below them, and arrows name boxes of the same group."""
    return "\n".join([*_head(picture), "", *_inside(picture, None, 0)]) + "\n"


def _head(picture: Picture) -> Iterator[str]:
    yield texts.cut(texts.one_line(picture.title), 200)
    if picture.about:
        yield texts.cut(texts.one_line(picture.about), 500)
    if picture.run is not None:
        remark = f" ({texts.one_line(picture.run.remark)})" if picture.run.remark else ""
        yield f"run {texts.one_line(picture.run.run_id)}: {picture.run.status}{remark}"


def _inside(picture: Picture, group: str | None, depth: int) -> Iterator[str]:
    members = picture.inside.get(group, ())
    edges = [edge for one in members for edge in picture.leaving.get(one.id, ())]
    targets = {edge.target for edge in edges}
    wide = max((texts.cells(_name(one)) for one in members), default=0)
    for one in members:
        if isinstance(one, Node) and one.shape == "exit" and one.id in targets:
            continue  # the arrows that lead there tell it
        yield _line(one, wide, depth)
        for edge in picture.leaving.get(one.id, ()):
            yield _arrow(picture, edge, depth)
        if isinstance(one, Group):
            yield from (line for line in _inside(picture, one.id, depth + 1))


def _line(one: Node | Group, wide: int, depth: int) -> str:
    name = _name(one)
    kind = f"{one.kind}:" if isinstance(one, Group) else one.kind
    about = texts.cut(texts.one_line(one.about[:1000]), _ABOUT, texts.cells)
    state = "" if one.state is None else f"[{one.state.mark} {one.state.words}]"
    padding = " " * (wide - texts.cells(name))
    told = "  ".join(part for part in (kind, about, state) if part)
    return f"{_indent(depth)}{name}{padding}  {told}".rstrip()


def _name(one: Node | Group) -> str:
    label = texts.cut(texts.one_line(one.label[:1000]), _LABEL, texts.cells)
    if isinstance(one, Group):
        return label
    return _SIGNS.get(one.shape, "") + _KINDS.get(one.shape, "") + (" " if one.shape in _SIGNS else "") + label


def _arrow(picture: Picture, edge: Edge, depth: int) -> str:
    target = picture.by_id[edge.target]
    label = texts.cut(texts.one_line(target.label[:1000]), _LABEL, texts.cells)
    words = texts.cut(texts.one_line(edge.label[:2000]), _CONDITION, texts.cells) or EDGE_WORDS[edge.kind]
    is_condition = edge.kind == "case" and words != "otherwise"
    told = f"  when {words}" if is_condition else f"  {words}" if words else ""
    return f"{_indent(depth)}  → {label}{told}"


def _indent(depth: int) -> str:
    return "    " * depth
