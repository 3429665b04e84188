"""What one list of steps knows while it runs: its verbs, its steps' states, and what its texts see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from checkpointflow.clock import to_text
from checkpointflow.errors import ExpressionError, StepFailedError
from checkpointflow.expressions import SecretText
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.frontends.document.texts import Context, Texts
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.run import Run
from checkpointflow.kernel.scope import encoded_name
from checkpointflow.values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class End:
    """A list ended at an `end` (or a jump to one); `value` has `result` if that was given."""

    value: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A step completed: its outputs, the fields beside them, and where it leads if not on."""

    outputs: JsonValue = None
    fields: JsonObject = field(default_factory=dict)
    jump: str | None = None
    end: End | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One list of steps in one place of a run.

    `states` is `steps` as texts see it, outer lists' steps included; `completed` are the outputs of this list's own.
    """

    document: Document
    texts: Texts
    run: Run
    steps: tuple[Step, ...]
    roots: JsonObject
    states: JsonObject
    depth: int
    completed: JsonObject = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """What the texts of the list see."""
        return self.roots

    def inner(self, run: Run, steps: tuple[Step, ...], roots: JsonObject | None = None) -> Frame:
        """Return the frame of a list inside this one; what it does to its steps does not show here."""
        states = dict(self.states)
        return Frame(
            document=self.document,
            texts=self.texts,
            run=run,
            steps=steps,
            roots=self.roots | (roots or {}) | {"steps": _pending(states, steps)},
            states=states,
            depth=self.depth,
        )

    def set_state(self, step: Step, status: str, **more: JsonValue) -> None:
        """Say what became of a step; its outputs stay those of its last completion."""
        before = self.states.get(step.id)
        outputs = before.get("outputs") if isinstance(before, dict) else None
        self.states[step.id] = {"status": status, "outputs": outputs, **more}

    def complete(self, step: Step, done: Done) -> None:
        """Say that a step completed."""
        self.set_state(step, "completed", **{**done.fields, "outputs": done.outputs})
        self.completed[step.id] = done.outputs

    @contextmanager
    def blaming(self, step: Step) -> Iterator[None]:
        """Turn an expression that has no value into the failure of its step."""
        try:
            yield
        except ExpressionError as error:
            raise self.failure(step, f"step `{step.id}`: {error.message}", hint=error.hint) from None

    def failure(
        self, step: Step, message: str, *, hint: str | None = None, details: JsonObject | None = None
    ) -> StepFailedError:
        """Return the failure of a step."""
        return StepFailedError(message, hint=hint, details=details, step_key=self.key_of(step))

    def key_of(self, step: Step) -> StepKey:
        """Return the key of a step's present visit, or of the one to come."""
        name = encoded_name(step.id)
        visit = self.run.visits(step.id)
        suffix = f"#{visit}" if visit > 1 else ""
        return StepKey(f"{self.run.key}/{name}{suffix}" if self.run.key else name + suffix)


def main_frame(document: Document, texts: Texts, run: Run, inputs: JsonValue, depth: int = 0) -> Frame:
    """Return the frame of a document's main list."""
    states: JsonObject = {}
    about: JsonObject = {
        "id": run.info.run_id,
        "workflow_id": document.id,
        "started_at": to_text(run.info.started_at),
    }
    roots: JsonObject = {"inputs": inputs, "run": about, "steps": _pending(states, document.steps)}
    if document.secrets:  # deciding never sees a value: what it is given stands for one
        roots["secrets"] = {name: SecretText.placeholder(name) for name in document.secrets}
    return Frame(document=document, texts=texts, run=run, steps=document.steps, roots=roots, states=states, depth=depth)


def _pending(states: JsonObject, steps: tuple[Step, ...]) -> JsonObject:
    for step in steps:
        states[step.id] = {"status": "pending", "outputs": None}
    return states
