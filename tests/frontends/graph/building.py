"""Small graphs, written shortly, and what drives them over a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.workflow import GraphWorkflow
from checkpointflow.graph import HandlerResult, NodeContext, WorkflowEngine, WorkflowResult
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import EventId, RunId
from checkpointflow.kernel.store import Message
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock

RUN = RunId("run-1")


def node(handler: str | None = None, *, loops: Mapping[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """A node; other than the fields of the grammar, `ok="a b"` and the like say where labels lead."""
    known = {"config", "run_policy", "join", "on_error", "state_contract", "subflow", "map", "description"}
    outputs = {
        label: [{"target_node": target} for target in to.split()] for label, to in fields.items() if label not in known
    }
    for label, target in (loops or {}).items():
        outputs.setdefault(label, []).append({"target_node": target, "is_loopback": True})
    outputs.setdefault("ok", [])
    told = {name: value for name, value in fields.items() if name in known}
    return {"outputs": outputs, **({} if "subflow" in told or "map" in told else {"handler": handler or "go"}), **told}


def graph(
    nodes: Mapping[str, Any], *, entry: str | Sequence[str] = "", error: str | None = None, **policy: Any
) -> dict[str, Any]:
    """A definition that begins at its first node unless told otherwise."""
    told: dict[str, Any] = {"workflow_name": "w", "nodes": dict(nodes)}
    told |= {"default_entry_node": entry or next(iter(nodes))} if isinstance(entry, str) else {"entry_nodes": [*entry]}
    told |= {"default_error_node": error} if error else {}
    return told | ({"engine_policy": policy} if policy else {})


def go(*labels: str, **fields: Any) -> HandlerResult:
    return HandlerResult(outputs=[*labels], **fields)


def ok(ctx: NodeContext) -> HandlerResult:
    return go("ok")


class Order:
    """Handlers that note in which order they were called."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, ctx: NodeContext) -> HandlerResult:
        self.names.append(ctx.node_name)
        return go("ok")


def run(
    definition: Mapping[str, Any],
    handlers: Mapping[str, Any] | Callable[..., Any] = ok,
    given: Any = None,
    **engine: Any,
) -> WorkflowResult:
    """Run a definition; a single handler stands for all names."""
    return engine_of(definition, handlers, **engine).run(given)


def engine_of(
    definition: Mapping[str, Any], handlers: Mapping[str, Any] | Callable[..., Any] = ok, **engine: Any
) -> WorkflowEngine:
    return WorkflowEngine(definition, handlers if isinstance(handlers, Mapping) else {"go": handlers}, **engine)


class World:
    """A run of a graph over a memory store and a clock that stands still until a test, or a handler, moves it."""

    def __init__(self, definition: Mapping[str, Any], handlers: Mapping[str, Any], given: Any = None) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.graph = Graph.of(checked_definition(definition))
        self.handlers = handlers
        self.given = given

    def begin(self) -> str:
        started = e.RunStarted(
            at=self.clock.now(), workflow_id="w", workflow_name="w", workflow_version=None, definition="d",
            source_path=None, input=self.given, labels={}, actor=None, cwd="/", host="here",
        )  # fmt: skip
        return self.go_on([started])

    def go_on(self, entries: Sequence[e.AnyEntry] = ()) -> str:
        """Drive the run, begun with these entries if there are any, and return its status."""
        holder = self.store.holder()
        hold = self.store.create(RUN, entries, holder=holder) if entries else None
        hold = hold or self.store.acquire(RUN, holder, at=self.clock.now())
        workflow = GraphWorkflow(self.graph, self.handlers)
        executor = ThreadExecutor(lambda *_: None, lambda *_: None)  # type: ignore[arg-type,return-value]
        world = Surroundings(store=self.store, executor=executor, clock=self.clock, fits=lambda *_: True)
        self.workflow = workflow
        return drive(workflow, hold, world).status

    def answer(self, payload: Any, *, wait_id: str | None = None) -> None:
        chosen = wait_id or next(wait.wait_id for wait in self.store.waits(RUN))
        delivery = self.store.answer(
            Message(
                run_id=RUN, event_id=EventId(f"e{chosen}"), kind="event", name="", payload=payload, actor=None,
                at=self.clock.now(), wait_id=chosen,
            )
        )  # fmt: skip
        assert delivery.outcome == "accepted"

    def entries(self) -> list[e.AnyEntry]:
        return self.store.entries(RUN)

    @property
    def ended_with(self) -> Any:
        last = self.entries()[-1]
        return last.value if isinstance(last, e.RunCompleted) else last.error if isinstance(last, e.RunFailed) else None
