"""What a response to a step in doubt says: a decision, checked; which step it is for is found elsewhere."""

from __future__ import annotations

from typing import get_args

from checkpointflow.errors import EventPayloadError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.store import OpenWait
from checkpointflow.values import JsonObject, JsonValue

_FORM = '{"decision": "done" | "again" | "fail", "output": …, "reason": …}'
_FIELDS = {"decision", "output", "reason"}


def decision_of(doubt: OpenWait, response: JsonValue) -> JsonObject:
    """Return the decision of a response to a step in doubt, with all its fields.

    Raises:
        EventPayloadError: it is none; the run is as it was.
    """
    why = _misfit(response)
    if why or not isinstance(response, dict):
        raise EventPayloadError(
            f"the response to step `{doubt.key}`, which is in doubt, {why}; give `{_FORM}`; the run is as it was",
            run_id=doubt.run_id,
            step_key=doubt.key,
        )
    return {"output": None, "reason": None, **response}


def _misfit(response: JsonValue) -> str:
    if not isinstance(response, dict):
        return "is no decision"
    unknown = [name for name in response if name not in _FIELDS]
    if unknown:
        return f"has a field `{unknown[0][:80]}`"
    decision = response.get("decision")
    if decision not in get_args(e.Decision):
        return f"decides `{str(decision)[:80]}`" if "decision" in response else "has no `decision`"
    if "output" in response and decision != "done":
        return "has an `output`, which goes with `done` alone"
    if not isinstance(response.get("reason"), str | None):
        return "has a `reason` that is no text"
    return ""
