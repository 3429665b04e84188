"""The synchronous face of graphs: an engine that runs one definition in this process, over the kernel's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from checkpointflow.clock import SystemClock
from checkpointflow.errors import RunSettledError, UnsupportedError
from checkpointflow.frontends.graph import codes
from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.grammar import EnginePolicy, Graph
from checkpointflow.frontends.graph.handlers import Handler, WorkflowError, WorkflowState, checked_handlers
from checkpointflow.frontends.graph.results import refuse_circles
from checkpointflow.frontends.graph.workflow import GraphWorkflow
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.effects import Stop
from checkpointflow.kernel.engine import DriveOutcome, drive
from checkpointflow.kernel.ids import RunId, WaitId
from checkpointflow.kernel.rehearsal import rehearse
from checkpointflow.kernel.retry import MAX_BACKOFF_SECONDS
from checkpointflow.kernel.revising import reopened
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.kernel.state import RunState, WaitRecord, fold
from checkpointflow.kernel.store import Hold, Message
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.python import graph_events as kinds
from checkpointflow.python.graph_events import EventCallback
from checkpointflow.python.graph_recorder import Recorder, times_of, view_of
from checkpointflow.python.graph_snapshots import RunSnapshot, StepRecord, View
from checkpointflow.python.graph_stores import WorkflowStore, checked_run_id
from checkpointflow.records import dataclass
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.values import JsonObject, JsonValue, checked


class _NotGiven:
    """Stands for an answer that was not given; None is one."""


NOT_GIVEN = _NotGiven()


@dataclass(frozen=True, kw_only=True)
class WorkflowResult:
    """How a run of the engine ended.

    `status` is `completed`, `failed`, `waiting` or `cancelled`. `error` is why it failed, `recovered_error` what the
    error node mended. `checkpoint` is where a waiting, failed or cancelled run can go on.
    """

    run_id: str
    success: bool
    status: str
    trace: list[str]
    tags: list[str]
    state: WorkflowState
    audit_trail: list[StepRecord]
    error: WorkflowError | None = None
    recovered_error: WorkflowError | None = None
    waiting: bool = False
    waiting_prompt: str | None = None
    checkpoint: RunSnapshot | None = None
    cancelled: bool = False


class WorkflowEngine:
    """Runs a graph with its handlers, in this process and synchronously; any number of threads may run it at once.

    Raises:
        GraphError: the definition cannot be used; it is a ValueError, too.
        TypeError: the handlers are no functions by name.
    """

    def __init__(
        self,
        workflow_def: Mapping[str, Any],
        handlers: Mapping[str, Handler],
        services: Mapping[str, Any] | None = None,
        event_callback: EventCallback | None = None,
        store: WorkflowStore | None = None,
    ) -> None:
        self._graph = Graph.of(checked_definition(workflow_def))
        self._handlers = checked_handlers(handlers)
        self._services = services
        self._callback = event_callback
        self._store = store
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._active: dict[_Drive, None] = {}
        self._claimed: set[str] = set()
        self._begun: set[RunId] = set()

    @classmethod
    def from_files(
        cls,
        workflow_json_path: str | Path,
        handlers: Mapping[str, Handler],
        services: Mapping[str, Any] | None = None,
        event_callback: EventCallback | None = None,
        store: WorkflowStore | None = None,
    ) -> WorkflowEngine:
        """Return the engine of a definition in a JSON file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no JSON, or no definition.
        """
        definition = json.loads(Path(workflow_json_path).read_text(encoding="utf-8"))
        return cls(definition, handlers, services, event_callback, store)

    @property
    def workflow_hash(self) -> str:
        """The SHA-256 of the definition, whatever the order of its keys."""
        return self._graph.digest

    @property
    def policy(self) -> EnginePolicy:
        """What the definition says under `engine_policy`."""
        return self._graph.policy

    # -- running ---------------------------------------------------------------------------------

    def run(self, initial_input: Mapping[str, Any] | None = None, run_id: str | None = None) -> WorkflowResult:
        """Run the graph from its entry until it ends, waits or is cancelled.

        Raises:
            ValueError, TypeError: the input is no JSON object, or the run id cannot be used, as one of a run that the
                store has, or that is under way.
            OSError: the store could not save a snapshot; the run was left there.
        """
        refuse_circles(initial_input or {}, "initial_input")
        given = checked(initial_input or {}, "initial_input")
        if not isinstance(given, dict):
            raise TypeError("`initial_input` is no object")
        chosen = ids.new_run_id(self._clock.now()) if run_id is None else RunId(checked_run_id(run_id))
        with nullcontext() if run_id is None else self._beginning(chosen):
            return self._run(chosen, given)

    def _run(self, chosen: RunId, given: JsonObject) -> WorkflowResult:
        started = e.RunStarted(
            at=self._clock.now(),
            workflow_id=self._graph.name,
            workflow_name=self._graph.name,
            workflow_version=None,
            definition=self.workflow_hash,
            source_path=None,
            input=given,
            labels={},
            actor=None,
            cwd=".",
            host="",
        )
        going = self._drive(chosen)
        going.recorder.committed([started], 1)
        return self._finish(going, [started], None)

    def run_from_checkpoint(
        self,
        checkpoint: RunSnapshot | Mapping[str, Any],
        resume_input: Any = NOT_GIVEN,
        *,
        node: str | None = None,
        again: bool = False,
    ) -> WorkflowResult:
        """Go on from a snapshot; `resume_input`, which may be None, answers its gate, or that of `node`.

        A failed run is tried again from the call that failed. From one checkpoint a run goes on once; `again` goes on
        once more all the same, which repeats what came after it.

        Raises:
            ValueError: the definition has changed since, the run went on from here before, or it is not clear which
                gate is answered.
            RunSettledError: the run has completed.
        """
        snapshot = RunSnapshot.from_dict(checkpoint)
        if snapshot.wf_hash != self.workflow_hash:
            raise ValueError(f"workflow hash mismatch: checkpoint={snapshot.wf_hash}, current={self.workflow_hash}")
        checked_run_id(snapshot.run_id)
        entries = snapshot.recorded.decoded()
        state = fold(entries)
        if state.status in ("completed", "cancelled", "moved"):
            raise RunSettledError(f"run `{snapshot.run_id}` is {state.status}; start a new one", run_id=snapshot.run_id)
        wait_id = None if isinstance(resume_input, _NotGiven) else _gate(state, node)
        answer = None if wait_id is None else checked(resume_input, "resume_input")
        if wait_id is not None or state.status != "waiting":
            self._claim(snapshot, again)
        going = self._drive(RunId(snapshot.run_id), [*snapshot.recorded])
        going.recorder.tell(kinds.EVENT_WF_RESUMED, None, {"checkpoint_id": snapshot.checkpoint_id})
        if state.status == "failed":
            entry = reopened(state, self._clock.now(), None, None)
            entries.append(entry)
            going.recorder.committed([entry], len(entries))
        return self._finish(going, entries, None if wait_id is None else (wait_id, answer))

    def cancel(self) -> None:
        """Cancel the runs that this engine has under way; from any thread, a handler or an observer.

        A run that begins later is not concerned.
        """
        with self._lock:
            active = list(self._active)
        for one in active:
            one.cancel()

    def load_snapshot(self, run_id: str) -> RunSnapshot:
        """Return the latest snapshot of a run.

        Raises:
            RuntimeError: the engine has no store.
            KeyError: the store has no such run.
        """
        if self._store is None:
            raise RuntimeError("no store configured")
        found = self._store.load_snapshot(run_id)
        return found if found.view is not None else RunSnapshot.from_head(found.head(), [*found.recorded], self._view)

    # -- a drive ---------------------------------------------------------------------------------

    @contextmanager
    def _beginning(self, run_id: RunId) -> Iterator[None]:
        """Let one new run at a time have an id, and none that the store has.

        Raises:
            ValueError: another run has it.
        """
        with self._lock:
            if run_id in self._begun:
                raise ValueError(f"run `{run_id}` is under way; take another id")
            self._begun.add(run_id)
        try:
            if self._is_stored(run_id):
                raise ValueError(
                    f"the store has a run `{run_id}`; take another id, or go on with "
                    f"`run_from_checkpoint(load_snapshot({run_id!r}))`"
                )
            yield
        finally:
            with self._lock:
                self._begun.discard(run_id)

    def _is_stored(self, run_id: RunId) -> bool:
        try:
            return self._store is not None and self._store.load_snapshot(run_id) is not None
        except KeyError:
            return False

    def _drive(self, run_id: RunId, journal: list[e.Encoded] | None = None) -> _Drive:
        workflow = GraphWorkflow(self._graph, self._handlers, services=self._services)
        recorder = Recorder(
            workflow,
            run_id,
            self._clock,
            callback=self._callback,
            store=self._store,
            view=self._view,
            journal=journal,
        )
        workflow.shop.emitted = recorder.emitted
        return _Drive(run_id, workflow, recorder, self._clock)

    def _finish(
        self, going: _Drive, entries: list[e.AnyEntry], answer: tuple[WaitId, JsonValue] | None
    ) -> WorkflowResult:
        with self._lock:
            self._active[going] = None
        try:
            outcome = going.run(entries, answer)
        finally:
            with self._lock:
                del self._active[going]
        if going.recorder.failure is not None:
            raise going.recorder.failure
        return self._result(going, outcome)

    def _result(self, going: _Drive, outcome: DriveOutcome) -> WorkflowResult:
        recorder, walk = going.recorder, going.workflow.walk
        snapshot = recorder.latest if recorder.latest is not None else recorder.checkpoint()
        seen = snapshot if walk is None else view_of(walk, recorder.times)
        status = outcome.status
        error = recorder.error if status == "failed" else None
        if status == "cancelled":
            error = WorkflowError(code=codes.WORKFLOW_CANCELLED, message="the run was cancelled")
        return WorkflowResult(
            run_id=going.run_id,
            success=status == "completed",
            status=status,
            trace=seen.trace,
            tags=seen.tags,
            state=seen.state,
            audit_trail=seen.audit_trail,
            error=error,
            recovered_error=walk.recovered if walk is not None and status == "completed" else None,
            waiting=status == "waiting",
            waiting_prompt=snapshot.waiting_prompt,
            checkpoint=None if status == "completed" else snapshot,
            cancelled=status == "cancelled",
        )

    def _view(self, snapshot: RunSnapshot) -> View:
        """Work out what a snapshot's journal adds up to."""
        workflow = GraphWorkflow(self._graph, {})
        rehearse(workflow, RunId(snapshot.run_id), snapshot.recorded.decoded(), self._clock)
        assert workflow.walk is not None
        return view_of(workflow.walk, times_of(snapshot.recorded))

    def _claim(self, snapshot: RunSnapshot, again: bool) -> None:
        claim: Callable[[str, str], bool] = getattr(self._store, "claim", self._claim_here)
        is_new = claim(snapshot.run_id, snapshot.checkpoint_id)
        if not is_new and not again:
            raise ValueError(
                f"run `{snapshot.run_id}` went on from this checkpoint before; load its latest snapshot, or say "
                "`again=True` to repeat what came after it"
            )

    def _claim_here(self, _run_id: str, checkpoint_id: str) -> bool:
        with self._lock:
            is_new = checkpoint_id not in self._claimed
            self._claimed.add(checkpoint_id)
        return is_new


class _Drive:
    """One drive of one run, over a store of its own."""

    def __init__(self, run_id: RunId, workflow: GraphWorkflow, recorder: Recorder, clock: SystemClock) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.recorder = recorder
        self._clock = clock
        self._store = MemoryStore(clock=clock)
        self._executor = ThreadExecutor(_refuse, lambda _run_id, _attempts: None)
        self._interrupt = Interrupt()
        recorder.stop = self._interrupt.ask

    def run(self, entries: list[e.AnyEntry], answer: tuple[WaitId, JsonValue] | None) -> DriveOutcome:
        hold = self._store.create(self.run_id, entries, holder=self._store.holder())
        assert isinstance(hold, Hold)
        if answer is not None:
            self._store.answer(self._message("event", *answer))
        world = Surroundings(
            store=self._store,
            executor=self._executor,
            clock=self._clock,
            fits=lambda _schema, _payload: True,
            inline_wait_seconds=MAX_BACKOFF_SECONDS,
            observer=self.recorder.committed,
            interrupt=self._interrupt,
        )
        return drive(self.workflow, hold, world)

    def cancel(self) -> None:
        self._store.deliver(self._message("cancel"))
        self._executor.wake()

    def _message(self, kind: Any, wait_id: WaitId | None = None, payload: JsonValue = None) -> Message:
        told: JsonValue = cast(JsonObject, {}) if kind == "cancel" else payload
        return Message(
            run_id=self.run_id,
            event_id=ids.new_event_id(),
            kind=kind,
            name="",
            payload=told,
            actor=None,
            at=self._clock.now(),
            wait_id=wait_id,
        )


def _gate(state: RunState, node: str | None) -> WaitId:
    """Return the wait that an answer is for.

    Raises:
        ValueError: there is none, or there are several and no node was named.
    """
    gates: dict[WaitId, str] = {}
    for wait_id, key in state.waiting.items():
        record = state.records[key]
        if isinstance(record, WaitRecord):
            gates[wait_id] = str(record.request["event_name"])
    fitting = [wait_id for wait_id, name in gates.items() if node in (None, name, wait_id)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"`{name}` ({wait_id})" for wait_id, name in gates.items())
    if not gates:
        raise ValueError("nothing waits for an answer at this checkpoint; go on without `resume_input`")
    if not fitting:
        raise ValueError(f"no gate of `{node}` is open; there are {listed}")
    raise ValueError(f"several gates are open: {listed}; say which with `node`")


def _refuse(_call: StepCall, context: StepContext, _stop: Stop) -> StepResult:
    raise UnsupportedError(f"step `{context.key}` is none of a graph's, so this engine cannot perform it")
