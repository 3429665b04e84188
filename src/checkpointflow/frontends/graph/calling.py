"""A call of a handler as an effect of this process: its context, what becomes of what it returns or raises."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from checkpointflow.errors import StepFailedError, said
from checkpointflow.frontends.graph import codes
from checkpointflow.frontends.graph.grammar import Node
from checkpointflow.frontends.graph.handlers import Handler, NodeContext, WorkflowState
from checkpointflow.frontends.graph.results import recorded
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import LocalEffect, Loop, Policy, StepContext
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue, checked

KIND = "graph"
PLAIN = ("handler", "visit", "wave", "step", "state", "is_strict", "graph_name", "bound")
"""What of a call is JSON as it is."""

RESUME = "__resume__"
ERROR = "__error__"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of a handler: for which visit, and what it is given.

    `definition` is the graph in which the node stands. `answer` is a list of the answer it waited for, empty without
    one. `bound` is how many seconds are left of the
    time of the whole graph, None without such a bound.
    """

    node: Node
    handler: str
    visit: int
    wave: int
    step: int
    state: JsonObject
    is_strict: bool
    graph_name: str
    definition: JsonObject = field(default_factory=dict)
    answer: tuple[JsonValue, ...] = ()
    item: tuple[int, JsonValue] | None = None
    bound: float | None = None

    @property
    def timeout_seconds(self) -> float | None:
        """How long one attempt may take."""
        bounds = [one for one in (self.node.policy.timeout_seconds, self.bound) if one is not None]
        return min(bounds) if bounds else None

    @property
    def is_bound_by_graph(self) -> bool:
        """Tell whether the time of the whole graph runs out before that of an attempt."""
        return self.bound is not None and self.timeout_seconds == self.bound


Emitted: TypeAlias = Callable[[str, Call, str, JsonObject], None]
"""Is told, in a handler's thread, of an event of its own: the step's key, the call, its kind and data."""


@dataclass(kw_only=True)
class Shop:
    """What the calls of one workflow share; `calls` are those of the present drive, by step key.

    `module` and `code_path` say where another process finds the handlers, if it can.
    """

    handlers: Mapping[str, Handler]
    services: Mapping[str, Any]
    digest: str
    emitted: Emitted
    loop: Loop
    module: str | None = None
    code_path: str | None = None
    monotonic: Callable[[], float] = time.monotonic
    calls: dict[str, Call] = field(default_factory=dict)


def effect_of(shop: Shop, call: Call) -> LocalEffect:
    """Return the call as an effect; what it means is node, handler, config, visit and whether it has an answer."""
    handler = shop.handlers.get(call.handler)
    meaning: JsonObject = {
        "node": call.node.name,
        "handler": call.handler,
        "visit": call.visit,
        "config": call.node.config,
    }
    return LocalEffect(
        function=_work(shop, call, handler),
        identity="graph node",
        arguments=meaning | ({"answered": True} if call.answer else {}),
        policy=_policy(call),
        loop=shop.loop if handler is not None and _is_async(handler) else None,
        recipe=lambda: _recipe(shop, call),
    )


def _recipe(shop: Shop, call: Call) -> JsonObject | None:
    """Return the call as JSON: where its handlers are found, and all that it is given; None if nobody else has them."""
    if shop.module is None:
        return None
    told: JsonObject = {"node": call.node.name, "definition": call.definition, "answer": [*call.answer]}
    told |= {name: getattr(call, name) for name in PLAIN}
    item: JsonValue = None if call.item is None else [*call.item]
    place: JsonObject = {"kind": KIND, "module": shop.module, "code_path": shop.code_path, "digest": shop.digest}
    return place | {"call": told | {"item": item}}


def _policy(call: Call) -> Policy:
    policy = call.node.policy
    retry = RetryPolicy(
        max_attempts=policy.max_retries + 1,
        backoff_seconds=policy.retry_sleep_seconds,
        strategy=policy.strategy,
        on=("BaseException",) if call.is_bound_by_graph else ("BaseException", "timeout"),
    )
    return Policy(retry=retry, timeout_seconds=call.timeout_seconds)


def _is_async(handler: Handler) -> bool:
    call = getattr(handler, "__call__", None)  # noqa: B004 - an object may have an async `__call__`
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


Work: TypeAlias = Callable[[StepContext], object]


def _work(shop: Shop, call: Call, handler: Handler | None) -> Work:
    if handler is None:
        return lambda _context: _refuse_missing(shop, call)
    return _async_work(shop, call, handler) if _is_async(handler) else _sync_work(shop, call, handler)


def _sync_work(shop: Shop, call: Call, handler: Handler) -> Work:
    def work(context: StepContext) -> object:
        told: list[JsonValue] = []
        given = _context(shop, call, context, told)
        try:
            returned: object = handler(given)
        except Exception as error:
            raise _raised(error) from error
        if inspect.iscoroutine(returned):
            returned.close()  # so that Python does not complain that it was never awaited
        return _kept(call, returned, told)

    return work


def _async_work(shop: Shop, call: Call, handler: Handler) -> Work:
    async def work(context: StepContext) -> object:
        told: list[JsonValue] = []
        given = _context(shop, call, context, told)
        try:
            returned: object = await cast(Any, handler(given))
        except Exception as error:
            raise _raised(error) from error
        return _kept(call, returned, told)

    return work


def _kept(call: Call, returned: object, told: list[JsonValue]) -> JsonObject:
    result = recorded(returned, call.node, is_strict=call.is_strict, is_item=call.item is not None)
    return result | ({"emitted": told} if told else {})


def _raised(error: Exception) -> StepFailedError:
    """An exception of a handler, of whatever class: one of ours says nothing about this run."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls is not object]
    return codes.node_failure(codes.HANDLER_EXCEPTION, said(error), exceptions=names)


def _refuse_missing(shop: Shop, call: Call) -> object:
    known = ", ".join(f"`{name}`" for name in sorted(shop.handlers)) or "none"
    message = f"node `{call.node.name}` names the handler `{call.handler}`, which is not registered; there are {known}"
    raise codes.node_failure(codes.HANDLER_NOT_REGISTERED, message)


def _context(shop: Shop, call: Call, context: StepContext, told: list[JsonValue]) -> NodeContext:
    state = WorkflowState.from_dict(call.state)
    if call.answer:
        state.workflow[RESUME] = checked(call.answer[0], RESUME)

    def emit(kind: str, data: Mapping[str, Any] | None = None) -> None:
        shown = cast(JsonObject, checked({"node": call.node.name, **(data or {})}, "data"))
        told.append({"kind": str(kind), "data": shown})
        shop.emitted(context.key, call, str(kind), shown)

    seconds = call.timeout_seconds
    return NodeContext(
        workflow_name=call.graph_name,
        workflow_hash=shop.digest,
        run_id=context.run_id,
        node_name=call.node.name,
        node_config=cast("dict[str, Any]", checked(call.node.config, "config")),
        step=call.step,
        wave=call.wave,
        visit=call.visit,
        state=state,
        services=shop.services,
        emit=emit,
        attempt=context.attempt,
        idempotency_key=context.idempotency_key,
        is_resumed=bool(call.answer),
        resume_input=state.workflow[RESUME] if call.answer else None,
        item=None if call.item is None else checked(call.item[1], "item"),
        item_index=None if call.item is None else call.item[0],
        deadline=None if seconds is None else shop.monotonic() + seconds,
        monotonic=shop.monotonic,
    )
