"""A graph as a Workflow: it decides a run by walking the graph; definitions are checked elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from checkpointflow.errors import InputError
from checkpointflow.frontends.graph.calling import Call, Emitted, Shop
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.handlers import Handler
from checkpointflow.frontends.graph.walk import Walk
from checkpointflow.kernel.run import Loop, Run
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.frontends.functions.loops import OwnLoop


def _nobody(_key: str, _call: Call, _kind: str, _data: JsonObject) -> None:
    """Nobody looks on."""


class _LazyLoop:
    """A loop that is made when the first handler has to be awaited."""

    def __init__(self) -> None:
        self._made: OwnLoop | None = None

    def run(
        self, work: Callable[[], Awaitable[object]], ended: Callable[[object, BaseException | None], None]
    ) -> Callable[[], None]:
        if self._made is None:
            from checkpointflow.frontends.functions.loops import OwnLoop

            self._made = OwnLoop()
        return self._made.run(work, ended)

    def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            made.close()


class GraphWorkflow:
    """A graph with its handlers; `walk` is the walk of the present drive, for those who look on.

    `loop` is where async handlers are awaited; without one a loop of its own is made for the first of them, which
    `close` ends.
    """

    def __init__(
        self,
        graph: Graph,
        handlers: Mapping[str, Handler],
        *,
        services: Mapping[str, Any] | None = None,
        emitted: Emitted = _nobody,
        loop: Loop | None = None,
    ) -> None:
        self.graph = graph
        self.walk: Walk | None = None
        self._own_loop = _LazyLoop()
        self.shop = Shop(
            handlers=dict(handlers),
            services={} if services is None else services,
            digest=graph.digest,
            emitted=emitted,
            loop=self._own_loop if loop is None else loop,
        )

    async def drive(self, run: Run) -> JsonObject:
        """Decide the run; see Workflow. `result` has the state's `workflow` and `node`, `trace` and `tags`."""
        given = {} if run.input is None else run.input
        if not isinstance(given, dict):
            raise InputError(f"the input of graph `{self.graph.name}` is no object; give it one")
        self.shop.calls.clear()
        walk = self.walk = Walk(self.shop, self.graph, run, given)
        await walk.whole()
        result: JsonObject = {name: walk.state[name] for name in ("workflow", "node")}
        result |= {"trace": [*walk.trace], "tags": [*walk.tags]}
        recovered = {} if walk.recovered is None else {"recovered_error": walk.recovered.to_dict()}
        return {"result": result, **recovered}

    def close(self) -> None:
        """End the loop that was made for async handlers, if one was."""
        self._own_loop.close()
