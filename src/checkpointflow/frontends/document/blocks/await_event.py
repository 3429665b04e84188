"""`await_event`: asks for an event and goes where the answer leads."""

from __future__ import annotations

from checkpointflow.errors import StepTimeoutError
from checkpointflow.frontends.document.blocks.sleep import LONGEST_SECONDS
from checkpointflow.frontends.document.blocks.switch import first_true
from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step
from checkpointflow.kernel.run import Answer, WaitRequest


async def run_await_event(frame: Frame, step: Step) -> Done:
    """Wait for the event; its payload is the step's outputs.

    Raises:
        StepTimeoutError: nobody answered in time, and there is no `on_timeout`.
    """
    answer = await frame.run.wait(step.id, _request(frame, step))
    if isinstance(answer, Answer):
        return Done(outputs=answer.payload, jump=first_true(frame, step, "transitions", answer.payload))
    return _expired(frame, step)


def _request(frame: Frame, step: Step) -> WaitRequest:
    texts, context = frame.texts, frame.context
    return WaitRequest(
        event_name=str(step.fields["event_name"]),
        audience=str(step.fields["audience"]),
        input_schema=step.fields["input_schema"],
        prompt=texts.text(step, "prompt", context=context),
        summary=texts.text(step, "summary", context=context),
        risk_level=step.risk_level,
        timeout_seconds=min(step.timeout_seconds, LONGEST_SECONDS) if step.timeout_seconds else None,
    )


def _expired(frame: Frame, step: Step) -> Done:
    instead = step.fields.get("on_timeout")
    if not isinstance(instead, dict):
        raise StepTimeoutError(
            f"nobody answered `{step.fields['event_name']}` of step `{step.id}` "
            f"within {step.timeout_seconds or 0:g} seconds",
            step_key=frame.key_of(step),
        )
    target = instead.get("next")
    frame.took(step, "on_timeout", *([] if target is None else ["next"]))
    return Done(
        outputs=frame.texts.value(step, "on_timeout", "outputs", context=frame.context),
        jump=None if target is None else str(target),
    )
