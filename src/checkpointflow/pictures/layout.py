"""A picture with a place for everything: level by level from the inside out; sized by its texts, not drawn."""

from __future__ import annotations

from checkpointflow.pictures import texts
from checkpointflow.pictures.layering import Box, Level, Link
from checkpointflow.pictures.picture import EDGE_WORDS, Edge, Group, Node, Picture
from checkpointflow.pictures.routing import Point, Request, Route, Routing
from checkpointflow.records import dataclass, field, replace

TITLE, SMALL, WORDS = 13.0, 11.0, 11.0
_MOST_WIDTH = 264.0
_LEAST_WIDTH = 132.0
_PAD = 16.0
_ROW = 15.0
_HEAD = 28.0
_SHELF = 1400.0
_LABEL_WIDTH = 230.0
_WEIGHTS = {"next": 400.0, "jump": 300.0, "case": 20.0, "skip": 0.5, "error": 0.5, "timeout": 0.5}
"""How straight an edge should be: the order of the list is what one reads along."""
_SIGN = {"start": 14.0, "exit": 18.0}


@dataclass(frozen=True, slots=True)
class Placed:
    """A node or group at its place; `rows` are its texts as they fit: label, what it does, state."""

    one: Node | Group
    x: float
    y: float
    width: float
    height: float
    rows: Rows


@dataclass(frozen=True, slots=True)
class Rows:
    """The texts of a box, cut to its width; empty ones are left out."""

    label: str
    about: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An edge at its place; its label stands in a box on the way (left, top, width, height), or at its beginning."""

    edge: Edge
    routes: tuple[Route, ...]
    label: tuple[str, ...] = ()
    label_box: tuple[float, float, float, float] | None = None


@dataclass(slots=True)
class Layout:
    """What is drawn, from the outside in: groups before what stands in them."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Placed] = field(default_factory=list)
    edges: list[Drawn] = field(default_factory=list)

    def shifted(self, x: float, y: float) -> Layout:
        """Return the same at another place."""
        return Layout(
            self.width,
            self.height,
            [replace(one, x=one.x + x, y=one.y + y) for one in self.boxes],
            [_shifted(one, x, y) for one in self.edges],
        )

    def take(self, other: Layout) -> None:
        """Take in what another one draws."""
        self.boxes += other.boxes
        self.edges += other.edges


def laid_out(picture: Picture) -> Layout:
    """Return a picture with a place for everything, from (0, 0) on; the same picture always gives the same places."""
    return _level(picture, None)


# -- one level -------------------------------------------------------------------------------------


def _level(picture: Picture, group: str | None) -> Layout:
    members = picture.inside.get(group, ())
    edges = picture.edges_inside.get(group, ())
    parts = {one.id: _part(picture, one) for one in members}
    if not edges:
        return _shelves([parts[one.id] for one in members])
    return _Arranged(parts, edges).layout()


def _part(picture: Picture, one: Node | Group) -> Layout:
    """Return one box with all that is in it, at (0, 0)."""
    if isinstance(one, Node):
        width, height, rows = _node_size(
            one, len({edge.kind for edge in picture.leaving.get(one.id, ()) if EDGE_WORDS[edge.kind]})
        )
        return Layout(width, height, [Placed(one, 0, 0, width, height, rows)])
    inner = _level(picture, one.id)
    rows = _rows(one, max(inner.width, 200.0))
    head = _HEAD + _ROW * (bool(rows.about) + bool(rows.state))
    width = max(inner.width, _text_width(rows)) + 2 * _PAD
    height = head + inner.height + 2 * _PAD
    part = Layout(width, height, [Placed(one, 0, 0, width, height, rows)])
    part.take(inner.shifted((width - inner.width) / 2, head + _PAD))
    return part


def _shelves(parts: list[Layout]) -> Layout:
    """Return boxes without edges side by side, on as many shelves as they need."""
    whole = Layout()
    x = y = tallest = 0.0
    for part in parts:
        if x and x + part.width > _SHELF:
            x, y, tallest = 0.0, y + tallest + _PAD, 0.0
        whole.take(part.shifted(x, y))
        whole.width, x = max(whole.width, x + part.width), x + part.width + _PAD
        tallest = max(tallest, part.height)
    whole.height = y + tallest
    return whole


class _Arranged:
    """Boxes with edges between them."""

    def __init__(self, parts: dict[str, Layout], edges: tuple[Edge, ...]) -> None:
        self._parts = parts
        self._edges = edges
        self._rows: dict[str, tuple[str, ...]] = {}
        self._ends: list[list[int]] = []
        boxes = {name: Box(name, part.width, part.height) for name, part in parts.items()}
        self._level = Level(boxes, [])
        self._requests: list[Request] = []
        for number, edge in enumerate(edges):
            self._ends.append(self._add(number, edge))

    def _add(self, number: int, edge: Edge) -> list[int]:
        """Add the links of an edge: a label of its own, as a condition, is a box between its ends."""
        label = texts.one_line(edge.label[:5000])
        if not label:
            words = texts.sans(EDGE_WORDS[edge.kind], WORDS)
            return [self._link(edge, edge.source, edge.target, words)]
        name = f"{number}\0label"
        rows = texts.wrapped(label, _LABEL_WIDTH, 3, _label_width)
        width = max(_label_width(row) for row in rows) + 14
        self._rows[name] = rows
        self._level.boxes[name] = Box(name, width, 13.0 * len(rows) + 6, follows=True)
        return [self._link(edge, edge.source, name, 0.0), self._link(edge, name, edge.target, 0.0)]

    def _link(self, edge: Edge, source: str, target: str, words: float) -> int:
        link = Link(source, target, _WEIGHTS[edge.kind])
        self._level.links.append(link)
        bus = edge.kind if edge.kind in ("error", "timeout", "skip") else "way"
        self._requests.append(Request(link=link, bus=bus, words=words))
        return len(self._requests) - 1

    def layout(self) -> Layout:
        """Arrange and route all, and move it to (0, 0)."""
        self._level.arrange()
        routing = Routing(self._level, self._requests)
        routing.run()
        whole = Layout(height=routing.height)
        for name, part in self._parts.items():
            whole.take(part.shifted(self._level.boxes[name].left, routing.tops[name]))
        whole.edges += [self._drawn(number, routing) for number in range(len(self._edges))]
        left, right = self._sides(whole)
        whole.width = right - left
        return whole.shifted(-left, 0)

    def _drawn(self, number: int, routing: Routing) -> Drawn:
        edge, ends = self._edges[number], self._ends[number]
        routes = tuple(routing.routes[index] for index in ends)
        name = f"{number}\0label"
        if name not in self._rows:
            words = EDGE_WORDS[edge.kind]
            return Drawn(edge, routes, (words,) if words else ())
        box = self._level.boxes[name]
        return Drawn(edge, routes, self._rows[name], (box.left, routing.tops[name], box.width, box.height))

    def _sides(self, whole: Layout) -> tuple[float, float]:
        boxes = self._level.boxes.values()
        places = [box.left for box in boxes] + [box.right for box in boxes]
        for drawn in whole.edges:
            points = [point for route in drawn.routes for point in route.points]
            places += [x + side for x, _ in points for side in (-4.0, 4.0)]
            if drawn.label and drawn.label_box is None:
                places.append(points[0][0] + 6 + texts.sans(drawn.label[0], WORDS))
        return min(places), max(places)


# -- sizes -----------------------------------------------------------------------------------------


def _node_size(node: Node, spoken: int) -> tuple[float, float, Rows]:
    if node.shape in _SIGN:
        return _SIGN[node.shape], _SIGN[node.shape], Rows("")
    margin = 44.0 if node.shape == "decision" else 28.0
    rows = _rows(node, _MOST_WIDTH - margin)
    least = _LEAST_WIDTH + 60.0 * max(0, spoken - 1)  # arrows that say why they leave stand beside each other
    width = min(max(least, _text_width(rows) + margin), max(least, _MOST_WIDTH))
    if node.shape == "failure":
        width = _text_width(rows) + margin
    height = 16.0 + 18.0 + _ROW * bool(rows.about) + _ROW * bool(rows.state)
    return round(width), height, rows


def _rows(one: Node | Group, most: float) -> Rows:
    about = " · ".join(part for part in (one.kind, texts.one_line(one.about[:500])) if part)
    state = "" if one.state is None else f"{one.state.mark} {one.state.words}"
    return Rows(
        texts.cut(texts.one_line(one.label[:500]), most, lambda text: texts.sans(text, TITLE)),
        texts.cut(about, most, lambda text: texts.sans(text, SMALL)),
        state,
    )


def _text_width(rows: Rows) -> float:
    return max(texts.sans(rows.label, TITLE), texts.sans(rows.about, SMALL), texts.sans(rows.state, SMALL))


def _label_width(text: str) -> float:
    return texts.mono(text, WORDS - 1)


# -- moving ----------------------------------------------------------------------------------------


def _shifted(drawn: Drawn, x: float, y: float) -> Drawn:
    box = drawn.label_box
    return Drawn(
        drawn.edge,
        tuple(Route(_moved(route.points, x, y), route.is_curve, route.joins) for route in drawn.routes),
        drawn.label,
        None if box is None else (box[0] + x, box[1] + y, box[2], box[3]),
    )


def _moved(points: tuple[Point, ...], x: float, y: float) -> tuple[Point, ...]:
    return tuple((px + x, py + y) for px, py in points)
