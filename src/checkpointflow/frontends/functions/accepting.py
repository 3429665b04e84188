"""What verbs and decorators accept: each argument as it is meant, or a refusal in one sentence; nothing is asked."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.kernel.retry import RetryPolicy

LONGEST_SECONDS = 100 * 366 * 86400.0
"""A century: calendars hold no instant that is much farther away."""


def shown(value: object) -> str:
    """Return a few words on what was given in place of something else."""
    if isinstance(value, str):
        return f"the text {value[:40]!r}" if value else "an empty text"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)[:40]
    return f"a `{type(value).__name__}`"


def name(given: object, what: str) -> str:
    """Return a name or key.

    Raises:
        WorkflowCodeError: it is no text, or empty.
    """
    if isinstance(given, str) and given:
        return given
    raise WorkflowCodeError(f"{what} is {shown(given)}; give it a text that is not empty")


def text(given: object, what: str) -> str | None:
    """Return a text, or None.

    Raises:
        WorkflowCodeError: it is neither.
    """
    if given is None or isinstance(given, str):
        return given
    raise WorkflowCodeError(f"{what} is {shown(given)}; give it a text")


def function(given: object, verb: str) -> Callable[..., Any]:
    """Return what a step performs.

    Raises:
        WorkflowCodeError: it cannot be called, or is a workflow.
    """
    if hasattr(given, "takes_over"):
        raise WorkflowCodeError(f"`{getattr(given, 'id', given)}` is a workflow and no task; call it with `ctx.call`")
    if callable(given):
        return given
    if inspect.iscoroutine(given):
        given.close()
        called = given.__name__
        raise WorkflowCodeError(
            f"`{verb}` takes a function, and got a coroutine of `{called}`; give it `{called}`, and behind it the "
            "arguments"
        )
    raise WorkflowCodeError(
        f"`{verb}` takes a function, and got {shown(given)}; give it the function itself, and behind it the arguments"
    )


def work(given: object, step: str) -> Any:
    """Return what `ctx.step` performs: a function, or a coroutine.

    Raises:
        WorkflowCodeError: it is neither.
    """
    if inspect.iscoroutine(given):
        return given
    if not callable(given):
        raise WorkflowCodeError(f"`ctx.step({step!r}, …)` takes a function or a coroutine, and got {shown(given)}")
    return function(given, "ctx.step")


def workflow(given: Any) -> Any:
    """Return a workflow that another one calls.

    Raises:
        WorkflowCodeError: it is none.
    """
    if hasattr(given, "takes_over") and not isinstance(given, type):
        return given
    if inspect.iscoroutine(given):
        given.close()
        raise WorkflowCodeError("`ctx.call` takes a workflow, and got a coroutine; give it the workflow and its input")
    hint = "; a plain function is called with `ctx.task`" if callable(given) else ""
    raise WorkflowCodeError(
        f"`ctx.call` takes a workflow (a function with `@workflow`, a `Graph` or a `Document`), and got "
        f"{shown(given)}{hint}"
    )


def items(given: object, verb: str, key: object) -> list[Any]:
    """Return the items that a verb works on, by their places unless `key` is a function of an item.

    Raises:
        WorkflowCodeError: they cannot be listed, or have no order.
    """
    if isinstance(given, set | frozenset) and not callable(key):
        raise WorkflowCodeError(f"`{verb}` got a set, whose order is another one in each process; give it `sorted(…)`")
    if isinstance(given, Iterable):
        return list(given)
    raise WorkflowCodeError(f"`{verb}` takes a function and a list of items, and got {shown(given)} for the items")


def item_keys(given: object, listed: Sequence[Any], verb: str) -> list[int | str]:
    """Return what tells the items of a verb apart: their places, or what a function says of each.

    Raises:
        WorkflowCodeError: it says something that cannot be a key.
    """
    if given is None or isinstance(given, str):
        return list(range(len(listed)))
    if not callable(given):
        raise WorkflowCodeError(f"`key` of `{verb}` is {shown(given)}; give it a function of an item, or a text")
    keys = [given(item) for item in listed]
    for key in keys:
        if isinstance(key, bool) or not isinstance(key, int | str) or key == "":
            raise WorkflowCodeError(
                f"`key` of `{verb}` gave {shown(key)} for an item; it has to give a text or an integer"
            )
    return keys


def limit(given: object) -> int | None:
    """Return how many go on at a time.

    Raises:
        WorkflowCodeError: it would let nothing go on.
    """
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1):
        return given
    raise WorkflowCodeError(f"`limit` is {shown(given)}; it is how many go on at a time, 1 at least")


def seconds(given: object, what: str) -> float | None:
    """Return how long something may take.

    Raises:
        WorkflowCodeError: it is no number of seconds.
    """
    if given is None or (_is_number(given) and given >= 0):
        return given
    raise WorkflowCodeError(f"{what} is {shown(given)}; give it a number of seconds, 0 at least")


def until(given: object) -> timedelta | datetime:
    """Return how long, or until when, a workflow sleeps.

    Raises:
        WorkflowCodeError: it is no time, or farther away than calendars reach.
    """
    if isinstance(given, datetime):
        return given
    length = given.total_seconds() if isinstance(given, timedelta) else given
    if not _is_number(length):
        raise WorkflowCodeError(f"`ctx.sleep` takes seconds, a timedelta or a datetime, and got {shown(given)}")
    if length > LONGEST_SECONDS:
        raise WorkflowCodeError("`ctx.sleep` was given more than a century; sleep less, or until an instant")
    return timedelta(seconds=max(0.0, length))


def options(given: Any) -> Sequence[Mapping[str, Any] | str]:
    """Return the options of a question as they were given.

    Raises:
        WorkflowCodeError: they are no list of ids or objects.
    """
    if given is None:
        return ()
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise WorkflowCodeError(
            f"`options` is {shown(given)}; give it a list of ids, or of objects with `id` and `label`"
        )
    listed = list(given)
    for one in listed:
        if not isinstance(one, str | Mapping):
            raise WorkflowCodeError(f"an option is {shown(one)}; give its id, or an object with `id` and `label`")
    return listed


def name_of_code(given: Any, what: str) -> str | None:
    """Return what a decorator was given as a name, None if it was not.

    Raises:
        TypeError: it is no text, or empty.
    """
    if given is None or (isinstance(given, str) and given):
        return given
    raise TypeError(f"{what} is {shown(given)}; give it a text that is not empty")


def policy(retry: Any, timeout_seconds: object, effect: object) -> None:
    """Refuse a policy that could not be kept.

    Raises:
        TypeError, ValueError: says what to give.
    """
    if effect not in ("idempotent", "once"):
        raise ValueError(f"`effect` is {shown(effect)}; give `idempotent` or `once`")
    if timeout_seconds is not None and not (_is_number(timeout_seconds) and 0 < timeout_seconds <= LONGEST_SECONDS):
        raise TypeError(f"`timeout_seconds` is {shown(timeout_seconds)}; give it seconds, above 0 and up to a century")
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise TypeError(f"`retry` is {shown(retry)}; give it `Retry(max_attempts=…)`")
    if retry is not None:
        _retry(retry)


def _retry(retry: Any) -> None:
    if isinstance(retry.max_attempts, bool) or not isinstance(retry.max_attempts, int) or retry.max_attempts < 1:
        raise ValueError(f"`max_attempts` is {shown(retry.max_attempts)}; it counts the first try, so give 1 at least")
    if retry.strategy not in ("fixed", "exponential"):
        raise ValueError(f"`strategy` is {shown(retry.strategy)}; give `fixed` or `exponential`")
    for what in ("backoff_seconds", "max_backoff_seconds"):
        if not _is_number(getattr(retry, what)) or getattr(retry, what) < 0:
            raise ValueError(f"`{what}` is {shown(getattr(retry, what))}; give it a number of seconds, 0 at least")
    if isinstance(retry.on, str):
        raise TypeError(f"`on` is {shown(retry.on)}; give it a tuple of texts, as `on=({retry.on!r},)`")


def state_key(given: object) -> str:
    """Return the key of a value of the run's state.

    Raises:
        WorkflowCodeError: it is no text.
    """
    if isinstance(given, str):
        return given
    raise WorkflowCodeError(f"a key of `ctx.state` is {shown(given)}; give it a text")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
