"""PORT Executor, which performs effects beside the deciding: what it is given, and how attempts end; no threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeAlias

from checkpointflow.errors import CheckpointflowError, StepFailedError, StepTimeoutError
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import LocalEffect, StepCall, StepContext, StepResult
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject

StopCause: TypeAlias = Literal["timeout", "stopped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One attempt to perform."""

    call: StepCall | LocalEffect
    context: StepContext


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt's outcome was seen and good."""

    result: StepResult


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt's outcome was seen and bad; `error` as the journal keeps it."""

    error: JsonObject


@dataclass(frozen=True, slots=True)
class Unseen:
    """The attempt ended and nobody saw its outcome: a timeout, a lost connection, or we stopped it."""

    cause: Literal["timeout", "connection_lost", "stopped"]
    error: JsonObject


@dataclass(frozen=True, slots=True)
class Broken:
    """The attempt could not be performed here, or its outcome not be kept, which is no fault of the run."""

    error: BaseException
    has_begun: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Whoever performed the attempt died, or had to leave it (`is_drained`), and this drive goes on."""

    is_drained: bool = False


Ending: TypeAlias = "Succeeded | Failed | Unseen | Broken | Lost"


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt that has ended."""

    key: StepKey
    attempt: int
    ending: Ending


class Executor(Protocol):
    """Performs effects; all calls come from the deciding thread, except `wake`."""

    def start(self, effect: Effect) -> None:
        """Begin an attempt; its end comes out of `wait`."""

    def stop(self, key: StepKey) -> None:
        """Ask an attempt to end; it still comes out of `wait`."""

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        """Return the attempts that have ended, waiting for one at most so long (None: as long as it takes)."""

    def wake(self) -> None:
        """Make `wait` return; may be called from a signal handler or any thread."""

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        """End what a dead holder's attempts have left running."""


class Stop:
    """How an effect learns that it has to end, and why."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cause: StopCause | None = None
        self._action: Callable[[], None] | None = None
        self.has_begun = False

    @property
    def cause(self) -> StopCause | None:
        """Why the effect has to end; None while it may go on."""
        return self._cause

    def ask(self, cause: StopCause) -> None:
        """Make the effect end; the first cause counts."""
        with self._lock:
            if self._cause is not None:
                return
            self._cause = cause
            action = self._action
        if action is not None:
            action()

    def on_ask(self, action: Callable[[], None]) -> None:
        """Have this called when the effect has to end: at once if that was asked already; the effect has begun."""
        with self._lock:
            self.has_begun = True
            self._action = action
            asked = self._cause is not None
        if asked:
            action()

    def forget(self) -> None:
        """Forget the action: there is nothing left to end."""
        with self._lock:
            self._action = None


class EffectStopped(Exception):  # noqa: N818 - a signal between a kind and its executor
    """Raised by a step kind whose effect was ended by `Stop`."""


class OutcomeLost(Exception):  # noqa: N818
    """Raised by a step kind that sent something and did not hear what came of it."""


Perform: TypeAlias = Callable[[StepCall, StepContext, Stop], StepResult]
EndOrphans: TypeAlias = Callable[[RunId, Mapping[StepKey, int]], None]


def timed_out(key: StepKey, seconds: float) -> Unseen:
    """Return the end of an attempt whose time was up."""
    message = f"step `{key}` did not finish within {seconds:g} seconds"
    return Unseen("timeout", _record(StepTimeoutError.code, message, {"timeout_seconds": seconds}))


def stopped() -> Unseen:
    """Return the end of an attempt that its drive gave up."""
    return Unseen("stopped", step_failure("the step was stopped", {}))


def step_failure(message: str, details: JsonObject) -> JsonObject:
    """Return a failure of a step as a journal keeps it."""
    return _record(StepFailedError.code, message, details)


def error_record(error: CheckpointflowError) -> JsonObject:
    """Return an error as a journal keeps it: `code`, `message`, `details`, and `hint` where there is one."""
    record = _record(error.code, error.message, error.details)
    if error.hint:
        record["hint"] = error.hint
    return record


def _record(code: str, message: str, details: JsonObject) -> JsonObject:
    return {"code": code, "message": message, "details": details}
