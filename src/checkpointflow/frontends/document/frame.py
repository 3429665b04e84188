"""What one list of steps knows while it runs: its verbs, its steps' states, and what its texts see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from checkpointflow.clock import to_text
from checkpointflow.errors import ExpressionError, StepFailedError, VisitLimitError
from checkpointflow.expressions import SecretText
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.frontends.document.texts import Context, Texts
from checkpointflow.frontends.document.trace import NOBODY, Trace
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.run import Run
from checkpointflow.kernel.scope import encoded_name
from checkpointflow.records import dataclass, field
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

    `states` is `steps` as texts see it, outer lists' steps included; `completed` are the outputs of this list's own,
    `visits` how often each of them was begun, `keys` the key of the last time. `trace` is told of the ways it goes.
    """

    document: Document
    texts: Texts
    run: Run
    steps: tuple[Step, ...]
    roots: JsonObject
    states: JsonObject
    depth: int
    completed: JsonObject = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    keys: dict[str, StepKey] = field(default_factory=dict)
    trace: Trace = NOBODY

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
            trace=self.trace,
        )

    def begin(self, step: Step) -> None:
        """Count a visit of a step; also one that fails before it takes a key counts.

        Raises:
            VisitLimitError: there were as many as the document allows.
        """
        visits = self.visits.get(step.id, 0)
        if visits >= self.document.max_visits:
            raise VisitLimitError(
                f"step `{step.id}` was visited {visits} times; mend the loop, or raise `limits.max_visits`",
                step_key=self.key_of(step),
            )
        self.visits[step.id] = visits + 1
        self.keys[step.id] = self._next_key(step)

    def took(self, step: Step, *way: str | int) -> None:
        """Say which field of a step led on; without one, the order of the list."""
        self.trace.took(self.document, (*step.path, *way))

    def complete(self, step: Step, done: Done) -> None:
        """Say that a step completed."""
        self.states[step.id] = {**done.fields, "status": "completed", "outputs": done.outputs}
        self.completed[step.id] = done.outputs

    def skip(self, step: Step) -> None:
        """Say that a step was passed over; what its last completion gave stays."""
        kept = {name: value for name, value in self._state(step).items() if name != "error"}
        self.states[step.id] = {**kept, "status": "skipped"}

    def fail(self, step: Step, error: JsonObject, fields: JsonObject) -> None:
        """Say that a step failed; its outputs stay those of its last completion."""
        outputs = self._state(step).get("outputs")
        self.states[step.id] = {**fields, "status": "failed", "outputs": outputs, "error": error}

    def value(self) -> JsonObject:
        """Return what the list gave: the outputs of its steps that completed; an `end` has none."""
        ends = {step.id for step in self.steps if step.kind == "end"}
        return {name: outputs for name, outputs in self.completed.items() if name not in ends}

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
        """Return a failure that the document itself makes, so that trying again would end the same way."""
        error = StepFailedError(message, hint=hint, details=details, step_key=self.key_of(step))
        error.cause = "document"
        return error

    def key_of(self, step: Step) -> StepKey:
        """Return the key of a step's present visit, or of the last one."""
        return self.keys[step.id]

    def _next_key(self, step: Step) -> StepKey:
        name, visit = encoded_name(step.id), self.run.visits(step.id) + 1
        suffix = f"#{visit}" if visit > 1 else ""
        return StepKey(f"{self.run.key}/{name}{suffix}" if self.run.key else name + suffix)

    def _state(self, step: Step) -> JsonObject:
        state = self.states.get(step.id)
        return state if isinstance(state, dict) else {}


def main_frame(
    document: Document, texts: Texts, run: Run, inputs: JsonValue, depth: int = 0, trace: Trace = NOBODY
) -> Frame:
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
    return Frame(
        document=document,
        texts=texts,
        run=run,
        steps=document.steps,
        roots=roots,
        states=states,
        depth=depth,
        trace=trace,
    )


def _pending(states: JsonObject, steps: tuple[Step, ...]) -> JsonObject:
    for step in steps:
        states[step.id] = {"status": "pending", "outputs": None}
    return states
