"""`workflow`: another document, run as a scope of the same journal."""

from __future__ import annotations

from typing import cast

from checkpointflow.errors import StepFailedError
from checkpointflow.frontends.document.frame import Done, Frame, main_frame
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.kernel.run import Run
from checkpointflow.values import JsonObject, JsonValue

MAX_DEPTH = 32


async def run_workflow(frame: Frame, step: Step) -> Done:
    """Run the sub-workflow; its value is the step's outputs.

    Raises:
        StepFailedError: its input does not fit, it failed, or sub-workflows nest too deeply.
    """
    document = frame.document.sub_workflow(str(step.workflow_ref))
    inputs = sub_inputs(frame, step, document, frame.texts.value(step, "inputs", context=frame.context))
    scope = frame.run.scope(step.id, "workflow", meaning=[document.id, inputs])
    try:
        value = await run_sub(frame, scope.run, document, inputs)
    except StepFailedError as error:
        scope.close(error)
        raise
    scope.close()
    return Done(outputs=value)


def sub_inputs(frame: Frame, step: Step, document: Document, given: JsonValue) -> JsonValue:
    """Return a sub-workflow's input, defaults applied.

    Raises:
        StepFailedError: it does not fit the sub-workflow's schema, or sub-workflows nest too deeply.
    """
    from checkpointflow.schemas import check, sentence, with_defaults

    if frame.depth >= MAX_DEPTH:
        raise frame.failure(step, f"step `{step.id}` nests sub-workflows deeper than {MAX_DEPTH}; end the recursion")
    schema = cast("JsonObject | bool", document.inputs)
    inputs = with_defaults({} if given is None else given, schema)
    problems = check(inputs, schema)
    if problems:
        raise frame.failure(
            step,
            f"the input of sub-workflow `{document.id}` in step `{step.id}` does not fit: {sentence(problems[0])}",
            details={"problems": [problem.message for problem in problems]},
        )
    return inputs


async def run_sub(frame: Frame, run: Run, document: Document, inputs: JsonValue) -> JsonValue:
    """Run a sub-workflow and return its value: its result, else its outputs, else the outputs of its steps."""
    from checkpointflow.frontends.document.interpreter import run_document

    inner = main_frame(document, frame.texts.of(document), run, inputs, frame.depth + 1, frame.trace)
    ended = await run_document(inner)
    if "result" in ended:
        return ended["result"]
    return ended.get("outputs", inner.value())
