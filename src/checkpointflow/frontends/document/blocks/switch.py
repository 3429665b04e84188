"""`switch`: the first case that is true leads on."""

from __future__ import annotations

from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step
from checkpointflow.values import JsonValue


async def run_switch(frame: Frame, step: Step) -> Done:
    """Go where the first true case leads; the output `matched` is that target.

    Raises:
        StepFailedError: no case is true, and there is no `default`.
    """
    target = frame.run.note(step.id, "switch", lambda: _target(frame, step))
    return Done(outputs={"matched": target}, jump=str(target))


def _target(frame: Frame, step: Step) -> JsonValue:
    target = first_true(frame, step, "cases")
    if target is not None:
        return target
    if "default" in step.fields:
        frame.took(step, "default")
        return step.fields["default"]
    raise frame.failure(step, f"no case of switch `{step.id}` is true; give it a `default`")


def first_true(frame: Frame, step: Step, field: str, event: JsonValue = None) -> str | None:
    """Return the target of the first of a field's cases whose condition is true."""
    cases = step.fields.get(field)
    inside = "event" if field == "transitions" else ""
    context = {**frame.context, "event": event} if inside else frame.context
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        if isinstance(case, dict):
            text = _condition_text(case["when"])
            if frame.texts.condition(step, field, index, "when", text=text, context=context, inside=inside):  # type: ignore[arg-type]
                frame.took(step, field, index, "next")
                return str(case["next"])
    return None


def _condition_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else "true" if value else "false"
