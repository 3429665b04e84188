"""The verbs of one scope, as the engine implements them: what is asked, under which key, and what it meant before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from checkpointflow.errors import NondeterminismError, StepFailedError, WorkflowCodeError
from checkpointflow.kernel import run as port
from checkpointflow.kernel.entries import ARGUMENT_BYTES
from checkpointflow.kernel.fibers import Ask, Fiber, Members, Scheduler
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.run import Answer, Expired, LocalEffect, RunInfo, StepCall, StepResult, WaitRequest
from checkpointflow.kernel.scope import Scope, member_key, rerun_option
from checkpointflow.kernel.state import Record, StepRecord, TimerRecord, WaitRecord
from checkpointflow.values import JsonObject, JsonValue, dump, fingerprint

T = TypeVar("T")

LOCAL_KIND = "local"


class Driver(Protocol):
    """What the verbs need of the engine."""

    @property
    def scheduler(self) -> Scheduler:
        """The fibers of this pass."""

    def asked(self, ask: Asked) -> None:
        """A fiber awaits a verb."""

    def value(self, key: StepKey, kind: str, value: Callable[[], JsonValue]) -> JsonValue:
        """Return the value recorded under a key, else record this one."""

    def skip(self, key: StepKey, reason: str) -> None:
        """Record once that a step was passed over."""

    def open_scope(self, key: StepKey, kind: str, digest: str, members: int | None) -> None:
        """Record once that a scope was opened."""

    def close_scope(self, key: StepKey, error: BaseException | None) -> None:
        """Record once how a scope ended."""

    def member_failed(self, scope: StepKey, member: StepKey, error: BaseException) -> None:
        """A member of a scope has ended with an error of its own."""

    def now_recorded(self, key: StepKey) -> datetime:
        """Return the time as recorded under a key."""

    def chance(self) -> float:
        """Return a random number."""

    def mint_uuid(self) -> str:
        """Return a random UUID."""


Recorded: TypeAlias = Callable[[StepRecord], JsonValue]


class StepAsk(Ask[StepResult]):
    """A step that is asked for."""

    def __init__(self, driver: Driver, key: StepKey, call: StepCall | LocalEffect) -> None:
        super().__init__(driver.scheduler, key, driver.asked)
        self.call = call
        self.kind = call.kind if isinstance(call, StepCall) else LOCAL_KIND
        self.digest = digest_of(call)

    def check(self, record: Record | None, recorded: Recorded) -> None:
        """Refuse a record of something else; `recorded` says with what a step was begun.

        Raises:
            NondeterminismError: kind or meaning differ.
        """
        if record is None:
            return
        if not isinstance(record, StepRecord) or record.kind != self.kind:
            raise differs(self.key, record, f"a step of kind `{self.kind}`")
        if record.digest != self.digest:
            is_short = len(dump(self.call.arguments).encode(errors="replace")) <= ARGUMENT_BYTES
            asked = self.call.arguments if is_short else None
            details: JsonObject = {"key": self.key, "recorded": recorded(record), "asked": asked}
            raise NondeterminismError(
                f"step `{self.key}` was recorded with other arguments than the workflow now asks for; "
                f"go on with the definition the run was started with, or void it with `{rerun_option(self.key)}`",
                details=details,
                step_key=self.key,
            )


def digest_of(call: StepCall | LocalEffect) -> str:
    """Return the digest of what a step means: what it does, and with which arguments."""
    return fingerprint([call.identity if isinstance(call, LocalEffect) else call.kind, call.arguments])


class WaitAsk(Ask[Answer | Expired]):
    """An event that is waited for."""

    def __init__(self, driver: Driver, key: StepKey, request: WaitRequest) -> None:
        super().__init__(driver.scheduler, key, driver.asked)
        self.request = request

    def check(self, record: Record | None, _recorded: Recorded) -> None:
        """Refuse a record of something else.

        Raises:
            NondeterminismError: it is no wait for this event.
        """
        if record is None:
            return
        if not isinstance(record, WaitRecord) or record.request["event_name"] != self.request.event_name:
            raise differs(self.key, record, f"a wait for `{self.request.event_name}`")


class SleepAsk(Ask[None]):
    """An instant, or a time from now, that is slept for."""

    def __init__(self, driver: Driver, key: StepKey, until: datetime | timedelta) -> None:
        super().__init__(driver.scheduler, key, driver.asked)
        self.until = until

    def check(self, record: Record | None, _recorded: Recorded) -> None:
        """Refuse a record of something else.

        Raises:
            NondeterminismError: it is no sleep.
        """
        if record is not None and not isinstance(record, TimerRecord):
            raise differs(self.key, record, "a sleep")


Asked: TypeAlias = StepAsk | WaitAsk | SleepAsk


class JournaledRun:
    """The verbs of one scope of a run, over its journal."""

    def __init__(self, driver: Driver, info: RunInfo, run_input: JsonValue, key: str = "") -> None:
        self._driver = driver
        self._scope = Scope(key)
        self.info = info
        self.input = run_input
        self.key = key

    def visits(self, name: str) -> int:
        """Return how often a name was used as a key in this scope so far."""
        return self._scope.visits(name)

    def step(self, name: str, call: StepCall) -> StepAsk:
        """Ask for an effect given as data."""
        return StepAsk(self._driver, self._key(name), call)

    def perform(self, name: str, effect: LocalEffect) -> StepAsk:
        """Ask for an effect of this process."""
        return StepAsk(self._driver, self._key(name), effect)

    def wait(self, name: str, request: WaitRequest) -> WaitAsk:
        """Ask for an event."""
        return WaitAsk(self._driver, self._key(name), request)

    def sleep(self, name: str, until: datetime | timedelta) -> SleepAsk:
        """Ask for a sleep.

        Raises:
            WorkflowCodeError: the instant has no time zone.
        """
        if isinstance(until, datetime) and until.tzinfo is None:
            raise WorkflowCodeError(f"`{name}` sleeps until an instant without a time zone; give it one, such as UTC")
        return SleepAsk(self._driver, self._key(name), until)

    def note(self, name: str, kind: str, value: Callable[[], JsonValue]) -> JsonValue:
        """Decide a value once."""
        return self._driver.value(self._key(name), kind, value)

    def skip(self, name: str, reason: str) -> None:
        """Record that a step was passed over."""
        self._driver.skip(self._key(name), reason)

    def now(self) -> datetime:
        """Return the time, the same on every replay."""
        return self._driver.now_recorded(self._scope.reserved("now"))

    def random(self) -> float:
        """Return a random number from 0 up to 1, the same on every replay."""
        number = self._driver.value(self._scope.reserved("random"), "random", self._driver.chance)
        return float(str(number))

    def uuid4(self) -> str:
        """Return a random UUID, the same on every replay."""
        return str(self._driver.value(self._scope.reserved("uuid4"), "uuid4", self._driver.mint_uuid))

    def scope(self, name: str, kind: str, *, meaning: JsonValue = None, members: int | None = None) -> JournaledScope:
        """Open a scope."""
        key = self._key(name)
        self._driver.open_scope(key, kind, fingerprint([kind, meaning]), members)
        return JournaledScope(self._driver, self, key)

    def settled(self, fibers: Sequence[port.Fiber[Any]]) -> port.Verb[port.Fiber[Any]]:
        """Wait for the first of these fibers to settle."""
        members = [fiber for fiber in fibers if isinstance(fiber, Fiber)]
        return self._driver.scheduler.settled(members, StepKey(self.key))

    def below(self, key: StepKey) -> JournaledRun:
        """Return the verbs inside a scope of this one."""
        return self.called(key, self.input)

    def called(self, key: StepKey, run_input: JsonValue) -> JournaledRun:
        """Return the verbs inside a scope of this one, with another input."""
        return JournaledRun(self._driver, self.info, run_input, key)

    def _key(self, name: str) -> StepKey:
        self._driver.scheduler.refuse_if_closing()
        return self._scope.visit(name)


class JournaledScope:
    """An open scope of a run."""

    def __init__(self, driver: Driver, outer: JournaledRun, key: StepKey) -> None:
        self._driver = driver
        self._outer = outer
        self.key = key
        self.run: port.Run = outer.below(key)
        self._items: set[int | str] = set()
        self._members = Members(driver.scheduler)

    def called(self, run_input: JsonValue) -> port.Run:
        """Return the verbs inside this scope, with another input."""
        return self._outer.called(self.key, run_input)

    def spawn(self, member: Callable[[port.Run], Coroutine[Any, Any, T]], *, item: int | str) -> Fiber[T]:
        """Begin a member in a scope of its own."""
        key = member_key(self.key, item)
        if item in self._items:
            raise WorkflowCodeError(f"`{key}` was spawned already; give each member of a scope an item of its own")
        self._items.add(item)
        fiber = self._driver.scheduler.spawn(member(self._outer.below(key)), key)
        self._members.add(fiber)
        fiber.on_end.append(lambda error: self._ended(fiber, error))
        return fiber

    def settled(self) -> Awaitable[Fiber[Any]]:
        """Wait for the next member to settle."""
        return self._members.next()

    def close(self, error: BaseException | None = None) -> None:
        """Record that everything in the scope has ended."""
        self._driver.scheduler.refuse_if_closing(always=True)
        self._driver.close_scope(self.key, error)

    def _ended(self, fiber: Fiber[Any], error: BaseException | None) -> None:
        if error is not None and not fiber.is_cancelled:
            self._driver.member_failed(self.key, fiber.key, error)


_FAILURES = {cls.code: cls for cls in StepFailedError.__subclasses__()}


def error_of(record: JsonObject, key: StepKey) -> StepFailedError:
    """Return the error that a journal recorded, to be raised where the step is awaited."""
    details, hint = record.get("details"), record.get("hint")
    return _FAILURES.get(str(record.get("code")), StepFailedError)(
        str(record.get("message")),
        details=details if isinstance(details, dict) else {},
        hint=None if hint is None else str(hint),
        step_key=key,
    )


def differs(key: StepKey, record: Record, asked: str) -> NondeterminismError:
    """Return the error for a key that was recorded as something else than what is asked for."""
    recorded = _said(record)
    return NondeterminismError(
        f"`{key}` was recorded as {recorded}, and the workflow now asks for {asked}; "
        f"go on with the definition the run was started with, or void it with `{rerun_option(key)}`",
        details={"key": key, "recorded": recorded, "asked": asked},
        step_key=key,
    )


def _said(record: Record) -> str:
    if isinstance(record, StepRecord):
        return f"a step of kind `{record.kind}`"
    if isinstance(record, WaitRecord):
        return f"a wait for `{record.request['event_name']}`"
    if isinstance(record, TimerRecord):
        return "a sleep"
    return f"the `{record.kind}`"
