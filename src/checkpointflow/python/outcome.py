"""How a call of `run` ended, and what it told meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from checkpointflow.python.checkpoint import Checkpoint
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject
from checkpointflow.views import RunStatus, RunView, WaitView

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """How a drive ended.

    `status` is `completed`, `failed`, `cancelled`, `waiting`, `paused` or `interrupted`. `result` is what a completed
    run gave, as its workflow is annotated, else None. `error` is why it failed: `code`, `message`, `details`. `waits`
    is what it waits for. `checkpoint` is the handle with which it goes on.
    """

    view: RunView
    checkpoint: Checkpoint
    _converted: Callable[[Any], T] = field(repr=False)

    @property
    def status(self) -> RunStatus:
        """The run's status."""
        return self.view.status

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.view.run_id

    @property
    def result(self) -> T | None:
        """What the run gave; None unless it has completed."""
        return self._converted(self.view.value.get("result")) if self.status == "completed" else None

    @property
    def error(self) -> JsonObject | None:
        """Why it failed; None unless it has."""
        return self.view.error

    @property
    def waits(self) -> tuple[WaitView, ...]:
        """What it waits for, oldest first; answers are given by `wait_id`, `step_key` or a unique `event_name`."""
        return tuple(wait for wait in self.view.waits if not wait.is_answered)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What deserves a word."""
        return self.view.warnings

    def envelope(self) -> JsonObject:
        """Return the envelope that `cpf run` would print.

        That of a run that the program keeps has no commands, which could not reach it: `next_actions` is empty, and
        each of `waits` says under `instructions` what to call in place of its `resume` or `decide`.
        """
        from checkpointflow.cli.shapes import of_run

        envelope = of_run(self.view).as_json("run")
        if not self.checkpoint.is_carried:
            return envelope
        from checkpointflow.python.carrying import without_commands

        return without_commands(envelope)


@dataclass(frozen=True)
class Event(Generic[T]):
    """An entry of the journal that has become durable; the last event of a stream has the outcome in its place.

    `position` is the number of the entry, from 1; a stream goes on behind it with `after`.
    """

    position: int
    entry: str
    data: JsonObject
    outcome: Outcome[T] | None = None
