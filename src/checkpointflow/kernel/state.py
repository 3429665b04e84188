"""RunState and its fold: what a journal's entries add up to; pure in its entries, and exhaustive."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar, assert_never, cast

from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey, WaitId
from checkpointflow.kernel.run import Answer, Expired, StepResult
from checkpointflow.kernel.scope import path_of
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

Status: TypeAlias = Literal["open", "waiting", "paused", "moved", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step failed for good, with this error."""

    error: JsonObject


Outcome: TypeAlias = "StepResult | StepFailure | Answer | Expired | None"


@dataclass(slots=True)
class StepRecord:
    """What is known of one step: its attempts, and how it ended.

    What it was begun with is much and hardly ever asked for: it stands in the entry at position `begun`.
    """

    kind: str
    digest: str
    begun: int
    effect: e.EffectClass = "idempotent"
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    is_open: bool = False
    in_doubt: bool = False
    retry_at: datetime | None = None
    position: int | None = None
    outcome: Outcome = None
    undone: bool = False
    ended_unseen: bool = False
    was_stopped: bool = False


@dataclass(slots=True)
class WaitRecord:
    """What is known of one wait for an event."""

    wait_id: WaitId
    request: JsonObject
    deadline_at: datetime | None
    position: int | None = None
    outcome: Outcome = None
    undone: bool = False


@dataclass(slots=True)
class TimerRecord:
    """What is known of one sleep."""

    wait_id: WaitId
    due_at: datetime
    position: int | None = None
    outcome: Outcome = None
    undone: bool = False


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """A value that was decided."""

    kind: str
    value: JsonValue


@dataclass(slots=True)
class ScopeRecord:
    """A scope: what it meant, and how it was closed."""

    kind: str
    digest: str
    outcome: Literal["completed", "failed", "cancelled"] | None = None

    @property
    def undone(self) -> bool:
        """Tell whether it ended otherwise than well, so that a reopened run begins it again."""
        return self.outcome in ("failed", "cancelled")


Record: TypeAlias = StepRecord | WaitRecord | TimerRecord | ValueRecord | ScopeRecord
R = TypeVar("R", StepRecord, ScopeRecord)


@dataclass(slots=True)
class RunState:
    """What a journal adds up to; owned by whoever folds it, changed by `apply` alone.

    `generations` counts how often a key was voided. An `undone` record ended by cancellation, so that nothing was
    handed back from it; when the run is reopened, waits and scopes of that sort begin anew, and of a step that
    `was_stopped` nobody knows what it did. `waiting` are the waits and sleeps that have not ended.
    """

    length: int = 0
    started: e.RunStarted | None = None
    status: Status = "open"
    records: dict[StepKey, Record] = field(default_factory=dict)
    generations: dict[StepKey, int] = field(default_factory=dict)
    waits_opened: int = 0
    waiting: dict[WaitId, StepKey] = field(default_factory=dict)
    failure: JsonObject | None = None

    def apply(self, entry: e.AnyEntry) -> None:
        """Take in the next entry.

        Raises:
            StoreCorrupt: the entry cannot follow what is there.
        """
        self.length += 1
        try:
            self._apply(entry)
        except KeyError:
            raise StoreCorrupt(
                f"entry {self.length} (`{e.name_of(entry)}`) of the journal does not fit those before it; "
                "restore the store from a copy"
            ) from None

    def open_attempts(self) -> dict[StepKey, int]:
        """Return the attempts that began and of which no end is known."""
        return {
            key: record.attempt
            for key, record in self.records.items()
            if isinstance(record, StepRecord) and record.is_open
        }

    def is_waiting(self) -> bool:
        """Tell whether there is anything whose coming would let the run go on: an event, a time, a decision."""
        return bool(self.waiting) or any(
            record.in_doubt or record.retry_at is not None
            for record in self.records.values()
            if isinstance(record, StepRecord)
        )

    def stopped_keys(self) -> list[StepKey]:
        """Return the steps that were stopped while they ran: nobody knows what they did, and nobody is asked."""
        return [
            key
            for key, record in self.records.items()
            if isinstance(record, StepRecord) and record.undone and record.ended_unseen
        ]

    def undone_keys(self) -> list[StepKey]:
        """Return what a reopened run asks for anew: the failed steps, and the waits and scopes their failure ended."""
        undone = [
            key
            for key, record in self.records.items()
            if isinstance(record, WaitRecord | TimerRecord | ScopeRecord) and record.undone
        ]
        failed = [StepKey(key) for key in failed_keys(self.failure or {})]
        return list(dict.fromkeys([*undone, *(key for key in failed if key in self.records)]))

    def _apply(self, entry: e.AnyEntry) -> None:
        match entry:
            case e.RunStarted():
                self.started = entry
            case e.RunParked():
                self.status = "waiting"
                return
            case e.RunPaused():
                self.status = "paused"
                return
            case e.RunCompleted():
                self.status = "completed"
                return
            case e.RunCancelled():
                self.status = "cancelled"
                return
            case e.RunFailed():
                self.status, self.failure = "failed", entry.error
                return
            case e.RunMoved():
                self.status = "moved"
                return
            case e.RunReopened():
                self._reopen(entry.voided)
            case e.DefinitionChanged():
                self._rewind(entry.voided)
            case e.StepStarted() | e.StepCompleted() | e.StepFailed() | e.StepInterrupted() | e.StepDecided():
                self._apply_step(entry)
            case e.WaitOpened() | e.TimerSet() | e.WaitClosed() | e.EventReceived() | e.TimerFired():
                self._apply_wait(entry)
            case e.ValueRecorded():
                self.records[entry.key] = ValueRecord(entry.kind, entry.value)
            case e.StepSkipped():
                self.records[entry.key] = ValueRecord("skip", entry.reason)
            case e.ScopeOpened():
                self.records[entry.key] = ScopeRecord(entry.kind, entry.digest)
            case e.ScopeClosed():
                self._recorded(entry.key, ScopeRecord).outcome = entry.outcome
            case e.RunResumed():
                pass
            case _:
                assert_never(entry)
        self.status = "open"

    def _apply_step(
        self, entry: e.StepStarted | e.StepCompleted | e.StepFailed | e.StepInterrupted | e.StepDecided
    ) -> None:
        if isinstance(entry, e.StepStarted):
            self._start(entry)
            return
        record = self._recorded(entry.key, StepRecord)
        is_unseen = record.is_open or record.in_doubt or record.was_stopped
        record.ended_unseen = isinstance(entry, e.StepInterrupted) and is_unseen
        record.is_open = False
        match entry:
            case e.StepCompleted():
                self._end(record, StepResult(entry.output, entry.details))
            case e.StepFailed():
                record.failures += 1
                record.deaths = 0
                record.retry_at = entry.retry_at
                if entry.retry_at is None:
                    self._end(record, StepFailure(entry.error))
            case e.StepInterrupted():
                self._interrupt(record, entry)
            case e.StepDecided():
                self._decide(record, entry)
            case _:
                assert_never(entry)

    def _start(self, entry: e.StepStarted) -> None:
        if entry.key not in self.records:
            kind, effect = sys.intern(entry.kind), cast("e.EffectClass", sys.intern(entry.effect))  # one for all steps
            self.records[entry.key] = StepRecord(kind, entry.digest, self.length, effect)
        record = self._recorded(entry.key, StepRecord)
        record.attempt = entry.attempt
        record.is_open = True
        record.in_doubt = False
        record.retry_at = None
        record.was_stopped = False

    @staticmethod
    def _interrupt(record: StepRecord, entry: e.StepInterrupted) -> None:
        record.in_doubt = entry.in_doubt
        record.deaths = record.deaths + 1 if entry.cause == "holder_died" else 0
        record.undone = entry.cause in ("stopped", "cancelled") and not entry.in_doubt
        record.was_stopped = False
        record.retry_at = None

    def _decide(self, record: StepRecord, entry: e.StepDecided) -> None:
        record.in_doubt = False
        record.deaths = 0
        if entry.decision == "done":
            self._end(record, StepResult(entry.output, {"decided": "done"}))
        elif entry.decision == "fail":
            message = f"it was decided that step `{entry.key}` failed" + (f": {entry.reason}" if entry.reason else "")
            self._end(record, StepFailure({"code": "ERR_STEP_IN_DOUBT", "message": message, "details": {}}))

    def _apply_wait(self, entry: e.WaitOpened | e.TimerSet | e.WaitClosed | e.EventReceived | e.TimerFired) -> None:
        match entry:
            case e.WaitOpened():
                self._open(entry)
                self.records[entry.key] = WaitRecord(entry.wait_id, entry.request, entry.deadline_at)
                return
            case e.TimerSet():
                self._open(entry)
                self.records[entry.key] = TimerRecord(entry.wait_id, entry.due_at)
                return
        record = self.records[entry.key]
        if not isinstance(record, WaitRecord | TimerRecord):
            raise KeyError(entry.key)
        del self.waiting[entry.wait_id]
        match entry:
            case e.EventReceived():
                self._end(record, Answer(entry.payload, entry.event_id, entry.actor))
            case e.TimerFired():
                self._end(record, None)
            case e.WaitClosed(cause="expired"):
                self._end(record, Expired(_deadline(record)))
            case e.WaitClosed():
                record.undone = True

    def _open(self, entry: e.WaitOpened | e.TimerSet) -> None:
        self.waits_opened += 1
        self.waiting[entry.wait_id] = entry.key

    def _recorded(self, key: StepKey, cls: type[R]) -> R:
        record = self.records[key]
        if not isinstance(record, cls):
            raise KeyError(key)
        return record

    def _end(self, record: StepRecord | WaitRecord | TimerRecord, outcome: Outcome) -> None:
        record.position = self.length
        record.outcome = outcome

    def _reopen(self, voided: list[JsonValue]) -> None:
        self.failure = None
        self._void(voided)
        self._let_go_on(self.records)

    def _rewind(self, voided: list[JsonValue]) -> None:
        """Void keys, and have the scopes around them go on, with the members whose work they had ended."""
        around = {scope for text in voided for scope in path_of(str(text))[:-1]}
        self._void(voided)
        for scope in around:
            record = self.records.get(scope)
            if isinstance(record, ScopeRecord):
                record.outcome = None
        self._let_go_on(key for key in self.records if around.intersection(path_of(key)[:-1]))

    def _void(self, voided: list[JsonValue]) -> None:
        for text in voided:
            key = StepKey(str(text))
            self.generations[key] = self.generations.get(key, 0) + 1
            self.records.pop(key, None)

    def _let_go_on(self, keys: Iterable[StepKey]) -> None:
        """Steps that were ended with others may be tried again."""
        for key in keys:
            record = self.records[key]
            if isinstance(record, StepRecord) and record.undone:
                record.undone, record.was_stopped = False, record.ended_unseen


def failed_keys(error: JsonObject) -> list[str]:
    """Return the keys of all steps whose failure an error stands for."""
    further = error.get("further_keys")
    keys = [error.get("step_key"), *(further if isinstance(further, list) else [])]
    return [key for key in keys if isinstance(key, str)]


def _deadline(record: WaitRecord | TimerRecord) -> datetime:
    if not isinstance(record, WaitRecord) or record.deadline_at is None:
        raise KeyError(record.wait_id)
    return record.deadline_at


def fold(entries: Iterable[e.AnyEntry], state: RunState | None = None) -> RunState:
    """Return what entries add up to, after those of `state` if one is given (it is changed)."""
    state = RunState() if state is None else state
    for entry in entries:
        state.apply(entry)
    return state
