"""Random workflows over the verbs, whose outcome does not depend on who finishes first."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from checkpointflow.errors import StepFailedError
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import Answer, Policy, Run, StepCall, WaitRequest
from checkpointflow.values import JsonObject, JsonValue


@dataclass
class Node:
    """One thing a program does: `what` tells which; `parts` are the lists of a parallel or of a loop."""

    what: str
    name: str
    parts: list[list[Node]] = field(default_factory=list)
    number: int = 0


def generate(rng: random.Random) -> list[Node]:
    """Return a random program."""
    return _sequence(rng, depth=0)


def _sequence(rng: random.Random, depth: int) -> list[Node]:
    return [_node(rng, depth) for _ in range(rng.randint(1, 4 if depth == 0 else 3))]


def _node(rng: random.Random, depth: int) -> Node:
    simple = ["step", "step", "flaky", "once", "wait", "expiring", "sleep", "note", "failing", "now", "local", "fatal"]
    nested = ["parallel", "parallel", "stopping", "loop", "abandoning"] if depth < 3 else []
    what = rng.choice(simple + nested)
    name = rng.choice("abcd")
    if what in ("parallel", "stopping", "abandoning"):
        return Node(what, name, [_sequence(rng, depth + 1) for _ in range(rng.randint(1, 3))])
    if what == "loop":
        return Node(what, name, [_sequence(rng, depth + 1)], rng.randint(2, 3))
    return Node(what, name, number=rng.choice([1, 5, 300]))


class Program:
    """A Workflow that does what the nodes say, and checks on every pass that it saw the same interleaving."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    async def drive(self, run: Run) -> JsonObject:
        shared: list[str] = []
        result = await _run(run, self.nodes, shared)
        seen = run.note(f"order of {len(self.nodes)}", "order", lambda: list(shared))
        assert seen == shared, f"replay saw another interleaving: {shared} instead of {seen}"
        return {"result": result}


async def _run(run: Run, nodes: list[Node], shared: list[str]) -> JsonValue:
    return [await _do(run, node, shared) for node in nodes]


async def _do(run: Run, node: Node, shared: list[str]) -> JsonValue:
    result = await _ACTIONS[node.what](run, node, shared)
    shared.append(f"{run.key}/{node.name}")
    return result


async def _step(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    retry = RetryPolicy(max_attempts=1000, backoff_seconds=node.number) if node.what == "flaky" else RetryPolicy()
    policy = Policy(retry=retry, effect="once" if node.what == "once" else "idempotent")
    return (await run.step(node.name, StepCall(kind=node.what, arguments=[node.name], policy=policy))).output


async def _failing(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    policy = Policy(retry=RetryPolicy(max_attempts=2, backoff_seconds=node.number))
    try:
        await run.step(node.name, StepCall(kind="failing", arguments=None, policy=policy))
    except StepFailedError as error:
        return error.message
    raise AssertionError("a failing step came back")


async def _wait(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    timeout = 500.0 if node.what == "expiring" else None
    request = WaitRequest(event_name=f"{node.what}_{node.name}", audience="user", timeout_seconds=timeout)
    answer = await run.wait(node.name, request)
    return answer.payload if isinstance(answer, Answer) else "expired"


async def _sleep(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    await run.sleep(node.name, timedelta(seconds=node.number))
    return "slept"


async def _note(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    return run.note(node.name, "set", lambda: node.number)


async def _now(run: Run, _node: Node, _shared: list[str]) -> JsonValue:
    before, after = run.now(), run.now()
    return [before <= after, 0 <= run.random() < 1, len(run.uuid4())]


async def _loop(run: Run, node: Node, shared: list[str]) -> JsonValue:
    return [await _run(run, node.parts[0], shared) for _ in range(node.number)]


async def _parallel(run: Run, node: Node, shared: list[str]) -> JsonValue:
    scope = run.scope(node.name, "parallel", meaning=len(node.parts))
    fibers = [scope.spawn(_member(part, shared), item=index) for index, part in enumerate(node.parts)]
    errors = []
    for fiber in fibers:
        try:
            await fiber
        except StepFailedError as error:
            errors.append(error)
    if errors:
        errors[0].further_keys = tuple(key for error in errors for key in (str(error.step_key), *error.further_keys))
        scope.close(errors[0])
        raise errors[0]
    scope.close()
    return [fiber.result() for fiber in fibers]


async def _stopping(run: Run, node: Node, shared: list[str]) -> JsonValue:
    """A sibling fails: the others are cancelled, whatever they are at."""
    scope = run.scope(node.name, "stopping", meaning=len(node.parts))

    async def fails(inner: Run) -> JsonValue:
        await inner.step("fail", StepCall(kind="failing", arguments=None))
        return None

    silent: list[str] = []
    fibers = [scope.spawn(_member(part, silent), item=index) for index, part in enumerate(node.parts)]
    fibers.append(scope.spawn(fails, item="failing"))
    failed = fibers[-1]
    while not failed.is_settled:
        await run.settled([fiber for fiber in fibers if not fiber.is_settled])
    for fiber in fibers:
        fiber.cancel()
    scope.close(failed.error)
    return "stopped"


async def _abandoning(run: Run, node: Node, _shared: list[str]) -> JsonValue:
    """Members are begun and never awaited: they end with the fiber that began them."""
    scope = run.scope(node.name, "abandoning")
    for index, part in enumerate(node.parts):
        scope.spawn(_member(part, []), item=index)
    return (await run.step(node.name, StepCall(kind="step", arguments=[node.name]))).output


def _member(part: list[Node], shared: list[str]) -> Callable[[Run], Coroutine[Any, Any, JsonValue]]:
    return lambda inner: _run(inner, part, shared)


_ACTIONS = {
    "step": _step,
    "flaky": _step,
    "once": _step,
    "local": _step,
    "fatal": _step,
    "failing": _failing,
    "wait": _wait,
    "expiring": _wait,
    "sleep": _sleep,
    "note": _note,
    "now": _now,
    "loop": _loop,
    "parallel": _parallel,
    "stopping": _stopping,
    "abandoning": _abandoning,
}
