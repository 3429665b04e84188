"""Graphs of handlers, for Python programs: `from checkpointflow.graph import WorkflowEngine, HandlerResult`."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpointflow.frontends.graph.checks import problems_of
    from checkpointflow.frontends.graph.definition import GraphDefinition
    from checkpointflow.frontends.graph.grammar import EnginePolicy
    from checkpointflow.frontends.graph.handlers import (
        Handler,
        HandlerResult,
        NodeContext,
        WorkflowContext,
        WorkflowError,
        WorkflowState,
    )
    from checkpointflow.frontends.graph.schema import graph_schema
    from checkpointflow.frontends.graph.workflow import GraphWorkflow
    from checkpointflow.python.graph_engine import WorkflowEngine, WorkflowResult
    from checkpointflow.python.graph_events import (
        EVENT_CHECKPOINT,
        EVENT_NODE_END,
        EVENT_NODE_ERROR,
        EVENT_NODE_RETRY,
        EVENT_NODE_START,
        EVENT_NODE_WARNING,
        EVENT_STORE_SAVED,
        EVENT_WF_CANCELLED,
        EVENT_WF_END,
        EVENT_WF_RESUMED,
        EVENT_WF_START,
        EVENT_WF_WAITING,
        Event,
        EventCallback,
    )
    from checkpointflow.python.graph_snapshots import RunMetadata, RunSnapshot, StepRecord
    from checkpointflow.python.graph_stores import InMemoryWorkflowStore, JsonFileWorkflowStore, WorkflowStore
    from checkpointflow.python.graphs import Graph

_HANDLERS = "checkpointflow.frontends.graph.handlers"
_EVENTS = "checkpointflow.python.graph_events"
_SNAPSHOTS = "checkpointflow.python.graph_snapshots"
_STORES = "checkpointflow.python.graph_stores"
_HOMES = {
    "EVENT_CHECKPOINT": _EVENTS,
    "EVENT_NODE_END": _EVENTS,
    "EVENT_NODE_ERROR": _EVENTS,
    "EVENT_NODE_RETRY": _EVENTS,
    "EVENT_NODE_START": _EVENTS,
    "EVENT_NODE_WARNING": _EVENTS,
    "EVENT_STORE_SAVED": _EVENTS,
    "EVENT_WF_CANCELLED": _EVENTS,
    "EVENT_WF_END": _EVENTS,
    "EVENT_WF_RESUMED": _EVENTS,
    "EVENT_WF_START": _EVENTS,
    "EVENT_WF_WAITING": _EVENTS,
    "EnginePolicy": "checkpointflow.frontends.graph.grammar",
    "Event": _EVENTS,
    "EventCallback": _EVENTS,
    "Graph": "checkpointflow.python.graphs",
    "GraphDefinition": "checkpointflow.frontends.graph.definition",
    "GraphWorkflow": "checkpointflow.frontends.graph.workflow",
    "Handler": _HANDLERS,
    "HandlerResult": _HANDLERS,
    "InMemoryWorkflowStore": _STORES,
    "JsonFileWorkflowStore": _STORES,
    "NodeContext": _HANDLERS,
    "RunMetadata": _SNAPSHOTS,
    "RunSnapshot": _SNAPSHOTS,
    "StepRecord": _SNAPSHOTS,
    "WorkflowContext": _HANDLERS,
    "WorkflowEngine": "checkpointflow.python.graph_engine",
    "WorkflowError": _HANDLERS,
    "WorkflowResult": "checkpointflow.python.graph_engine",
    "WorkflowState": _HANDLERS,
    "WorkflowStore": _STORES,
    "graph_schema": "checkpointflow.frontends.graph.schema",
    "problems_of": "checkpointflow.frontends.graph.checks",
}

__all__ = [
    "EVENT_CHECKPOINT",
    "EVENT_NODE_END",
    "EVENT_NODE_ERROR",
    "EVENT_NODE_RETRY",
    "EVENT_NODE_START",
    "EVENT_NODE_WARNING",
    "EVENT_STORE_SAVED",
    "EVENT_WF_CANCELLED",
    "EVENT_WF_END",
    "EVENT_WF_RESUMED",
    "EVENT_WF_START",
    "EVENT_WF_WAITING",
    "EnginePolicy",
    "Event",
    "EventCallback",
    "Graph",
    "GraphDefinition",
    "GraphWorkflow",
    "Handler",
    "HandlerResult",
    "InMemoryWorkflowStore",
    "JsonFileWorkflowStore",
    "NodeContext",
    "RunMetadata",
    "RunSnapshot",
    "StepRecord",
    "WorkflowContext",
    "WorkflowEngine",
    "WorkflowError",
    "WorkflowResult",
    "WorkflowState",
    "WorkflowStore",
    "graph_schema",
    "problems_of",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module `checkpointflow.graph` has no `{name}`")
    found: object = getattr(_import_module(home), name)
    globals()[name] = found
    return found
