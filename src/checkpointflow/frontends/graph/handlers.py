"""What handlers are given and what they return; nothing here calls one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias, cast

from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue, copied


class NodeEmit(Protocol):
    """Tells observers of a run something of the handler's own."""

    def __call__(self, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Emit an event; `data` has to be JSON."""


@dataclass(frozen=True, slots=True)
class WorkflowError:
    """Why something failed; `code` is one of those of `codes`, or a handler's own."""

    code: str
    message: str
    node: str | None = None
    retryable: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    cause_type: str | None = None

    def to_dict(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "code": self.code,
            "message": self.message,
            "node": self.node,
            "retryable": self.retryable,
            "details": self.details,
            "cause_type": self.cause_type,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorkflowError:
        """Return the error that `to_dict` gave as JSON."""
        return cls(
            code=str(data["code"]),
            message=str(data["message"]),
            node=data.get("node"),
            retryable=bool(data.get("retryable", False)),
            details=dict(data.get("details") or {}),
            cause_type=data.get("cause_type"),
        )


@dataclass(slots=True)
class WorkflowState:
    """The state of a run: its input, what nodes share, and what each keeps for itself."""

    input: dict[str, Any] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=dict)
    node: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return a copy as JSON."""
        return {
            "input": copied(cast(JsonValue, self.input)),
            "workflow": copied(cast(JsonValue, self.workflow)),
            "node": copied(cast(JsonValue, self.node)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorkflowState:
        """Return a copy of the state that `to_dict` gave as JSON."""
        own = cast("dict[str, Any]", copied(cast(JsonValue, dict(data))))
        return cls(own.get("input") or {}, own.get("workflow") or {}, own.get("node") or {})


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """What a handler returns.

    `outputs` are the labels that fire, in this order. The updates are merged into the state: `workflow_updates` into
    what all nodes share, `node_updates` into this node's own. `error` is a failure that is not tried again. With
    `waiting` the visit asks for an answer, and the handler is called again once there is one.
    """

    outputs: list[str] | tuple[str, ...] = ()
    workflow_updates: Mapping[str, Any] | None = None
    node_updates: Mapping[str, Any] | None = None
    tags: list[str] | tuple[str, ...] | None = None
    error: WorkflowError | None = None
    waiting: bool = False
    waiting_prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class NodeContext:
    """What a handler may know and use; `state` is its own copy.

    `resume_input` is the answer for which this visit waited, which also stands at `state.workflow["__resume__"]`;
    `is_resumed` tells one that is None from none. `item` and `item_index` are those of a `map`. `idempotency_key` is
    the same for all attempts of this call.
    """

    workflow_name: str
    workflow_hash: str
    run_id: str
    node_name: str
    node_config: dict[str, Any]
    step: int
    wave: int
    visit: int
    state: WorkflowState
    services: Mapping[str, Any]
    emit: NodeEmit
    attempt: int
    idempotency_key: str
    is_resumed: bool = False
    resume_input: Any = None
    item: Any = None
    item_index: int | None = None
    deadline: float | None = None
    monotonic: Callable[[], float] = field(repr=False)

    @property
    def node_state(self) -> dict[str, Any]:
        """What this node keeps for itself."""
        return self.state.node.get(self.node_name, {})

    def remaining_seconds(self) -> float | None:
        """Return how long this attempt may still take, 0 if its time is over, None if nothing bounds it."""
        return None if self.deadline is None else max(0.0, self.deadline - self.monotonic())

    def is_timed_out(self) -> bool:
        """Tell whether its time is over."""
        return self.remaining_seconds() == 0.0


WorkflowContext = NodeContext

Handler: TypeAlias = Callable[[NodeContext], "HandlerResult | Coroutine[Any, Any, HandlerResult]"]
"""A function, or an async one, that does the work of a node."""


def checked_handlers(handlers: object) -> dict[str, Handler]:
    """Return a copy of handlers by name.

    Raises:
        TypeError: they are no functions by name.
    """
    if not isinstance(handlers, Mapping):
        kind = type(handlers).__name__
        raise TypeError(f"the handlers are a `{kind}`; give functions by the names that the graph uses, in a dict")
    for name, handler in handlers.items():
        if not callable(handler):
            raise TypeError(f"the handler {name!r} is a `{type(handler).__name__}`; give it a function")
    return dict(handlers)
