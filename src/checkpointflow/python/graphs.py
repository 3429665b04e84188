"""Graphs of handlers as definitions that run themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.definition import GraphDefinition
from checkpointflow.frontends.graph.grammar import Graph as Grammar
from checkpointflow.frontends.graph.handlers import Handler
from checkpointflow.python.running import Runnable
from checkpointflow.values import JsonObject


class Graph(GraphDefinition, Runnable[JsonObject]):
    """A graph with its handlers; see Runnable for how it is run. Its result has `workflow`, `node`, `trace`, `tags`.

    `handlers` are functions by the names that the graph uses, or a module's name: only then can another process go on
    with a run. `services` are given to every handler, and are no part of a run.

    Raises:
        GraphError: the definition cannot be used; all problems are in `problems`. It is a ValueError, too.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        handlers: Mapping[str, Handler] | str | None = None,
        *,
        services: Mapping[str, Any] | None = None,
    ) -> None:
        graph = Grammar.of(checked_definition(definition))
        if isinstance(handlers, str):
            super().__init__(graph, services=services, module=handlers)
        else:
            super().__init__(graph, handlers or {}, services=services)
