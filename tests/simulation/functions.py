"""Random function workflows: branches with steps and waits of their own, whose values say where they belong."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from checkpointflow import Retry, WorkflowContext, task
from checkpointflow.errors import StepFailedError
from checkpointflow.frontends.functions.definition import FunctionDefinition, FunctionWorkflow
from checkpointflow.kernel.run import Run
from checkpointflow.values import JsonObject, JsonValue
from simulation.programs import Node

SIMPLE = ["task", "task", "async task", "coroutine", "flaky", "once", "wait", "expiring", "sleep", "chance"]
NESTED = ["parallel", "parallel", "limited", "map", "keyed map", "first", "stopping", "call"]


def generate(rng: random.Random, depth: int = 0) -> list[Node]:
    """Return a random program."""
    return [_node(rng, depth) for _ in range(rng.randint(1, 3))]


def _node(rng: random.Random, depth: int) -> Node:
    what = rng.choice(SIMPLE + (NESTED * 2 if depth < 2 else []))
    name, number = rng.choice("abcd"), rng.choice([1, 5, 300])
    if what in NESTED:
        return Node(what, name, [generate(rng, depth + 1) for _ in range(rng.randint(2, 3))], number)
    return Node(what, name, number=number)


def plain(*_given: Any) -> Any: ...


async def awaited(*_given: Any) -> Any: ...


@task(retry=Retry(max_attempts=1000, backoff_seconds=1))
def flaky(*_given: Any) -> Any: ...


@task(effect="once")
def once(*_given: Any) -> Any: ...


def failing() -> None: ...


class FunctionProgram:
    """A function workflow that does what the nodes say, and on every pass checks whose each value is."""

    def __init__(self, nodes: list[Node]) -> None:
        async def program(ctx: WorkflowContext) -> Any:
            shared: list[str] = []
            found = await _run(ctx, nodes, shared)
            ctx.state.set("order", shared)  # which is compared with what was recorded
            return found

        self._workflow = FunctionWorkflow(FunctionDefinition(program))

    async def drive(self, run: Run) -> JsonObject:
        return await self._workflow.drive(run)


async def _run(ctx: WorkflowContext, nodes: list[Node], shared: list[str]) -> list[Any]:
    found = []
    for node in nodes:
        found.append(await _ACTIONS[node.what](ctx, node, shared))
        shared.append(node.name)
    return found


def _performs(function: Callable[..., Any]) -> Callable[..., Awaitable[JsonValue]]:
    async def action(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
        verb = ctx.task(function, node.name, node.number)
        output = await verb
        assert output == {"of": verb.key}, f"{verb.key} got the result {output}"
        return output  # type: ignore[no-any-return]

    return action


async def _coroutine(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    verb = ctx.step(node.name, awaited(node.number))
    output = await verb
    assert output == {"of": verb.key}, f"{verb.key} got the result {output}"
    return output  # type: ignore[no-any-return]


async def _wait(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    event = f"wait_{node.name}"
    payload = await ctx.wait_for_user("?", name=event)
    assert payload == {"to": event}, f"the wait for {event} got the answer {payload}"
    return payload  # type: ignore[no-any-return]


async def _expiring(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    return await ctx.wait_for_event(f"expiring_{node.name}", timeout_seconds=500, default="expired")  # type: ignore[no-any-return]


async def _sleep(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    await ctx.sleep(node.number)
    return "slept"


async def _chance(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    drawn = [ctx.random(), ctx.uuid4(), ctx.now().isoformat()]
    ctx.emit("drawn", drawn)
    verb = ctx.task(plain, drawn)  # another number on replay would be another argument
    assert await verb == {"of": verb.key}
    return "drawn"


async def _parallel(ctx: WorkflowContext, node: Node, shared: list[str]) -> JsonValue:
    limit = 2 if node.what == "limited" else None
    return [*await ctx.parallel(*(_run(ctx, part, shared) for part in node.parts), limit=limit, key=node.name)]


async def _map(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    items = list(range(len(node.parts)))
    if node.what == "map":
        return await ctx.map(plain, items, limit=2)
    return await ctx.map(awaited, items, key=lambda item: f"k{item}")


async def _first(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    silent: list[str] = []
    winner = await ctx.first(*(_run(ctx, part, silent) for part in node.parts), key=node.name)
    verb = ctx.task(plain, winner)  # another winner on replay would be another argument
    assert await verb == {"of": verb.key}
    return "one of them won"


async def _stopping(ctx: WorkflowContext, node: Node, _shared: list[str]) -> JsonValue:
    silent: list[str] = []
    try:
        await ctx.parallel(*(_run(ctx, part, silent) for part in node.parts), ctx.task(failing), key=node.name)
    except StepFailedError as error:
        return error.message.rpartition("failing")[1]
    raise AssertionError("a failing task came back")


async def _call(ctx: WorkflowContext, node: Node, shared: list[str]) -> JsonValue:
    async def called(inner: WorkflowContext, number: int) -> Any:
        assert number == node.number
        return await _run(inner, node.parts[0], shared)

    return await ctx.call(FunctionDefinition(called, name=node.name), {"number": node.number})  # type: ignore[no-any-return]


_ACTIONS: dict[str, Callable[[WorkflowContext, Node, list[str]], Awaitable[Any]]] = {
    "task": _performs(plain),
    "async task": _performs(awaited),
    "flaky": _performs(flaky),
    "once": _performs(once),
    "coroutine": _coroutine,
    "wait": _wait,
    "expiring": _expiring,
    "sleep": _sleep,
    "chance": _chance,
    "parallel": _parallel,
    "limited": _parallel,
    "map": _map,
    "keyed map": _map,
    "first": _first,
    "stopping": _stopping,
    "call": _call,
}
