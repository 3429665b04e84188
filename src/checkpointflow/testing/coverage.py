"""Which steps and transitions of a document there are, and which of them no case reached; nothing is run here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import cast

from checkpointflow.frontends.document.answers import Answers
from checkpointflow.frontends.document.loader import Loaded
from checkpointflow.frontends.document.model import ON_ERROR, Document, Path, Step
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.frontends.document.strict_yaml import parse
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something that a case can reach: a step, or a transition from it by a field, or by the order of its list.

    `way` is `step`, `order`, or the field: `next`, `default`, `cases[0]`, `transitions[1]`, `on_error`, `on_timeout`,
    `if` (the step is skipped). `target` is where a transition leads, None to the end of the list. `path` is where it
    is written.
    """

    step_id: str
    way: str
    target: str | None
    path: Path


@dataclass(frozen=True)
class Coverage:
    """What the cases of a document reached of it; its sub-workflows have cases of their own."""

    loaded: Loaded
    reached: frozenset[Path]

    @cached_property
    def places(self) -> list[Place]:
        """All that could be reached, in the order of the document."""
        return list(_places(self.loaded.document))

    @property
    def missed(self) -> list[Place]:
        """What no case reached."""
        return [place for place in self.places if place.path not in self.reached]

    @property
    def percent(self) -> float:
        """How much was reached, of 100, rounded down to a tenth."""
        return math.floor(1000 * (len(self.places) - len(self.missed)) / len(self.places)) / 10

    def lines(self) -> list[tuple[int, Place]]:
        """Return what no case reached, with its line, in the order of the text."""
        definition = self.loaded.stored
        documents = cast("dict[str, JsonObject]", definition["documents"])
        source = parse(str(documents[str(definition["root"])]["text"]))
        return sorted(((source.key_at(place.path).line, place) for place in self.missed), key=lambda one: one[0])

    def as_json(self) -> JsonObject:
        """Return it as an envelope shows it."""
        return {
            "percent": self.percent,
            "reached": len(self.places) - len(self.missed),
            "total": len(self.places),
            "missed": [
                {"line": line, "step_id": place.step_id, "way": place.way, "target": place.target}
                for line, place in self.lines()
            ],
        }


def told(place: Place) -> str:
    """Return what no case did, for people."""
    if place.way == "step":
        return f"`{place.step_id}` is never reached"
    if place.way == "if":
        return f"`{place.step_id}` is never skipped by its `if`"
    leads = f"to `{place.target}`" if place.target is not None else "to the end of the list"
    by = "" if place.way == "order" else f" by `{place.way}`"
    return f"`{place.step_id}` never leads{by} {leads}"


def _places(document: Document) -> Iterator[Place]:
    answers = Answers(document)
    for steps in document.all_lists():
        started = {target for step in steps for _, target in step.started()}
        following = dict(pairwise([step.id for step in steps if step.id not in started]))
        for step in steps:
            yield Place(step_id=step.id, way="step", target=None, path=(*step.path, "id"))
            is_decided = answers.are_all_taken(step)
            yield from _ways(step, following.get(step.id), is_decided=is_decided, is_started=step.id in started)
    if document.on_error is not None:
        yield Place(step_id=document.id, way="on_error", target=document.on_error, path=ON_ERROR)


def _ways(step: Step, following: str | None, *, is_decided: bool, is_started: bool) -> Iterator[Place]:
    if step.when is not None:
        yield Place(step_id=step.id, way="if", target=following, path=(*step.path, "if"))
    idle = KINDS[step.kind].idle
    for path, target in step.jumps():
        if path[0] not in idle and not (path == ("next",) and is_decided):
            yield Place(step_id=step.id, way=_way(path), target=target, path=(*step.path, *path))
    instead = step.fields.get("on_timeout")
    if isinstance(instead, dict) and "next" not in instead:
        yield Place(step_id=step.id, way="on_timeout", target=step.next or following, path=(*step.path, "on_timeout"))
    goes_on = step.kind not in ("end", "switch") and step.next is None and not is_decided
    if goes_on and not is_started:
        yield Place(step_id=step.id, way="order", target=following, path=step.path)


def _way(path: Path) -> str:
    name = str(path[0])
    return f"{name}[{path[1]}]" if len(path) > 1 and isinstance(path[1], int) else name


def covered(loaded: Loaded, reached: Iterable[Iterable[Path]]) -> Coverage:
    """Return what several runs reached of a document."""
    return Coverage(loaded, frozenset(path for one in reached for path in one))
