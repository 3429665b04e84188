"""Secrets where effects are performed: read from where they are kept, put into a call, kept out of what it gives."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from checkpointflow.errors import CheckpointflowError, SecretUnavailableError, StepOutputError, said
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.records import dataclass, replace
from checkpointflow.steps.base import StepSettings
from checkpointflow.steps.masking import SHORTEST, Hidden
from checkpointflow.values import JsonObject, JsonValue

_LARGEST = 64 * 1024


class SecretMissing(Exception):  # noqa: N818 - a reason; who asks makes an error of it
    """A secret cannot be had here; the text says why, without its value."""


# -- where they are kept ---------------------------------------------------------------------------


def read_secret(source: JsonObject, environment: Mapping[str, str], cwd: str) -> str:
    """Return a secret from where it is kept; of a file without the newline at its end.

    Raises:
        SecretMissing: it is not there, or is nothing that could be kept secret.
    """
    value = _variable(str(source["env"]), environment) if "env" in source else _file(source, environment, cwd)
    place = place_of(source)
    if not value:
        raise SecretMissing(f"{place} is empty")
    if len(value.strip()) < SHORTEST:
        raise SecretMissing(f"{place} holds fewer than {SHORTEST} characters, too few to be kept out of outputs")
    if "\0" in value or len(value.encode()) > _LARGEST:
        raise SecretMissing(f"{place} holds a NUL character, or more than {_LARGEST // 1024} KiB")
    return value


def place_of(source: JsonObject) -> str:
    """Return where a secret is kept, in words."""
    return f"the variable `{source['env']}`" if "env" in source else f"the file `{source['file']}`"


def missing_secrets(
    secrets: Iterable[tuple[str, JsonObject]], environment: Mapping[str, str], cwd: str
) -> list[JsonObject]:
    """Return which secrets cannot be had here, each with `secret`, where it is kept, and `reason`."""
    missing: list[JsonObject] = []
    for name, source in secrets:
        try:
            read_secret(source, environment, cwd)
        except SecretMissing as error:
            missing.append({"secret": name, **source, "reason": str(error)})
    return missing


def _variable(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if value is None:
        raise SecretMissing(f"the variable `{name}` is not set")
    if not _is_unicode(value):
        raise SecretMissing(f"the variable `{name}` holds no text in UTF-8")
    return value


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _file(source: JsonObject, environment: Mapping[str, str], cwd: str) -> str:
    path = str(source["file"])
    if path.startswith("~/"):
        path = environment.get("HOME", "~") + path[1:]
    try:
        with open(Path(cwd) / path, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretMissing(f"{place_of(source)} is no regular file, which could be read each time")
            data = file.read(_LARGEST + 3)
        return (
            data.decode("utf-8", "replace" if len(data) > _LARGEST else "strict").removesuffix("\n").removesuffix("\r")
        )
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SecretMissing(f"{place_of(source)} cannot be read: {reason}") from None
    except ValueError:
        raise SecretMissing(f"{place_of(source)} holds no text in UTF-8") from None


def _opened(path: str, flags: int) -> int:
    """Open without waiting: a pipe into which nobody writes would hold everything up."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


# -- into a call, and out of what it gives ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unveiled:
    """A call that can be performed, its secrets in place, and the settings for it."""

    call: StepCall
    settings: StepSettings

    def kept_out(self, result: StepResult, context: StepContext) -> StepResult:
        """Return a result without secrets beside its output.

        Raises:
            StepOutputError: there is one in its output.
        """
        hidden = self.settings.hidden
        if not hidden:
            return result
        names = hidden.names_in(result.output)
        if names:
            raise secret_in_output(names, context)
        return StepResult(result.output, _details(result.details, hidden))

    def masked(self, error: Exception) -> Exception:
        """Return an error with `***` for every secret, to be raised in its place and from nothing.

        What is no error of ours may keep texts anywhere in it, so only its own sentence is kept.
        """
        hide = self.settings.hidden.text
        if isinstance(error, CheckpointflowError):
            error.message = hide(error.message)
            error.details = _details(error.details, self.settings.hidden)
            error.hint = None if error.hint is None else hide(error.hint)
            error.args = (error.message,)
            return error
        if isinstance(error, EffectStopped):
            return error
        masked = OutcomeLost(hide(str(error))) if isinstance(error, OutcomeLost) else _defect(error, hide)
        return masked.with_traceback(error.__traceback__)


def _details(details: JsonObject, hidden: Hidden) -> JsonObject:
    """Return details masked, under their names: those are ours, whatever a secret may be."""
    return {name: hidden.masked(value) for name, value in details.items()}


def _defect(error: Exception, hide: Callable[[str], str]) -> Exception:
    return RuntimeError(hide(said(error)))


def secret_in_output(names: Iterable[str], context: StepContext) -> StepOutputError:
    """Return the error of a step whose output holds secrets."""
    shown = ", ".join(f"`{name}`" for name in names)
    return StepOutputError(
        f"the output of step `{context.key}` holds the secret {shown}, and outputs are written to the journal; "
        "have the step give something else",
        step_key=context.key,
    )


def unveil(call: StepCall, context: StepContext, settings: StepSettings) -> Unveiled:
    """Return a call ready to be performed; the only place where placeholders become secrets.

    What the step's processes inherit is without the variables that hold secrets, whether this call uses them or not.

    Raises:
        SecretUnavailableError: a secret that it uses cannot be had here.
    """
    if not call.origin.withheld and not call.origin.secrets:
        return Unveiled(call, settings)
    inherited = {name: text for name, text in settings.environment.items() if name not in call.origin.withheld}
    arguments = cast(JsonObject, call.arguments)
    places = cast("list[dict[str, Any]]", arguments.get("secrets", []))
    names = {str(place["name"]) for place in places}
    values = {name: _value(name, call, context, settings) for name in sorted(names)}
    filled = replace(call, arguments=_filled(arguments, places, values)) if places else call
    return Unveiled(filled, replace(settings, environment=inherited, hidden=Hidden(values)))


def _value(name: str, call: StepCall, context: StepContext, settings: StepSettings) -> str:
    try:
        return read_secret(call.origin.secrets[name], settings.environment, context.cwd)
    except SecretMissing as error:
        raise SecretUnavailableError(
            f"step `{context.key}` needs the secret `{name}`, and {error}; provide it here, then resume the run",
            details={"secret": name, **call.origin.secrets[name]},
            step_key=context.key,
        ) from None


def _filled(arguments: JsonObject, places: list[dict[str, Any]], values: Mapping[str, str]) -> JsonObject:
    """Return arguments in which values stand at the marked places, and only there."""
    filled: Any = deepcopy({name: value for name, value in arguments.items() if name != "secrets"})
    for place in sorted(places, key=lambda one: -int(one["offset"])):  # from behind, so that offsets stay right
        *path, last = place["at"]
        holder = filled
        for key in path:
            holder = holder[key]
        holder[last] = _put(str(holder[last]), place, values[place["name"]])
    return cast(JsonObject, filled)


def _put(text: str, place: Mapping[str, JsonValue], value: str) -> str:
    start, expected = int(str(place["offset"])), f"${{secrets.{place['name']}}}"
    if not text.startswith(expected, start):
        raise ValueError(f"the arguments hold no placeholder for the secret `{place['name']}` where they say so")
    written = quote(value, safe="") if place.get("encoding") == "percent" else value
    return text[:start] + written + text[start + len(expected) :]
