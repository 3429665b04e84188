"""Steps with effects as calls: their texts rendered, each for its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, cast

from checkpointflow.errors import InternalError
from checkpointflow.expressions import Expression, SecretText, text_of
from checkpointflow.frontends.document.frame import Frame
from checkpointflow.frontends.document.model import Path, Step
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import Origin, Policy, StepCall
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

_SECONDS = {"api": 30.0}
_RETRIED: Mapping[str, JsonObject] = {"api": {"on": ["timeout", "connection", "http:408", "http:429", "http:5xx"]}}
_ENV: Path = ("workflow", "defaults", "env")


def call_of(frame: Frame, step: Step) -> StepCall:
    """Return the call of a step with an effect.

    Raises:
        ExpressionError: a text has no value.
        StepFailedError: a place that needs a value got null, or one that does not fit it.
    """
    arguments_of = _ARGUMENTS.get(step.kind)
    if arguments_of is None:
        raise InternalError(f"no call is known for steps of kind `{step.kind}`")
    arguments = arguments_of(frame, step)
    marks = list(_marks(arguments, ())) if frame.document.secrets else []
    return StepCall(
        kind=step.kind,
        arguments=arguments | {"secrets": marks} if marks else arguments,
        policy=frame.texts.once((*step.path, "policy"), lambda: _policy(frame, step)),
        outputs=step.outputs,
        origin=_origin(frame),
    )


def _marks(value: JsonValue, path: Path) -> Iterator[JsonValue]:
    """Yield where in a call's arguments secrets are to be put.

    Places, not look-alikes: whatever a value holds, nobody reads placeholders out of a text again.
    """
    if isinstance(value, SecretText):
        for mark in value.marks:
            yield {"at": list(path), **mark.as_json()}
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _marks(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _marks(inner, (*path, index))


def _origin(frame: Frame) -> Origin:
    """Return where a call comes from.

    The folder is that of the file as it was when the run was started, so that a run goes on from anywhere; where the
    file has moved since, a module of the same name in the run's working folder is found.
    """
    document = frame.document
    folder = None if document.path is None else os.path.dirname(document.path)  # noqa: PTH120 - stays as written
    return Origin(folder=folder, secrets=document.secrets, withheld=document.withheld)


def _policy(frame: Frame, step: Step) -> Policy:
    defaults = frame.document.defaults
    seconds = step.timeout_seconds if step.timeout_seconds is not None else defaults.get("timeout_seconds")
    retry = step.retry if step.retry is not None else defaults.get("retry")
    if seconds is None:
        seconds = _SECONDS.get(step.kind)
    return Policy(
        retry=_retry(_RETRIED.get(step.kind, {}) | retry) if isinstance(retry, dict) else RetryPolicy(),
        timeout_seconds=float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None,
        effect=cast(Literal["idempotent", "once"], step.effect or "idempotent"),
    )


def _retry(fields: JsonObject) -> RetryPolicy:
    known: dict[str, Any] = dict(fields)
    if "on" in known:
        known["on"] = tuple(known["on"])
    return RetryPolicy(**known)


def _cli_arguments(frame: Frame, step: Step) -> JsonObject:
    fields, defaults = step.fields, frame.document.defaults
    arguments: JsonObject = {name: fields[name] for name in ("success", "parse") if name in fields}
    if "argv" in fields:
        arguments["argv"] = _words(frame, step)
    else:
        arguments |= _command(frame, step, str(fields.get("shell") or defaults.get("shell") or "sh"))
    environment = _environment(frame, step)
    if environment:
        arguments["env"] = environment
    working_folder = _working_folder(frame, step)
    if working_folder is not None:
        arguments["cwd"] = working_folder
    if "stdin" in fields:
        arguments["stdin"] = frame.texts.value(step, "stdin", context=frame.context)
    return arguments


def _python_arguments(frame: Frame, step: Step) -> JsonObject:
    given = frame.texts.value(step, "args", context=frame.context) if "args" in step.fields else {}
    return {"call": step.fields["call"], "args": given}


def _words(frame: Frame, step: Step) -> list[JsonValue]:
    argv = cast("list[JsonValue]", step.fields["argv"])
    return [_word(frame, step, item, (*step.path, "argv", index)) for index, item in enumerate(argv)]


def _word(frame: Frame, step: Step, value: JsonValue, path: Path) -> str:
    """Return a text every part of which has to have a value."""
    if not isinstance(value, str):
        return text_of(value)
    parts = frame.texts.template(step, value, path).parts
    return "".join(part if isinstance(part, str) else _needed(frame, step, part, path) for part in parts)


def _needed(frame: Frame, step: Step, expression: Expression, path: Path) -> str:
    value = expression.evaluate(frame.context)
    if value is None:
        field = next(part for part in reversed(path) if isinstance(part, str))
        raise frame.failure(
            step,
            f"`{expression.source}` is null, and `{field}` of step `{step.id}` needs a value; "
            "give one with `default(…)`, or skip the step with `if`",
        )
    return text_of(value)


def _working_folder(frame: Frame, step: Step) -> str | None:
    if "cwd" in step.fields:
        return _word(frame, step, step.fields["cwd"], (*step.path, "cwd"))
    if "cwd" in frame.document.defaults:
        return _word(frame, step, frame.document.defaults["cwd"], ("workflow", "defaults", "cwd"))
    return None


def _environment(frame: Frame, step: Step) -> JsonObject:
    found: JsonObject = {}
    for name, value, path in _variables(frame, step):
        found[name] = text_of(
            frame.texts.template(step, value, path).render(frame.context) if isinstance(value, str) else value
        )
    return found


def _variables(frame: Frame, step: Step) -> Iterator[tuple[str, JsonValue, Path]]:
    for fields, path in ((frame.document.defaults, _ENV), (step.fields, (*step.path, "env"))):
        variables = fields.get("env")
        if isinstance(variables, dict):
            for name, value in variables.items():
                yield name, value, (*path, name)


def _command(frame: Frame, step: Step, shell: str) -> JsonObject:
    """Return the text for the shell, in which values stand as references, and the values."""
    path: Path = (*step.path, "command")
    placed = frame.texts.once(path, lambda: _placed(frame, step, shell))
    values: JsonObject = {name: _needed(frame, step, expression, path) for name, expression in placed.values}
    return {"command": placed.text, "shell": shell} | ({"values": values} if values else {})


@dataclass(frozen=True, slots=True)
class _Placed:
    """A command's text for its shell, and the expression behind each reference in it."""

    text: str
    values: tuple[tuple[str, Expression], ...]


def _placed(frame: Frame, step: Step, shell: str) -> _Placed:
    command, path = step.fields["command"], (*step.path, "command")
    if isinstance(command, str):
        return _placed_text(frame, step, command, path, shell, 1)
    parts: list[_Placed] = []
    for index, text in enumerate(cast("list[str]", command)):
        first = 1 + sum(len(part.values) for part in parts)
        parts.append(_placed_text(frame, step, text, (*path, index), shell, first))
    text = " && ".join(f"{{ {part.text}\n}}" for part in parts)
    return _Placed(text, tuple(value for part in parts for value in part.values))


def _placed_text(frame: Frame, step: Step, text: str, path: Path, shell: str, first: int) -> _Placed:
    template = frame.texts.template(step, text, path)
    expressions = [part for part in template.parts if isinstance(part, Expression)]
    if not expressions:  # most commands: what knows of shells need not be loaded for them
        return _Placed("".join(str(part) for part in template.parts), ())
    from checkpointflow.frontends.document.holes import shell_parts
    from checkpointflow.frontends.document.shell import place_values

    shell_text = place_values(shell_parts(template), shell=shell, first=first)
    return _Placed(shell_text.text, tuple(zip(shell_text.names, expressions, strict=True)))


def _api_arguments(frame: Frame, step: Step) -> JsonObject:
    fields = step.fields
    arguments: JsonObject = {"method": fields.get("method", "GET"), **_address(frame, step)}
    for name, sent in (("query", _repeated), ("headers", text_of)):
        found = frame.texts.value(step, name, context=frame.context) if name in fields else None
        if isinstance(found, dict) and found:
            arguments[name] = {key: sent(value) for key, value in found.items() if value is not None}
    body = frame.texts.value(step, "body", context=frame.context) if "body" in fields else None
    if body is not None:
        arguments["body"] = body
    return arguments | {name: fields[name] for name in ("success", "allow_private_hosts") if name in fields}


def _address(frame: Frame, step: Step) -> JsonObject:
    """Return the url with its values in their places, and whether its host came from one of them."""
    from checkpointflow.frontends.document.url_places import has_dynamic_host, placed_url

    path: Path = (*step.path, "url")
    template = frame.texts.template(step, str(step.fields["url"]), path)
    try:
        url = placed_url(template, lambda expression: _needed(frame, step, expression, path))
    except ValueError as error:
        raise frame.failure(step, f"the `url` of step `{step.id}` cannot be used: {error}") from None
    return {"url": url} | ({"dynamic_host": True} if has_dynamic_host(template) else {})


def _repeated(value: JsonValue) -> JsonValue:
    """Return a value of the query as text; a list as texts, for each of which the name is repeated."""
    if isinstance(value, list):
        return [text_of(item) for item in value if item is not None]
    return text_of(value)


_ARGUMENTS: Mapping[str, Callable[[Frame, Step], JsonObject]] = {
    "api": _api_arguments,
    "cli": _cli_arguments,
    "python": _python_arguments,
}
