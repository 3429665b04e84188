"""What a graph's engine tells while it runs: the kinds of events and their shape; who tells them is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject

EVENT_WF_START = "wf:start"
EVENT_WF_END = "wf:end"
EVENT_WF_WAITING = "wf:waiting"
EVENT_WF_CANCELLED = "wf:cancelled"
EVENT_WF_RESUMED = "wf:resumed"
EVENT_NODE_START = "node:start"
EVENT_NODE_END = "node:end"
EVENT_NODE_ERROR = "node:error"
EVENT_NODE_RETRY = "node:retry"
EVENT_NODE_WARNING = "node:warning"
EVENT_CHECKPOINT = "checkpoint"
EVENT_STORE_SAVED = "store:saved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in a run; `kind` is one of the constants here, or a handler's own word.

    `data["state"]` of a checkpoint is its `RunSnapshot`.
    """

    run_id: str
    step: int
    wave: int
    node: str | None
    kind: str
    ts: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return it as JSON; of a checkpoint only the id, since the whole would repeat the run each time."""
        data = {name: getattr(value, "checkpoint_id", value) for name, value in self.data.items()}
        return {
            "run_id": self.run_id,
            "step": self.step,
            "wave": self.wave,
            "node": self.node,
            "kind": self.kind,
            "ts": self.ts,
            "data": data,
        }


EventCallback: TypeAlias = Callable[[Event], None]
