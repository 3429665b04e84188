"""Graphs of handlers as definitions that run themselves."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.definition import GraphDefinition
from checkpointflow.frontends.graph.grammar import Graph as Grammar
from checkpointflow.frontends.graph.handlers import Handler, checked_handlers
from checkpointflow.python.running import Runnable
from checkpointflow.values import JsonObject


class Graph(GraphDefinition, Runnable[JsonObject]):
    """A graph with its handlers; see Runnable for how it is run. Its result has `workflow`, `node`, `trace`, `tags`.

    `handlers` are functions by the names that the graph uses, or a module's name: only then can another process go on
    with a run. `services` are given to every handler, and are no part of a run.

    Raises:
        GraphError: the definition cannot be used; all problems are in `problems`. It is a ValueError, too.
        TypeError: the handlers are no functions by name.
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
            super().__init__(graph, services=services, module=handlers, code_path=_file_of(handlers))
        else:
            super().__init__(graph, checked_handlers(handlers or {}), services=services)


def _file_of(module: str) -> str | None:
    """Return where a module stands, so that others find it; it is imported only when a run needs it."""
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        return None
    is_file = found is not None and found.has_location and found.origin is not None
    return str(Path(str(found.origin)).resolve()) if found is not None and is_file else None
