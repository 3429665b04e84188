"""The decorators: an async function becomes a workflow that runs itself, a function a task with a policy."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from checkpointflow.frontends.functions.context import WorkflowContext
from checkpointflow.frontends.functions.definition import FunctionDefinition
from checkpointflow.frontends.functions.tasks import mark
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.python import names
from checkpointflow.python.running import Runnable

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class WorkflowFunction(FunctionDefinition, Runnable[T], Generic[P, T]):
    """An async function as a workflow; see Runnable for how it is run. Called with a context it is a branch."""

    function: Callable[Concatenate[WorkflowContext, P], Coroutine[Any, Any, T]]

    def __call__(self, ctx: WorkflowContext, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Return the function's coroutine, to be awaited in a run that goes on."""
        return self.function(ctx, *args, **kwargs)

    def as_result(self, value: Any) -> T:
        """Return a result as the function is annotated to return it."""
        return self.result(value)  # type: ignore[no-any-return]


@overload
def workflow(
    function: Callable[Concatenate[WorkflowContext, P], Coroutine[Any, Any, T]], /
) -> WorkflowFunction[P, T]: ...
@overload
def workflow(
    *, name: str | None = None, version: str | None = None, chat: bool = False
) -> Callable[[Callable[Concatenate[WorkflowContext, P], Coroutine[Any, Any, T]]], WorkflowFunction[P, T]]: ...
def workflow(
    function: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    chat: bool = False,
) -> Any:
    """Make an async function, whose first parameter is the context, a workflow.

    A run's input is an object of the other parameters, by name. `version` pins which runs this code may go on with;
    without one, a changed function is noticed by what it asks for. `chat=True` is recorded as the label `chat`.

    Raises:
        TypeError: the function is not async, or takes no context.
    """

    def decorate(decorated: Callable[..., Coroutine[Any, Any, Any]]) -> WorkflowFunction[Any, Any]:
        made: WorkflowFunction[Any, Any] = WorkflowFunction(
            decorated, name=name, version=version, labels={"chat": "true"} if chat else {}
        )
        names.register(made)
        return made

    return decorate if function is None else decorate(function)


@overload
def task(function: F, /) -> F: ...
@overload
def task(
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout_seconds: float | None = None,
    effect: Literal["idempotent", "once"] = "idempotent",
) -> Callable[[F], F]: ...
def task(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout_seconds: float | None = None,
    effect: Literal["idempotent", "once"] = "idempotent",
) -> Any:
    """Say how a function is tried when a workflow calls it with `ctx.task` or `ctx.step`; it stays what it was.

    `retry` tries it again when it raises, `timeout_seconds` bounds each attempt. `effect="once"`: a crash in the
    middle leaves the step in doubt, to be decided by a person, instead of performing it again.
    """

    def decorate(decorated: F) -> F:
        return mark(decorated, name=name, retry=retry, timeout_seconds=timeout_seconds, effect=effect)

    return decorate if function is None else decorate(function)
