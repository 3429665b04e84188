"""What a task is: a function with a name and a policy; and what it may ask about its attempt while it runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.frontends.functions import accepting
from checkpointflow.frontends.functions.conversion import ANY, hints_of
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import Policy, StepContext
from checkpointflow.records import dataclass, field

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = "__checkpointflow_task__"
_current: ContextVar[StepContext] = ContextVar("checkpointflow_step")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskOptions:
    """What `task` said of a function."""

    name: str | None = None
    policy: Policy = field(default_factory=Policy)


def mark(
    function: F,
    *,
    name: str | None,
    retry: RetryPolicy | None,
    timeout_seconds: float | None,
    effect: Literal["idempotent", "once"],
) -> F:
    """Note on a function how it is to be tried when a workflow calls it; called directly, it is as before."""
    if not callable(function):
        raise TypeError(f"`task` says how a function is tried, and got {accepting.shown(function)}")
    accepting.name_of_code(name, "`name` of `task`")
    accepting.policy(retry, timeout_seconds, effect)
    policy = Policy(retry=retry or RetryPolicy(), timeout_seconds=timeout_seconds, effect=effect)
    setattr(function, _OPTIONS, TaskOptions(name=name, policy=policy))
    return function


def options_of(function: Callable[..., Any]) -> TaskOptions:
    """Return what `task` said of a callable, or of the function behind a method or partial."""
    while True:
        found = getattr(function, _OPTIONS, None)
        if isinstance(found, TaskOptions):
            return found
        if not isinstance(function, functools.partial):
            return TaskOptions()
        function = function.func


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which a callable is recorded.

    Raises:
        WorkflowCodeError: it has none of its own.
    """
    named = options_of(function).name
    if named is not None:
        return named
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    if name is None:
        return type(function).__name__
    if name == "<lambda>":
        raise WorkflowCodeError("a lambda has no name to be recorded under; use `ctx.step(name, …)`")
    return str(name)


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling it gives an awaitable."""
    while isinstance(function, functools.partial):
        function = function.func
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return inspect.iscoroutinefunction(called)


def returns_of(function: Callable[..., Any]) -> object:
    """Return the annotation of what a callable gives; without one, anything."""
    while isinstance(function, functools.partial):
        function = function.func
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return hints_of(called, ["return"], getattr(called, "__qualname__", "a task")).get("return", ANY)


def performing(context: StepContext, function: Callable[[], Any]) -> Any:
    """Call a task, which may ask for its step meanwhile."""
    token = _current.set(context)
    try:
        found = function()
    finally:
        _current.reset(token)
    if inspect.iscoroutine(found):
        found.close()
        raise WorkflowCodeError(
            f"`{context.key}` is no `async def` and gave a coroutine; give `ctx.step` the coroutine itself, or the "
            "async function with its arguments"
        )
    return found


async def awaiting(context: StepContext, function: Callable[[], Any]) -> Any:
    """Await a task, which may ask for its step meanwhile."""
    token = _current.set(context)
    try:
        return await function()
    finally:
        _current.reset(token)


def current_step() -> StepContext:
    """Return the step that is being performed: `run_id`, `key`, `attempt` from 1, `idempotency_key`, `cwd`.

    The idempotency key is the same for every attempt at one step, also after a crash: hand it to whatever must do
    something at most once.

    Raises:
        WorkflowCodeError: no step is being performed here.
    """
    context = _current.get(None)
    if context is None:
        raise WorkflowCodeError("`current_step()` was called outside a task; call it in what a step performs")
    return context
