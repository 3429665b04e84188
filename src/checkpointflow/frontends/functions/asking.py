"""Verbs that were asked for and begin when they are awaited, and the scope in which those of a fiber work."""

from __future__ import annotations

import inspect
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.kernel.run import Run, Verb

T = TypeVar("T")

_scope: ContextVar[Run] = ContextVar("checkpointflow_scope")
"""The scope in which the verbs of a fiber work: fibers have context variables of their own."""


_FOLDER = str(Path(__file__).parent)


class Unawaited:
    """The verbs of one workflow's code that nobody has awaited so far, or handed on, with the places of their calls."""

    def __init__(self) -> None:
        self._calls: dict[object, tuple[str, int]] = {}

    def called(self, verb: object) -> None:
        """Take note of a verb, and of the line that called it."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(_FOLDER):
            frame = frame.f_back
        self._calls[verb] = ("a workflow", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)

    def taken(self, verb: object) -> None:
        """Forget a verb: it is awaited, or somebody else will see to that."""
        self._calls.pop(verb, None)

    def tell(self) -> None:
        """Warn of what is left, as Python warns of coroutines.

        Raises:
            WorkflowCodeError: warnings are errors here.
        """
        for verb, (file, line) in self._calls.items():
            message = f"{verb} was called but never awaited, so nothing happened; write `await` before it"
            try:
                warnings.warn_explicit(message, RuntimeWarning, file, line)
            except RuntimeWarning:
                raise WorkflowCodeError(f"{file}:{line}: {message}") from None


_unawaited: ContextVar[Unawaited] = ContextVar("checkpointflow_unawaited")


@contextmanager
def noticing() -> Iterator[Unawaited]:
    """Take note of the verbs that a workflow's code calls meanwhile."""
    found = Unawaited()
    token = _unawaited.set(found)
    try:
        yield found
    finally:
        _unawaited.reset(token)


def _called(verb: object) -> None:
    noticing_here = _unawaited.get(None)
    if noticing_here is not None:
        noticing_here.called(verb)


def _taken(verb: object) -> None:
    noticing_here = _unawaited.get(None)
    if noticing_here is not None:
        noticing_here.taken(verb)


class Asked(Generic[T]):
    """Something asked for under a key; it begins when it is awaited, or handed to `parallel` or `first`."""

    def __init__(self, verb: Verb[Any], give: Callable[[Any], T]) -> None:
        self._verb = verb
        self._give = give
        _called(self)

    def __str__(self) -> str:
        return f"`{self.key}`"

    @property
    def key(self) -> str:
        """The key under which the journal has it."""
        return self._verb.key

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for it, and return its value as annotated."""
        _taken(self)
        return self._give((yield from self._verb.__await__()))


class Together(Generic[T]):
    """Several that go on beside each other; they begin when this is awaited, or handed to `parallel` or `first`."""

    def __init__(
        self, name: str, begin: Callable[[], Coroutine[Any, Any, T]], items: Sequence[Awaitable[Any]] = ()
    ) -> None:
        self._name = name
        self._begin = begin
        self._items = items
        self._is_awaited = False
        for item in items:
            _taken(item)
        _called(self)

    def __str__(self) -> str:
        return f"`{self._name}`"

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for them."""
        if self._is_awaited:
            raise WorkflowCodeError("what goes on beside each other was awaited a second time; keep what it gave")
        self._is_awaited = True
        _taken(self)
        return self._begun().__await__()

    async def _begun(self) -> T:
        try:
            return await self._begin()
        finally:
            self.close()

    def close(self) -> None:
        """Close the coroutines that were never begun, so that nobody complains about them."""
        for item in self._items:
            if isinstance(item, Together):
                item.close()
            elif inspect.iscoroutine(item):
                _close_unbegun(item)


class Once:
    """A coroutine that is awaited at most once, and closed in silence if it never is."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._is_taken = False
        # a finalizer that holds the coroutine: in a circle of garbage, Python might complain about it before
        weakref.finalize(self, _close_unbegun, coroutine)

    async def take(self) -> Any:
        """Await it.

        Raises:
            WorkflowCodeError: it was awaited before.
        """
        if self._is_taken:
            raise WorkflowCodeError("a coroutine can be awaited once; give `ctx.step` a function instead")
        self._is_taken = True
        return await self._coroutine


def _close_unbegun(coroutine: Coroutine[Any, Any, Any]) -> None:
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()


def entered(run: Run) -> None:
    """Have the verbs of the fiber whose turn it is work in this scope."""
    _scope.set(run)


def here() -> Run:
    """Return the scope in which the verbs of this fiber work.

    Raises:
        WorkflowCodeError: this is no workflow's code.
    """
    run = _scope.get(None)
    if run is None:
        raise WorkflowCodeError(
            "a verb of `ctx` was used outside its workflow's code, as inside a step; a step only does, and cannot wait "
            "or call further steps: write a coroutine for `ctx.parallel` or a workflow for `ctx.call`"
        )
    return run
