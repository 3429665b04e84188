"""A graph's definition as doors know it: its id, what is stored with a run, and the workflow that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from checkpointflow.errors import UnsupportedError, UsageError
from checkpointflow.frontends.code import found_again, imported, name_of
from checkpointflow.frontends.definition import Meanings, StepTraits
from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.handlers import Handler
from checkpointflow.frontends.graph.workflow import GraphWorkflow
from checkpointflow.kernel.run import Loop
from checkpointflow.kernel.scope import last_name
from checkpointflow.values import JsonObject, JsonValue, copied, fingerprint

if TYPE_CHECKING:
    from checkpointflow.pictures.picture import Picture

KIND = "graph"
VERSION = 1


class GraphDefinition:
    """A checked graph with its handlers, which may also be those of a module, imported when they are needed.

    It is a Definition. `stored` is what a run keeps of it; `workflow_hash` is the hash of the graph alone, `digest`
    that of the graph and the module's name. `path` is the file that it was read from, `code_path` that of the module.
    """

    def __init__(
        self,
        graph: Graph,
        handlers: Mapping[str, Handler] | None = None,
        *,
        services: Mapping[str, Any] | None = None,
        module: str | None = None,
        code_path: str | None = None,
        path: str | None = None,
    ) -> None:
        self.graph = graph
        self.id: str = graph.name
        self.name: str | None = graph.name
        version = graph.definition.get("version")
        self.version: str | None = version if isinstance(version, str) else None
        self.path: str | None = path
        self.inputs: JsonValue = {"type": "object"}
        self.labels: Mapping[str, JsonValue] = {}
        self.problems: list[JsonObject] = []
        self._handlers = handlers
        self._services = services
        self._module = module
        self.stored: JsonObject = {
            "kind": KIND,
            "version": VERSION,
            "graph": copied(graph.definition),
            "handlers": module,
            "code_path": code_path,
        }
        self.digest = fingerprint([KIND, graph.definition, module])

    @staticmethod
    def of(
        definition: object,
        handlers: Mapping[str, Handler] | None = None,
        *,
        services: Mapping[str, Any] | None = None,
        module: str | None = None,
        code_path: str | None = None,
        path: str | None = None,
    ) -> GraphDefinition:
        """Return the definition of a dict, of which a copy is kept.

        Raises:
            GraphError: it cannot be used.
        """
        graph = Graph.of(checked_definition(definition))
        return GraphDefinition(graph, handlers, services=services, module=module, code_path=code_path, path=path)

    def with_code_of(self, stored: JsonObject) -> GraphDefinition:
        """Return the graph with the module of handlers that another's stored form names, if it has no handlers yet."""
        if self._handlers is not None or self._module is not None or stored.get("handlers") is None:
            return self
        module, code_path = str(stored["handlers"]), stored.get("code_path")
        return GraphDefinition(
            self.graph,
            services=self._services,
            module=module,
            code_path=None if code_path is None else str(code_path),
            path=self.path,
        )

    @property
    def workflow_hash(self) -> str:
        """The SHA-256 of the graph."""
        return self.graph.digest

    def takes_over(self, digest: str, _stored: JsonObject) -> bool:
        """Tell whether it is the same graph, with the same handlers' module."""
        return digest == self.digest

    def normal_input(self, run_input: JsonValue) -> JsonValue:
        """Return the input; none is an empty object."""
        return {} if run_input is None else run_input

    def secrets(self) -> list[tuple[str, JsonObject]]:
        """Return nothing: what handlers need is their own affair."""
        return []

    def step(self, key: str) -> StepTraits | None:
        """Return what it says of a call: it may be made again, and gives a result of the graph's own form."""
        is_known = last_name(key) in self.meanings()
        return StepTraits(effect="idempotent", output_schema=None) if is_known else None

    def events(self) -> list[str]:
        """Return the names of its nodes: each may ask for an answer under its own."""
        return [*self.meanings().ids()]

    def meanings(self) -> Meanings:
        """Return what its nodes mean."""
        return GraphMeanings(self.graph)

    def picture(self) -> Picture:
        """Return the graph as a picture."""
        from checkpointflow.frontends.graph.picture import picture_of

        return picture_of(self.graph)

    def sources(self) -> list[str]:
        """Return the file that it was read from, if it was."""
        return [] if self.path is None else [self.path]

    def workflow(self, *, loop: Loop | None = None) -> GraphWorkflow:
        """Return the code that decides a run of it; async handlers are awaited on the loop, else on that of the caller.

        Raises:
            UnsupportedError: it names no handlers, or their module cannot be imported here.
        """
        handlers = self._handlers
        if handlers is None:
            path = self.stored["code_path"]
            handlers = handlers_of(self._module, self.graph, path=None if path is None else str(path))
        code_path = self.stored["code_path"]
        return GraphWorkflow(
            self.graph,
            handlers,
            services=self._services,
            loop=loop,
            module=None if self._services else self._module,
            code_path=None if code_path is None else str(code_path),
        )


class GraphMeanings:
    """What the nodes of a graph, and of the graphs inside it, are asked to do: handler and config."""

    def __init__(self, graph: Graph) -> None:
        self._by_name: dict[str, list[JsonValue]] = {}
        for one in graphs_in(graph):
            for node in one.nodes.values():
                handler = node.handler if node.map is None else node.map.handler
                self._by_name.setdefault(node.name, []).append([handler, node.config])
                if node.map is not None and handler is not None:  # its items stand under the name of the handler
                    self._by_name.setdefault(handler, []).append([handler, node.config])

    def ids(self) -> list[str]:
        """Return the names of all nodes, and of the handlers of items."""
        return list(self._by_name)

    def __contains__(self, step_id: object) -> bool:
        """Tell whether there is such a node."""
        return step_id in self._by_name

    def means(self, step_id: str) -> JsonValue:
        """Return what all nodes of a name are asked to do; None if there is none."""
        return self._by_name.get(step_id)

    def asks(self, _step_id: str) -> JsonValue:
        """Return the same for every wait: what a node asks, its handler says."""
        return None


def open_definition(
    stored: JsonObject,
    handlers: Mapping[str, Handler] | None = None,
    services: Mapping[str, Any] | None = None,
    *,
    path: str | None = None,
) -> GraphDefinition:
    """Return a stored definition, which is not checked again.

    Raises:
        UnsupportedError: it was written by a newer version.
    """
    if stored.get("kind") != KIND or stored.get("version") != VERSION:
        raise UnsupportedError(
            "the stored definition is of a form that this version does not know",
            hint="go on with the version that started the run",
        )
    module = stored.get("handlers")
    graph = Graph.of(cast(JsonObject, stored["graph"]))
    named = None if module is None else str(module)
    code_path = stored.get("code_path")
    code_path = None if code_path is None else str(code_path)
    return GraphDefinition(graph, handlers, services=services, module=named, code_path=code_path, path=path)


def load_graph(
    definition: object, *, path: str | None, handlers: str | None, services: Mapping[str, Any] | None = None, cwd: str
) -> GraphDefinition:
    """Return the graph of a dict that was read from a file; `handlers` names a module, or a file of one.

    Raises:
        GraphError: it cannot be used.
        FileMissingError, DocumentError: the module is not there, or cannot be imported.
    """
    if handlers is None:
        return GraphDefinition.of(definition, services=services, path=path)
    module = imported(handlers, cwd=cwd)
    file = getattr(module, "__file__", None)
    code_path = None if file is None else str(Path(file).resolve())
    return GraphDefinition.of(definition, services=services, module=name_of(module), code_path=code_path, path=path)


def handlers_of(module: str | None, graph: Graph, *, path: str | None = None) -> Mapping[str, Handler]:
    """Return the handlers of a module: its mapping `HANDLERS`, else its functions by the names that the graph uses.

    Raises:
        UnsupportedError: no module is named, or it cannot be imported here.
        UsageError: its `HANDLERS` is no mapping.
    """
    if module is None:
        raise UnsupportedError(
            f"the handlers of graph `{graph.name}` are not known here; name their module with `--handlers`, "
            "or go on in the program that has them"
        )
    try:
        found = found_again(module, path)
    except (Exception, SystemExit) as error:
        message = f"the handlers of graph `{graph.name}` are in module `{module}`, which cannot be imported: {error}"
        raise UnsupportedError(message, hint="run where the module is to be found") from None
    listed = getattr(found, "HANDLERS", None)
    if listed is None:
        return {name: getattr(found, name) for name in handler_names(graph) if callable(getattr(found, name, None))}
    if not isinstance(listed, Mapping):
        raise UsageError(f"`HANDLERS` of module `{module}` is no mapping from names to functions")
    return cast("Mapping[str, Handler]", listed)


def handler_names(graph: Graph) -> list[str]:
    """Return the names of all handlers that a graph uses, those of its subflows included."""
    nodes = [node for one in graphs_in(graph) for node in one.nodes.values()]
    named = [node.handler if node.map is None else node.map.handler for node in nodes]
    return list(dict.fromkeys(name for name in named if name is not None))


def graphs_in(graph: Graph) -> list[Graph]:
    """Return a graph and all that stand in its nodes, each once."""
    found: dict[str, Graph] = {}
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        if one.digest in found:
            continue
        found[one.digest] = one
        for node in one.nodes.values():
            inner = node.subflow if node.map is None else node.map.subflow
            waiting += [] if inner is None else [one.inner(inner)]
    return list(found.values())
