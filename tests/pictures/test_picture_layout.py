"""Layouts: boxes side by side and inside their groups, and no line through a box that it has nothing to do with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from architecture.pages import ROOT
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.frontends.document.picture import picture_of
from checkpointflow.pictures.layout import Drawn, Layout, Placed, laid_out
from checkpointflow.pictures.picture import Edge, Group, Node, Picture
from checkpointflow.pictures.routing import Point, Route
from checkpointflow.testing.beside import is_case_file

EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if not is_case_file(path))
Area = tuple[float, float, float, float]


def area(placed: Placed) -> Area:
    return placed.x, placed.y, placed.x + placed.width, placed.y + placed.height


def labels(layout: Layout) -> list[tuple[Drawn, Area]]:
    boxes = [(drawn, drawn.label_box) for drawn in layout.edges if drawn.label_box is not None]
    return [(drawn, (x, y, x + width, y + height)) for drawn, (x, y, width, height) in boxes]


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def around(picture: Picture, name: str | None) -> Iterator[str]:
    while name is not None:
        yield name
        name = picture.by_id[name].group


def sampled(route: Route) -> list[Point]:
    """Return points along a way, a pixel or two apart."""
    legs = list(zip(route.points, route.points[1:], strict=False))
    found: list[Point] = []
    for number, (start, end) in enumerate(legs):
        steps = max(2, int(abs(start[0] - end[0]) + abs(start[1] - end[1])) // 2)
        for step in range(steps + 1):
            t = step / steps
            bend = 3 * t * t - 2 * t**3 if route.is_curve and number == 1 else t  # a cubic with upright ends
            y = 1.5 * (t - t * t) * (1 - 2 * t) + bend if route.is_curve and number == 1 else t
            found.append((start[0] + (end[0] - start[0]) * bend, start[1] + (end[1] - start[1]) * y))
    return found


def crossed(layout: Layout, picture: Picture) -> list[tuple[str, str]]:
    """Return the edges that touch boxes, or conditions of other edges, with what they touch."""
    found = []
    nodes = [placed for placed in layout.boxes if isinstance(placed.one, Node)]
    for drawn in layout.edges:
        own = {drawn.edge.source, drawn.edge.target}
        foreign = [(placed.one.id, area(placed)) for placed in nodes if not own & set(around(picture, placed.one.id))]
        foreign += [("label", box) for other, box in labels(layout) if other is not drawn]
        points = [point for route in drawn.routes for point in sampled(route)]
        for name, (left, top, right, bottom) in foreign:
            if any(left < x < right and top < y < bottom for x, y in points):
                found.append((f"{drawn.edge.source} {drawn.edge.target}", name))
    return found


def check(picture: Picture) -> Layout:
    layout = laid_out(picture)
    assert sorted(placed.one.id for placed in layout.boxes) == sorted(picture.boxes)
    assert [drawn.edge for drawn in layout.edges] != [] or not picture.edges
    assert len(layout.edges) == len(picture.edges)
    places = {placed.one.id: area(placed) for placed in layout.boxes}
    for name, (left, top, right, bottom) in places.items():
        group = picture.by_id[name].group
        outer = (0.0, 0.0, layout.width, layout.height) if group is None else places[group]
        assert outer[0] <= left < right <= outer[2] + 0.1, name
        assert outer[1] <= top < bottom <= outer[3] + 0.1, name
    areas = [(box, set(around(picture, name)), name) for name, box in places.items()]
    for (one, inside, name), (other, within, second) in combinations(areas, 2):
        assert not overlap(one, other) or name in within or second in inside, (name, second)
    for drawn, box in labels(layout):
        touched = [name for name, other in places.items() if overlap(box, other)]
        assert set(touched) <= set(around(picture, picture.by_id[drawn.edge.source].group)), drawn.edge
    for (_, one), (_, other) in combinations(labels(layout), 2):
        assert not overlap(one, other)
    assert crossed(layout, picture) == []
    for drawn in layout.edges:
        for x, y in (point for route in drawn.routes for point in route.points):
            assert 0 <= x <= layout.width
            assert 0 <= y <= layout.height
    return layout


def random_picture(seed: int, count: int = 14) -> Picture:
    """Return boxes of all sorts with edges of all sorts between siblings, in nested groups."""
    chance = random.Random(seed)
    groups = [Group(id=f"g{index}", label=f"group {index}", kind="foreach", group=chance.choice([None, *[
        f"g{before}" for before in range(index)]])) for index in range(chance.randrange(3))]  # fmt: skip
    shapes = ("step", "wait", "decision", "end", "reference")
    nodes = [
        Node(id=f"n{index}", shape=chance.choice(shapes), label="x" * chance.randrange(1, 40), kind="cli",
             group=chance.choice([None, *[group.id for group in groups]]))
        for index in range(count)
    ] + [Node(id=f"i{group.id}", shape="start", label="start", group=group.id) for group in groups]  # fmt: skip
    boxes = [*groups, *nodes]
    edges = []
    for _ in range(chance.randrange(3 * count)):
        source = chance.choice(boxes)
        target = chance.choice([one for one in boxes if one.group == source.group])
        kind = chance.choice(["next", "jump", "case", "case", "skip", "error", "timeout"])
        label = "steps.a.outputs.b == " + "y" * chance.randrange(30) if kind == "case" else ""
        edges.append(Edge(source=source.id, target=target.id, kind=kind, label=label))
    return Picture(
        title="random", nodes=tuple(nodes), groups=tuple(groups), edges=tuple(edges),
        boxes=tuple(one.id for one in boxes),
    )  # fmt: skip


def chain(*more: Edge, count: int = 6) -> Picture:
    nodes = tuple(Node(id=f"n{index}", shape="step", label=f"n{index}", kind="cli") for index in range(count))
    edges = [Edge(source=f"n{index}", target=f"n{index + 1}") for index in range(count - 1)]
    return Picture(title="chain", nodes=nodes, edges=(*edges, *more), boxes=tuple(node.id for node in nodes))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_nothing_overlaps_in_the_examples(path: Path) -> None:
    check(picture_of(load_file(path, cwd=ROOT).document))


@pytest.mark.parametrize("seed", range(30))
def test_nothing_overlaps_whatever_leads_where(seed: int) -> None:
    check(random_picture(seed, count=5 + seed % 20))


def test_a_line_through_a_box_would_be_seen() -> None:
    picture = chain(Edge(source="n0", target="n3", kind="jump"))
    layout = check(picture)
    way = layout.edges[-1].routes[0].points
    layout.edges[-1] = Drawn(picture.edges[-1], (Route((way[0], (way[0][0], way[-1][1]), way[-1])),))
    assert {name for _, name in crossed(layout, picture)} >= {"n1", "n2"}


def test_a_list_reads_straight_down() -> None:
    layout = check(chain(Edge(source="n1", target="n4", kind="error"), Edge(source="n3", target="n0", kind="jump")))
    middles = {placed.x + placed.width / 2 for placed in layout.boxes}
    assert len(middles) == 1
    assert [placed.y for placed in layout.boxes] == sorted(placed.y for placed in layout.boxes)
    for drawn in layout.edges[:5]:
        assert len({x for x, _ in drawn.routes[0].points}) == 1


def test_loops_go_up_on_the_left_and_skips_down_beside_the_boxes() -> None:
    layout = check(chain(Edge(source="n1", target="n4", kind="jump"), Edge(source="n3", target="n0", kind="jump")))
    left, right = min(box.x for box in layout.boxes), max(box.x + box.width for box in layout.boxes)
    down, up = (layout.edges[-2].routes[0].points, layout.edges[-1].routes[0].points)
    assert max(x for x, _ in down) > right
    assert min(x for x, _ in up) < left
    assert up[0][1] > up[-1][1]


def test_edges_of_one_sort_to_one_target_share_a_way_and_its_arrow() -> None:
    errors = [Edge(source=f"n{index}", target="n5", kind="error") for index in range(3)]
    layout = check(chain(*errors))
    routes = [drawn.routes[0] for drawn in layout.edges[-3:]]
    assert [route.joins for route in routes] == [False, True, True]
    (lane,) = {route.points[2][0] for route in routes}
    assert all(route.points[-1][0] == lane for route in routes[1:])


def test_boxes_without_edges_stand_on_shelves() -> None:
    nodes = tuple(Node(id=f"n{index}", shape="step", label="branch", group="g") for index in range(40))
    group = Group(id="g", label="fan", kind="parallel")
    picture = Picture(title="x", nodes=nodes, groups=(group,), boxes=("g", *(node.id for node in nodes)))
    layout = check(picture)
    assert layout.width < 1600
    assert len({placed.y for placed in layout.boxes}) > 3


def test_a_step_that_leads_to_itself_has_a_loop_around_it() -> None:
    layout = check(chain(Edge(source="n2", target="n2", kind="case", label="again"), Edge(source="n1", target="n1")))
    assert layout.edges[-1].routes[0].points[0][1] > layout.edges[-1].routes[0].points[-1][1]


def test_a_long_chain_and_deep_groups_are_no_trouble() -> None:
    assert laid_out(chain(count=3000)).height > 3000
    groups = tuple(Group(id=f"g{index}", label="g", group=f"g{index - 1}" if index else None) for index in range(60))
    node = Node(id="n", shape="step", label="n", group="g59")
    check(Picture(title="deep", nodes=(node,), groups=groups, boxes=(*(group.id for group in groups), "n")))
