"""The embedded engine: drives a run pass by pass, takes up its inbox, lets its timers fire, and ends the drive."""

from __future__ import annotations

import heapq
from datetime import datetime
from typing import Literal, NoReturn, TypeAlias

from checkpointflow.clock import later
from checkpointflow.errors import CheckpointflowError, WorkflowCodeError, is_of_the_run
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.asks import WaitAsk
from checkpointflow.kernel.attempts import Attempts
from checkpointflow.kernel.effects import error_record
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.journal import Journal
from checkpointflow.kernel.passes import Pass
from checkpointflow.kernel.run import Workflow
from checkpointflow.kernel.state import RunState, ScopeRecord, StepRecord, TimerRecord, WaitRecord
from checkpointflow.kernel.store import Hold, Message
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

DriveStatus: TypeAlias = Literal["completed", "failed", "cancelled", "moved", "waiting", "paused", "interrupted"]

INBOX_SECONDS = 0.2
"""How long an answer to a run that is being driven lies in the inbox at most."""


@dataclass(frozen=True, slots=True)
class DriveOutcome:
    """How a drive ended, and what its workflow did that deserves a word."""

    status: DriveStatus
    warnings: list[str]


class _Again(Exception):  # noqa: N818
    """Decisions were dropped: the workflow has to be driven over its journal again."""


class _Cancel(Exception):  # noqa: N818
    """Somebody cancels the run."""

    def __init__(self, message: Message) -> None:
        self.message = message


class _Stop(Exception):  # noqa: N818
    """Somebody wants this drive to end: to pause the run, or to leave it to another driver."""


def drive(workflow: Workflow, hold: Hold, surroundings: Surroundings) -> DriveOutcome:
    """Make a held run progress until it parks, settles or is paused; the hold is given up.

    Recorded steps are not performed again. Whatever ends this early, a crash included, leaves a journal from which
    the next drive goes on.

    Raises:
        PersistenceError, JournalConflictError: the drive was abandoned; the run goes on from its last commit.
        NondeterminismError, UnsupportedError, InternalError: no fault of the run, which stays interrupted.
    """
    return Drive(workflow, hold, surroundings).run()


class Drive:
    """One drive of one run, from taking over its journal to giving up the hold.

    `run` does all of it in the caller's thread. A caller that must not be blocked says `begin`, and then `turn`
    whenever something has come, until that says how the run ended.
    """

    def __init__(self, workflow: Workflow, hold: Hold, world: Surroundings) -> None:
        self._workflow = workflow
        self._hold = hold
        self._world = world
        self._journal = Journal(world.store, hold, fits=world.fits, observer=world.observer)
        self._attempts = Attempts(world.executor, self._journal, world.clock, world.chance)
        self._begun_at = world.clock.now()
        self._pass = self._new_pass()

    # -- the whole -------------------------------------------------------------------------------

    def run(self) -> DriveOutcome:
        """Drive until the run parks, settles or is paused; see `drive`."""
        self._world.interrupt.connect(self._world.executor.wake)
        try:
            status = self._state.status
            if status == "completed" or status == "failed" or status == "cancelled" or status == "moved":
                self._journal.commit(release=True)
                return DriveOutcome(status, [])
            self.begin()
            while (outcome := self.turn()) is None:
                self._absorb()
            return outcome
        except BaseException:
            self._give_up()
            raise
        finally:
            self.close()

    def leave(self) -> None:
        """Leave the workflow's code; what is in flight goes on."""
        self._pass.close()

    def close(self) -> None:
        """Leave the workflow's code, and end what is in flight."""
        self.leave()
        self._attempts.stop()

    def begin(self) -> None:
        """End what a dead holder left behind, and note that a paused run goes on."""
        self._world.executor.end_orphans(self._hold.run_id, self._state.open_attempts())
        if self._state.status == "paused":
            self._journal.record(e.RunResumed(at=self._now(), actor=self._world.actor))
        self._journal.look()

    def turn(self) -> DriveOutcome | None:
        """Go on as far as what has come allows; None if there is more to come while the run is driven.

        After `waiting` a drive that `stays` may be given another turn.

        Raises:
            CheckpointflowError: no fault of the run, whose drive has to be given up.
        """
        while True:
            try:
                self._refuse_cancelled()
                return self._go_on()
            except _Again:
                self._pass.close()
                self._pass = self._new_pass()
            except _Cancel as cancel:
                return self._cancel(cancel.message)
            except _Stop:
                return self._drain() if self._world.interrupt.drains else self._pause()

    def _refuse_cancelled(self) -> None:
        """A run that is to be cancelled needs none of its workflow's code."""
        for message in self._journal.untaken():
            if message.kind == "cancel":
                raise _Cancel(message)

    def _go_on(self) -> DriveOutcome | None:
        """Let the workflow decide and do what it decides, until it has settled or there is something to wait for."""
        while True:
            self._pass.run()
            if self._pass.root.is_settled:
                return self._settle()
            if self._go_live():
                continue
            if self._patience() is not None:
                return None
            outcome = self._park()
            if outcome is not None:
                return outcome

    def _go_live(self) -> bool:
        """Do what the journal does not have yet; False if that leaves the workflow as it was."""
        if self._world.interrupt.is_asked:
            raise _Stop
        self._pass.intend()
        self._commit()
        return self._take_up() or self._fire_due()

    def _new_pass(self) -> Pass:
        world = self._world
        return Pass(
            self._workflow,
            self._hold.run_id,
            self._journal,
            self._attempts,
            world.clock,
            world.chance,
            mint_uuid=world.mint_uuid,
        )

    @property
    def _state(self) -> RunState:
        return self._journal.state

    def _now(self) -> datetime:
        return self._world.clock.now()

    # -- committing ------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Make what was recorded durable; then, and only then, begin what was intended and stop what was given up."""
        if self._journal.has_buffer:
            if self._journal.commit() is None:
                self._decide_again()
            self._attempts.begin(self._pass.take_effects())

    def _decide_again(self) -> NoReturn:
        """Messages stood against a commit: keep its facts, take the messages up, and let the workflow decide anew."""
        self._journal.keep_facts()
        self._take_up()
        raise _Again

    # -- what comes from outside -----------------------------------------------------------------

    def _take_up(self) -> bool:
        """Record the messages of the inbox; True if there was one."""
        messages = self._journal.untaken()
        for message in messages:
            if message.kind == "cancel":
                raise _Cancel(message)
            self._journal.take(message)
            if message.kind == "decide":
                self._take_decision(message)
            else:
                self._take_answer(message)
        return bool(messages)

    def _take_answer(self, message: Message) -> None:
        if message.wait_id is None or message.wait_id not in self._state.waiting:
            return
        key = self._state.waiting[message.wait_id]
        self._journal.record(
            e.EventReceived(
                at=self._now(),
                key=key,
                wait_id=message.wait_id,
                event_id=message.event_id,
                payload=message.payload,
                actor=message.actor,
            )
        )
        self._pass.noticed(key)

    def _take_decision(self, message: Message) -> None:
        key = StepKey(message.name)
        record = self._state.records.get(key)
        if not isinstance(record, StepRecord) or not record.in_doubt:
            return
        decision, output, reason = _decision_of(message)
        self._journal.record(
            e.StepDecided(at=self._now(), key=key, decision=decision, output=output, actor=message.actor, reason=reason)
        )
        self._pass.noticed(key)

    def _fire_due(self) -> bool:
        """Let the timers that are due fire; True if one did."""
        now, fired, timers = self._now(), False, self._pass.timers
        while timers and timers[0][0] <= now:
            due, key = heapq.heappop(timers)
            fired = self._fire(key, due) or fired
        return fired

    def _fire(self, key: StepKey, due: datetime) -> bool:
        """Let a timer fire, if anybody still waits for it."""
        record = self._state.records.get(key)
        if self._pass.pending(key) is None:
            return False
        if isinstance(record, WaitRecord) and record.position is None:
            return self._expire(key, record, due)
        if isinstance(record, TimerRecord) and record.position is None:
            self._journal.record(e.TimerFired(at=self._now(), key=key, wait_id=record.wait_id))
        self._pass.noticed(key)
        return True

    def _expire(self, key: StepKey, record: WaitRecord, due: datetime) -> bool:
        """Close a wait whose deadline has passed; a fiber sees that only once it is committed."""
        self._commit()
        self._journal.record(e.WaitClosed(at=self._now(), key=key, wait_id=record.wait_id, cause="expired"))
        if self._journal.commit() is None:
            self._journal.withdraw()
            heapq.heappush(self._pass.timers, (due, key))
            return self._take_up()
        self._pass.noticed(key)
        return True

    def absorb(self) -> None:
        """Take in what has come by itself since the last turn: the ends of effects, and messages."""
        if self._state.status == "waiting":
            self._begun_at = self._now()
        for key in self._attempts.wait(0.0) or ():
            self._pass.noticed(key)
        self._journal.look()

    @property
    def due_at(self) -> datetime | None:
        """The instant of the next timer or deadline, None without any."""
        return self._pass.timers[0][0] if self._pass.timers else None

    def _absorb(self) -> None:
        """Wait for effects, short timers and the inbox."""
        ended = self._attempts.wait(self._patience() or 0.0)
        for key in ended or ():
            self._pass.noticed(key)
        if ended is None:
            self._journal.look()

    def _patience(self) -> float | None:
        """Return how long to wait for effects, in seconds; None if only waits are left that may take long."""
        now = self._now()
        soonest = self.due_at
        if not self._attempts and not self._has_inline_timer(now):
            return None
        if soonest is None:
            return INBOX_SECONDS
        return max(0.0, min(INBOX_SECONDS, (soonest - now).total_seconds()))

    def _has_inline_timer(self, now: datetime) -> bool:
        """Tell whether a sleep or backoff is short enough to wait for; a deadline is not: who answers must be told."""
        until = later(now, self._world.inline_wait_seconds)
        asks = [self._pass.pending(key) for due, key in self._pass.timers if due <= until]
        return any(ask is not None and not isinstance(ask, WaitAsk) for ask in asks)

    # -- how a drive ends ------------------------------------------------------------------------

    def _settle(self) -> DriveOutcome:
        """Record that the workflow returned or failed."""
        error = self._pass.root.error
        if error is not None and not is_of_the_run(error):
            raise error
        if self._attempts:
            self._commit()
            self._attempts.stop()
        if error is None:
            self._journal.record(e.RunCompleted(at=self._now(), value=self._pass.root.result()))
        else:
            self._journal.record(e.RunFailed(at=self._now(), error=_failure(error)))
        if self._journal.commit(release=True) is None:
            self._decide_again()
        return DriveOutcome("completed" if error is None else "failed", [*self._pass.warnings(), *self._stopped()])

    def _stopped(self) -> list[str]:
        stopped = self._state.stopped_keys()
        return [f"`{key}` was stopped while it ran, so nobody knows what it did" for key in stopped]

    def _park(self) -> DriveOutcome | None:
        """Give the run up until one of its waits ends; None if a message came in between."""
        if not self._state.is_waiting():
            raise _stuck(self._hold.run_id)
        is_news = self._state.status != "waiting"
        if is_news:
            elapsed = (self._now() - self._begun_at).total_seconds()
            failed = self._pass.failed_members()
            parked = e.RunParked(at=self._now(), elapsed_seconds=max(0.0, elapsed), failed_members=failed)
            self._journal.record(parked)
        if self._journal.commit(release=not self._world.stays) is not None:
            return DriveOutcome("waiting", [*self._pass.warnings(), *self._stopped()])
        if is_news:
            self._journal.withdraw()
        self._take_up()
        return None

    def _pause(self) -> DriveOutcome:
        """End the effects and give the run up until somebody resumes it."""
        self._pass.close()
        self._journal.keep_facts()
        self._attempts.stop("paused")
        while True:
            self._journal.record(e.RunPaused(at=self._now(), actor=self._world.interrupt.actor))
            if self._journal.commit(release=True) is not None:
                return DriveOutcome("paused", [])
            self._journal.withdraw()
            try:
                self._take_up()
            except _Cancel as cancel:
                return self._cancel(cancel.message)

    def _drain(self) -> DriveOutcome:
        """Let the effects end, as far as there is time, and leave the run to whoever drives it next."""
        interrupt = self._world.interrupt
        self._pass.close()
        self._journal.keep_facts()
        until = later(self._now(), interrupt.drain_seconds)
        while self._attempts and not interrupt.is_urgent and (left := (until - self._now()).total_seconds()) > 0:
            self._attempts.wait(min(left, INBOX_SECONDS))
        self._give_up("drained")
        return DriveOutcome("interrupted", [])

    def _cancel(self, message: Message) -> DriveOutcome:
        """End the effects, close what is open, and settle the run as cancelled."""
        self._pass.close()
        self._journal.keep_facts()
        self._attempts.stop("cancelled")
        while True:
            self._take_rest(message)
            self._close_all()
            _, _, reason = _decision_of(message)
            self._journal.record(e.RunCancelled(at=self._now(), actor=message.actor, reason=reason))
            if self._journal.commit(release=True) is not None:
                return DriveOutcome("cancelled", self._stopped())
            self._journal.keep_facts()

    def _take_rest(self, cancel: Message) -> None:
        """Take up all messages: the cancellation, the answers that came before it, further cancellations."""
        self._journal.take(cancel)
        for message in self._journal.untaken():
            self._journal.take(message)
            if message.kind == "event":
                self._take_answer(message)

    def _close_all(self) -> None:
        """Record the end of everything that is open."""
        now = self._now()
        for key, attempt in self._state.open_attempts().items():
            self._journal.record(e.StepInterrupted(at=now, key=key, attempt=attempt, cause="cancelled", in_doubt=False))
        for wait_id, key in list(self._state.waiting.items()):
            self._journal.record(e.WaitClosed(at=now, key=key, wait_id=wait_id, cause="cancelled"))
        for key, record in list(self._state.records.items()):
            if isinstance(record, ScopeRecord):
                self._pass.close_scope(key, None, cancelled=True)

    def fail(self, error: CheckpointflowError) -> DriveOutcome:
        """End a run that its engine cannot go on with: the effects are stopped, and the error is its failure."""
        self._pass.close()
        self._journal.keep_facts()
        self._attempts.stop("cancelled")
        self._journal.record(e.RunFailed(at=self._now(), error=_failure(error)))
        while self._journal.commit(release=True) is None:
            for message in self._journal.pending:
                self._journal.take(message)
        return DriveOutcome("failed", self._stopped())

    def _give_up(self, cause: Literal["paused", "drained"] = "paused") -> None:
        """Something that is no fault of the run ends the drive: keep the facts, and let others have it."""
        self._pass.close()
        try:
            self._journal.keep_facts()
            self._attempts.stop(cause)
            while self._journal.commit(release=True) is None:
                self._take_up()
        except _Cancel as cancel:
            self._cancel(cancel.message)
        except CheckpointflowError:
            return  # the store is gone or the hold lost: the last commit stands


def _decision_of(message: Message) -> tuple[e.Decision, JsonValue, str | None]:
    """Return what a control message says: the decision, the output that goes with it, the reason."""
    payload = message.payload if isinstance(message.payload, dict) else {}
    decisions: dict[JsonValue, e.Decision] = {"done": "done", "again": "again"}
    reason = payload.get("reason")
    decision = decisions.get(str(payload.get("decision")), "fail")
    return decision, payload.get("output"), None if reason is None else str(reason)


def _failure(error: BaseException) -> JsonObject:
    """Return a run's failure as its journal keeps it."""
    if not isinstance(error, CheckpointflowError):
        return {"code": WorkflowCodeError.code, "message": str(error), "details": {}}
    record = error_record(error)
    if error.step_key is not None:
        record["step_key"] = error.step_key
    if error.further_keys:
        record["further_keys"] = list(error.further_keys)
    if error.cause is not None:
        record["cause"] = error.cause
    return record


def _stuck(run_id: str) -> WorkflowCodeError:
    return WorkflowCodeError(
        f"run `{run_id}` cannot go on: its workflow waits for nothing that could come; "
        "look for members that wait for each other"
    )
