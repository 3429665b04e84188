"""`--engine` and `CPF_ENGINE`: which commands take them, and the commands that are shown with them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import RunInterruptedError, UnsupportedError, UsageError
from checkpointflow.records import replace
from checkpointflow.values import JsonValue

if TYPE_CHECKING:
    from checkpointflow.client import Client
    from checkpointflow.client.place import Place
    from checkpointflow.config import Settings

OPTION = "--engine"

ON_ENGINES = ("run", "resume", "send", "status", "inspect", "waits", "runs", "cancel", "decide", "worker", "graph")
"""The commands that act on the runs of another engine."""

WITHOUT_RUNS = (
    "init", "guide", "validate", "test", "schema", "flows", "plan", "doctor", "completion", "verify",
)  # fmt: skip
"""The commands to which `CPF_ENGINE` means nothing, because they look at no runs, or at this machine alone."""


def parted(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the words of a command without `--engine URL`, and the URL; the last one counts.

    The URL is empty if there is none behind the option.
    """
    left: list[str] = []
    url: str | None = None
    rest = iter(words)
    for word in rest:
        if word == OPTION:
            url = next(rest, "")
        elif word.startswith(f"{OPTION}="):
            url = word.partition("=")[2]
        else:
            left.append(word)
    return left, url


def refuse_elsewhere(command: str, url: str, *, is_said: bool) -> None:
    """Refuse a command that does not act on the runs of another engine.

    Raises:
        UsageError: the URL is empty, or the command looks at no runs.
        UnsupportedError: the command is none of those that do.
    """
    if not url:
        raise UsageError("`--engine` needs an address; say `--engine temporal://HOST:PORT/NAMESPACE`")
    if command in ON_ENGINES or (command in WITHOUT_RUNS and not is_said):
        return
    if command in WITHOUT_RUNS:
        raise UsageError(f"`cpf {command}` needs no engine, since it looks at none of its runs; leave `--engine` out")
    listed = ", ".join(f"`{one}`" for one in ON_ENGINES)
    way = "leave `--engine` out" if is_said else "unset `CPF_ENGINE`"
    raise UnsupportedError(
        f"`cpf {command}` acts on the embedded engine's runs alone, and with another engine there are {listed}; {way}"
    )


def place_on(url: str, settings: Settings) -> Place:
    """Return the place of a door to an engine.

    Raises:
        UsageError: there is no such engine.
        MissingExtraError: its package is not installed.
    """
    from checkpointflow.engines import refuse_unknown
    from checkpointflow.engines.temporal.address import parsed
    from checkpointflow.engines.temporal.client import place_of

    refuse_unknown(url)
    return place_of(parsed(url), settings)


def client_on(place: Place, settings: Settings, **options: object) -> Client:
    """Return the client of an engine's place."""
    from checkpointflow.engines.temporal.client import TemporalClient

    return TemporalClient(settings, place=place, **options)  # type: ignore[arg-type]


_NO_WORKER = "no worker goes on with the run; start one with `cpf worker`"
_LOOK: JsonValue = {"title": "List the runs", "argv": ["cpf", "runs"]}


def on_engine(envelope: Envelope, url: str, *, is_said: bool) -> Envelope:
    """Return an envelope whose commands are possible on the engine, and name it where the caller had to.

    A run that nobody goes on with needs a worker first.
    """
    fields = envelope.fields
    actions = fields.get("next_actions")
    if isinstance(actions, list):
        possible: list[JsonValue] = [one for one in actions if _is_possible(one)] or [_LOOK]
        if fields.get("status") == "interrupted":
            possible.insert(0, {"title": "Start a worker, which goes on with it", "argv": ["cpf", "worker"]})
        fields = {**fields, "next_actions": possible}
    error = fields.get("error")
    if isinstance(error, dict) and error.get("code") == RunInterruptedError.code:
        fields = {**fields, "error": {**error, "message": _NO_WORKER}}
    if is_said and _is_address(url):
        fields = {name: _with_engine(value, url) for name, value in fields.items()}
    return replace(envelope, fields=fields)


def _is_address(url: str) -> bool:
    """Tell whether an address was not refused: what was may hold a password, and helps nobody in a command."""
    from checkpointflow.engines.temporal.address import parsed

    try:
        parsed(url)
    except UsageError:
        return False
    return True


def _is_possible(shown: JsonValue) -> bool:
    argv = shown.get("argv") if isinstance(shown, dict) else None
    command = str(argv[1]) if isinstance(argv, list) and len(argv) > 1 else ""
    return command in ON_ENGINES or command in WITHOUT_RUNS or command.startswith("-")


def _with_engine(value: JsonValue, url: str) -> JsonValue:
    if isinstance(value, list):
        return [_with_engine(one, url) for one in value]
    if not isinstance(value, dict):
        return value
    argv = value.get("argv")
    if isinstance(argv, list) and argv[:1] == ["cpf"]:
        words = [str(one) for one in ("cpf", OPTION, url, *argv[1:])]
        return {**value, **({"command": shlex.join(words)} if "command" in value else {}), "argv": [*words]}
    return {name: _with_engine(one, url) for name, one in value.items()}
