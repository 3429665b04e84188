"""`set`: values, computed once."""

from __future__ import annotations

from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step


async def run_set(frame: Frame, step: Step) -> Done:
    """Compute the values, or take those that an earlier drive computed."""
    return Done(
        outputs=frame.run.note(step.id, "set", lambda: frame.texts.value(step, "values", context=frame.context))
    )
