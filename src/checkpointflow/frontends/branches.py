"""Members that go on beside each other: library code over `spawn` and `settled`, for every front-end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

from checkpointflow.errors import StepFailedError
from checkpointflow.kernel.run import Fiber, Run, Scope
from checkpointflow.records import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member(Generic[T]):
    """One member of a scope: the item that names it, and what it does."""

    item: int | str
    work: Callable[[Run], Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """A member returned this."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """A member failed with this."""

    error: StepFailedError


Settlement: TypeAlias = "Ok[T] | Failed"


async def branches(
    scope: Scope, members: Iterable[Member[T]], *, limit: int | None = None, stop: bool = True
) -> list[Settlement[T]]:
    """Run members, at most `limit` at a time, and return how each ended, in their order; taken as there is room.

    A member that waits keeps its place in the limit. With `stop` the first failure, in the order of the journal, is
    raised once the others are cancelled; without it all come to their ends.

    Raises:
        StepFailedError: with `stop`, a member failed; `further_keys` names what else had failed by then.
    """
    ended: dict[int, Settlement[T]] = {}
    going: dict[Fiber[T], int] = {}
    left = enumerate(members)
    while True:
        for index, member in islice(left, None if limit is None else limit - len(going)):
            going[scope.spawn(member.work, item=member.item)] = index
        if not going:
            return [ended[index] for index in range(len(ended))]
        settled = await scope.settled()
        if settled.error is not None and (stop or not isinstance(settled.error, StepFailedError)):
            _stop(list(going), settled.error)
        ended[going.pop(settled)] = _settlement(settled)


def first_failure(settlements: Sequence[Settlement[Any]]) -> StepFailedError | None:
    """Return the error of the first member that failed, which also stands for the others that did."""
    errors = [settlement.error for settlement in settlements if isinstance(settlement, Failed)]
    return _combined(errors) if errors else None


def _stop(going: Sequence[Fiber[Any]], error: BaseException) -> None:
    failed = [fiber.error for fiber in going if isinstance(fiber.error, StepFailedError) and fiber.error is not error]
    for fiber in going:
        fiber.cancel()
    raise _combined([error, *failed]) if isinstance(error, StepFailedError) else error


def _combined(errors: Sequence[StepFailedError]) -> StepFailedError:
    first, *others = errors
    further = [key for error in others for key in (error.step_key, *error.further_keys) if key is not None]
    first.further_keys = tuple(dict.fromkeys([*first.further_keys, *further]))
    return first


def _settlement(fiber: Fiber[T]) -> Settlement[T]:
    return Failed(fiber.error) if isinstance(fiber.error, StepFailedError) else Ok(fiber.result())
