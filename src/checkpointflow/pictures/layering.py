"""One level of a picture as layers: ranks, orders and horizontal places of boxes; knows sizes and links only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from checkpointflow.records import dataclass, field

GAP_X = 34.0
_SWEEPS = 9


@dataclass(slots=True)
class Box:
    """A rectangle to be placed: `x` is its middle, `rank` counts layers from 0 at the top.

    One that `follows` belongs to what it leads to, and stands above it where there is room.
    """

    name: str
    width: float
    height: float
    follows: bool = False
    rank: int = 0
    x: float = 0.0

    @property
    def left(self) -> float:
        """Its left side."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width / 2


@dataclass(slots=True)
class Link:
    """An arrow between two boxes of a level; `is_back` if it closes a circle, `weight` is how straight it should be."""

    source: str
    target: str
    weight: float = 1.0
    is_back: bool = False


@dataclass(slots=True)
class Level:
    """Boxes and links of one level; after `arrange`, `ranks` has the names of each layer from left to right."""

    boxes: dict[str, Box]
    links: list[Link]
    ranks: list[list[str]] = field(default_factory=list)

    def arrange(self) -> None:
        """Mark the links that close circles, and give every box its rank and its place in it; names break no tie."""
        mark_back(list(self.boxes), self.links)
        self._rank()
        self._order()
        self._place()

    def is_short(self, link: Link) -> bool:
        """Tell whether a link leads from one rank to the next."""
        return self.boxes[link.target].rank - self.boxes[link.source].rank == 1

    def _rank(self) -> None:
        """Put each box one below the lowest that leads to it."""
        below: dict[str, list[str]] = {name: [] for name in self.boxes}
        waiting = dict.fromkeys(self.boxes, 0)
        for link in self.links:
            if not link.is_back:
                below[link.source].append(link.target)
                waiting[link.target] += 1
        ready = [name for name, count in waiting.items() if count == 0]
        for name in ready:  # which grows
            for target in below[name]:
                self.boxes[target].rank = max(self.boxes[target].rank, self.boxes[name].rank + 1)
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        self.ranks = [[] for _ in range(1 + max((box.rank for box in self.boxes.values()), default=-1))]
        for name, box in self.boxes.items():
            self.ranks[box.rank].append(name)

    # -- order -----------------------------------------------------------------------------------

    def _order(self) -> None:
        """Sweep down and up by barycenter, and keep the order with the fewest crossings."""
        if all(len(names) < 2 for names in self.ranks):
            return
        above, below = self._neighbours(up=True), self._neighbours(up=False)
        best, fewest = [list(names) for names in self.ranks], self._crossings(below)
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            ranks = self.ranks if down else self.ranks[::-1]
            self._sweep(ranks, above if down else below)
            crossings = self._crossings(below)
            if crossings < fewest:
                best, fewest = [list(names) for names in self.ranks], crossings
            if fewest == 0 and sweep:
                break
        self.ranks = best

    def _neighbours(self, *, up: bool) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.boxes}
        for link in self.links:
            if self.is_short(link):
                source, target = (link.target, link.source) if up else (link.source, link.target)
                found[source].append(target)
        return found

    def _sweep(self, ranks: Sequence[list[str]], neighbours: Mapping[str, list[str]]) -> None:
        pull = self._pull()
        for before, names in pairwise(ranks):
            place = {name: (index + 0.5) / len(before) for index, name in enumerate(before)}
            own = {name: (index + 0.5) / len(names) for index, name in enumerate(names)}
            key = {
                name: _mean([place[one] for one in neighbours[name]] + pull[name], otherwise=own[name])
                for name in names
            }
            names.sort(key=key.__getitem__)

    def _pull(self) -> Mapping[str, list[float]]:
        """Where long links go: back ones leave on the left, the others on the right."""
        found: dict[str, list[float]] = {name: [] for name in self.boxes}
        for link in self.links:
            if link.is_back:
                found[link.source].append(0.0)
            elif not self.is_short(link):
                found[link.source].append(1.0)
        return found

    def _crossings(self, below: Mapping[str, list[str]]) -> int:
        count = 0
        for upper, lower in pairwise(self.ranks):
            place = {name: index for index, name in enumerate(lower)}
            ends = [place[target] for name in upper for target in sorted(below[name], key=place.__getitem__)]
            count += _inversions(ends)
        return count

    # -- places ----------------------------------------------------------------------------------

    def _place(self) -> None:
        """Move each rank towards what its boxes are linked with, as far as their order and widths allow."""
        for names in self.ranks:
            self._settle(names, [0.0] * len(names), [1.0] * len(names))
        weights = self._weights()
        for sweep in range(_SWEEPS):
            ranks = self.ranks[1:] if sweep % 2 == 0 else self.ranks[-2::-1]
            side = 0 if sweep % 2 == 0 else 1
            for names in ranks:
                self._pull_rank(names, weights, side)
        for names in self.ranks[-2::-1]:
            if all(self.boxes[name].follows for name in names):
                self._pull_rank(names, weights, 1)

    def _weights(self) -> Mapping[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]]:
        found: dict[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]] = {
            name: ([], []) for name in self.boxes
        }
        for link in self.links:
            if self.is_short(link):
                found[link.target][0].append((link.source, link.weight))
                found[link.source][1].append((link.target, link.weight))
        return found

    def _pull_rank(
        self,
        names: list[str],
        weights: Mapping[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]],
        side: int,
    ) -> None:
        wanted, heavy = [], []
        for name in names:
            linked = weights[name][side]
            weight = sum(one for _, one in linked)
            total = sum(self.boxes[other].x * one for other, one in linked)
            wanted.append(total / weight if weight else self.boxes[name].x)
            heavy.append(weight or 0.05)
        self._settle(names, wanted, heavy)

    def _settle(self, names: list[str], wanted: list[float], weights: list[float]) -> None:
        """Place boxes as near to the wanted places as they can be side by side: least squares, blocks merged."""
        offsets = [0.0]
        for before, name in pairwise(names):
            apart = (self.boxes[before].width + self.boxes[name].width) / 2 + GAP_X
            offsets.append(offsets[-1] + apart)
        blocks: list[tuple[float, float, int]] = []  # mean, weight, count
        for want, offset, weight in zip(wanted, offsets, weights, strict=True):
            mean, heavy, count = want - offset, weight, 1
            while blocks and blocks[-1][0] >= mean:
                other, mass, more = blocks.pop()
                mean, heavy, count = (mean * heavy + other * mass) / (heavy + mass), heavy + mass, count + more
            blocks.append((mean, heavy, count))
        places = [mean for mean, _, count in blocks for _ in range(count)]
        for name, place, offset in zip(names, places, offsets, strict=True):
            self.boxes[name].x = round(place + offset, 1)


def mark_back(names: Sequence[str], links: Iterable[Link]) -> None:
    """Mark the links that lead back to a box on the way to them, looking from the first box on."""
    leaving: dict[str, list[Link]] = {name: [] for name in names}
    for link in links:
        leaving[link.source].append(link)
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for start in names:
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(leaving[start]))]
        while stack:
            name, rest = stack[-1]
            taken = next(rest, None)
            if taken is None:
                state[name] = 2
                stack.pop()
            elif state.get(taken.target) == 1:
                taken.is_back = True
            elif taken.target not in state:
                state[taken.target] = 1
                stack.append((taken.target, iter(leaving[taken.target])))


def _mean(values: list[float], *, otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _inversions(values: list[int]) -> int:
    """Count the pairs in the wrong order, with a sorted list of what was seen."""
    from bisect import bisect_right, insort

    seen: list[int] = []
    count = 0
    for value in values:
        count += len(seen) - bisect_right(seen, value)
        insort(seen, value)
    return count
