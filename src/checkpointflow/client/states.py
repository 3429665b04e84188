"""How the boxes of a picture stand in a run: from the run's inspection, by step keys; nothing is drawn or read here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import cast

from checkpointflow.frontends.graph.grammar import ANSWER
from checkpointflow.pictures.picture import STATUSES, Group, Node, Picture, RunNote, State, Status
from checkpointflow.records import dataclass, field, replace
from checkpointflow.views import Inspection, StepView

_SEGMENT = re.compile(r"([^#\[]*)((?:#\d+)?)((?:\[.*\])?)\Z", re.DOTALL)
_ORDER: tuple[Status, ...] = tuple(STATUSES)
_OPEN: tuple[Status, ...] = ("in_doubt", "waiting", "running", "interrupted")


def with_states(picture: Picture, found: Inspection, *, remark: str = "") -> Picture:
    """Return a picture with the state of each box in a run; `remark` is told beside the run's status."""
    journal = _Journal(picture, found)
    return replace(
        picture,
        nodes=tuple(replace(node, state=journal.state(node)) if node.key else node for node in picture.nodes),
        groups=tuple(replace(group, state=journal.state(group)) for group in picture.groups),
        run=RunNote(run_id=found.run.run_id, status=found.run.status, remark=remark),
    )


@dataclass(slots=True)
class _Visit:
    """One visit of a step: its key, the scope member (or list) in which it was, and when it was last heard of."""

    key: str
    container: str
    position: int
    status: Status
    members: int | None = None
    is_answer: bool = False


@dataclass(slots=True)
class _Journal:
    """The visits of a run by the pattern of their keys."""

    picture: Picture
    found: Inspection
    _stars: set[str] = field(default_factory=set)
    _boxes: dict[str, Node | Group] = field(default_factory=dict)
    _visits: dict[str, list[_Visit]] = field(default_factory=dict)
    _inside: dict[str, list[_Visit]] = field(default_factory=dict)
    _leads_out: set[str] = field(default_factory=set)
    _keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._boxes = {one.key: one for one in self.picture.by_id.values() if one.key}
        self._stars = {key[: at.start()] for key in self._boxes for at in re.finditer(r"\[\*\]", key)}
        exits = {node.id for node in self.picture.nodes if node.shape == "exit"}
        self._leads_out = {edge.source for edge in self.picture.edges if edge.target in exits}
        for visit in self._all_visits():
            self._keys.add(visit.key)
            self._visits.setdefault(self._pattern(visit.key), []).append(visit)
            self._inside.setdefault(visit.container, []).append(visit)

    # -- reading ---------------------------------------------------------------------------------

    def _all_visits(self) -> list[_Visit]:
        """Return the visits in the order in which each was last heard of."""
        last: dict[str, int] = {}
        members: dict[str, int] = {}
        statuses = {view.step_key: self._seen(view) for view in self.found.step_results}
        for entry in self.found.entries:
            key = entry.get("key")
            voided = entry.get("voided")
            if isinstance(voided, list):
                statuses = {key: one for key, one in statuses.items() if key not in voided or one != "skipped"}
            if not isinstance(key, str):
                continue
            last[key] = cast(int, entry["position"])
            if entry["entry"] == "step_skipped":
                statuses[key] = "skipped"
            elif isinstance(entry.get("members"), int):
                members[key] = cast(int, entry["members"])
        self._add_failed(statuses, last)
        known = sorted((key for key in statuses), key=lambda key: last.get(key, 0))
        return [
            _Visit(key, _container(key), last.get(key, 0), statuses[key], members.get(key), self._is_answer(key))
            for key in known
        ]

    def _is_answer(self, key: str) -> bool:
        """Tell whether a key is that of a wait in which a node of a graph stands, and no box of its own."""
        pattern = self._as_written(key)
        return pattern.endswith(ANSWER) and pattern not in self._boxes and pattern.removesuffix(ANSWER) in self._boxes

    def _seen(self, view: StepView) -> Status:
        """Return the status of a visit as pictures tell it: a deadline that leads on is no failure."""
        if view.status != "expired":
            return view.status
        box = self._boxes.get(self._pattern(view.step_key))
        leaving = self.picture.leaving.get(box.id, ()) if box is not None else ()
        return "completed" if any(edge.kind == "timeout" for edge in leaving) else "failed"

    def _add_failed(self, statuses: dict[str, Status], last: dict[str, int]) -> None:
        """A step may fail a run before anything of it is recorded, as an `end` that says `fail`."""
        key = (self.found.run.error or {}).get("step_key")
        if isinstance(key, str) and key not in statuses:
            statuses[key] = "failed"
            last[key] = len(self.found.entries)

    def _pattern(self, key: str) -> str:
        """Return the key of the box in which a key stands, if there is one."""
        pattern = self._as_written(key)
        return pattern.removesuffix(ANSWER) if self._is_answer(key) else pattern

    def _as_written(self, key: str) -> str:
        """Return the key with `[*]` for each item of a `foreach`, and without numbers of visits."""
        pattern = ""
        for segment in key.split("/"):
            name, _, member = _parts(segment)
            pattern = f"{pattern}/{name}" if pattern else name
            if member:
                pattern += "[*]" if pattern in self._stars else member
        return pattern

    # -- states ----------------------------------------------------------------------------------

    def state(self, one: Node | Group) -> State:
        """Return how a box stands."""
        if isinstance(one, Group) and one.kind == "branch":
            return self._branch(one.key)
        visits = self._visits.get(one.key, [])
        current = self._current(visits)
        if not current:
            return State(status="not_reached")
        status = _pressing(self._status(visit) for visit in current)
        has_members = any(visit.members is not None for visit in current)
        counts = self._members(current) if has_members else self._share(one.key, current)
        return State(status=status, visits=_begun_anew(visits), done=counts[0], total=counts[1])

    def _current(self, visits: list[_Visit]) -> list[_Visit]:
        """Return the last visit in each member or list, those in visits of scopes that were left behind not counted."""
        last = {visit.container: visit for visit in visits if not self._is_behind(visit.container)}
        return list(last.values())

    def _is_behind(self, container: str) -> bool:
        """Tell whether a member belongs to a visit of a scope that was visited again later."""
        while container:
            scope = _scope(container)
            _, number, _ = _parts(scope.rsplit("/", 1)[-1])
            following = f"#{int(number[1:]) + 1}" if number else "#2"
            if scope.removesuffix(number) + following in self._keys:
                return True
            container = _container(container)
        return False

    def _status(self, visit: _Visit) -> Status:
        """Return a visit's status; a scope that is open stands as the most pressing of what is open in it."""
        if visit.status != "running":
            return visit.status
        around = (f"{visit.key}/", f"{visit.key}[")
        inside = [one.status for key, ones in self._inside.items() if f"{key}/".startswith(around) for one in ones]
        opened = [status for status in inside if status in _OPEN and status != "running"]
        if opened:
            return _pressing(opened)
        return "running" if self.found.run.status == "running" else "interrupted"

    def _members(self, current: list[_Visit]) -> tuple[int, int]:
        """How many members of the scopes have ended, and how many there are."""
        total = sum(visit.members or 0 for visit in current)
        ended = (
            (visit.members or 0) if visit.status == "completed" else sum(map(self._has_ended, self._begun(visit)))
            for visit in current
        )
        return sum(ended), total

    def _begun(self, scope: _Visit) -> list[str]:
        return [name for name in self._inside if name.startswith(f"{scope.key}[") and _scope(name) == scope.key]

    def _has_ended(self, member: str) -> bool:
        """Tell whether nothing can follow the last step of a member."""
        last = self._inside[member][-1]
        box = self._boxes.get(self._pattern(last.key))
        if box is None or last.status in _OPEN:
            return False
        leaving = self.picture.leaving.get(box.id, ())
        if last.status == "failed":
            return not any(edge.kind == "error" for edge in leaving)
        return not leaving or box.id in self._leads_out

    def _share(self, key: str, current: list[_Visit]) -> tuple[int | None, int | None]:
        """In how many items of the `foreach` around it a step has completed, and how many there are."""
        at = key.rfind("[*]")
        if at < 0:
            return None, None
        scopes = self._current(self._visits.get(key[:at], []))
        return sum(visit.status == "completed" for visit in current), sum(visit.members or 0 for visit in scopes)

    def _branch(self, key: str) -> State:
        members = [name for name in self._inside if self._pattern(name) == key and not self._is_behind(name)]
        if not members:
            return State(status="not_reached")
        inside = [visit for name in members for visit in self._inside[name]]
        opened = [self._status(visit) for visit in inside if visit.status in _OPEN]
        if opened:
            return State(status=_pressing(opened))
        ended = [self._inside[name][-1].status for name in members]
        if all(map(self._has_ended, members)):
            return State(status="failed" if "failed" in ended else "completed")
        return State(status="running" if self.found.run.status == "running" else _left(ended))


def _begun_anew(visits: list[_Visit]) -> int:
    """Return how often a box was visited: a node that waited is called once more with the answer."""
    answered: Counter[str] = Counter()
    count = 0
    for visit in visits:
        if visit.is_answer:
            answered[visit.container] += visit.status == "completed"
        elif answered[visit.container]:
            answered[visit.container] -= 1
        else:
            count += 1
    return count


def _left(ended: Iterable[Status]) -> Status:
    found = _pressing(ended)
    return found if found in ("cancelled", "failed") else "interrupted"


def _pressing(statuses: Iterable[Status]) -> Status:
    return min(statuses, key=_ORDER.index)


def _parts(segment: str) -> tuple[str, str, str]:
    """Return the name, the number of the visit (`#2`) and the member (`[0]`) of a segment of a key."""
    found = _SEGMENT.match(segment)
    return (found[1], found[2], found[3]) if found else (segment, "", "")


def _container(key: str) -> str:
    return key.rpartition("/")[0]


def _scope(container: str) -> str:
    """Return the key of the scope whose member, or list, a container is."""
    head, slash, last = container.rpartition("/")
    name, number, _ = _parts(last)
    return f"{head}{slash}{name}{number}"
