"""What a run of a case is seen to do: the steps it came to, the ways it took, its calls, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from checkpointflow.expressions import Expression
from checkpointflow.frontends.document.frame import Frame
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.texts import Texts
from checkpointflow.frontends.document.trace import Trace
from checkpointflow.kernel.effects import Effect
from checkpointflow.kernel.ids import StepKey
from checkpointflow.records import dataclass, field
from checkpointflow.testing.case_schema import CALL_FIELDS
from checkpointflow.testing.differences import Difference
from checkpointflow.values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Seen:
    """One call of a step, or one wait that opened: its key, and what it was given or asked."""

    key: StepKey
    fields: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a case.

    `value` is what a completed run ended with, `error` why it failed or was refused. `troubles` are what the case
    said and the run did not come to; with `is_broken` it could not be played to its end, and they say why.
    """

    status: str
    value: JsonObject = field(default_factory=dict)
    error: JsonObject | None = None
    path: tuple[str, ...] = ()
    calls: tuple[Seen, ...] = ()
    waits: tuple[Seen, ...] = ()
    elapsed_seconds: float = 0.0
    troubles: tuple[Difference, ...] = ()
    is_broken: bool = False
    reached: frozenset[Path] = frozenset()


class Follower(Trace):
    """Follows a run: the keys of its steps in the order in which they began, and where it went in one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._steps: dict[StepKey, tuple[Texts, Step]] = {}
        self.reached: set[Path] = set()
        self.calls: list[Seen] = []

    @property
    def path(self) -> tuple[str, ...]:
        """The keys of the steps that began, in order."""
        return tuple(self._steps)

    def began(self, frame: Frame, step: Step) -> None:
        """See Trace."""
        self._steps.setdefault(frame.key_of(step), (frame.texts, step))
        self.took(frame.document, (*step.path, "id"))

    def took(self, document: Document, path: Path) -> None:
        """See Trace."""
        if document is self._document:
            self.reached.add(path)

    def outputs_of(self, key: StepKey) -> JsonValue:
        """Return the schema of the outputs of the step that has a key."""
        return self._steps[key][1].outputs

    def called(self, effect: Effect) -> None:
        """Remember an attempt with its evaluated arguments; a command is the author's text with values in it."""
        arguments = cast("dict[str, Any]", effect.call.arguments)
        texts, step = self._steps[effect.context.key]
        shown: JsonObject = {name: arguments[name] for name in CALL_FIELDS if name in arguments}
        if "command" in shown:
            shown["command"] = _command(texts, step, arguments.get("values", {}).values())
        self.calls.append(Seen(effect.context.key, shown))


def _command(texts: Texts, step: Step, values: Iterable[str]) -> JsonValue:
    """Return a command as it is written, each `${…}` replaced by its value as it is."""
    left, command = iter(values), step.fields["command"]

    def filled(text: JsonValue, path: Path) -> str:
        parts = texts.template(step, str(text), path).parts
        return "".join(next(left) if isinstance(part, Expression) else part for part in parts)

    if isinstance(command, list):
        return [filled(text, (*step.path, "command", index)) for index, text in enumerate(command)]
    return filled(command, (*step.path, "command"))
