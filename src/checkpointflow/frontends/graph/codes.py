"""The codes of what goes wrong in a graph, and the errors that carry them; they are told apart, not handled, here."""

from __future__ import annotations

from collections.abc import Sequence

from checkpointflow.errors import CheckpointflowError, StepFailedError, StepTimeoutError, WorkflowCodeError
from checkpointflow.frontends.graph.handlers import WorkflowError
from checkpointflow.values import JsonObject, JsonValue

HANDLER_EXCEPTION = "HANDLER_EXCEPTION"
HANDLER_NOT_REGISTERED = "HANDLER_NOT_REGISTERED"
INVALID_RESULT = "INVALID_RESULT"
UNDECLARED_OUTPUT = "UNDECLARED_OUTPUT"
STATE_SERIALIZATION = "STATE_SERIALIZATION"
STATE_CONTRACT = "STATE_CONTRACT"
NODE_TIMEOUT = "NODE_TIMEOUT"
MAP_ITEMS = "MAP_ITEMS"
JOIN_STARVED = "JOIN_STARVED"
MAX_STEPS_EXCEEDED = "MAX_STEPS_EXCEEDED"
WORKFLOW_TIMEOUT = "WORKFLOW_TIMEOUT"
WORKFLOW_CANCELLED = "WORKFLOW_CANCELLED"


def node_failure(
    code: str, message: str, *, exceptions: Sequence[str] = (), details: JsonObject | None = None
) -> StepFailedError:
    """Return the failure of a call; only one with the names of an exception is tried again."""
    names: list[JsonValue] = [*exceptions]
    told: JsonObject = {"graph_code": code, **({"given": details} if details else {})}
    return StepFailedError(message, details=told | ({"exceptions": names} if names else {}))


def run_failure(code: str, message: str, step_key: str | None = None) -> CheckpointflowError:
    """Return the failure of a run as a whole."""
    cls = StepTimeoutError if code == WORKFLOW_TIMEOUT else WorkflowCodeError
    return cls(message, details={"graph_code": code, "ends_graph": True}, step_key=step_key)


def shown(error: CheckpointflowError, node: str | None = None) -> WorkflowError:
    """Return an error as a graph's state and result show it."""
    return shown_record({"code": error.code, "message": error.message, "details": error.details}, node)


def shown_record(record: JsonObject, node: str | None = None) -> WorkflowError:
    """Return a recorded error as a graph's state and result show it."""
    details = record.get("details")
    known = details if isinstance(details, dict) else {}
    otherwise = NODE_TIMEOUT if record.get("code") == StepTimeoutError.code else HANDLER_EXCEPTION
    exceptions, given = known.get("exceptions"), known.get("given")
    named = known.get("node")
    return WorkflowError(
        code=str(known.get("graph_code") or otherwise),
        message=str(record.get("message")),
        node=node if node is not None else named if isinstance(named, str) else None,
        retryable=bool(exceptions) or otherwise == NODE_TIMEOUT,
        details=dict(given) if isinstance(given, dict) else {},
        cause_type=str(exceptions[0]) if isinstance(exceptions, list) and exceptions else None,
    )


def ends_run(error: CheckpointflowError) -> bool:
    """Tell whether an error ends the whole graph, whatever its nodes say about failures."""
    return error.details.get("ends_graph") is True
