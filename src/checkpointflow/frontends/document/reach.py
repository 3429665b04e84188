"""Where a run can come in a list of steps, told from its input alone; nothing is performed and nothing rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from checkpointflow.frontends.document.answers import Answers
from checkpointflow.frontends.document.model import END, Step
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

Runs: TypeAlias = Literal["yes", "no", "depends"]
Known: TypeAlias = Callable[[Step, str], "bool | None"]
"""Tells what a condition of a step is for the input at hand, None for what only the run will know."""


def runs_of(steps: tuple[Step, ...], known: Known, answers: Answers, *, entry: str | None = None) -> dict[str, Runs]:
    """Return for each step of a list whether it runs once the list does, unless something fails before it.

    `entry` is a step that the first failure leads to. Jumps that a run may or may not take make steps depend on it.
    """
    return _Reach(steps, known, answers).runs(entry)


def both(outer: Runs, inner: Runs) -> Runs:
    """Return whether something runs that takes two things to run."""
    if "no" in (outer, inner):
        return "no"
    return "yes" if outer == inner == "yes" else "depends"


@dataclass(slots=True)
class _Ways:
    """Where steps lead: when nothing fails, and when something does or nobody answers; by index, the end behind all."""

    usual: dict[int, set[int]] = field(default_factory=dict)
    failing: dict[int, set[int]] = field(default_factory=dict)


class _Reach:
    """One list of steps, and what is known of its conditions."""

    def __init__(self, steps: tuple[Step, ...], known: Known, answers: Answers) -> None:
        self._all = steps
        self._starters = {target: step for step in steps for _, target in step.started()}
        self._steps = [step for step in steps if step.id not in self._starters]
        self._places = {step.id: index for index, step in enumerate(self._steps)}
        self._applies = {step.id: True if step.when is None else known(step, step.when) for step in steps}
        self._known = known
        self._answers = answers

    def runs(self, entry: str | None) -> dict[str, Runs]:
        ways = _Ways()
        for index, step in enumerate(self._steps):
            ways.usual[index] = set(self._usual(index, step))
            ways.failing[index] = set(self._failing(step))
        usual = _reached({0} if self._steps else set(), ways.usual)
        entries = {self._places[entry]} if entry in self._places else set()
        every = _reached(usual | entries, {i: ways.usual[i] | ways.failing[i] for i in ways.usual})
        passed = self._passed_over(usual, ways)
        found: dict[str, Runs] = {}
        for index, step in enumerate(self._steps):
            place: Runs = "no" if index not in every else "yes" if index in usual and not passed[index] else "depends"
            found[step.id] = both(place, self._own(step))
        for target in self._starters:
            found[target] = self._started(target, found, set())
        return found

    def _own(self, step: Step) -> Runs:
        applies = self._applies[step.id]
        return "depends" if applies is None else "yes" if applies else "no"

    def _started(self, target: str, found: dict[str, Runs], seen: set[str]) -> Runs:
        """A step that a `parallel` starts runs when that does."""
        starter = self._starters[target]
        if starter.id not in found and starter.id in self._starters and starter.id not in seen:
            found[starter.id] = self._started(starter.id, found, seen | {target})
        step = next((one for one in self._all if one.id == target), None)
        return both(found.get(starter.id, "depends"), self._own(step) if step is not None else "no")

    def _usual(self, index: int, step: Step) -> Iterator[int]:
        applies = self._applies[step.id]
        if applies is not True:
            yield index + 1
        if applies is False:
            return
        if step.kind == "end":
            yield len(self._steps)
            return
        if step.kind == "switch":
            yield from map(self._place, self._cases(step))
            return
        targets, is_left = self._transitions(step)
        yield from map(self._place, targets)
        if is_left:
            yield index + 1 if step.next is None else self._place(step.next)

    def _cases(self, step: Step) -> Iterator[str]:
        """Yield where a `switch` may lead; the first case that is surely true is the last that counts."""
        for when, target in _conditions(step, "cases"):
            is_true = self._known(step, when)
            if is_true is not False:
                yield target
            if is_true:
                return
        default = step.fields.get("default")
        if isinstance(default, str):
            yield default

    def _transitions(self, step: Step) -> tuple[list[str], bool]:
        """Return where a wait's answer may lead, and whether the next step may follow as well."""
        targets = [target for _, target in _conditions(step, "transitions")]
        on_timeout = step.fields.get("on_timeout")
        ends_otherwise = isinstance(on_timeout, dict) and "next" not in on_timeout and bool(step.timeout_seconds)
        return targets, ends_otherwise or not self._answers.are_all_taken(step)

    def _failing(self, step: Step) -> Iterator[int]:
        if self._applies[step.id] is False:
            return
        on_timeout = step.fields.get("on_timeout")
        late = on_timeout.get("next") if isinstance(on_timeout, dict) and step.timeout_seconds else None
        for target in (step.on_error, late):
            if isinstance(target, str):
                yield self._place(target)

    def _place(self, target: str) -> int:
        return self._places.get(target, len(self._steps) if target == END else -1)

    def _passed_over(self, usual: set[int], ways: _Ways) -> list[bool]:
        """Tell of each step whether some way leads from before it to behind it."""
        depth = [0] * (len(self._steps) + 2)
        for index in usual & set(ways.usual):
            for target in ways.usual[index]:
                if target > index + 1:
                    depth[index + 1] += 1
                    depth[target] -= 1
        passed, level = [], 0
        for change in depth[: len(self._steps)]:
            level += change
            passed.append(level > 0)
        return passed


def _reached(start: set[int], ways: dict[int, set[int]]) -> set[int]:
    reached: set[int] = set()
    waiting = list(start)
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            waiting.extend(ways.get(index, ()))
    return reached


def _conditions(step: Step, field_name: str) -> Iterator[tuple[str, str]]:
    cases: JsonValue = step.fields.get(field_name)
    for case in cases if isinstance(cases, list) else []:
        if isinstance(case, dict):
            yield _text(case, "when"), _text(case, "next")


def _text(case: JsonObject, name: str) -> str:
    value = case.get(name)
    return value if isinstance(value, str) else "true" if value else "false"
