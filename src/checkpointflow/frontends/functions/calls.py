"""A call of a task as an effect; and as a recipe from which another process makes the same call."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, cast

from checkpointflow.errors import UnsupportedError
from checkpointflow.frontends.code import found_again
from checkpointflow.frontends.functions.asking import Once
from checkpointflow.frontends.functions.conversion import ANY, from_json, hints_of, own, to_json
from checkpointflow.frontends.functions.tasks import awaiting, is_async, options_of, performing
from checkpointflow.kernel.run import LocalEffect, Loop, Policy, StepContext
from checkpointflow.values import JsonObject, JsonValue

KIND = "function"


def effect_of_call(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: Mapping[str, Any],
    *,
    loop: Callable[[], Loop],
) -> LocalEffect:
    """Return the call of a function under a name; `loop` gives where an async one is awaited.

    Raises:
        WorkflowCodeError: an argument cannot be journaled.
    """
    positional: list[JsonValue] = [to_json(one, f"{name}({index})") for index, one in enumerate(args)]
    by_name: JsonObject = {one: to_json(value, f"{name}({one})") for one, value in named.items()}
    arguments: JsonValue = {"arguments": positional, "named": by_name} if named else positional
    given, by_key = [own(one) for one in args], {one: own(value) for one, value in named.items()}

    def recipe() -> JsonObject | None:
        place = _place_of(function)
        return None if place is None else {**place, "name": name, "arguments": positional, "named": by_name}

    return _effect(name, partial(function, *given, **by_key), is_async(function), arguments, loop, recipe)


def effect_of_coroutine(name: str, coroutine: Coroutine[Any, Any, Any], *, loop: Callable[[], Loop]) -> LocalEffect:
    """Return a coroutine, which is awaited at most once, as an effect under a name."""
    once = Once(coroutine)
    return _local(name, lambda context: awaiting(context, once.take), None, Policy(), loop(), lambda: None)


def recalled(recipe: JsonObject, *, loop: Callable[[], Loop]) -> LocalEffect:
    """Return the call that a recipe stands for, with its arguments as the function's annotations say.

    Raises:
        UnsupportedError: its function cannot be had here.
        WorkflowCodeError: an argument does not fit its annotation.
    """
    function = _found(recipe)
    name = str(recipe["name"])
    given = cast("list[JsonValue]", recipe["arguments"])
    args, named = _converted(function, name, given, cast(JsonObject, recipe["named"]))
    return _effect(name, partial(function, *args, **named), is_async(function), None, loop, lambda: recipe)


def _effect(
    name: str,
    call: partial[Any],
    awaits: bool,
    arguments: JsonValue,
    loop: Callable[[], Loop],
    recipe: Callable[[], JsonObject | None],
) -> LocalEffect:
    policy = options_of(call).policy
    if awaits:
        return _local(name, lambda context: awaiting(context, call), arguments, policy, loop(), recipe)
    return _local(name, lambda context: performing(context, call), arguments, policy, None, recipe)


def _local(
    name: str,
    function: Callable[[StepContext], object],
    arguments: JsonValue,
    policy: Policy,
    loop: Loop | None,
    recipe: Callable[[], JsonObject | None],
) -> LocalEffect:
    def plain(value: object) -> JsonValue:
        return to_json(value, f"{name}()")

    async def awaited(context: StepContext) -> JsonValue:
        return plain(await cast(Awaitable[object], function(context)))

    return LocalEffect(
        function=awaited if loop is not None else lambda context: plain(function(context)),
        identity=f"task:{name}",
        arguments=arguments,
        policy=policy,
        loop=loop,
        recipe=recipe,
    )


def _place_of(function: Callable[..., Any]) -> JsonObject | None:
    """Return where another process finds a function; None if only this one has it."""
    name, attribute = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(name, str) or not isinstance(attribute, str) or "<" in attribute:
        return None
    try:
        if _attribute(sys.modules[name], attribute) is not function:
            return None
        file = inspect.getsourcefile(function)
    except (KeyError, AttributeError, TypeError):
        return None
    return {"kind": KIND, "module": name, "attribute": attribute, "path": file}


def _found(recipe: JsonObject) -> Callable[..., Any]:
    module, attribute, path = str(recipe["module"]), str(recipe["attribute"]), recipe["path"]
    try:
        found = _attribute(found_again(module, None if path is None else str(path)), attribute)
    except (Exception, SystemExit) as error:
        raise UnsupportedError(
            f"task `{attribute}` of `{path or module}` cannot be had here: {type(error).__name__}: {error}",
            hint="run the worker where that code can be imported, or put its folder on PYTHONPATH",
        ) from None
    return cast("Callable[..., Any]", found)


def _attribute(module: object, path: str) -> object:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _converted(
    function: Callable[..., Any], what: str, args: list[JsonValue], named: JsonObject
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call as their annotations say."""
    bound = inspect.signature(function).bind(*args, **named)
    hints = hints_of(function, [*bound.signature.parameters], what)
    for one in bound.signature.parameters.values():
        if one.name not in bound.arguments:
            continue
        said, value = f"`{one.name}` of `{what}`", bound.arguments[one.name]
        hint = hints.get(one.name, ANY)
        if one.kind is one.VAR_POSITIONAL:
            bound.arguments[one.name] = tuple(from_json(item, hint, said) for item in value)
        elif one.kind is one.VAR_KEYWORD:
            bound.arguments[one.name] = {key: from_json(item, hint, said) for key, item in value.items()}
        else:
            bound.arguments[one.name] = from_json(value, hint, said)
    return list(bound.args), bound.kwargs
