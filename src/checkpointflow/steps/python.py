"""The step kind `python`: one call of a function in a child process, and what it returns as output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, cast

from checkpointflow.errors import StepFailedError, StepOutputError, UnsupportedError
from checkpointflow.kernel.effects import Stop
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.records import dataclass
from checkpointflow.steps import processes
from checkpointflow.steps.base import StepKind, StepSettings, environment_of, output_paths
from checkpointflow.steps.outputs import OutputFile, new_file, unwritable
from checkpointflow.steps.printed import Printed, parse_json
from checkpointflow.steps.python_child import LARGEST, LONGEST
from checkpointflow.values import JsonObject, JsonValue, dump

_CHILD = Path(__file__).with_name("python_child.py")
_LONGEST_MESSAGE = 4000
_LONGEST_TRACEBACK = 64 * 1024


def run(call: StepCall, context: StepContext, stop: Stop, settings: StepSettings) -> StepResult:
    """Call the function and return what it returned; what it prints is captured.

    Raises:
        StepFailedError: it raised (`details` has `exceptions`, the names of the exception's classes, and
            `traceback_path`), or its process ended without having returned.
        StepOutputError: what it returned is no JSON, or more than 8 MiB of it.
        EffectStopped: it was ended by `stop`; what it printed so far is kept.
        StoreUnavailable: its output files cannot be made or synced.
    """
    arguments = cast(JsonObject, call.arguments)
    stdout_path, stderr_path = output_paths(settings.runs_dir, context.run_id, context.key, context.attempt)
    with _Answer() as answer:
        command = processes.Command(
            # -P: the child's own folder is ours, and its modules are not to be found before the author's
            arguments=[_interpreter(context), "-P", str(_CHILD), answer.argument],
            cwd=context.cwd,
            environment=environment_of(context, settings),
            stdin=_request(arguments, call.origin.folder, context),
            stdout_path=stdout_path,
            stderr_path=stderr_path,
            masks=(settings.hidden.stream(), settings.hidden.stream()),
            inherited=answer.inherited,
        )
        code = _exit_code(command, context, stop, settings)
        said = answer.read()
    printed = Printed(stdout_path=stdout_path, stderr_path=stderr_path, key=context.key, exit_code=code)
    try:
        if settings.sync:
            printed.sync()
        return _Ended(call=str(arguments["call"]), answer=said, printed=printed, settings=settings).result()
    except OSError as error:
        raise unwritable(stdout_path, error) from error


KIND = StepKind("python", "call a Python function in a process of its own and take what it returns as output", run)


# -- before and while ------------------------------------------------------------------------------


def _interpreter(context: StepContext) -> str:
    if not sys.executable:
        raise UnsupportedError(
            f"this process does not know its Python interpreter, which step `{context.key}` needs; "
            "run `cpf` from an installed Python",
            step_key=context.key,
        )
    return sys.executable


def _request(arguments: JsonObject, folder: str | None, context: StepContext) -> bytes:
    """Return what the child reads; the document's folder comes first, so that its modules win over the run's."""
    folders: list[JsonValue] = [context.cwd] if folder is None else [str(Path(context.cwd) / folder), context.cwd]
    return dump({"call": arguments["call"], "args": arguments["args"], "folders": folders}).encode(
        "utf-8", "surrogatepass"
    )


def _exit_code(command: processes.Command, context: StepContext, stop: Stop, settings: StepSettings) -> int:
    try:
        return processes.run(command, stop, settings.grace_seconds)
    except OSError as error:
        if not Path(command.cwd).is_dir():
            raise StepFailedError(
                f"the folder `{command.cwd}` of the run, in which step `{context.key}` works, is not there; create it",
                step_key=context.key,
            ) from None
        raise UnsupportedError(
            f"the system could not start Python for step `{context.key}`: {error.strerror or error}; "
            "free resources, then resume the run",
            step_key=context.key,
        ) from error


class _Answer:
    """Where the child writes what came of its call: a file that is no part of what it prints."""

    def __init__(self) -> None:
        self._file, self._path = _answer_file()

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        if self._path is not None:
            Path(self._path).unlink()

    @property
    def argument(self) -> str:
        """What tells the child."""
        return self._path or str(self._file.fileno())

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that the child needs for it."""
        return (self._file.fileno(),) if self._path is None else ()

    def read(self) -> bytes:
        """Return what was written, at most one byte more than is taken."""
        self._file.seek(0)
        return self._file.read(LARGEST + 1)


if sys.platform == "win32":

    def _answer_file() -> tuple[BinaryIO, str | None]:
        """Make a file with a name, since Windows does not hand descriptors on."""
        from tempfile import NamedTemporaryFile

        file = NamedTemporaryFile(delete=False)  # noqa: SIM115 - `_Answer` closes it
        return cast(BinaryIO, file), file.name

else:

    def _answer_file() -> tuple[BinaryIO, str | None]:
        """Make a file without a name: the child inherits it, and nobody else finds it."""
        return processes.unnamed_file(), None


# -- after -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A child that has ended: what it was to do, and what it left."""

    call: str
    answer: bytes
    printed: Printed
    settings: StepSettings

    def result(self) -> StepResult:
        """Return what the function returned, or raise what became of it instead."""
        if len(self.answer) > LARGEST:
            raise self._misfit(f"returned more than {LARGEST // 1024**2} MiB; write to a file and return its name")
        outcome = self._outcome()
        exception = outcome.get("exception")
        if isinstance(exception, dict):
            raise self._raised(exception)
        if "misfit" in outcome:
            why = self._shown(outcome["misfit"])[:_LONGEST_MESSAGE]
            raise self._misfit(f"returned what is no JSON: {why}; return texts, numbers, lists, objects")
        if "value" not in outcome:
            raise self._died("before the function had returned")
        if self.printed.exit_code != 0:
            raise self._died("after the function had returned")
        return StepResult(outcome["value"], {})

    def _outcome(self) -> JsonObject:
        """Return what the child said of its call; nothing if it came to no end."""
        try:
            outcome = parse_json(self.answer) if self.answer else {}
        except ValueError as error:
            raise self._misfit(f"returned what a journal cannot hold: {error}") from None
        return outcome if isinstance(outcome, dict) else {}

    def _raised(self, exception: JsonObject) -> StepFailedError:
        names = cast("list[str]", exception["names"])
        path = self.printed.stderr_path.with_suffix(".traceback.txt")
        with OutputFile(new_file(path), None) as file:
            file.write(self._shown(exception["traceback"])[-_LONGEST_TRACEBACK:].encode())
        details: JsonObject = {"exceptions": list(names), "traceback_path": str(path)}
        told = self._shown(exception["message"])[:_LONGEST_MESSAGE]
        message = f"step `{self.printed.key}`: `{self.call}` raised {names[0]}: {told}"
        is_missing = "ModuleNotFoundError" in names
        hint = "modules are looked up in the document's folder, in the run's working folder, then where Python looks"
        return StepFailedError(message, details=details, hint=hint if is_missing else None, step_key=self.printed.key)

    def _shown(self, text: JsonValue) -> str:
        """Return a text masked; only then may it be cut, or half of a secret could be left."""
        return self.settings.hidden.text(str(text), is_cut=len(str(text)) >= LONGEST)

    def _misfit(self, fact: str) -> StepOutputError:
        return StepOutputError(f"`{self.call}` of step `{self.printed.key}` {fact}", step_key=self.printed.key)

    def _died(self, when: str) -> StepFailedError:
        return StepFailedError(
            f"the process of step `{self.printed.key}` {self.printed.ending()} {when} (`{self.call}`)",
            details={"exit_code": self.printed.exit_code, "stderr_tail": self.printed.stderr_tail()},
            step_key=self.printed.key,
        )
