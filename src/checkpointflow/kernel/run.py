"""PORTS Run and Workflow: the few verbs through which workflow code decides, and what they take and give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from checkpointflow.kernel.entries import EffectClass
from checkpointflow.kernel.ids import EventId, RunId, StepKey
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How a step is tried; not part of what it means. `timeout_seconds` bounds each attempt, None does not."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_seconds: float | None = None
    effect: EffectClass = "idempotent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a call comes from: what its performer needs, and no part of what it means.

    So a document that has moved, or a secret that is kept elsewhere, changes no digest. `folder` is that of the text
    in which the call stands. `secrets` says where the secrets that its arguments name are kept, each as `{"env": NAME}`
    or `{"file": PATH}`. `withheld` are all variables that hold secrets of the workflow: no process inherits them.
    """

    folder: str | None = None
    secrets: Mapping[str, JsonObject] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCall:
    """An effect as data: a step kind with JSON arguments, so that any process can perform it.

    `outputs` is the JSON Schema that its output has to fit, None for any. Where secrets belong in the arguments,
    `arguments["secrets"]` lists their places and the arguments hold placeholders.
    """

    kind: str
    arguments: JsonValue
    policy: Policy = field(default_factory=Policy)
    outputs: JsonValue = None
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepContext:
    """What an effect may know: its place, try, the key that repeated tries share, and the run's folder to start in."""

    run_id: RunId
    key: StepKey
    attempt: int
    idempotency_key: str
    cwd: str


class Loop(Protocol):
    """PORT: where awaitables of this process are run, which threads cannot."""

    def run(
        self, work: Callable[[], Awaitable[object]], ended: Callable[[object, BaseException | None], None]
    ) -> Callable[[], None]:
        """Begin to await what `work` returns, and return what cancels that.

        `ended` is called once, from any thread, with the value, or with the error that ended it.
        """


def _of_this_process() -> None:
    """Say that no other process can make an effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalEffect:
    """An effect of this process: a callable that is called in a thread; its result has to be JSON.

    With a `loop` it returns an awaitable, which that loop runs. `identity` and `arguments` tell what it means, for the
    comparison with the journal. `recipe` gives that from which another process makes the same effect; None where only
    this one can perform it.
    """

    function: Callable[[StepContext], object]
    identity: str
    arguments: JsonValue = None
    policy: Policy = field(default_factory=Policy)
    loop: Loop | None = None
    recipe: Callable[[], JsonObject | None] = _of_this_process


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave: its output, and facts beside it such as an exit code."""

    output: JsonValue
    details: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitRequest:
    """What a wait asks for: an event by name, from an audience, with a payload that fits a JSON Schema."""

    event_name: str
    audience: str | None = None
    input_schema: JsonValue = None
    prompt: str | None = None
    summary: str | None = None
    risk_level: str | None = None
    timeout_seconds: float | None = None

    def as_json(self) -> JsonObject:
        """Return the request as the journal keeps it."""
        return {
            "event_name": self.event_name,
            "audience": self.audience,
            "input_schema": self.input_schema,
            "prompt": self.prompt,
            "summary": self.summary,
            "risk_level": self.risk_level,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The event that ended a wait."""

    payload: JsonValue
    event_id: EventId
    actor: str | None


@dataclass(frozen=True, slots=True)
class Expired:
    """A wait's deadline passed without an answer."""

    deadline_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInfo:
    """What workflow code may know about its run; `cwd` is the folder in which the run was started."""

    run_id: RunId
    workflow_id: str
    workflow_version: str | None
    started_at: datetime
    cwd: str


class Parked(BaseException):
    """Ends workflow code whose run stops here for now; nothing may be asked any more, and nothing is lost.

    A BaseException outside the tree of errors, so that no `except Exception` in a workflow swallows it.
    """


class Verb(Awaitable[T_co], Protocol[T_co]):
    """Something asked for, with its key; it begins when it is awaited or handed to `spawn`."""

    @property
    def key(self) -> StepKey:
        """The key, taken when the verb was called."""


class Fiber(Awaitable[T_co], Protocol[T_co]):
    """One line of deciding; awaiting it gives its value or raises its error."""

    @property
    def key(self) -> StepKey:
        """The key of the scope in which the fiber works."""

    @property
    def is_settled(self) -> bool:
        """Tell whether it has returned, failed or been cancelled."""

    @property
    def error(self) -> BaseException | None:
        """The error with which it failed, if it has."""

    def result(self) -> T_co:
        """Return a settled fiber's value, or raise its error."""

    def cancel(self) -> None:
        """End it: its effects are stopped, its waits closed; what it has finished stays recorded."""


class Scope(Protocol):
    """A named place in a run under which members work; opened and closed in the journal.

    A scope that nobody closes is closed when its fiber ends.
    """

    @property
    def key(self) -> StepKey:
        """The key under which the members' keys stand."""

    @property
    def run(self) -> Run:
        """The verbs, inside this scope (a sub-workflow's steps stand right below its key)."""

    def called(self, run_input: JsonValue) -> Run:
        """Return the verbs inside this scope for a workflow that is called with an input of its own."""

    def spawn(self, member: Callable[[Run], Coroutine[Any, Any, T]], *, item: int | str) -> Fiber[T]:
        """Begin a member in a scope of its own, `key[item]`; members go on beside each other."""

    def settled(self) -> Awaitable[Fiber[Any]]:
        """Wait for the next member to settle, in the order of the journal; each is told once."""

    def close(self, error: BaseException | None = None) -> None:
        """Record that everything in the scope has ended, with the error that ended it if one did."""


class Run(Protocol):
    """The verbs of one scope of a run: everything durable that workflow code can do.

    Verbs are lazy. A key is a name and its visit (`review#2`). Nothing but what these verbs return may be awaited.
    """

    @property
    def input(self) -> JsonValue:
        """The run's input."""

    @property
    def info(self) -> RunInfo:
        """What is known about the run."""

    @property
    def key(self) -> str:
        """The key of this scope, empty for the run itself."""

    def visits(self, name: str) -> int:
        """Return how often a name was used as a key in this scope so far."""

    def step(self, name: str, call: StepCall) -> Verb[StepResult]:
        """Perform an effect given as data, once: a recorded result is returned as it was recorded.

        Raises (when awaited):
            StepFailedError: it failed for good.
        """

    def perform(self, name: str, effect: LocalEffect) -> Verb[StepResult]:
        """Perform an effect of this process, with the same promises."""

    def wait(self, name: str, request: WaitRequest) -> Verb[Answer | Expired]:
        """Wait for an event; the run may park, and go on elsewhere."""

    def sleep(self, name: str, until: datetime | timedelta) -> Verb[None]:
        """Sleep until an instant, or for a time from the moment this is first awaited."""

    def note(self, name: str, kind: str, value: Callable[[], JsonValue]) -> JsonValue:
        """Decide a value once: the recorded one is returned, else `value()` is recorded with the next commit."""

    def skip(self, name: str, reason: str) -> None:
        """Record that a step was passed over."""

    def now(self) -> datetime:
        """Return the time, the same on every replay."""

    def random(self) -> float:
        """Return a random number from 0 up to 1, the same on every replay."""

    def uuid4(self) -> str:
        """Return a random UUID, the same on every replay."""

    def scope(self, name: str, kind: str, *, meaning: JsonValue = None, members: int | None = None) -> Scope:
        """Open a scope; `meaning` is compared with what an earlier drive opened under the key, `members` is shown."""

    def settled(self, fibers: Sequence[Fiber[Any]]) -> Verb[Fiber[Any]]:
        """Wait for the first of these fibers to settle, in the order of the journal; the others go on."""


class Workflow(Protocol):
    """What a front-end makes: something that decides."""

    async def drive(self, run: Run) -> JsonObject:
        """Decide the run from its beginning; return what it ends with: `result`, `outputs`, `recovered_error`.

        Raises:
            CheckpointflowError: the run fails with it.
        """
