"""Ways for the links of an arranged level that touch no foreign box: ports, lanes beside boxes, tracks in gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from checkpointflow.pictures.layering import Level, Link
from checkpointflow.records import dataclass, field

Point: TypeAlias = tuple[float, float]
Span: TypeAlias = tuple[float, float]

LANE = 9.0
_CLEAR = 10.0
_TRACK = 8.0
_PORT = 14.0
_HEAD = 14.0
_REST = 30.0
_WORDS = 14.0
_NEAR_RANKS = 12
_TALL = 120.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one link: corners from its start to its end; under `is_curve` the second leg is bent, not straight.

    `joins` if it ends on the lane of another link to the same target, whose arrow stands for both.
    """

    points: tuple[Point, ...]
    is_curve: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A link to be routed: links of one `bus` to the same target may share a lane; `words` is what its text takes."""

    link: Link
    bus: str = ""
    words: float = 0.0


@dataclass(slots=True)
class _Lane:
    """A vertical way beside the ranks `first` to `last`, used by the links of one bus; `trunk` is the longest."""

    target: str
    first: int
    last: int
    is_back: bool
    users: list[int]
    trunk: int
    x: float = 0.0


@dataclass(slots=True)
class Routing:
    """Routes of a level; `tops` are the upper sides of its boxes, `routes` stand in the order of the requests."""

    level: Level
    requests: list[Request]
    tops: dict[str, float] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    height: float = 0.0
    _lanes: list[_Lane] = field(default_factory=list)
    _lane_of: dict[int, _Lane] = field(default_factory=dict)
    _out: dict[int, float] = field(default_factory=dict)
    _into: dict[int, float] = field(default_factory=dict)
    _out_track: dict[int, int] = field(default_factory=dict)
    _in_track: dict[int, int] = field(default_factory=dict)
    _upper: list[int] = field(default_factory=list)
    _lower: list[int] = field(default_factory=list)
    _gaps: list[float] = field(default_factory=list)
    _rank_tops: list[float] = field(default_factory=list)
    _rank_ends: list[float] = field(default_factory=list)
    _talking: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Route every request."""
        self._open_lanes()
        self._place_lanes()
        self._place_ports()
        self._place_tracks()
        self._place_ranks()
        self.routes = [self._route(index) for index in range(len(self.requests))]

    # -- lanes -----------------------------------------------------------------------------------

    def _open_lanes(self) -> None:
        shared: dict[tuple[str, str, bool], _Lane] = {}
        for index, request in enumerate(self.requests):
            link = request.link
            if self.level.is_short(link):
                continue
            first, last = self._span(link)
            lane = shared.get((link.target, request.bus, link.is_back))
            if lane is None:
                lane = _Lane(link.target, first, last, link.is_back, [], index)
                shared[link.target, request.bus, link.is_back] = lane
                self._lanes.append(lane)
            elif (first, -last) < (lane.first, -lane.last):
                lane.first, lane.last, lane.trunk = min(first, lane.first), max(last, lane.last), index
            lane.users.append(index)
            self._lane_of[index] = lane

    def _span(self, link: Link) -> tuple[int, int]:
        source, target = self.level.boxes[link.source].rank, self.level.boxes[link.target].rank
        return (target, source) if link.is_back else (source + 1, target - 1)

    def _place_lanes(self) -> None:
        """Give each lane the nearest free place; the shortest come first, and long ones stay outside."""
        boxes = self.level.boxes
        taken = [
            [(boxes[name].left - _CLEAR, boxes[name].right + _CLEAR) for name in names] for names in self.level.ranks
        ]
        left = [min((one[0] for one in spans), default=0.0) for spans in taken]
        right = [max((one[1] for one in spans), default=0.0) for spans in taken]
        for lane in sorted(self._lanes, key=lambda one: (one.last - one.first, one.trunk)):
            ranks = slice(lane.first, lane.last + 1)
            if lane.last - lane.first < _NEAR_RANKS:
                lane.x = self._nearest(lane, [span for spans in taken[ranks] for span in spans])
            else:
                lane.x = min(left[ranks]) if lane.is_back else max(right[ranks])
            for rank in range(lane.first, lane.last + 1):
                taken[rank].append((lane.x - LANE, lane.x + LANE))
                left[rank], right[rank] = min(left[rank], lane.x - LANE), max(right[rank], lane.x + LANE)

    def _nearest(self, lane: _Lane, taken: list[Span]) -> float:
        source = self.level.boxes[self.requests[lane.trunk].link.source].x
        target = self.level.boxes[lane.target].x
        merged = _merged(taken)
        places = [x for x in (target, source) if not any(low < x < high for low, high in merged)]
        places += [side for span in merged for side in span]
        if lane.is_back:  # on the left of both, where it crosses nothing that leaves its source
            places = [x for x in places if x < min(source, target)]
        return min(places, key=lambda x: (abs(x - source) + abs(x - target), x if lane.is_back else -x))

    # -- ports -----------------------------------------------------------------------------------

    def _place_ports(self) -> None:
        leaving: dict[str, list[int]] = {}
        coming: dict[str, list[int]] = {}
        for index, request in enumerate(self.requests):
            leaving.setdefault(request.link.source, []).append(index)
            if self._is_trunk(index):
                coming.setdefault(request.link.target, []).append(index)
        for name, ends in leaving.items():
            self._out.update(self._ports(name, {index: self._towards(index) for index in ends}, is_out=True))
        for name, ends in coming.items():
            self._into.update(self._ports(name, {index: self._origin(index) for index in ends}, is_out=False))

    def _is_trunk(self, index: int) -> bool:
        lane = self._lane_of.get(index)
        return lane is None or lane.trunk == index

    def _towards(self, index: int) -> float:
        lane = self._lane_of.get(index)
        return self.level.boxes[self.requests[index].link.target].x if lane is None else lane.x

    def _origin(self, index: int) -> float:
        lane = self._lane_of.get(index)
        return self.level.boxes[self.requests[index].link.source].x if lane is None else lane.x

    def _ports(self, name: str, ends: Mapping[int, float], *, is_out: bool) -> dict[int, float]:
        """Spread the ends of links over a side of a box, in the order of where they lead; a straight one is central."""
        box = self.level.boxes[name]
        order = sorted(ends, key=lambda index: (ends[index], index))
        straight = [place for place, index in enumerate(order) if abs(ends[index] - box.x) < 2]
        apart = [_PORT + (self.requests[index].words if is_out else 0.0) for index in order]  # words stand on the right
        places = [sum(apart[:place]) for place in range(len(order))]
        middle = places[straight[0]] if straight else places[-1] / 2
        most = max(middle, places[-1] - middle)
        scale = min(1.0, max(0.0, box.width / 2 - _PORT) / most) if most else 1.0
        return {index: round(box.x + (place - middle) * scale, 1) for index, place in zip(order, places, strict=True)}

    # -- tracks ----------------------------------------------------------------------------------

    def _place_tracks(self) -> None:
        """Give the horizontal legs of each gap their tracks: those that leave above those that arrive."""
        gaps = len(self.level.ranks) + 1
        out: list[list[tuple[float, float, int]]] = [[] for _ in range(gaps)]
        into: list[list[tuple[float, float, int]]] = [[] for _ in range(gaps)]
        for index, lane in self._lane_of.items():
            link = self.requests[index].link
            gap = self.level.boxes[link.source].rank + 1
            out[gap].append((*sorted((self._out[index], lane.x)), index))  # type: ignore[arg-type]
            if lane.trunk == index:
                gap = self.level.boxes[link.target].rank
                into[gap].append((*sorted((self._into[index], lane.x)), index))  # type: ignore[arg-type]
        self._upper = [_tracks(spans, self._out_track) for spans in out]
        self._lower = [_tracks(spans, self._in_track) for spans in into]

    def _place_ranks(self) -> None:
        boxes, y = self.level.boxes, 0.0
        self._talking = {boxes[one.link.source].rank + 1 for one in self.requests if one.words}
        for rank, names in enumerate(self.level.ranks):
            self._gaps.append(y)
            y += self._gap_height(rank)
            height = max(boxes[name].height for name in names)
            for name in names:
                self.tops[name] = y + ((height - boxes[name].height) / 2 if height <= _TALL else 0.0)
            self._rank_tops.append(y)
            y += height
            self._rank_ends.append(y)
        self._gaps.append(y)
        self.height = y + self._gap_height(len(self.level.ranks))

    def _gap_height(self, gap: int) -> float:
        """Return how high the gap above a rank is: room for words, for those that leave, and for those that arrive."""
        tracks = self._upper[gap] + self._lower[gap]
        words = _WORDS if gap in self._talking else 0.0
        if gap in (0, len(self.level.ranks)):
            return words + _HEAD + _TRACK * tracks if tracks else 0.0
        return words + _REST + _TRACK * tracks

    # -- routes ----------------------------------------------------------------------------------

    def _route(self, index: int) -> Route:
        link = self.requests[index].link
        source, target = self.level.boxes[link.source], self.level.boxes[link.target]
        start = (self._out[index], self.tops[link.source] + source.height)
        lane = self._lane_of.get(index)
        if lane is None:
            end = (self._into[index], self.tops[link.target])
            if abs(start[0] - end[0]) < 0.5:
                return Route((start, (start[0], end[1])))
            words = _WORDS if target.rank in self._talking else 0.0
            bend = (start[0], self._rank_ends[source.rank] + words), (end[0], self._rank_tops[target.rank])
            return Route((start, *bend, end), is_curve=True)
        below = self._out_y(index)
        points = [start, (start[0], below), (lane.x, below)]
        if lane.trunk != index:
            trunk = self.requests[lane.trunk].link.source
            if self.level.boxes[trunk].rank == source.rank:  # whose lane may begin a track away
                points.append((lane.x, self._out_y(lane.trunk)))
            return Route(_corners(points), joins=True)
        above = self._in_y(index)
        points += [(lane.x, above), (self._into[index], above), (self._into[index], self.tops[link.target])]
        return Route(_corners(points))

    def _out_y(self, index: int) -> float:
        gap = self.level.boxes[self.requests[index].link.source].rank + 1
        words = _WORDS if gap in self._talking else 0.0
        return self._gaps[gap] + words + _TRACK * (self._out_track[index] + 1)

    def _in_y(self, index: int) -> float:
        rank = self.level.boxes[self.requests[index].link.target].rank
        return self._rank_tops[rank] - _HEAD - _TRACK * self._in_track[index]


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _tracks(spans: list[tuple[float, float, int]], into: dict[int, int]) -> int:
    """Put spans that would touch on tracks of their own; return how many there are."""
    ends: list[float] = []
    for low, high, index in sorted(spans):
        track = next((number for number, end in enumerate(ends) if end + LANE < low), len(ends))
        if track == len(ends):
            ends.append(high)
        ends[track] = high
        into[index] = track
    return len(ends)


def _corners(points: list[Point]) -> tuple[Point, ...]:
    """Return a way without points that are no corners."""
    kept = [points[0]]
    for before, point, after in zip(points, points[1:], points[2:], strict=False):
        is_straight = (before[0] == point[0] == after[0]) or (before[1] == point[1] == after[1])
        if point != kept[-1] and not is_straight:
            kept.append(point)
    return (*kept, points[-1])
