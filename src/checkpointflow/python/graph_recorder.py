"""Follows a graph's run from commit to commit: keeps its journal, tells events, saves snapshots; it decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from checkpointflow.clock import Clock, from_text, to_text
from checkpointflow.frontends.graph.calling import Call
from checkpointflow.frontends.graph.codes import shown_record
from checkpointflow.frontends.graph.handlers import WorkflowError, WorkflowState
from checkpointflow.frontends.graph.walk import Walk
from checkpointflow.frontends.graph.workflow import GraphWorkflow
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import new_event_id
from checkpointflow.python import graph_events as kinds
from checkpointflow.python.graph_events import Event, EventCallback
from checkpointflow.python.graph_snapshots import Recorded, RunSnapshot, StepRecord, View
from checkpointflow.python.graph_stores import WorkflowStore
from checkpointflow.values import JsonObject, load


class Recorder:
    """What one run of an engine has recorded so far, and who is told of it.

    `failure` is why a snapshot could not be saved; `stop` is then called, since the run would go on unsaved.
    """

    def __init__(
        self,
        workflow: GraphWorkflow,
        run_id: str,
        clock: Clock,
        *,
        callback: EventCallback | None,
        store: WorkflowStore | None,
        view: Callable[[RunSnapshot], View],
        journal: list[e.Encoded] | None = None,
    ) -> None:
        self._workflow = workflow
        self._run_id = run_id
        self._clock = clock
        self._callback = callback
        self._store = store
        self._persists = workflow.graph.policy.persist_checkpoints
        self._view = view
        self._lock = threading.RLock()
        self.journal: list[e.Encoded] = []
        self.times: dict[str, tuple[datetime, datetime | None]] = {}
        self.status = "running"
        self.error: WorkflowError | None = None
        self.failure: BaseException | None = None
        self.stop: Callable[[], object] = lambda: None
        self.latest: RunSnapshot | None = None
        self._last: Call | None = None
        self._waits: dict[str, tuple[str, str | None]] = {}
        self._started_at = to_text(clock.now())
        for one in journal or ():
            self._keep(e.decode(one.name, one.at, one.body, one.blobs.__getitem__), one)

    # -- commits ---------------------------------------------------------------------------------

    def committed(self, entries: Sequence[e.AnyEntry], _position: int) -> None:
        """Take in what was committed, and tell of it."""
        with self._lock:
            is_cancelled = any(isinstance(entry, e.RunCancelled) for entry in entries)
            for entry in entries:
                if is_cancelled and _belongs_to_cancelling(entry):
                    self._tell_cancelled(entry)
                    continue
                self._keep(entry, e.encode(entry))
                self._tell_of(entry)

    def _keep(self, entry: e.AnyEntry, encoded: e.Encoded) -> None:
        self.journal.append(encoded)
        match entry:
            case e.RunStarted():
                self._started_at = to_text(entry.at)
            case e.StepStarted():
                self.times[entry.key] = (entry.at, None)
            case e.StepCompleted() | e.StepFailed():
                self.times[entry.key] = (self.times[entry.key][0], entry.at)
            case e.WaitOpened():
                prompt = entry.request.get("prompt")
                self._waits[entry.wait_id] = (str(entry.request["event_name"]), None if prompt is None else str(prompt))
            case e.WaitClosed() | e.EventReceived():
                self._waits.pop(entry.wait_id, None)
        self.status = _status_after(entry)

    def _tell_of(self, entry: e.AnyEntry) -> None:
        match entry:
            case e.RunStarted():
                self.tell(kinds.EVENT_WF_START, None, {"input": entry.input})
                self.checkpoint()
            case e.StepStarted() if entry.attempt == 1:
                self._tell_call(kinds.EVENT_NODE_START, entry.key, {})
            case e.StepCompleted():
                self._tell_completed(entry)
            case e.StepFailed():
                self._tell_failed(entry)
            case e.EventReceived():
                self.checkpoint()
            case e.RunParked():
                waits = [{"wait_id": name, "node": node, "prompt": text} for name, (node, text) in self._waits.items()]
                self.tell(kinds.EVENT_WF_WAITING, self._last, {"waits": waits})
                self.checkpoint()
            case e.RunCompleted() | e.RunFailed():
                self._tell_ended(entry)

    def _tell_completed(self, entry: e.StepCompleted) -> None:
        told = cast(JsonObject, entry.output)
        if told.get("undeclared"):
            self._tell_call(kinds.EVENT_NODE_WARNING, entry.key, {"warning": told["undeclared"]})
        if not told.get("waiting"):
            self._tell_call(kinds.EVENT_NODE_END, entry.key, {"outputs": told["outputs"]})
        self.checkpoint()

    def _tell_failed(self, entry: e.StepFailed) -> None:
        call = self._workflow.shop.calls.get(entry.key)
        error = shown_record(entry.error, None if call is None else call.node.name)
        if entry.retry_at is not None:
            retries = 0 if call is None else call.node.policy.max_retries
            told = {"attempt": entry.attempt, "max_retries": retries, "error": error.message}
            self._tell_call(kinds.EVENT_NODE_RETRY, entry.key, told)
            return
        self.error = error
        self._tell_call(kinds.EVENT_NODE_ERROR, entry.key, {"error": error.to_dict()})
        self.checkpoint()

    def _tell_ended(self, entry: e.RunCompleted | e.RunFailed) -> None:
        told: dict[str, Any] = {"success": isinstance(entry, e.RunCompleted), **self._sums()}
        if isinstance(entry, e.RunFailed):
            self.error = shown_record(entry.error)
            told["error"] = self.error.to_dict()
        self.checkpoint()
        self.tell(kinds.EVENT_WF_END, self._last, told)

    def _tell_cancelled(self, entry: e.AnyEntry) -> None:
        if isinstance(entry, e.RunCancelled):
            self.status = "cancelled"
            self.tell(kinds.EVENT_WF_CANCELLED, self._last, {})
            self.checkpoint()
            self.tell(kinds.EVENT_WF_END, self._last, {"success": False, "cancelled": True, **self._sums()})

    def _sums(self) -> dict[str, Any]:
        walk = self._workflow.walk
        return {"trace": [], "tags": []} if walk is None else {"trace": [*walk.trace], "tags": [*walk.tags]}

    # -- telling ---------------------------------------------------------------------------------

    def emitted(self, _key: str, call: Call, kind: str, data: JsonObject) -> None:
        """Tell what a handler says; called in its thread."""
        self.tell(kind, call, data)

    def _tell_call(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        self._last = self._workflow.shop.calls.get(key, self._last)
        self.tell(kind, self._last, data)

    def tell(self, kind: str, call: Call | None, data: Mapping[str, Any]) -> None:
        """Tell an event; an observer that fails changes nothing."""
        event = Event(
            run_id=self._run_id,
            step=0 if call is None else call.step,
            wave=0 if call is None else call.wave,
            node=None if call is None else call.node.name,
            kind=kind,
            ts=to_text(self._clock.now()),
            data=data,
        )
        with self._lock:
            for observe in (self._callback, self._append):
                try:
                    if observe is not None:
                        observe(event)
                except Exception:
                    continue  # who looks on cannot break a run

    def _append(self, event: Event) -> None:
        if self._store is not None:
            self._store.append_event(self._run_id, event)

    # -- snapshots -------------------------------------------------------------------------------

    def checkpoint(self) -> RunSnapshot:
        """Take a snapshot of all that is recorded, tell of it, and save it."""
        snapshot = self.latest = self._snapshot()
        self.tell(kinds.EVENT_CHECKPOINT, self._last, {"state": snapshot})
        if self._store is not None and self._persists and self.failure is None:
            try:
                self._store.save_snapshot(snapshot)
            except Exception as error:
                self.failure = error
                self.stop()
            else:
                self.tell(kinds.EVENT_STORE_SAVED, self._last, {"checkpoint_id": snapshot.checkpoint_id})
        return snapshot

    def _snapshot(self) -> RunSnapshot:
        graph, last = self._workflow.graph, self._last
        return RunSnapshot(
            run_id=self._run_id,
            workflow_name=graph.name,
            wf_hash=graph.digest,
            checkpoint_id=new_event_id(),
            status=self.status,
            step=0 if last is None else last.step,
            wave=0 if last is None else last.wave,
            last_node=None if last is None else last.node.name,
            waits=tuple((wait_id, node, prompt) for wait_id, (node, prompt) in self._waits.items()),
            last_error=self.error,
            started_at=self._started_at,
            updated_at=to_text(self._clock.now()),
            recorded=Recorded(self.journal, len(self.journal)),
            view=self._view,
        )


def _status_after(entry: e.AnyEntry) -> str:
    match entry:
        case e.RunCompleted():
            return "completed"
        case e.RunFailed():
            return "failed"
        case e.RunParked():
            return "waiting"
        case _:
            return "running"


def _belongs_to_cancelling(entry: e.AnyEntry) -> bool:
    """Tell whether an entry only says what a cancellation ended: a run may go on from before it."""
    if isinstance(entry, e.StepInterrupted | e.WaitClosed):
        return entry.cause == "cancelled"
    return isinstance(entry, e.RunCancelled) or (isinstance(entry, e.ScopeClosed) and entry.outcome == "cancelled")


def view_of(walk: Walk, times: Mapping[str, tuple[datetime, datetime | None]]) -> View:
    """Return what a walk has come to."""
    rows = [
        StepRecord(
            step=row.step,
            wave=row.wave,
            node=row.node,
            visit=row.visit,
            status=row.status,
            outputs=[*row.outputs],
            error=row.error,
            waiting=row.status == "waiting",
            ts=_ended_at(times.get(row.key or "")),
            duration_ms=_duration(times.get(row.key or "")),
        )
        for row in walk.audit
    ]
    return View(WorkflowState.from_dict(walk.state), [*walk.trace], [*walk.tags], rows)


def times_of(entries: Sequence[e.Encoded] | Recorded) -> dict[str, tuple[datetime, datetime | None]]:
    """Return when each step began and ended."""
    times: dict[str, tuple[datetime, datetime | None]] = {}
    for one in entries:
        if one.name in ("step_started", "step_completed", "step_failed"):
            key, at = str(cast(JsonObject, load(one.body))["key"]), from_text(one.at)
            times[key] = (at, None) if one.name == "step_started" else (times[key][0], at)
    return times


def _ended_at(span: tuple[datetime, datetime | None] | None) -> str:
    return "" if span is None else to_text(span[1] or span[0])


def _duration(span: tuple[datetime, datetime | None] | None) -> int | None:
    return None if span is None or span[1] is None else int((span[1] - span[0]).total_seconds() * 1000)
