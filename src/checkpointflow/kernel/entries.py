"""The journal's vocabulary: frozen facts and decisions in the past tense, and their codec; no folding here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias, cast

from checkpointflow import clock
from checkpointflow.errors import StoreCorrupt, StoreVersion
from checkpointflow.kernel.ids import EventId, StepKey, WaitId
from checkpointflow.records import dataclass, field, fields
from checkpointflow.values import JsonObject, JsonValue, dump, fingerprint_text, load

EffectClass: TypeAlias = Literal["idempotent", "once"]
Cause: TypeAlias = Literal[
    "holder_died",
    "paused",
    "timeout",
    "connection_lost",
    "outcome_lost",
    "not_performed",
    "stopped",
    "cancelled",
    "drained",
]
Decision: TypeAlias = Literal["done", "again", "fail"]
WaitClosing: TypeAlias = Literal["expired", "cancelled", "superseded"]
ScopeOutcome: TypeAlias = Literal["completed", "failed", "cancelled"]

BLOB_BYTES = 64 * 1024
"""JSON texts longer than this many bytes are kept beside the journal, by their digest."""

ARGUMENT_BYTES = 4 * 1024
"""Arguments up to this many bytes are kept inline, to show them when a replay asks for others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One fact or decision of one run, with its time; its position is its place in the journal, from 1."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted(Entry):
    """The run exists, with everything that every later drive needs.

    `origin` is the `run` from which this one was forked, and the `position` of the entry before which it left.
    """

    workflow_id: str
    workflow_name: str | None
    workflow_version: str | None
    definition: str
    source_path: str | None
    input: JsonValue
    labels: JsonObject
    actor: str | None
    cwd: str
    host: str
    origin: JsonObject | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionChanged(Entry):
    """The run goes on under this definition, which may be the one it had; the voided keys count no more."""

    definition: str
    source_path: str | None
    workflow_name: str | None
    workflow_version: str | None
    voided: list[JsonValue]
    actor: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunParked(Entry):
    """Only waits were left, after this many seconds of execution in this drive.

    `failed_members` are those of the scopes still open: each error with the member's `key`.
    """

    elapsed_seconds: float
    failed_members: list[JsonValue] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPaused(Entry):
    """Somebody stopped the drive; the run goes on when somebody resumes it."""

    actor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResumed(Entry):
    """A paused run goes on."""

    actor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMoved(Entry):
    """Somebody took the run elsewhere, and it goes on there alone."""

    actor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReopened(Entry):
    """A failed run goes on: its failure and the voided keys count no more."""

    voided: list[JsonValue]
    actor: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCompleted(Entry):
    """The workflow returned; `value` may have `result`, `outputs`, `recovered_error`."""

    value: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFailed(Entry):
    """The workflow failed; `error` has `code`, `message`, `details` and, where one is at fault, `step_key`."""

    error: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCancelled(Entry):
    """Somebody cancelled the run."""

    actor: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted(Entry):
    """An attempt of a step is about to begin; its effect starts only once this is durable."""

    key: StepKey
    kind: str
    attempt: int
    digest: str
    arguments: JsonValue
    effect: EffectClass = "idempotent"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCompleted(Entry):
    """An attempt succeeded; `details` are facts beside the output, such as an exit code."""

    key: StepKey
    attempt: int
    output: JsonValue
    details: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFailed(Entry):
    """An attempt failed; with `retry_at` another follows then, without the step has failed."""

    key: StepKey
    attempt: int
    error: JsonObject
    retry_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepInterrupted(Entry):
    """An attempt ended and nobody saw how; `in_doubt` if somebody has to decide what that means.

    `stopped` is the one cause that is a decision of the workflow (a sibling's failure ended it); `not_performed`
    means that the process could not even begin, `outcome_lost` that it began and could not keep what came of it.
    """

    key: StepKey
    attempt: int
    cause: Cause
    in_doubt: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDecided(Entry):
    """Somebody decided what a step in doubt did."""

    key: StepKey
    decision: Decision
    output: JsonValue
    actor: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSkipped(Entry):
    """A step was passed over."""

    key: StepKey
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeOpened(Entry):
    """Members, iterations or a sub-workflow begin under this key; `members` is how many, where that is known."""

    key: StepKey
    kind: str
    digest: str
    members: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeClosed(Entry):
    """What was opened under this key has ended.

    `failed_members` are those of a scope that completed all the same: each error with the member's `key`.
    """

    key: StepKey
    outcome: ScopeOutcome
    error: JsonObject | None
    failed_members: list[JsonValue] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitOpened(Entry):
    """The run waits for an event."""

    key: StepKey
    wait_id: WaitId
    request: JsonObject
    deadline_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitClosed(Entry):
    """A wait ended without an answer."""

    key: StepKey
    wait_id: WaitId
    cause: WaitClosing


@dataclass(frozen=True, kw_only=True, slots=True)
class EventReceived(Entry):
    """An answer was taken up from the inbox."""

    key: StepKey
    wait_id: WaitId
    event_id: EventId
    payload: JsonValue
    actor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerSet(Entry):
    """The run sleeps until an instant, which the engine fixed."""

    key: StepKey
    wait_id: WaitId
    due_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerFired(Entry):
    """The instant has come."""

    key: StepKey
    wait_id: WaitId


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueRecorded(Entry):
    """A value was decided, or read once, so that it need not be again."""

    key: StepKey
    kind: str
    value: JsonValue


AnyEntry: TypeAlias = (
    "RunStarted | DefinitionChanged | RunParked | RunPaused | RunResumed | RunMoved"
    " | RunReopened | RunCompleted | RunFailed | RunCancelled"
    " | StepStarted | StepCompleted | StepFailed | StepInterrupted | StepDecided | StepSkipped"
    " | ScopeOpened | ScopeClosed | WaitOpened | WaitClosed | EventReceived | TimerSet | TimerFired"
    " | ValueRecorded"
)
ENTRY_CLASSES: tuple[type[Entry], ...] = (
    RunStarted, DefinitionChanged, RunParked, RunPaused, RunResumed, RunMoved,
    RunReopened, RunCompleted, RunFailed, RunCancelled,
    StepStarted, StepCompleted, StepFailed, StepInterrupted, StepDecided, StepSkipped,
    ScopeOpened, ScopeClosed, WaitOpened, WaitClosed, EventReceived, TimerSet, TimerFired, ValueRecorded,
)  # fmt: skip


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class _Shape:
    """How one class of entry is written: which fields are instants, and which may grow large."""

    LARGE: ClassVar[frozenset[str]] = frozenset(
        {"input", "value", "output", "payload", "error", "request", "failed_members"}
    )
    SPARE: ClassVar[frozenset[str]] = frozenset({"failed_members"})
    """Written and shown only where there is something in it."""

    def __init__(self, cls: type[Entry]) -> None:
        names = [one.name for one in fields(cls) if one.name != "at"]
        self.cls = cls
        self.instants = tuple(name for name in names if name.endswith("_at"))
        self.plain = tuple(name for name in names if not name.endswith("_at") and name not in self.LARGE)
        self.large = tuple(name for name in names if name in self.LARGE)


_NAMES: dict[type[Entry], str] = {cls: _snake(cls.__name__) for cls in ENTRY_CLASSES}
_SHAPES: dict[str, _Shape] = {_snake(cls.__name__): _Shape(cls) for cls in ENTRY_CLASSES}


def name_of(entry: Entry) -> str:
    """Return the entry's name in a journal, such as `step_completed`."""
    return _NAMES[type(entry)]


@dataclass(frozen=True, slots=True)
class Encoded:
    """An entry as a store keeps it: its name, time and JSON body, and large values by their digest."""

    name: str
    at: str
    body: str
    blobs: Mapping[str, str]


def encode(entry: AnyEntry) -> Encoded:
    """Return an entry's stored form; values over 64 KiB of JSON are moved to `blobs`.

    Raises:
        ValueError, TypeError: a value in it is not JSON.
    """
    shape = _SHAPES[name_of(entry)]
    body: dict[str, JsonValue] = {name: getattr(entry, name) for name in shape.plain}
    for name in shape.instants:
        instant = getattr(entry, name)
        body[name] = None if instant is None else clock.to_text(instant)
    blobs: dict[str, str] = {}
    parts = [dump(body)[1:-1]] if body else []
    outside: JsonObject = {}
    for name in shape.large:
        if name in _Shape.SPARE and not getattr(entry, name):
            continue
        text = dump(getattr(entry, name))
        if len(text) > BLOB_BYTES // 4 and len(text.encode("utf-8", "surrogatepass")) > BLOB_BYTES:
            digest = fingerprint_text(text)
            blobs[digest] = text
            outside[name] = digest
        else:
            parts.append(f"{dump(name)}:{text}")
    if outside:
        parts.append(f'"$blobs":{dump(outside)}')
    return Encoded(name_of(entry), clock.to_text(entry.at), "{" + ",".join(parts) + "}", blobs)


def decode(name: str, at: str, body: str, blob: Callable[[str], str]) -> AnyEntry:
    """Return the entry of a stored form; `blob` gives the text of a digest.

    Raises:
        StoreVersion: this version does not know the entry.
        StoreCorrupt: the body does not fit the entry.
    """
    shape = _SHAPES.get(name)
    if shape is None:
        raise StoreVersion(
            f"the journal holds an entry `{name}` that this version does not know; upgrade checkpointflow"
        )
    try:
        values = cast("dict[str, Any]", load(body))
        for large, digest in values.pop("$blobs", {}).items():
            values[large] = load(blob(digest))
        for instant in shape.instants:
            values[instant] = None if values[instant] is None else clock.from_text(values[instant])
        return cast(AnyEntry, shape.cls(at=clock.from_text(at), **values))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreCorrupt(
            f"an entry `{name}` of the journal cannot be read; restore the store from a copy",
            details={"cause": str(error)[:200]},
        ) from None


def blobs_of(body: str) -> list[str]:
    """Return the digests of the large values that a stored form refers to."""
    outside = cast("dict[str, Any]", load(body)).get("$blobs", {})
    return [str(digest) for digest in outside.values()]


def as_json(entry: AnyEntry, position: int) -> JsonObject:
    """Return an entry as people and machines are shown it, with its position and name."""
    shown: JsonObject = {"position": position, "entry": name_of(entry), "at": clock.to_text(entry.at)}
    for one in fields(entry):
        value = getattr(entry, one.name)
        if one.name != "at" and (value or one.name not in _Shape.SPARE):
            shown[one.name] = clock.to_text(value) if isinstance(value, datetime) else value
    return shown
