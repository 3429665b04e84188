"""The token machine of a graph: which visit is next, what a label opens, what a join still lacks; it does nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from checkpointflow.frontends.graph.grammar import Edge, Graph
from checkpointflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a node: which of its visits it is, from 1, and in which wave it was opened."""

    node: str
    number: int
    wave: int


@dataclass(frozen=True, slots=True)
class Starved:
    """A join that lacks tokens when nothing is left that could bring them."""

    node: str
    arrived: tuple[str, ...]
    missing: tuple[str, ...]


class Machine:
    """Where the tokens of one graph stand.

    Ready visits are taken in the order in which they were opened. A wave is drained when nothing is ready or running;
    visits that wait do not hold it open. Then the targets of loopbacks open the next wave. An OR join is visited once
    in a wave; an AND join counts one token for each predecessor, whatever the wave. Each call costs as much as what it
    changes.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._ready: deque[Visit] = deque()
        self._next: dict[str, None] = {}
        self._visits: dict[str, int] = {}
        self._opened: dict[int, set[str]] = {}
        self._alive: dict[int, int] = {}
        self._tokens: dict[str, dict[str, None]] = {}
        self._waiting: dict[Visit, None] = {}
        self.running = 0
        self.wave = 1
        for name in graph.entries:
            self._open_once(name, 1)

    @property
    def waiting(self) -> Sequence[Visit]:
        """The visits that wait for an answer, in the order in which they began to."""
        return tuple(self._waiting)

    def take(self) -> Visit | None:
        """Take the next ready visit, which then is running; None if there is none now.

        The next wave is opened for it if this one is drained.
        """
        if not self._ready and not self.running and self._next:
            self._open_wave()
        if not self._ready:
            return None
        self.running += 1
        return self._ready.popleft()

    def fire(self, visit: Visit, labels: Iterable[str]) -> None:
        """End a running visit, and let its labels open what they lead to, in their order."""
        self.running -= 1
        outputs = self._graph.nodes[visit.node].outputs
        for label in labels:
            for edge in outputs.get(label, ()):
                self._arrive(visit, edge)
        self._forget(visit)

    def fail(self, visit: Visit) -> bool:
        """End a running visit that failed; its `on_error` opens what it leads to, and False says that it has none."""
        self.running -= 1
        edge = self._graph.nodes[visit.node].on_error
        if edge is not None:
            self._arrive(visit, edge)
        self._forget(visit)
        return edge is not None

    def wait(self, visit: Visit) -> None:
        """A running visit waits for an answer."""
        self.running -= 1
        self._waiting[visit] = None

    def answered(self, visit: Visit) -> None:
        """A waiting visit has its answer, and is ready once more, behind those that are."""
        del self._waiting[visit]
        self._ready.append(visit)

    def divert(self, node: str) -> None:
        """Drop all visits and tokens, and go on with this node alone, in a wave of its own."""
        for place in (self._ready, self._next, self._waiting, self._tokens, self._opened, self._alive):
            place.clear()
        self.running = 0
        self.wave += 1
        self._open_once(node, self.wave)

    def starved(self) -> list[Starved]:
        """Return the joins that hold tokens and still lack some."""
        nodes = self._graph.nodes
        return [
            Starved(name, tuple(held), tuple(one for one in nodes[name].wait_for or () if one not in held))
            for name, held in self._tokens.items()
            if held
        ]

    # -- how tokens move -------------------------------------------------------------------------

    def _arrive(self, visit: Visit, edge: Edge) -> None:
        wait_for = self._graph.nodes[edge.target].wait_for
        if edge.is_loopback:
            self._next[edge.target] = None
        elif wait_for is None:
            self._open_once(edge.target, visit.wave)
        else:
            self._count(edge.target, visit, wait_for)

    def _count(self, name: str, visit: Visit, wait_for: Sequence[str]) -> None:
        held = self._tokens.setdefault(name, {})
        held[visit.node] = None
        if len(held) == len(wait_for):
            del self._tokens[name]
            self._open(name, visit.wave)

    def _open_once(self, name: str, wave: int) -> None:
        if name not in self._opened.setdefault(wave, set()):
            self._open(name, wave)

    def _open(self, name: str, wave: int) -> None:
        self._opened.setdefault(wave, set()).add(name)
        self._alive[wave] = self._alive.get(wave, 0) + 1
        number = self._visits[name] = self._visits.get(name, 0) + 1
        self._ready.append(Visit(name, number, wave))

    def _open_wave(self) -> None:
        self.wave += 1
        names, self._next = self._next, {}
        for name in names:
            self._clear_before(name)
        for name in names:
            self._open_once(name, self.wave)

    def _clear_before(self, name: str) -> None:
        """Take back the tokens of predecessors that a node, visited again, reaches and so will visit again."""
        reached = self._graph.reached_from(name)
        for join, held in list(self._tokens.items()):
            left = {source: None for source in held if source not in reached}
            if left:
                self._tokens[join] = left
            else:
                del self._tokens[join]

    def _forget(self, visit: Visit) -> None:
        """Drop what is remembered of a wave once none of its visits is left; new ones come from its visits alone."""
        self._alive[visit.wave] -= 1
        if not self._alive[visit.wave]:
            del self._alive[visit.wave], self._opened[visit.wave]
