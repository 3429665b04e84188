"""PORT Definition: what is known of a workflow beside how it decides, whichever front-end it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from checkpointflow.kernel.run import Workflow
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.pictures.picture import Picture


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTraits:
    """What a definition says of one step: its class of effect, and the JSON Schema of its output, None for any."""

    effect: Literal["idempotent", "once"]
    output_schema: JsonValue


class Meanings(Protocol):
    """What the steps of a definition mean, as far as its text tells, to compare two texts of one workflow."""

    def ids(self) -> Sequence[str]:
        """Return the names of all steps that the text names."""

    def __contains__(self, step_id: object) -> bool:
        """Tell whether there is, or may be, a step with this name."""

    def means(self, step_id: str) -> JsonValue:
        """Return what a step is asked to do, equal in two texts if and only if it is asked the same in both."""

    def asks(self, step_id: str) -> JsonValue:
        """Return how a wait for an event is worded: all that whoever answers is told, and the time they have."""


class Definition(Protocol):
    """A workflow as a client starts, drives and revises it.

    `stored` is what a run keeps of it, and opens it again elsewhere; `digest` tells two apart that are stored
    otherwise. `path` is the file that it comes from. `inputs` is the JSON Schema of a run's input. `labels` are put on
    every run.
    """

    @property
    def id(self) -> str:
        """The workflow's id, by which lists name it."""

    @property
    def name(self) -> str | None:
        """The workflow's name for people."""

    @property
    def version(self) -> str | None:
        """The workflow's version."""

    @property
    def path(self) -> str | None:
        """The file that it comes from."""

    @property
    def inputs(self) -> JsonValue:
        """The JSON Schema of the input."""

    @property
    def labels(self) -> Mapping[str, JsonValue]:
        """The labels of its runs."""

    @property
    def problems(self) -> list[JsonObject]:
        """What its text is warned of, if it was just read."""

    @property
    def stored(self) -> JsonObject:
        """The definition as it is stored with a run; `kind` tells the front-end."""

    @property
    def digest(self) -> str:
        """The hash under which it is stored."""

    def takes_over(self, digest: str, stored: JsonObject) -> bool:
        """Tell whether a run that keeps this definition, with this hash, may go on under this one as it is."""

    def normal_input(self, run_input: JsonValue) -> JsonValue:
        """Return an input in the form that `inputs` describes, where it may be given in another."""

    def workflow(self) -> Workflow:
        """Return the code that decides a run."""

    def secrets(self) -> list[tuple[str, JsonObject]]:
        """Return the secrets that it needs, and where each is kept."""

    def step(self, key: str) -> StepTraits | None:
        """Return what it says of the step with a key; None if that is not known."""

    def meanings(self) -> Meanings:
        """Return what its steps mean."""

    def events(self) -> Sequence[str] | None:
        """Return the names of all events that a run of it can ever wait for; None if that is not known."""

    def picture(self) -> Picture:
        """Return it as a picture.

        Raises:
            UnsupportedError: only running it shows its way.
        """

    def sources(self) -> list[str]:
        """Return the files that it is written in."""


class Unwritten:
    """The meanings of steps that only code knows: there may be any, and the journal alone compares them."""

    def ids(self) -> Sequence[str]:
        """Return nothing: no text names the steps."""
        return ()

    def __contains__(self, step_id: object) -> bool:
        """Tell that there may be such a step."""
        return True

    def means(self, _step_id: str) -> JsonValue:
        """Return the same for every step."""
        return None

    def asks(self, _step_id: str) -> JsonValue:
        """Return the same for every wait."""
        return None
