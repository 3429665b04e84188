"""PORT Store: keeps journals, the inbox and who drives what, and the rows that it gives of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import EventId, HolderId, RunId, StepKey, WaitId
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

StoredStatus: TypeAlias = Literal["open", "waiting", "paused", "moved", "completed", "failed", "cancelled"]
SETTLED: frozenset[StoredStatus] = frozenset({"completed", "failed", "cancelled", "moved"})

MessageKind: TypeAlias = Literal["event", "cancel", "decide"]
MessageState: TypeAlias = Literal["kept", "accepted", "taken", "set_aside"]
Fits: TypeAlias = Callable[[JsonValue, JsonValue], bool]
"""Tells whether a payload (second) fits a JSON Schema (first)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunHead:
    """A run's summary row, derived from its journal.

    `status` is what the journal says: `open` is neither parked nor settled, which is running if
    somebody alive holds the run and interrupted otherwise. `waits_opened` counts the wait ids minted.
    """

    run_id: RunId
    status: StoredStatus
    length: int
    workflow_id: str
    workflow_name: str | None
    workflow_version: str | None
    definition: str
    source_path: str | None
    labels: Mapping[str, JsonValue]
    cwd: str
    started_at: datetime
    updated_at: datetime
    current_key: StepKey | None
    waits_opened: int
    error: JsonObject | None

    @property
    def is_settled(self) -> bool:
        """Tell whether the run has completed, failed, been cancelled, or gone elsewhere."""
        return self.status in SETTLED


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenWait:
    """One thing that a run needs to go on, derived from its journal.

    `kind` is `external_event`, `timer` (a sleep or a retry that is due later) or `in_doubt`. `due_at`
    is the deadline of an event or the instant of a timer. `request` is what the wait asks for. `answered` tells that
    an answer, or a decision, is accepted.
    """

    run_id: RunId
    key: StepKey
    kind: Literal["external_event", "timer", "in_doubt"]
    wait_id: WaitId | None
    event_name: str | None
    audience: str | None
    opened_at: datetime
    due_at: datetime | None
    request: JsonObject
    answered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One row of the inbox: an event, or a control message (`cancel`, `decide`), to one run.

    `name` is the event's name, or the key of the step to decide. `number` orders the rows as they came;
    0 before the store has given one.
    """

    run_id: RunId
    event_id: EventId
    kind: MessageKind
    name: str
    payload: JsonValue
    actor: str | None
    at: datetime
    wait_id: WaitId | None = None
    state: MessageState = "kept"
    number: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of a message.

    `accepted`: it answers its wait, or is a control message on its way. `kept`: an early event. `duplicate`:
    this event id was here before, `message` is that row. `answered`: another message answered the wait, or decided
    the step, `message` is that one. `late`: the deadline has passed. `closed`: the wait is not open, or the step not
    in doubt. `open`: the event came as an early one, but a wait for its name is open: answer that. `settled`: the
    run has settled.
    """

    outcome: Literal["accepted", "kept", "duplicate", "answered", "late", "closed", "open", "settled"]
    message: Message | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """The exclusive right to drive a run; only its epoch may write."""

    run_id: RunId
    holder: HolderId
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderInfo:
    """Who drives, or last drove, a run; `alive` tells which, as far as this machine can see."""

    holder: HolderId
    host: str
    pid: int
    since: datetime
    alive: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """A run that could not be driven in a pool: how often in a row, why, and when to try again."""

    run_id: RunId
    pool: str
    tries: int
    next_try_at: datetime
    error: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverInfo:
    """Who drives whatever is due in a pool: a `worker` since an instant, or a `tick` at that instant."""

    holder: HolderId
    kind: Literal["worker", "tick"]
    pool: str
    host: str
    pid: int
    at: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What no run needed: how many definitions and large values; the store's size then, and the bytes given back."""

    definitions: int = 0
    values: int = 0
    size_bytes: int = 0
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """The answer to a commit: whether it was written, and the messages that wait to be taken up.

    When it was not written, `pending` holds the messages that stood against it.
    """

    written: bool
    pending: tuple[Message, ...]


class Store(Protocol):
    """Keeps journals. Every method is one transaction; every one may raise PersistenceError.

    Implementations pass `checkpointflow.testing.StoreContract`.
    """

    def create(
        self,
        run_id: RunId,
        entries: Sequence[e.AnyEntry],
        *,
        holder: HolderId | None,
        definition: tuple[str, JsonObject] | None = None,
        messages: Sequence[Message] = (),
        over_moved: bool = False,
    ) -> Hold | None:
        """Begin a run's journal with these entries (the first is RunStarted) and, given one, store its definition.

        With a holder the run is held from the start and the hold (epoch 1) returned. The `messages` become its inbox,
        in their order and as they stand, but for the run and the numbers. With `over_moved` the run takes the place of
        one with the same id that was moved away and that nobody alive holds; its epoch goes on.

        Raises:
            RunExistsError: there is a run with this id.
        """

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """Take the hold of a run that nobody alive holds, raising its epoch by one.

        Raises:
            RunNotFoundError: no such run.
            RunHeldError: somebody alive holds it; the message names host, pid and since when.
        """

    def commit(
        self,
        hold: Hold,
        length: int,
        entries: Sequence[e.AnyEntry],
        *,
        taken: Sequence[int] = (),
        release: bool = False,
        fits: Fits | None = None,
        definition: tuple[str, JsonObject] | None = None,
    ) -> Commit:
        """Append entries to a journal of this length, mark the `taken` messages, and release the hold if asked.

        A definition is stored with it, by its hash.

        Nothing is written if a pending message stands against it (see `stands_against`). For each
        WaitOpened the oldest kept event of its name that `fits` its schema becomes accepted for it; those
        before that do not fit are set aside. If that leaves a pending message, the hold is not released.

        Raises:
            JournalConflictError: the hold was lost, or the journal has another length.
        """

    def release(self, hold: Hold) -> None:
        """Give a hold up, whatever waits to be taken up; one that was lost changes nothing.

        A drive gives its hold up by a commit, which forgets no message. This is for whoever does not drive.
        """

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        """Return the journal's entries behind a position, at most `limit` of them; empty for an unknown run."""

    def head(self, run_id: RunId) -> RunHead:
        """Return a run's summary row.

        Raises:
            RunNotFoundError: no such run.
        """

    def heads(
        self,
        *,
        statuses: Iterable[StoredStatus] | None = None,
        workflow_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 50,
        before: tuple[datetime, RunId] | None = None,
    ) -> list[RunHead]:
        """Return summary rows, newest start first; `before` is the (started_at, run_id) of the last one seen."""

    def waits(self, run_id: RunId | None = None) -> list[OpenWait]:
        """Return the open waits of one run or of all, oldest first, `answered` ones marked."""

    def answer(self, message: Message) -> Delivery:
        """Accept an event for the wait that `message.wait_id` names, if that is open, unanswered and in time.

        Raises:
            RunNotFoundError: no such run.
        """

    def deliver(self, message: Message) -> Delivery:
        """Keep an early event (no `wait_id`), or put a control message on its way.

        A decision is accepted if the step that it names is in doubt and no other decision of it is on its way.

        Raises:
            RunNotFoundError: no such run.
        """

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """Return the accepted events and control messages that no journal has taken up yet, oldest first."""

    def messages(self, run_id: RunId) -> list[Message]:
        """Return all messages a run ever got, oldest first."""

    def holder_of(self, run_id: RunId) -> HolderInfo | None:
        """Return who holds a run, alive or not; None when nobody does."""

    def definition(self, digest: str) -> JsonObject:
        """Return a stored definition.

        Raises:
            StoreCorrupt: it is not there.
        """

    def find(self, fragment: str) -> list[RunId]:
        """Return up to 10 run ids that equal, begin or end with a text; an equal one alone."""

    def delete(self, run_id: RunId, *, sweeps: bool = True) -> None:
        """Forget a settled run that nobody alive holds: its journal, inbox and head, and what no other run needs.

        Unless it `sweeps`, what no run needs stays until the next `sweep`, which is cheaper when many are deleted.

        Raises:
            RunNotFoundError: no such run.
            RunHeldError: somebody alive holds it.
            RunNotSettledError: it has not settled.
        """

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """Remove definitions and large values that no run needs, and give free space back if there is much of it.

        With `dry_run` only count them. What a run in the store needs is never touched.
        """

    def drivable(self, at: datetime, *, pool: str, limit: int) -> list[RunId]:
        """Return runs that somebody should drive, those that have stood still longest first.

        Those are runs that are interrupted, that have messages to take up, or of which a timer or deadline is due.
        Left out are paused runs, those that somebody alive holds, and those put off in this pool until later.
        """

    def back_off(self, backoff: Backoff) -> None:
        """Put a run off in a pool, in place of what was noted of both before."""

    def forget_backoff(self, run_id: RunId, pool: str) -> None:
        """Forget that a run was put off in a pool."""

    def backoffs(self, run_id: RunId | None = None) -> list[Backoff]:
        """Return what was put off, of one run or of all, the next to be tried first."""

    def enroll(self, kind: Literal["worker", "tick"], pool: str, *, at: datetime) -> None:
        """Note that this process drives what is due in a pool; of ticks in a pool the last is kept."""

    def drivers(self) -> list[DriverInfo]:
        """Return the workers that live, and the last tick of each pool."""

    def holder(self) -> HolderId:
        """Return this process's holder id, proving from now on that it lives."""

    def close(self) -> None:
        """Give back what the store has open; holds of this process become free."""
