"""The step kind `cli`: one command, by a shell or by its list of arguments, and what it printed as output."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from checkpointflow.errors import StepFailedError, UnsupportedError
from checkpointflow.kernel.effects import Stop
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.records import dataclass
from checkpointflow.steps import processes
from checkpointflow.steps.base import StepKind, StepSettings, environment_of, output_paths
from checkpointflow.steps.outputs import unwritable
from checkpointflow.steps.printed import Printed
from checkpointflow.steps.secrets import secret_in_output
from checkpointflow.values import JsonValue, dump

_LONGEST_TEXT = 120 * 1024
_SHELLS: Mapping[str, Sequence[str]] = {
    "sh": ("-c",),
    "bash": ("--noprofile", "--norc", "-c"),
    "pwsh": ("-NoProfile", "-NonInteractive", "-Command"),
    "powershell": ("-NoProfile", "-NonInteractive", "-Command"),
    "cmd": ("/d", "/s", "/c"),
}
_FAULTS_OF_THE_STEP = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
    | {errno.ENAMETOOLONG, errno.ENOEXEC, errno.ETXTBSY, errno.E2BIG, errno.EINVAL}
)
_Texts: TypeAlias = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arguments:
    """The call's arguments, with defaults where they were left out."""

    command: str | None
    argv: list[str]
    shell: str
    values: _Texts
    env: _Texts
    cwd: str | None
    stdin: str | None
    exit_codes: list[int]
    parse: str


def run(call: StepCall, context: StepContext, stop: Stop, settings: StepSettings) -> StepResult:
    """Run the command and return what it printed as the call asks; `details` has `exit_code`, maybe `stdout`.

    Raises:
        StepFailedError: it cannot be started, or ended with a code that is no success.
        StepOutputError: what it printed cannot be read as the call asks.
        EffectStopped: it was ended by `stop`; what it printed so far is kept.
        StoreUnavailable: its output files cannot be made, read or synced.
    """
    arguments = _arguments(call.arguments)
    stdout_path, stderr_path = output_paths(settings.runs_dir, context.run_id, context.key, context.attempt)
    command = processes.Command(
        arguments=_command_line(arguments, context),
        cwd=os.path.join(context.cwd, arguments.cwd or ""),  # noqa: PTH118 - `~` and `..` stay as written
        environment={**environment_of(context, settings), **arguments.values, **arguments.env},
        stdin=None if arguments.stdin is None else _encoded(arguments.stdin, "`stdin`", context),
        stdout_path=stdout_path,
        stderr_path=stderr_path,
        masks=(settings.hidden.stream(), settings.hidden.stream()),
    )
    _refuse_unfit(arguments, command, context)
    code = _exit_code(command, arguments, context, stop, settings)
    printed = Printed(stdout_path=stdout_path, stderr_path=stderr_path, key=context.key, exit_code=code)
    try:
        if settings.sync:
            printed.sync()
        result = outcome(call, printed)
    except OSError as error:
        raise unwritable(stdout_path, error) from error
    masked = command.masks[0]
    if masked is not None and masked.names and "stdout" not in result.details:
        raise secret_in_output(sorted(masked.names), context)
    return result


def outcome(call: StepCall, printed: Printed) -> StepResult:
    """Return what a command that has ended gave, its exit code and what it printed read as the call asks.

    Raises:
        StepFailedError: its exit code is no success.
        StepOutputError: what it printed cannot be read as the call asks.
        OSError: the files cannot be read.
    """
    arguments = _arguments(call.arguments)
    if printed.exit_code not in arguments.exit_codes:
        raise _bad_exit(printed, arguments)
    return printed.result(arguments.parse, has_schema=call.outputs is not None)


KIND = StepKind("cli", "run a command and take what it prints as output", run)


# -- before ----------------------------------------------------------------------------------------


def _arguments(given: JsonValue) -> _Arguments:
    if not isinstance(given, dict):
        raise TypeError("the arguments of a `cli` call are an object")
    success = given.get("success")
    codes = success.get("exit_codes") if isinstance(success, dict) else None
    return _Arguments(
        command=_text_or_none(given, "command"),
        argv=[_text(item, "argv") for item in _list(given.get("argv"))],
        shell=_text_or_none(given, "shell") or "sh",
        values=_texts(given, "values"),
        env=_texts(given, "env"),
        cwd=_text_or_none(given, "cwd"),
        stdin=_stdin(given),
        exit_codes=[0] if codes is None else [int(code) for code in _list(codes) if isinstance(code, int | float)],
        parse=_text_or_none(given, "parse") or "auto",
    )


def _stdin(given: dict[str, JsonValue]) -> str | None:
    """Return what the command reads: text, or a value as JSON, made here so that secrets in it are escaped."""
    value = given.get("stdin")
    return value if value is None or isinstance(value, str) else dump(value)


def _text_or_none(given: dict[str, JsonValue], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else _text(value, name)


def _text(value: JsonValue, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"`{name}` of a `cli` call is text")
    return value


def _texts(given: dict[str, JsonValue], name: str) -> _Texts:
    value = given.get(name)
    return {key: _text(text, name) for key, text in value.items()} if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _command_line(arguments: _Arguments, context: StepContext) -> Sequence[str] | str:
    if arguments.command is None:
        if not arguments.argv or not arguments.argv[0]:
            raise _failure(context, f"step `{context.key}` names no program; put one first in `argv`")
        return arguments.argv
    options = _SHELLS.get(arguments.shell.removesuffix(".exe"))
    if options is None:
        known = ", ".join(f"`{name}`" for name in _SHELLS)
        raise _failure(
            context, f"`{arguments.shell}` of step `{context.key}` is no shell known here; take {known}, or use `argv`"
        )
    if sys.platform == "win32" and options[0] == "/d":
        return f'{arguments.shell} {" ".join(options)} "{arguments.command}"'  # cmd has its own idea of quotes
    return [arguments.shell, *options, arguments.command]


def _refuse_unfit(arguments: _Arguments, command: processes.Command, context: StepContext) -> None:
    """Refuse what no process can be given; the inherited environment came from one, so it is not looked at."""
    places = {"command": arguments.command or "", "cwd": command.cwd, "the step's key": context.key}
    places |= {f"argv[{index}]": text for index, text in enumerate(arguments.argv)}
    places |= {f"env.{name}": text for name, text in arguments.env.items()}
    for place, text in places.items():
        _refuse_text(text, f"`{place}`", context)
    for text in arguments.values.values():
        _refuse_text(text, "a value", context)
    for name in arguments.env:
        if not name or "=" in name or "\0" in name:
            raise _failure(context, f"{name!r} in `env` of step `{context.key}` cannot name a variable; rename it")


def _refuse_text(text: str, place: str, context: StepContext) -> None:
    if "\0" in text:
        raise _failure(
            context, f"{place} of step `{context.key}` holds a NUL character, which ends texts; pass it through `stdin`"
        )
    if len(text) <= _LONGEST_TEXT // 4 and text.isascii():
        return
    size = len(_encoded(text, place, context))
    if size > _LONGEST_TEXT:
        raise _failure(
            context,
            f"{place} of step `{context.key}` has {size} bytes, more than the {_LONGEST_TEXT} that one text may have; "
            "pass it through `stdin` or a file",
        )


def _encoded(text: str, place: str, context: StepContext) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _failure(
            context, f"{place} of step `{context.key}` holds half of a surrogate pair, which is no text; mend the value"
        ) from None


# -- while -----------------------------------------------------------------------------------------


def _exit_code(
    command: processes.Command, arguments: _Arguments, context: StepContext, stop: Stop, settings: StepSettings
) -> int:
    try:
        return processes.run(command, stop, settings.grace_seconds)
    except OSError as error:
        if error.errno in _FAULTS_OF_THE_STEP:
            raise _failure(context, _why_not_started(error, command, arguments, context)) from None
        raise UnsupportedError(
            f"the system could not start the command of step `{context.key}`: {error.strerror or error}; "
            "free resources, then resume the run",
            step_key=context.key,
        ) from error


def _why_not_started(error: OSError, command: processes.Command, arguments: _Arguments, context: StepContext) -> str:
    step = f"step `{context.key}`"
    reason = error.strerror or str(error)
    if error.errno == errno.E2BIG:
        return f"the arguments and variables of {step} are more than a process takes; pass large values through `stdin`"
    if not Path(command.cwd).is_dir():
        return f"the folder `{command.cwd}` of {step} does not exist or is no folder; create it or change `cwd`"
    if error.filename == command.cwd:
        return f"the folder `{command.cwd}` of {step} cannot be entered: {reason}; change its rights or `cwd`"
    if arguments.command is not None:
        return f"the shell `{arguments.shell}` of {step} cannot be run: {reason}; install it or choose another `shell`"
    program = arguments.argv[0]
    if error.errno == errno.ENOENT:
        return f"the program `{program}` of {step} was not found; install it or correct `argv`"
    if error.errno == errno.ENOEXEC:
        return f"the file `{program}` of {step} is no program; give it a first line such as `#!/bin/sh`, or name one"
    return f"the program `{program}` of {step} cannot be run: {reason}; make it executable or correct `argv`"


# -- after -----------------------------------------------------------------------------------------


def _bad_exit(printed: Printed, arguments: _Arguments) -> StepFailedError:
    code = printed.exit_code
    not_found = arguments.command is not None and code == 127
    return StepFailedError(
        f"step `{printed.key}` {printed.ending()}",
        details={"exit_code": code, "stderr_tail": printed.stderr_tail()},
        hint="with code 127 a shell says that it did not find a command" if not_found else None,
        step_key=printed.key,
    )


def _failure(context: StepContext, message: str) -> StepFailedError:
    return StepFailedError(message, step_key=context.key)
