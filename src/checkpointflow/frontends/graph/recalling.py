"""Makes the call of a handler again from its recipe, in a process that does not drive the run."""

from __future__ import annotations

from typing import Any, cast

from checkpointflow.frontends.graph.calling import PLAIN, Call, Shop, effect_of
from checkpointflow.frontends.graph.definition import handlers_of
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.kernel.run import LocalEffect, Loop
from checkpointflow.values import JsonObject


def recalled(recipe: JsonObject, *, loop: Loop) -> LocalEffect:
    """Return the call that a recipe stands for; an async handler is awaited on the loop.

    Raises:
        UnsupportedError: the handlers' module cannot be imported here.
    """
    told = cast(JsonObject, recipe["call"])
    graph = Graph.of(cast(JsonObject, told["definition"]))
    item = cast("list[Any] | None", told["item"])
    call = Call(
        node=graph.nodes[str(told["node"])],
        definition=graph.definition,
        answer=tuple(cast("list[Any]", told["answer"])),
        item=None if item is None else (int(item[0]), item[1]),
        **{name: cast(Any, told[name]) for name in PLAIN},
    )
    path = recipe["code_path"]
    handlers = handlers_of(str(recipe["module"]), graph, path=None if path is None else str(path))
    shop = Shop(handlers=handlers, services={}, digest=str(recipe["digest"]), emitted=lambda *_: None, loop=loop)
    return effect_of(shop, call)
