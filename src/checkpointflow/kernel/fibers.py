"""The deterministic scheduler: fibers, what they wait for, and when all are blocked; it knows no journal."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import copy_context
from types import CoroutineType
from typing import Any, Generic, Protocol, TypeVar, cast

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.run import Parked

T = TypeVar("T")


_MOST_REFUSALS = 1_000
"""So often may the code of one fiber ask on while it is left: more than cleaning up asks, and over in a moment."""


class Future(Generic[T]):
    """Something a fiber can await: it begins when first awaited and settles once, with a value or an error."""

    __slots__ = ("_error", "_scheduler", "_value", "_waiters", "is_settled")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._value: T | None = None
        self._error: BaseException | None = None
        self._waiters: list[Fiber[Any]] = []
        self.is_settled = False

    @property
    def error(self) -> BaseException | None:
        """The error with which it settled, if it did."""
        return self._error

    def result(self) -> T:
        """Return the value, or raise the error, with which it settled."""
        if not self.is_settled:
            raise WorkflowCodeError("a result was asked for before it was there; `await` it")
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def resolve(self, value: T) -> None:
        """Settle with a value; who waits for it goes on."""
        self._value = value
        self._settle()

    def reject(self, error: BaseException) -> None:
        """Settle with an error, raised where it is awaited."""
        self._error = error
        self._settle()

    def __await__(self) -> Generator[Future[Any], None, T]:
        """Give the fiber's turn away until this is settled."""
        if self._scheduler.refuse_if_closing():
            yield self  # code that swallows every refusal is left here, where it cannot go on
        self.begin()
        while not self.is_settled:
            yield self
        return self.result()

    def begin(self) -> None:
        """Begin, if nobody has yet."""

    def add_waiter(self, fiber: Fiber[Any]) -> None:
        """Have a fiber go on once this is settled."""
        self._waiters.append(fiber)

    def _settle(self) -> None:
        self.is_settled = True
        waiters, self._waiters = self._waiters, []
        for fiber in waiters:
            self._scheduler.make_runnable(fiber)


class Ask(Future[T]):
    """A verb: asked for under a key by whichever fiber awaits it first."""

    __slots__ = ("_asked", "key", "owner")

    def __init__(self, scheduler: Scheduler, key: StepKey, asked: Callable[[Any], None]) -> None:
        super().__init__(scheduler)
        self.key = key
        self.owner: Fiber[Any] | None = None
        self._asked = asked
        scheduler.unawaited[key] = self

    def begin(self) -> None:
        """Ask, on behalf of the fiber whose turn it is."""
        if self.owner is None:
            self.owner = self._scheduler.current
            del self._scheduler.unawaited[self.key]
            self.owner.asks[self.key] = self
            self._asked(self)

    def _settle(self) -> None:
        if self.owner is not None:
            self.owner.asks.pop(self.key, None)
        super()._settle()


class Fiber(Future[T]):
    """One line of deciding: a coroutine that is resumed when what it awaits has settled.

    Context variables are its own, and begin as those of the fiber that spawned it.
    """

    __slots__ = (
        "_watchers",
        "asks",
        "children",
        "context",
        "coroutine",
        "is_cancelled",
        "key",
        "on_end",
        "order",
        "parent",
    )

    def __init__(self, scheduler: Scheduler, key: StepKey, coroutine: Coroutine[Any, Any, T]) -> None:
        super().__init__(scheduler)
        self.key = key
        self.coroutine = coroutine
        self.children: dict[Fiber[Any], None] = {}
        self.asks: dict[StepKey, Ask[Any]] = {}
        self.on_end: list[Callable[[BaseException | None], None]] = []
        self.parent: Fiber[Any] | None = None
        self.is_cancelled = False
        self.order = 0
        self.context = copy_context()
        self._watchers: list[Watcher] = []

    def cancel(self) -> None:
        """End the fiber and all that it began; nothing to do if it has settled.

        Raises:
            WorkflowCodeError: the fiber whose turn it is would end itself.
        """
        self._scheduler.refuse_if_closing(always=True)
        if not self.is_settled:
            self._scheduler.refuse_current(self)
            self._scheduler.cancel(self)

    def watch(self, watcher: Watcher) -> None:
        """Tell a watcher when this settles."""
        self._watchers.append(watcher)

    def _settle(self) -> None:
        self.order = self._scheduler.next_order()
        super()._settle()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.notice(self)


class Watcher(Protocol):
    """Something that wants to know when a fiber settles."""

    def notice(self, fiber: Fiber[Any]) -> None:
        """Take note that a fiber has settled."""


class Members:
    """Fibers whose settling is told one by one, in its order, at a cost that does not grow with their number."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._settled: deque[Fiber[Any]] = deque()
        self._asked: Future[Fiber[Any]] | None = None

    def add(self, fiber: Fiber[Any]) -> None:
        """Take a fiber in."""
        fiber.watch(self)

    def notice(self, fiber: Fiber[Any]) -> None:
        """Take note that a fiber has settled."""
        if self._asked is None:
            self._settled.append(fiber)
        else:
            asked, self._asked = self._asked, None
            asked.resolve(fiber)

    def next(self) -> Future[Fiber[Any]]:
        """Return what settles with the next member that does, one that was not told before."""
        asked: Future[Fiber[Any]] = Future(self._scheduler)
        if self._settled:
            asked.resolve(self._settled.popleft())
        else:
            self._asked = asked
        return asked


class _FirstSettled(Future["Fiber[Any]"]):
    """Settles with the first of some fibers that does."""

    __slots__ = ("_fibers", "key")

    def __init__(self, scheduler: Scheduler, fibers: Sequence[Fiber[Any]], key: StepKey) -> None:
        super().__init__(scheduler)
        self.key = key
        self._fibers = fibers

    def begin(self) -> None:
        if self.is_settled:
            return
        done = [fiber for fiber in self._fibers if fiber.is_settled]
        if done:
            self.resolve(min(done, key=lambda fiber: fiber.order))
        for fiber in self._fibers if not done else ():
            fiber.watch(self)

    def notice(self, fiber: Fiber[Any]) -> None:
        if not self.is_settled:
            self.resolve(fiber)


class Scheduler:
    """Steps fibers in a fixed order, first come first served, until every one is blocked or done.

    Given the same results in the same order, fibers take the same turns: that is all the determinism there is.
    """

    def __init__(self, cancelled: Callable[[Fiber[Any]], None]) -> None:
        self._cancelled = cancelled
        self._runnable: deque[Fiber[Any]] = deque()
        self._orders = 0
        self._closing = False
        self._refused = 0
        self._current: Fiber[Any] | None = None
        self._fibers: dict[Fiber[Any], None] = {}
        self.unawaited: dict[StepKey, Ask[Any]] = {}

    @property
    def current(self) -> Fiber[Any]:
        """The fiber whose turn it is."""
        if self._current is None:
            raise WorkflowCodeError("a workflow's verbs can be used only while the workflow is being driven")
        return self._current

    def spawn(self, coroutine: Coroutine[Any, Any, T], key: StepKey) -> Fiber[T]:
        """Begin a fiber; it belongs to the fiber whose turn it is and ends with it at the latest."""
        if self._closing:
            coroutine.close()  # so that Python does not complain that it was never awaited
            raise Parked
        fiber = Fiber(self, key, coroutine)
        if self._current is not None:
            fiber.parent = self._current
            self._current.children[fiber] = None
        self._fibers[fiber] = None
        self._runnable.append(fiber)
        return fiber

    def settled(self, fibers: Sequence[Fiber[Any]], key: StepKey) -> _FirstSettled:
        """Return what settles with the first of these fibers that does."""
        if not fibers:
            raise WorkflowCodeError("`settled` was given no fiber; give it at least one")
        return _FirstSettled(self, fibers, key)

    def make_runnable(self, fiber: Fiber[Any]) -> None:
        """Let a fiber have its turn again."""
        if not fiber.is_settled:
            self._runnable.append(fiber)

    def run(self) -> None:
        """Give turns until every fiber is blocked or done."""
        while self._runnable:
            fiber = self._runnable.popleft()
            if not fiber.is_settled:
                self._turn(fiber)

    def cancel(self, fiber: Fiber[Any]) -> None:
        """End a fiber, the fibers it began first; those of its asks that are open are told to `cancelled`."""
        for child in list(fiber.children):
            if not child.is_settled:
                self.cancel(child)
        fiber.is_cancelled = True
        error = WorkflowCodeError(f"`{fiber.key}` was cancelled")
        self._cancelled(fiber)
        for ask in list(fiber.asks.values()):
            ask.reject(error)  # another fiber may await it, too
        self._close(fiber)
        self._end(fiber, error)
        fiber.reject(error)

    def close(self) -> None:
        """Drop all fibers: the workflow's code is left, and every verb it still tries raises Parked."""
        self._closing = True
        for fiber in list(self._fibers):
            self._close(fiber)
        self._fibers.clear()
        self._runnable.clear()

    def refuse_if_closing(self, *, always: bool = False) -> bool:
        """Raise Parked if the workflow's code is only being left; unless `always`, code that goes on asking gets True.

        Such code swallows whatever is raised in it, and would never end.
        """
        if not self._closing:
            return False
        self._refused += 1
        if always or self._refused <= _MOST_REFUSALS:
            raise Parked
        return True

    def refuse_current(self, fiber: Fiber[Any]) -> None:
        """Raise WorkflowCodeError if ending a fiber would end the one whose turn it is."""
        inner = self._current
        while inner is not None and inner is not fiber:
            inner = inner.parent
        if inner is not None:
            raise WorkflowCodeError(f"`{fiber.key}` cannot cancel itself or what began it; let it return or raise")

    def next_order(self) -> int:
        """Return the next number in the order of settling."""
        self._orders += 1
        return self._orders

    def _turn(self, fiber: Fiber[Any]) -> None:
        previous, self._current = self._current, fiber
        try:
            awaited = fiber.context.run(fiber.coroutine.send, None)
        except StopIteration as stop:
            self._finish(fiber, stop.value, None)
        except Parked:
            raise
        except BaseException as error:
            self._finish(fiber, None, error)
        else:
            self._block(fiber, awaited)
        finally:
            self._current = previous

    def _block(self, fiber: Fiber[Any], awaited: object) -> None:
        if isinstance(awaited, Future):
            awaited.add_waiter(fiber)
            return
        error = WorkflowCodeError(
            f"{_place(fiber.coroutine)}: a workflow awaited something that is none of its verbs; "
            "do it inside a step, and sleep or wait for several with the workflow's own `sleep` and `parallel`"
        )
        self._close(fiber)
        self._finish(fiber, None, error)

    def _finish(self, fiber: Fiber[Any], value: object, error: BaseException | None) -> None:
        for child in list(fiber.children):
            child.cancel()
        self._end(fiber, error)
        if error is None:
            fiber.resolve(value)
        else:
            fiber.reject(error)

    def _end(self, fiber: Fiber[Any], error: BaseException | None) -> None:
        self._fibers.pop(fiber, None)
        if fiber.parent is not None:
            fiber.parent.children.pop(fiber, None)
        for action in reversed(fiber.on_end):
            action(error)
        fiber.on_end.clear()

    def _close(self, fiber: Fiber[Any]) -> None:
        """Leave a fiber's code, in which no verb may be used any more."""
        was, self._closing = self._closing, True
        self._refused = 0
        try:
            fiber.context.run(fiber.coroutine.close)
        except (Parked, Exception):
            pass  # its `finally` used a verb, awaited, or stumbled over what it never got: it is left all the same
        finally:
            self._closing = was


def _place(coroutine: Coroutine[Any, Any, Any]) -> str:
    """Return file and line where the awaiting began: the innermost that stand in no library."""
    import sysconfig

    libraries = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    places: list[str] = []
    inner: object = coroutine
    while isinstance(inner, CoroutineType) and inner.cr_frame is not None:
        places.append(f"{inner.cr_code.co_filename}:{inner.cr_frame.f_lineno}")
        inner = inner.cr_await
    own = [place for place in places if not place.startswith(libraries)]
    return (own or places or ["workflow"])[-1]
