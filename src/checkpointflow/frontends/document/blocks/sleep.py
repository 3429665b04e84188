"""`sleep`: an instant to wait for."""

from __future__ import annotations

from datetime import datetime, timedelta

from checkpointflow.clock import from_text
from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step

LONGEST_SECONDS = 100 * 366 * 24 * 3600
"""A century: no instant that is farther away has to be told."""


async def run_sleep(frame: Frame, step: Step) -> Done:
    """Sleep; the instant is fixed when the step is first reached.

    Raises:
        StepFailedError: `seconds` is no such number, or `until` no instant.
    """
    await frame.run.sleep(step.id, _until(frame, step))
    return Done()


def _until(frame: Frame, step: Step) -> datetime | timedelta:
    if "until" in step.fields:
        text = frame.texts.text(step, "until", context=frame.context) or ""
        try:
            return from_text(text)
        except (ValueError, OverflowError):
            raise frame.failure(
                step, f"`until` of step `{step.id}` is {text[:80]!r}; write an instant such as 2030-01-01T09:00:00Z"
            ) from None
    seconds = frame.texts.value(step, "seconds", context=frame.context)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_SECONDS:
        raise frame.failure(
            step,
            f"`seconds` of step `{step.id}` is `{str(seconds)[:80]}`; it takes a number of seconds from 0 to a century",
        )
    return timedelta(seconds=seconds)
