"""Interleaved rounds of contenders, their medians, and ratios within rounds; nothing is run here but commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

from bench.processes import Command, Failed, measured

Rounds: TypeAlias = Mapping[str, list[dict[str, float]]]
"""For each contender, what was measured in each round."""


@dataclass(frozen=True)
class Contender:
    """Something that does a piece of work; `command` is asked in each round anew, with its number."""

    name: str
    command: Callable[[int], Command]


@dataclass(frozen=True)
class Target:
    """What is to be reached: the figure of one contender, as a ratio to that of another where one is named."""

    what: str
    contender: str
    figure: str
    bound: float
    sense: Literal["at most", "at least"]
    against: str | None = None
    against_figure: str | None = None
    unit: str = "x"


@dataclass(frozen=True)
class Place:
    """Where and how much to measure: a scratch folder, the number of rounds, and whether all sizes are small."""

    folder: Path
    rounds: int
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """Return a size for this measurement."""
        return quick if self.quick else full

    def fresh(self, name: str) -> Path:
        """Return a folder that did not exist before."""
        number = len(list(self.folder.glob(f"{name}-*")))
        path = self.folder / f"{name}-{number}"
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True)
class Work:
    """One piece of work: who does it, and what is to be reached."""

    title: str
    contenders: Sequence[Contender]
    targets: Sequence[Target]
    rounds: int | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of a target."""

    target: Target
    value: float | None

    @property
    def is_reached(self) -> bool:
        """Whether the bound was kept."""
        if self.value is None:
            return False
        return self.value <= self.target.bound if self.target.sense == "at most" else self.value >= self.target.bound


@dataclass(frozen=True)
class Result:
    """A piece of work that was measured; `failures` says of a contender why it has no figures."""

    title: str
    medians: Mapping[str, dict[str, float]]
    verdicts: Sequence[Verdict]
    rounds: int
    notes: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def measure(work: Work, place: Place) -> Result:
    """Run all contenders, one after the other, round by round."""
    found: dict[str, list[dict[str, float]]] = {one.name: [] for one in work.contenders}
    failures: dict[str, str] = {}
    rounds = min(work.rounds or place.rounds, place.rounds)
    for number in range(rounds):
        for one in work.contenders:
            if one.name not in failures:
                try:
                    found[one.name].append(measured(one.command(number)))
                except Failed as failure:
                    failures[one.name] = str(failure)
    whole = {name: rows for name, rows in found.items() if name not in failures}
    verdicts = [Verdict(target, _value(target, whole)) for target in work.targets]
    return Result(work.title, _medians(whole), verdicts, rounds, work.notes, failures)


def _medians(found: Rounds) -> dict[str, dict[str, float]]:
    return {name: {figure: median(row[figure] for row in rows) for figure in rows[0]} for name, rows in found.items()}


def _value(target: Target, found: Rounds) -> float | None:
    """Return the median over the rounds of a figure, or of its ratio to the other's in the same round."""
    rows = found.get(target.contender)
    if not rows:
        return None
    if target.against is None:
        return median(row[target.figure] for row in rows)
    others = found.get(target.against)
    if not others:
        return None
    figure = target.against_figure or target.figure
    return median(row[target.figure] / other[figure] for row, other in zip(rows, others, strict=True))
