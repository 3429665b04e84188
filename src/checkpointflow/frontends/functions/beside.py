"""What goes on beside each other in a function workflow: all of them, one per item, or the first to finish."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.frontends.branches import Member, Ok, branches
from checkpointflow.frontends.functions.accepting import shown
from checkpointflow.frontends.functions.asking import Asked, Together, entered, here
from checkpointflow.kernel.run import Run, Scope

T = TypeVar("T")


async def all_of(items: Sequence[Awaitable[Any]], limit: int | None, key: str) -> tuple[Any, ...]:
    """Await verbs and coroutines, each in a scope of its own, and return their values in order.

    Raises:
        The first error, in the order of the journal, once the others were cancelled.
    """
    members = [_member(index, item) for index, item in enumerate(items)]
    return tuple(await _gathered(here().scope(key, "parallel", members=len(members)), members, limit))


async def each_of(
    work: Callable[[Any], Awaitable[T]],
    items: Sequence[Any],
    keys: Sequence[int | str],
    limit: int | None,
    name: str,
) -> list[T]:
    """Await what `work` asks for each item, in a scope of its own, and return the values in the order of the items.

    Raises:
        As `all_of`; WorkflowCodeError: two items have one key.
    """
    _refuse_twins(name, keys)

    def member(item: object) -> Callable[[Run], Coroutine[Any, Any, T]]:
        async def working(run: Run) -> T:
            entered(run)
            return await work(item)

        return working

    members = [Member(key, member(item)) for key, item in zip(keys, items, strict=True)]
    return await _gathered(here().scope(name, "map", members=len(members)), members, limit)


async def first_of(items: Sequence[Awaitable[T]], key: str) -> T:
    """Await verbs and coroutines until one has finished, cancel the others, and return its value.

    Raises:
        The error of the first to finish, if it failed.
    """
    if not items:
        raise WorkflowCodeError("`ctx.first()` was given nothing to wait for; give it one verb at least")
    members = [_member(index, item) for index, item in enumerate(items)]
    scope = here().scope(key, "first", members=len(members))
    fibers = [scope.spawn(one.work, item=one.item) for one in members]
    winner = await scope.settled()
    for fiber in fibers:
        fiber.cancel()
    scope.close(winner.error)
    return winner.result()  # type: ignore[no-any-return]


async def _gathered(scope: Scope, members: Sequence[Member[T]], limit: int | None) -> list[T]:
    try:
        found = await branches(scope, members, limit=limit)
    except Exception as error:
        scope.close(error)
        raise
    scope.close()
    return [one.value for one in found if isinstance(one, Ok)]


def _member(index: int, item: Awaitable[Any]) -> Member[Any]:
    async def work(run: Run) -> Any:
        entered(run)
        return await item

    return Member(index, work)


@contextmanager
def given(items: Sequence[object]) -> Iterator[None]:
    """Close the coroutines among items if what is given with them is refused, since nobody will await them."""
    try:
        yield
    except WorkflowCodeError:
        for one in items:
            if inspect.iscoroutine(one):
                one.close()
        raise


def refuse_others(items: Sequence[object], verb: str) -> None:
    """Refuse what cannot go on beside others.

    Raises:
        WorkflowCodeError: one is neither a verb nor a coroutine.
    """
    for index, item in enumerate(items):
        if isinstance(item, Asked | Together) or inspect.iscoroutine(item):
            continue
        remedy = f"; unpack it, as `{verb}(*items)`" if isinstance(item, list | tuple) else ""
        raise WorkflowCodeError(
            f"only verbs of `ctx` and coroutines can go on beside each other, and number {index + 1} is "
            f"{shown(item)}{remedy}"
        )


def _refuse_twins(name: str, keys: Sequence[int | str]) -> None:
    if len(set(keys)) < len(keys):
        twin = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise WorkflowCodeError(f"two items of `{name}` have the key {twin!r}; `key` has to tell them apart")
