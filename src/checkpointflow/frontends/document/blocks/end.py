"""`end`: a list's result, or the reason why it fails."""

from __future__ import annotations

from checkpointflow.frontends.document.frame import Done, End, Frame
from checkpointflow.frontends.document.model import Step
from checkpointflow.values import JsonObject, JsonValue


async def run_end(frame: Frame, step: Step) -> Done:
    """End the list with the result, if one is given.

    Raises:
        StepFailedError: the step says `fail`.
    """
    if "fail" in step.fields:
        raise frame.failure(step, frame.texts.text(step, "fail", context=frame.context) or "the workflow says so")
    value = frame.run.note(step.id, "end", lambda: _value(frame, step))
    ended: JsonObject = value if isinstance(value, dict) else {}
    return Done(outputs=ended.get("result"), end=End(ended))


def _value(frame: Frame, step: Step) -> JsonValue:
    if "result" not in step.fields:
        return {}
    return {"result": frame.texts.value(step, "result", context=frame.context)}
