"""The one loop over steps: main list, branch, iteration and sub-workflow all go through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from checkpointflow.errors import CheckpointflowError, ExpressionError, StepFailedError, StepOutputError
from checkpointflow.frontends.document.blocks import BLOCKS
from checkpointflow.frontends.document.calls import call_of
from checkpointflow.frontends.document.frame import Done, End, Frame, main_frame
from checkpointflow.frontends.document.model import END, ON_ERROR, Document, Step
from checkpointflow.frontends.document.texts import Texts
from checkpointflow.frontends.document.trace import NOBODY, Trace
from checkpointflow.kernel.run import Run
from checkpointflow.values import JsonObject, JsonValue


class DocumentWorkflow:
    """A document as a Workflow; `trace` is told of the ways that it goes."""

    def __init__(self, document: Document, trace: Trace = NOBODY) -> None:
        self.document = document
        self._trace = trace

    async def drive(self, run: Run) -> JsonObject:
        """Decide the run; see Workflow."""
        return await run_document(main_frame(self.document, Texts(self.document), run, run.input, trace=self._trace))


async def run_document(frame: Frame) -> JsonObject:
    """Run a document's main list and return what it ends with: `result`, `outputs`, `recovered_error`.

    Raises:
        StepFailedError: a step failed, and neither it nor the document says where that leads; or an output has no
            value.
    """
    recovered: JsonObject = {}
    try:
        end = await run_sequence(frame)
    except StepFailedError as error:
        target = frame.document.on_error
        if target is None:
            raise
        recovered = {"recovered_error": _shown(error)}
        frame.trace.took(frame.document, ON_ERROR)
        end = await run_sequence(frame, target)
    outputs = _outputs(frame)
    value = dict(end.value) if end is not None else {}
    if outputs is not None:
        value |= {"outputs": outputs} if end is not None else {"outputs": outputs, "result": outputs}
    return value | recovered


async def run_sequence(frame: Frame, start: str | None = None) -> End | None:
    """Run a list of steps in order, following its jumps; return the step `end` that it reached, None without one.

    Raises:
        StepFailedError: a step failed and does not say where that leads.
        VisitLimitError: a step was visited more often than the document allows.
    """
    places = {step.id: index for index, step in enumerate(frame.steps)}
    started = {target for step in frame.steps for _, target in step.started()}
    index = _index(places, start, 0)
    while index < len(frame.steps):
        step = frame.steps[index]
        if step.id in started:
            index += 1
            continue
        done = await visit(frame, step)
        if done.end is not None:
            return done.end
        index = _index(places, done.jump, index + 1)
    return None


def _index(places: Mapping[str, int], target: str | None, otherwise: int) -> int:
    """Return where a jump leads; `end` is behind the list if no step has that id."""
    if target is None:
        return otherwise
    return len(places) if target == END and END not in places else places[target]


async def visit(frame: Frame, step: Step) -> Done:
    """Run one step, or pass it over, or follow its `on_error`.

    Raises:
        StepFailedError: it failed and does not say where that leads.
        VisitLimitError: it was visited more often than the document allows.
    """
    frame.begin(step)
    try:
        if not _applies(frame, step):
            frame.took(step, "if")
            return Done()
        frame.trace.began(frame, step)
        done = await run_step(frame, step)
        return done if done.jump is not None or done.end is not None else _onward(frame, step)
    except StepFailedError as error:
        _note_failure(frame, step, error)
        if step.on_error is None:
            raise
        frame.took(step, "on_error", "next")
        return Done(jump=step.on_error)


def _onward(frame: Frame, step: Step) -> Done:
    """Return where a step leads that has not decided that itself."""
    frame.took(step, *(("next",) if step.next is not None else ()))
    return Done(jump=step.next)


async def run_step(frame: Frame, step: Step) -> Done:
    """Run one step and remember what it gave.

    Raises:
        StepFailedError: it failed.
    """
    with frame.blaming(step):
        block = BLOCKS.get(step.kind)
        done = await (block(frame, step) if block is not None else _effect(frame, step))
        if block is not None:
            _check_outputs(frame, step, done.outputs)
    frame.complete(step, done)
    return done


async def _effect(frame: Frame, step: Step) -> Done:
    call = call_of(frame, step)
    result = await frame.run.step(step.id, call)
    return Done(outputs=result.output, fields=result.details)


def _applies(frame: Frame, step: Step) -> bool:
    if step.when is None:
        return True
    with frame.blaming(step):
        applies = frame.texts.condition(step, "if", text=step.when, context=frame.context)
    if not applies:
        frame.run.skip(step.id, "if")
        frame.skip(step)
    return applies


def _note_failure(frame: Frame, step: Step, error: StepFailedError) -> None:
    if error.step_key is None:
        error.step_key = frame.key_of(step)
    told = ("exit_code", "status_code") if step.kind not in BLOCKS else ()
    frame.fail(step, _shown(error), {name: error.details[name] for name in told if name in error.details})


def _check_outputs(frame: Frame, step: Step, outputs: JsonValue) -> None:
    if step.outputs is None or step.kind == "end":
        return
    from checkpointflow.schemas import check, sentence

    problems = check(outputs, cast("JsonObject | bool", step.outputs))
    if problems:
        raise StepOutputError(
            f"the outputs of step `{step.id}` do not fit their schema: {sentence(problems[0])}",
            details={"problems": [problem.message for problem in problems]},
            step_key=frame.key_of(step),
        )


def _outputs(frame: Frame) -> JsonObject | None:
    """Return the document's outputs: those whose step completed."""
    schema = frame.document.outputs
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return None
    outputs: JsonObject = {}
    for name, declared in properties.items():
        source = declared.get("from") if isinstance(declared, dict) else None
        if isinstance(source, str):
            _put_output(frame, outputs, name, source)
    return outputs


def _put_output(frame: Frame, outputs: JsonObject, name: str, source: str) -> None:
    expression = frame.texts.output(name, source)
    paths = [reference.path for reference in expression.references]
    named = [path[1] for path in paths if path[0] == "steps" and len(path) > 1]
    if not all(step_id in frame.completed for step_id in named):
        return
    try:
        outputs[name] = expression.evaluate(frame.context)
    except ExpressionError as error:
        message = f"output `{name}` of workflow `{frame.document.id}`: {error.message}"
        raise StepFailedError(message, hint=error.hint) from None


def _shown(error: CheckpointflowError) -> JsonObject:
    """Return an error as `steps.ID.error` and `recovered_error` show it."""
    shown: JsonObject = {"code": error.code, "message": error.message, "details": error.details}
    return shown | ({"step_key": error.step_key} if error.step_key is not None else {})
