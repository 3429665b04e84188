"""A graph as a Workflow: it decides a run by walking the graph; definitions are checked elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from checkpointflow.errors import InputError
from checkpointflow.frontends.graph.calling import Call, Emitted, Shop
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.handlers import Handler
from checkpointflow.frontends.graph.walk import Walk
from checkpointflow.kernel.run import Loop, Run
from checkpointflow.values import JsonObject


def _nobody(_key: str, _call: Call, _kind: str, _data: JsonObject) -> None:
    """Nobody looks on."""


class _LoopOfCaller:
    """The loop that was chosen where the graph is driven, else the one that this process makes for the purpose."""

    def run(
        self, work: Callable[[], Awaitable[object]], ended: Callable[[object, BaseException | None], None]
    ) -> Callable[[], None]:
        from checkpointflow.frontends.functions.loops import here

        return here().run(work, ended)


class GraphWorkflow:
    """A graph with its handlers; `walk` is the walk of the present drive, for those who look on.

    `loop` is where async handlers are awaited; without one it is that of the caller. `module` and `code_path` say where
    another process finds the handlers.
    """

    def __init__(
        self,
        graph: Graph,
        handlers: Mapping[str, Handler],
        *,
        services: Mapping[str, Any] | None = None,
        emitted: Emitted = _nobody,
        loop: Loop | None = None,
        module: str | None = None,
        code_path: str | None = None,
    ) -> None:
        self.graph = graph
        self.walk: Walk | None = None
        self.shop = Shop(
            handlers=dict(handlers),
            services={} if services is None else services,
            digest=graph.digest,
            emitted=emitted,
            loop=loop or _LoopOfCaller(),
            module=module,
            code_path=code_path,
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
