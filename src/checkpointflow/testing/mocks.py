"""Effects that are mocked: what each attempt gives, read as the real step would read it, and how long it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, cast

from checkpointflow.clock import later
from checkpointflow.errors import StepFailedError, StepOutputError, StepTimeoutError
from checkpointflow.kernel.effects import Effect, EffectStopped, Finished, OutcomeLost, Perform, Stop, Unseen
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import Origin, StepCall, StepContext, StepResult
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.threads import LeftThreads, ThreadExecutor
from checkpointflow.records import replace
from checkpointflow.schemas import show
from checkpointflow.steps import make_perform
from checkpointflow.steps.answers import Answer
from checkpointflow.steps.api import SUCCESSES
from checkpointflow.steps.base import StepKind, StepSettings, output_paths
from checkpointflow.steps.cli import outcome
from checkpointflow.steps.masking import Hidden
from checkpointflow.steps.printed import Printed
from checkpointflow.testing.cases import is_key
from checkpointflow.testing.script import Script
from checkpointflow.values import JsonObject, JsonValue, dump

_FAILURES = {cls.code: cls for cls in (StepFailedError, StepOutputError)}


class NotPerformed(Exception):  # noqa: N818 - a reason, told with the case
    """An effect can neither be performed nor mocked as the case says; the text is why."""


class Mocks:
    """Chooses the mock of each attempt: one for the step's key counts before one for its id."""

    def __init__(self, mocks: JsonObject, real: Collection[str]) -> None:
        self._mocks = mocks
        self._real = real
        self._used: Counter[str] = Counter()

    def of(self, key: StepKey, kind: str) -> JsonObject | None:
        """Return the mock of the next attempt of a step; None if it is performed for real.

        Raises:
            NotPerformed: the case says nothing of it, or its list is at its end.
        """
        for name in (key, last_name(key)) if is_key(key) else (key,):
            if name in self._mocks:
                return self._next(name, self._mocks[name], key)
            if name in self._real:
                return None
        name = last_name(key)
        raise NotPerformed(
            f"step `{key}` ({kind}) is not mocked; give `{name}` an entry in `mocks`, or name it in `real`"
        )

    def _next(self, name: str, mock: JsonValue, key: StepKey) -> JsonObject:
        if not isinstance(mock, list):
            return cast(JsonObject, mock)
        self._used[name] += 1
        if self._used[name] > len(mock):
            raise NotPerformed(
                f"the mock of `{name}` lists {len(mock)}, and `{key}` asks for one more; add it to the list"
            )
        return cast(JsonObject, mock[self._used[name] - 1])


class MockedExecutor:
    """Performs effects as a case says; virtual time passes while one is waited for, and ends come in its order.

    What is performed for real takes no virtual time, and is done one after the other.
    """

    def __init__(self, mocks: Mocks, script: Script, settings: StepSettings, began: Callable[[Effect], None]) -> None:
        self._mocks = mocks
        self._script = script
        self._settings = settings
        self._began = began
        self._real: Perform = make_perform(settings)
        self._threads = ThreadExecutor(self._perform, lambda _run, _attempts: None, left=LeftThreads())
        self._seconds = 0.0
        self._flying: dict[StepKey, tuple[datetime, Finished]] = {}

    def start(self, effect: Effect) -> None:
        """Perform an attempt; it counts as going on for as long as its mock says."""
        self._began(effect)
        self._seconds = 0.0
        self._threads.start(effect)
        try:
            (finished,) = self._threads.wait(None)
        except BaseException:  # Ctrl-C: no command that is performed for real is left behind
            self._threads.stop(effect.context.key)
            self._threads.wait(None)
            raise
        ends_at = later(self._script.now(), self._seconds)
        self._flying[effect.context.key] = (ends_at, finished)

    def stop(self, key: StepKey) -> None:
        """End an attempt that is still going on."""
        ends_at, finished = self._flying[key]
        if ends_at > self._script.now():
            error: JsonObject = {"code": StepFailedError.code, "message": "the step was stopped", "details": {}}
            stopped = Finished(key, finished.attempt, Unseen("stopped", error))
            self._flying[key] = (self._script.now(), stopped)

    def wait(self, timeout_seconds: float | None) -> list[Finished]:  # noqa: ARG002 - time passes as the case says
        """Let time pass to the next thing that happens, and return the attempt that ended then, if one did."""
        soonest = min(self._flying.values(), key=lambda one: one[0], default=None)
        if soonest is None or soonest[0] > self._script.now():
            self._script.happen(until=None if soonest is None else soonest[0])
        if soonest is None or soonest[0] > self._script.now():
            return []
        del self._flying[soonest[1].key]
        return [soonest[1]]

    def wake(self) -> None:
        """Do nothing: `wait` never waits."""

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        """Do nothing: no process is left behind."""

    def _perform(self, call: StepCall, context: StepContext, stop: Stop) -> StepResult:
        mock = self._mocks.of(context.key, call.kind)
        if mock is None:
            return self._real(call, context, stop)
        self._seconds = float(cast(float, mock.get("delay_seconds", 0)))
        longest = call.policy.timeout_seconds
        if _says_timeout(mock) or (longest is not None and self._seconds > longest):
            if longest is None:
                raise NotPerformed(f"the mock of `{context.key}` times out, and the step has no `timeout_seconds`")
            self._seconds = longest
            stop.ask("timeout")
            raise EffectStopped
        kind = StepKind(call.kind, "a mock", partial(_given, mock))
        return make_perform(self._settings, {call.kind: kind})(replace(call, origin=Origin()), context, stop)


def _says_timeout(mock: JsonObject) -> bool:
    error = mock.get("error")
    return isinstance(error, dict) and error.get("code") == StepTimeoutError.code


def _given(mock: JsonObject, call: StepCall, context: StepContext, _stop: Stop, settings: StepSettings) -> StepResult:
    """Return what a mock gives, as the step's kind would have it, or raise what it says."""
    if "lost" in mock:
        raise OutcomeLost(f"the connection of step `{context.key}` was lost, and what came of it")
    error = mock.get("error")
    if isinstance(error, dict):
        raise _failure(error, context.key)
    result = _GIVING[call.kind](mock, call, context, settings)
    if "output" in mock and result.output != mock["output"]:
        raise NotPerformed(
            f"the mock of `{context.key}` gives {show(mock['output'])}, of which this step would make "
            f"{show(result.output)}; mock what it reads: `stdout` of a command, `body` of a request"
        )
    return result


def _failure(error: JsonObject, key: str) -> StepFailedError:
    details = error.get("details")
    return _FAILURES[str(error.get("code", StepFailedError.code))](
        str(error.get("message", f"step `{key}` failed, as its mock says")),
        details=details if isinstance(details, dict) else {},
        step_key=key,
    )


def _from_cli(mock: JsonObject, call: StepCall, context: StepContext, settings: StepSettings) -> StepResult:
    arguments = cast("dict[str, Any]", call.arguments)
    paths = output_paths(settings.runs_dir, context.run_id, context.key, context.attempt)
    printed = _printed(mock["output"], arguments.get("parse")) if "output" in mock else str(mock.get("stdout", ""))
    for path, text in zip(paths, (printed, str(mock.get("stderr", ""))), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    code = int(cast(int, mock.get("exit_code", arguments.get("success", {}).get("exit_codes", [0])[0])))
    return outcome(call, Printed(stdout_path=paths[0], stderr_path=paths[1], key=context.key, exit_code=code))


def _printed(output: JsonValue, parse: str | None) -> str:
    """Return what a command prints whose output is to be this."""
    if parse == "text" and isinstance(output, str):
        return output
    if parse == "lines" and isinstance(output, list):
        return "".join(_lines(output))
    return dump(output) + "\n"


def _lines(items: list[JsonValue]) -> Iterator[str]:
    yield from (f"{item if isinstance(item, str) else dump(item)}\n" for item in items)


def _from_api(mock: JsonObject, call: StepCall, context: StepContext, _settings: StepSettings) -> StepResult:
    codes = cast("dict[str, Any]", call.arguments).get("success", {}).get("status_codes", SUCCESSES)
    body = mock.get("output", mock.get("body", ""))
    is_text = isinstance(body, str) and "output" not in mock
    headers = {"content-type": "text/plain; charset=utf-8" if is_text else "application/json"}
    headers |= {name.lower(): text for name, text in cast("dict[str, str]", mock.get("headers", {})).items()}
    status = int(cast(int, mock.get("status_code", codes[0])))
    sent = str(body).encode() if is_text else dump(body).encode()
    answer = Answer(status=status, headers=headers, body=sent, ending="whole", hidden=Hidden())
    answer.refuse_failure(codes, context.key)
    return StepResult(answer.output(), {"status_code": status})


def _from_python(mock: JsonObject, _call: StepCall, _context: StepContext, _settings: StepSettings) -> StepResult:
    return StepResult(mock.get("output"), {})


_GIVING: Mapping[str, Callable[[JsonObject, StepCall, StepContext, StepSettings], StepResult]] = {
    "api": _from_api,
    "cli": _from_cli,
    "python": _from_python,
}
