"""Snapshots of graph runs: a beginning of a run's journal with what it adds up to, as JSON and back; nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, cast

from checkpointflow.errors import said
from checkpointflow.frontends.graph.handlers import WorkflowError, WorkflowState
from checkpointflow.kernel import entries as e
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue, dump, load


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One row of the audit trail; `status` is `succeeded`, `failed` or `waiting`."""

    step: int
    wave: int
    node: str
    status: str
    ts: str
    visit: int = 1
    outputs: list[str] = field(default_factory=list)
    error: WorkflowError | None = None
    waiting: bool = False
    duration_ms: int | None = None

    def to_dict(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "step": self.step,
            "wave": self.wave,
            "node": self.node,
            "status": self.status,
            "ts": self.ts,
            "visit": self.visit,
            "outputs": [*self.outputs],
            "error": None if self.error is None else self.error.to_dict(),
            "waiting": self.waiting,
            "duration_ms": self.duration_ms,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepRecord:
        """Return the row that `to_dict` gave as JSON."""
        error = data.get("error")
        return cls(**{**data, "error": None if error is None else WorkflowError.from_dict(error)})


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMetadata:
    """A run in a few words."""

    run_id: str
    workflow_name: str
    workflow_hash: str
    status: str
    started_at: str
    updated_at: str
    current_node: str | None
    waiting: bool
    last_error: WorkflowError | None = None

    def to_dict(self) -> JsonObject:
        """Return it as JSON."""
        error = None if self.last_error is None else self.last_error.to_dict()
        names = ("run_id", "workflow_name", "workflow_hash", "status", "started_at", "updated_at", "current_node")
        return {name: getattr(self, name) for name in names} | {"waiting": self.waiting, "last_error": error}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunMetadata:
        """Return what `to_dict` gave as JSON."""
        error = data.get("last_error")
        return cls(**{**data, "last_error": None if error is None else WorkflowError.from_dict(error)})


@dataclass(frozen=True, slots=True)
class View:
    """What a journal adds up to, for whoever knows its graph."""

    state: WorkflowState
    trace: list[str]
    tags: list[str]
    audit_trail: list[StepRecord]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The first entries of a journal that goes on growing behind them; they cost nothing to take."""

    journal: Sequence[e.Encoded]
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[e.Encoded]:
        return islice(iter(self.journal), self.count)

    def decoded(self) -> list[e.AnyEntry]:
        """Return the entries."""
        return [e.decode(one.name, one.at, one.body, one.blobs.__getitem__) for one in self]


@dataclass(frozen=True, kw_only=True)
class RunSnapshot:
    """A point from which a run can go on: its journal up to there.

    `state`, `trace`, `tags` and `audit_trail` are worked out when they are asked for. `waits` has, for each gate that
    is open, its wait id, its node and its prompt.
    """

    run_id: str
    workflow_name: str
    wf_hash: str
    checkpoint_id: str
    status: str
    step: int
    wave: int
    last_node: str | None
    waits: tuple[tuple[str, str, str | None], ...]
    last_error: WorkflowError | None
    started_at: str
    updated_at: str
    recorded: Recorded = field(repr=False)
    view: Callable[[RunSnapshot], View] | None = field(default=None, repr=False, compare=False)

    @property
    def waiting(self) -> bool:
        """Tell whether the run waits for an answer."""
        return self.status == "waiting"

    @property
    def waiting_prompt(self) -> str | None:
        """The prompt of the gate that was opened first."""
        return self.waits[0][2] if self.waits else None

    @property
    def state(self) -> WorkflowState:
        """The state at this point."""
        return self._seen.state

    @property
    def trace(self) -> list[str]:
        """The nodes whose visits had ended, in that order."""
        return self._seen.trace

    @property
    def tags(self) -> list[str]:
        """The tags so far."""
        return self._seen.tags

    @property
    def audit_trail(self) -> list[StepRecord]:
        """What had come of each call."""
        return self._seen.audit_trail

    @cached_property
    def _seen(self) -> View:
        if self.view is None:
            raise RuntimeError(
                "a snapshot that was read without its engine has no state; read it with `engine.load_snapshot`"
            )
        return self.view(self)

    def metadata(self) -> RunMetadata:
        """Return the run in a few words."""
        return RunMetadata(
            run_id=self.run_id,
            workflow_name=self.workflow_name,
            workflow_hash=self.wf_hash,
            status=self.status,
            started_at=self.started_at,
            updated_at=self.updated_at,
            current_node=self.last_node,
            waiting=self.waiting,
            last_error=self.last_error,
        )

    def head(self) -> JsonObject:
        """Return all but the journal, and how much of that it has, as JSON."""
        return {
            "run_id": self.run_id,
            "workflow_name": self.workflow_name,
            "wf_hash": self.wf_hash,
            "checkpoint_id": self.checkpoint_id,
            "status": self.status,
            "step": self.step,
            "wave": self.wave,
            "last_node": self.last_node,
            "waits": [[*wait] for wait in self.waits],
            "last_error": None if self.last_error is None else self.last_error.to_dict(),
            "started_at": self.started_at,
            "updated_at": self.updated_at,
            "entries": len(self.recorded),
        }

    def to_dict(self) -> JsonObject:
        """Return it as JSON, which costs as much as the run is long."""
        told = self.head() | {"entries": [entry_dict(one) for one in self.recorded]}
        if self.view is not None:
            seen = self._seen
            rows: list[JsonValue] = [row.to_dict() for row in seen.audit_trail]
            told |= {"state": seen.state.to_dict(), "trace": [*seen.trace], "tags": [*seen.tags], "audit_trail": rows}
        return told

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | RunSnapshot) -> RunSnapshot:
        """Return the snapshot that `to_dict` gave as JSON.

        Raises:
            ValueError: it is none.
        """
        if isinstance(data, RunSnapshot):
            return data
        try:
            return cls.from_head(data, [entry_of(one) for one in data["entries"]], _viewed(data))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"this is no snapshot of a run: {said(error)}") from None

    @classmethod
    def from_head(
        cls, head: Mapping[str, Any], entries: Sequence[e.Encoded], view: Callable[[RunSnapshot], View] | None = None
    ) -> RunSnapshot:
        """Return the snapshot of a head with its entries."""
        error = head.get("last_error")
        return cls(
            run_id=str(head["run_id"]),
            workflow_name=str(head["workflow_name"]),
            wf_hash=str(head["wf_hash"]),
            checkpoint_id=str(head["checkpoint_id"]),
            status=str(head["status"]),
            step=int(head["step"]),
            wave=int(head["wave"]),
            last_node=head["last_node"],
            waits=tuple((wait[0], wait[1], wait[2]) for wait in head["waits"]),
            last_error=None if error is None else WorkflowError.from_dict(error),
            started_at=str(head["started_at"]),
            updated_at=str(head["updated_at"]),
            recorded=Recorded(entries, len(entries)),
            view=view,
        )


def _viewed(data: Mapping[str, Any]) -> Callable[[RunSnapshot], View] | None:
    if "state" not in data:
        return None
    view = View(
        WorkflowState.from_dict(data["state"]),
        [*data["trace"]],
        [*data["tags"]],
        [StepRecord.from_dict(row) for row in data["audit_trail"]],
    )
    return lambda _snapshot: view


def entry_dict(one: e.Encoded) -> JsonObject:
    """Return an entry of a journal as JSON."""
    told: JsonObject = {"entry": one.name, "at": one.at, "body": load(one.body)}
    return told | ({"blobs": {digest: load(text) for digest, text in one.blobs.items()}} if one.blobs else {})


def entry_of(written: Mapping[str, Any]) -> e.Encoded:
    """Return the entry that `entry_dict` gave as JSON."""
    blobs = {digest: dump(value) for digest, value in cast("dict[str, Any]", written.get("blobs") or {}).items()}
    return e.Encoded(str(written["entry"]), str(written["at"]), dump(written["body"]), blobs)
