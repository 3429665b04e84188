"""The embedded engine: drives a workflow over its journal, and performs what the journal does not have yet."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, TypeAlias

from checkpointflow import clock as clocks
from checkpointflow.clock import Clock
from checkpointflow.errors import (
    CheckpointflowError,
    NondeterminismError,
    PersistenceError,
    RunNotFailedError,
    WorkflowCodeError,
    is_of_the_run,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.asks import (
    Asked,
    JournaledRun,
    SleepAsk,
    StepAsk,
    WaitAsk,
    error_of,
)
from checkpointflow.kernel.effects import (
    Broken,
    Effect,
    Executor,
    Failed,
    Finished,
    StepContext,
    Succeeded,
    Unseen,
    error_record,
)
from checkpointflow.kernel.fibers import Ask, Fiber, Scheduler
from checkpointflow.kernel.ids import StepKey, WaitId
from checkpointflow.kernel.journal import Journal, Observer
from checkpointflow.kernel.retry import next_try
from checkpointflow.kernel.run import RunInfo, Workflow
from checkpointflow.kernel.state import (
    RunState,
    ScopeRecord,
    StepFailure,
    StepRecord,
    TimerRecord,
    ValueRecord,
    WaitRecord,
)
from checkpointflow.kernel.store import Fits, Hold, Message, Store
from checkpointflow.values import JsonObject, JsonValue, dump

DriveStatus: TypeAlias = Literal["completed", "failed", "cancelled", "waiting", "paused"]

INBOX_SECONDS = 0.2
"""How long an answer to a run that is being driven lies in the inbox at most."""

HOLDER_DEATHS = 3
"""So many holders in a row may die in a step before it is in doubt."""


@dataclass(frozen=True, slots=True)
class DriveOutcome:
    """How a drive ended, and what its workflow did that deserves a word."""

    status: DriveStatus
    warnings: list[str]


class Interrupt:
    """How a door asks a drive to pause; may be asked from a signal handler."""

    def __init__(self) -> None:
        self._wake: Callable[[], None] | None = None
        self.is_asked = False
        self.actor: str | None = None

    def ask(self, actor: str | None = None) -> None:
        """Have the drive end its effects, record that, and give the run up as paused."""
        self.is_asked = True
        self.actor = actor
        if self._wake is not None:
            self._wake()

    def connect(self, wake: Callable[[], None]) -> None:
        """Tell what wakes the drive."""
        self._wake = wake


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a drive needs beside its run: the world, as arguments.

    `inline_wait_seconds`: sleeps and backoffs up to this long are waited for in the process, longer ones park.
    """

    store: Store
    executor: Executor
    clock: Clock
    fits: Fits
    inline_wait_seconds: float = 60.0
    observer: Observer = lambda _entries, _position: None
    interrupt: Interrupt = field(default_factory=Interrupt)
    actor: str | None = None
    chance: Callable[[], float] = ids.random_number


class _Again(Exception):  # noqa: N818
    """Decisions were dropped: the workflow has to be driven over its journal again."""


class _Cancel(Exception):  # noqa: N818
    """Somebody cancels the run."""

    def __init__(self, message: Message) -> None:
        self.message = message


class _Pause(Exception):  # noqa: N818
    """Somebody pauses the run."""


def drive(workflow: Workflow, hold: Hold, surroundings: Surroundings) -> DriveOutcome:
    """Make a held run progress until it parks, settles or is paused; the hold is given up.

    Recorded steps are not performed again. Whatever ends this early, a crash included, leaves a journal from which
    the next drive goes on.

    Raises:
        PersistenceError, JournalConflictError: the drive was abandoned; the run goes on from its last commit.
        NondeterminismError, UnsupportedError, InternalError: no fault of the run, which stays interrupted.
    """
    return _Drive(workflow, hold, surroundings).run()


def reopen(hold: Hold, surroundings: Surroundings, reason: str | None) -> None:
    """Make a failed run, which is held, one that can be driven again.

    The failed step starts anew, at attempt 1; so does what its failure had cancelled. All else stays recorded.

    Raises:
        RunNotFailedError: the run has not failed.
        PersistenceError, JournalConflictError: nothing was changed.
    """
    journal = Journal(surroundings.store, hold, fits=surroundings.fits, observer=surroundings.observer)
    if journal.state.status != "failed":
        raise RunNotFailedError(f"run `{hold.run_id}` has not failed; only a failed run can be retried")
    voided: list[JsonValue] = list(journal.state.undone_keys())
    now, actor = surroundings.clock.now(), surroundings.actor
    journal.record(e.RunReopened(at=now, voided=voided, actor=actor, reason=reason))
    journal.commit()


class _Drive:
    """One drive of one run, from taking over its journal to giving up the hold."""

    def __init__(self, workflow: Workflow, hold: Hold, world: Surroundings) -> None:
        self._workflow = workflow
        self._hold = hold
        self._world = world
        self._executor = world.executor
        self._journal = Journal(world.store, hold, fits=world.fits, observer=world.observer)
        self._begun_at = world.clock.now()
        self._in_flight: dict[StepKey, Effect] = {}
        self._stopping: set[StepKey] = set()
        self._scheduler = Scheduler(self._forsake)
        self._begin_pass()

    # -- the whole -------------------------------------------------------------------------------

    def run(self) -> DriveOutcome:
        self._world.interrupt.connect(self._executor.wake)
        try:
            status = self._state.status
            if status == "completed" or status == "failed" or status == "cancelled":
                self._journal.commit(release=True)
                return DriveOutcome(status, [])
            self._take_over()
            return self._until_done()
        except PersistenceError:
            raise
        except BaseException:
            self._give_up()
            raise
        finally:
            self._scheduler.close()
            self._stop_effects()

    def _until_done(self) -> DriveOutcome:
        while True:
            try:
                self._refuse_cancelled()
                return self._pass()
            except _Again:
                self._begin_pass()
            except _Cancel as cancel:
                return self._cancel(cancel.message)
            except _Pause:
                return self._pause()

    def _begin_pass(self) -> None:
        self._scheduler.close()
        self._scheduler = Scheduler(self._forsake)
        self._asked: dict[StepKey, Ask[Any]] = {}
        self._fresh: list[Ask[Any]] = []
        self._ready: list[tuple[int, StepKey]] = []
        self._timers: list[tuple[datetime, StepKey]] = []
        self._calls: dict[StepKey, Effect] = {}
        self._used: set[StepKey] = set()
        root = JournaledRun(self, self._info(), self._started.input)
        self._root: Fiber[JsonObject] = self._scheduler.spawn(self._workflow.drive(root), StepKey(""))

    @property
    def _state(self) -> RunState:
        return self._journal.state

    @property
    def _started(self) -> e.RunStarted:
        started = self._state.started
        if started is None:
            raise NondeterminismError(f"the journal of run `{self._hold.run_id}` has no beginning")
        return started

    def _info(self) -> RunInfo:
        started = self._started
        return RunInfo(
            run_id=self._hold.run_id,
            workflow_id=started.workflow_id,
            workflow_version=started.workflow_version,
            started_at=started.at,
            cwd=started.cwd,
        )

    def _take_over(self) -> None:
        """End what a dead holder left behind, and note that a paused run goes on."""
        self._executor.end_orphans(self._hold.run_id, self._state.open_attempts())
        if self._state.status == "paused":
            self._journal.record(e.RunResumed(at=self._now(), actor=self._world.actor))
        self._journal.look()

    def _refuse_cancelled(self) -> None:
        """A run that is to be cancelled needs none of its workflow's code."""
        for message in self._journal.untaken():
            if message.kind == "cancel":
                raise _Cancel(message)

    def _now(self) -> datetime:
        return self._world.clock.now()

    # -- one pass over the journal ---------------------------------------------------------------

    def _pass(self) -> DriveOutcome:
        while True:
            self._scheduler.run()
            if self._root.is_settled:
                outcome = self._settle()
                if outcome is not None:
                    return outcome
            elif self._ready:
                self._hand_back()
            elif not self._go_live():
                outcome = self._park()
                if outcome is not None:
                    return outcome

    def _hand_back(self) -> None:
        """Give the recorded result with the lowest position to the fiber that asked for it."""
        _, key = heapq.heappop(self._ready)
        ask = self._asked.pop(key, None)
        if ask is None or ask.is_settled:
            return
        record = self._state.records[key]
        outcome = record.outcome if isinstance(record, StepRecord | WaitRecord | TimerRecord) else None
        if isinstance(outcome, StepFailure):
            ask.reject(error_of(outcome.error, key))
        else:
            ask.resolve(outcome)

    def _go_live(self) -> bool:
        """Do what the journal does not have yet; False if only waits are left."""
        if self._world.interrupt.is_asked:
            raise _Pause
        self._intend()
        self._commit()
        return self._take_up() or self._fire_due() or self._absorb()

    # -- asking ----------------------------------------------------------------------------------

    @property
    def scheduler(self) -> Scheduler:
        """The fibers of this pass."""
        return self._scheduler

    def asked(self, ask: Asked) -> None:
        """A fiber awaits a verb: have its recorded result ready, or see later to getting one."""
        self._used.add(ask.key)
        ask.check(self._state.records.get(ask.key))
        self._asked[ask.key] = ask
        if not self._make_ready(ask.key):
            self._fresh.append(ask)

    def _make_ready(self, key: StepKey) -> bool:
        record = self._state.records.get(key)
        if key not in self._asked or not isinstance(record, StepRecord | WaitRecord | TimerRecord):
            return False
        if record.position is None:
            return False
        heapq.heappush(self._ready, (record.position, key))
        return True

    def value(self, key: StepKey, kind: str, value: Callable[[], JsonValue]) -> JsonValue:
        """Return the value recorded under a key, else record this one."""
        self._used.add(key)
        self._scheduler.refuse_if_closing()
        recorded = self._state.records.get(key)
        if recorded is None:
            self._journal.record(e.ValueRecorded(at=self._now(), key=key, kind=kind, value=value()))
        return self._value_of(key, kind)

    def skip(self, key: StepKey, reason: str) -> None:
        """Record once that a step was passed over."""
        self._used.add(key)
        self._scheduler.refuse_if_closing()
        if self._state.records.get(key) is None:
            self._journal.record(e.StepSkipped(at=self._now(), key=key, reason=reason))
        self._value_of(key, "skip")

    def _value_of(self, key: StepKey, kind: str) -> JsonValue:
        recorded = self._state.records[key]
        if not isinstance(recorded, ValueRecord) or recorded.kind != kind:
            raise NondeterminismError(f"`{key}` was recorded as something else than the `{kind}` now asked for")
        return recorded.value

    def open_scope(self, key: StepKey, kind: str, digest: str) -> None:
        """Record once that a scope was opened, and see to it that it is closed with its fiber at the latest."""
        self._used.add(key)
        self._scheduler.refuse_if_closing()
        recorded = self._state.records.get(key)
        if recorded is None:
            self._journal.record(e.ScopeOpened(at=self._now(), key=key, kind=kind, digest=digest))
        elif not isinstance(recorded, ScopeRecord) or (recorded.kind, recorded.digest) != (kind, digest):
            raise NondeterminismError(f"`{key}` was recorded as something else than the `{kind}` now asked for")
        fiber = self._scheduler.current
        fiber.on_end.append(lambda error: self.close_scope(key, error, cancelled=fiber.is_cancelled))

    def close_scope(self, key: StepKey, error: BaseException | None, *, cancelled: bool = False) -> None:
        """Record once how a scope ended."""
        recorded = self._state.records.get(key)
        if not isinstance(recorded, ScopeRecord) or recorded.outcome is not None:
            return
        outcome: e.ScopeOutcome = "cancelled" if cancelled else "failed" if error is not None else "completed"
        record = error_record(error) if isinstance(error, CheckpointflowError) and not cancelled else None
        self._journal.record(e.ScopeClosed(at=self._now(), key=key, outcome=outcome, error=record))

    def now_recorded(self, key: StepKey) -> datetime:
        """Return the time as recorded under a key."""
        return clocks.from_text(str(self.value(key, "now", lambda: clocks.to_text(self._now()))))

    def chance(self) -> float:
        """Return a random number."""
        return self._world.chance()

    # -- intending -------------------------------------------------------------------------------

    def _intend(self) -> None:
        """Record what has to be begun for the verbs that were asked for since the last commit."""
        fresh, self._fresh = self._fresh, []
        for ask in fresh:
            if ask.is_settled or ask.key not in self._asked:
                continue
            if isinstance(ask, StepAsk):
                self._intend_step(ask)
            elif isinstance(ask, WaitAsk):
                self._intend_wait(ask)
            elif isinstance(ask, SleepAsk):
                self._intend_sleep(ask)

    def _intend_step(self, ask: StepAsk) -> None:
        record = self._state.records.get(ask.key)
        if not isinstance(record, StepRecord):
            self._start(ask, 1)
            return
        if record.is_open and ask.key not in self._in_flight:
            self._note_death(ask, record)
        if record.was_stopped and ask.call.policy.effect == "once" and not record.in_doubt:
            self._interrupted(ask.key, record.attempt, "stopped", in_doubt=True)
        if record.is_open or record.in_doubt or record.undone:
            return
        if record.retry_at is not None and record.retry_at > self._now():
            heapq.heappush(self._timers, (record.retry_at, ask.key))
        else:
            self._start(ask, record.attempt + 1)

    def _note_death(self, ask: StepAsk, record: StepRecord) -> None:
        doubt = ask.call.policy.effect == "once" or record.deaths + 1 >= HOLDER_DEATHS
        self._interrupted(ask.key, record.attempt, "holder_died", in_doubt=doubt)

    def _interrupted(self, key: StepKey, attempt: int, cause: e.Cause, *, in_doubt: bool) -> None:
        self._journal.record(
            e.StepInterrupted(at=self._now(), key=key, attempt=attempt, cause=cause, in_doubt=in_doubt)
        )

    def _start(self, ask: StepAsk, attempt: int) -> None:
        arguments = ask.call.arguments
        self._journal.record(
            e.StepStarted(
                at=self._now(),
                key=ask.key,
                kind=ask.kind,
                attempt=attempt,
                digest=ask.digest,
                arguments=arguments if len(dump(arguments).encode(errors="replace")) <= e.ARGUMENT_BYTES else None,
            )
        )
        self._calls[ask.key] = Effect(call=ask.call, context=self._context(ask.key, attempt))

    def _context(self, key: StepKey, attempt: int) -> StepContext:
        generation = self._state.generations.get(key, 0)
        return StepContext(
            run_id=self._hold.run_id,
            key=key,
            attempt=attempt,
            idempotency_key=f"{self._hold.run_id}/{key}/{generation}",
            cwd=self._started.cwd,
        )

    def _intend_wait(self, ask: WaitAsk) -> None:
        record = self._state.records.get(ask.key)
        if record is None:
            seconds = ask.request.timeout_seconds
            now = self._now()
            self._journal.record(
                e.WaitOpened(
                    at=now,
                    key=ask.key,
                    wait_id=self._next_wait_id(),
                    request=ask.request.as_json(),
                    deadline_at=None if seconds is None else now + timedelta(seconds=seconds),
                )
            )
            record = self._state.records[ask.key]
        if isinstance(record, WaitRecord) and not record.undone and record.deadline_at is not None:
            heapq.heappush(self._timers, (record.deadline_at, ask.key))

    def _intend_sleep(self, ask: SleepAsk) -> None:
        record = self._state.records.get(ask.key)
        if record is None:
            now = self._now()
            due = now + ask.until if isinstance(ask.until, timedelta) else ask.until
            self._journal.record(e.TimerSet(at=now, key=ask.key, wait_id=self._next_wait_id(), due_at=due))
            record = self._state.records[ask.key]
        if isinstance(record, TimerRecord) and not record.undone:
            heapq.heappush(self._timers, (record.due_at, ask.key))

    def _next_wait_id(self) -> WaitId:
        return WaitId(f"w{self._state.waits_opened + 1}")

    def _forsake(self, fiber: Fiber[Any]) -> None:
        """A fiber is cancelled: stop its effects and close its waits."""
        for key in list(fiber.asks):
            ask = self._asked.pop(key, None)
            record = self._state.records.get(key)
            if ask is None or record is None:
                continue
            if isinstance(record, WaitRecord | TimerRecord) and record.position is None and not record.undone:
                self._close_wait(key, record)
            elif isinstance(record, StepRecord) and record.position is None and not record.undone:
                self._calls.pop(key, None)
                self._interrupted(key, record.attempt, "stopped", in_doubt=False)

    def _close_wait(self, key: StepKey, record: WaitRecord | TimerRecord) -> None:
        self._journal.record(e.WaitClosed(at=self._now(), key=key, wait_id=record.wait_id, cause="cancelled"))

    # -- committing ------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Make what was recorded durable; then, and only then, begin what was intended and stop what was forsaken."""
        if self._journal.has_buffer:
            if self._journal.commit() is None:
                self._decide_again()
            self._begin_effects()

    def _decide_again(self) -> NoReturn:
        """Messages stood against a commit: keep its facts, take the messages up, and let the workflow decide anew."""
        self._journal.keep_facts()
        self._take_up()
        raise _Again

    def _begin_effects(self) -> None:
        calls, self._calls = self._calls, {}
        for key in [key for key in self._in_flight if not self._is_wanted(key)]:
            self._stop(key)
        for key, effect in calls.items():
            self._in_flight[key] = effect
            self._executor.start(effect)

    def _is_wanted(self, key: StepKey) -> bool:
        record = self._state.records.get(key)
        return isinstance(record, StepRecord) and record.is_open

    def _stop(self, key: StepKey) -> None:
        if key not in self._stopping:
            self._stopping.add(key)
            self._executor.stop(key)

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
        key = None if message.wait_id is None else self._state.waiting.get(message.wait_id)
        if key is None or message.wait_id is None:
            return
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
        self._make_ready(key)

    def _take_decision(self, message: Message) -> None:
        key = StepKey(message.name)
        record = self._state.records.get(key)
        payload = message.payload
        if not isinstance(record, StepRecord) or not record.in_doubt or not isinstance(payload, dict):
            return
        decision: e.Decision = "done" if payload["decision"] == "done" else "again"
        decision = "fail" if payload["decision"] == "fail" else decision
        reason = payload.get("reason")
        self._journal.record(
            e.StepDecided(
                at=self._now(),
                key=key,
                decision=decision,
                output=payload.get("output"),
                actor=message.actor,
                reason=None if reason is None else str(reason),
            )
        )
        if not self._make_ready(key) and key in self._asked:
            self._fresh.append(self._asked[key])

    def _fire_due(self) -> bool:
        """Let the timers that are due fire; True if one did."""
        now, fired = self._now(), False
        while self._timers and self._timers[0][0] <= now:
            due, key = heapq.heappop(self._timers)
            fired = self._fire(key, due) or fired
        return fired

    def _fire(self, key: StepKey, due: datetime) -> bool:
        ask = self._asked.get(key)
        record = self._state.records.get(key)
        if ask is None or ask.is_settled:
            return False
        if isinstance(record, StepRecord):
            self._fresh.append(ask)
            return True
        if not isinstance(record, WaitRecord | TimerRecord) or record.position is not None:
            return False
        if isinstance(record, TimerRecord):
            self._journal.record(e.TimerFired(at=self._now(), key=key, wait_id=record.wait_id))
            return self._make_ready(key)
        return self._expire(key, record, due)

    def _expire(self, key: StepKey, record: WaitRecord, due: datetime) -> bool:
        """Close a wait whose deadline has passed; a fiber sees that only once it is committed."""
        self._commit()
        self._journal.record(e.WaitClosed(at=self._now(), key=key, wait_id=record.wait_id, cause="expired"))
        if self._journal.commit() is None:
            self._journal.withdraw()
            heapq.heappush(self._timers, (due, key))
            return self._take_up()
        return self._make_ready(key)

    def _absorb(self) -> bool:
        """Wait for effects, short timers and the inbox; False if there is nothing to wait for in this process."""
        patience = self._patience()
        if patience is None:
            return False
        finished = self._executor.wait(patience)
        for one in finished:
            self._finish(one)
        if not finished:
            self._journal.look()
        return True

    def _patience(self) -> float | None:
        """Return how long to wait for effects, in seconds; None if only waits are left that may take long."""
        now = self._now()
        inline = now + timedelta(seconds=self._world.inline_wait_seconds)
        due = [at for at, key in self._timers if at <= inline and self._is_inline(key)]
        if not self._in_flight and not due:
            return None
        soonest = min([at for at, _ in self._timers], default=None)
        if soonest is None:
            return INBOX_SECONDS
        return max(0.0, min(INBOX_SECONDS, (soonest - now).total_seconds()))

    def _is_inline(self, key: StepKey) -> bool:
        """Deadlines are not waited for: whoever is to answer has to be told first."""
        ask = self._asked.get(key)
        return ask is not None and not ask.is_settled and not isinstance(ask, WaitAsk)

    # -- how attempts end ------------------------------------------------------------------------

    def _finish(self, finished: Finished) -> None:
        """Record how an attempt ended, unless the workflow has given it up."""
        effect = self._in_flight.get(finished.key)
        if effect is None or effect.context.attempt != finished.attempt:
            return
        del self._in_flight[finished.key]
        self._stopping.discard(finished.key)
        record = self._state.records.get(finished.key)
        if isinstance(record, StepRecord) and record.is_open and record.attempt == finished.attempt:
            self._record_ending(effect, record, finished)

    def _record_ending(self, effect: Effect, record: StepRecord, finished: Finished) -> None:
        key, attempt, ending = finished.key, finished.attempt, finished.ending
        if isinstance(ending, Succeeded):
            result = ending.result
            self._journal.record(
                e.StepCompleted(at=self._now(), key=key, attempt=attempt, output=result.output, details=result.details)
            )
        elif isinstance(ending, Failed):
            self._record_failure(effect, record, ending.error)
        elif isinstance(ending, Unseen):
            self._record_unseen(effect, record, ending)
        else:
            self._interrupted(key, attempt, "not_performed", in_doubt=False)
            raise self._blamed(ending, key)
        if not self._make_ready(key) and key in self._asked:
            self._fresh.append(self._asked[key])

    @staticmethod
    def _blamed(ending: Broken, key: StepKey) -> BaseException:
        if isinstance(ending.error, CheckpointflowError) and ending.error.step_key is None:
            ending.error.step_key = key
        return ending.error

    def _record_unseen(self, effect: Effect, record: StepRecord, ending: Unseen) -> None:
        once = effect.call.policy.effect == "once"
        if ending.cause == "stopped":
            self._interrupted(effect.context.key, record.attempt, "stopped", in_doubt=False)
            return
        self._interrupted(effect.context.key, record.attempt, ending.cause, in_doubt=once)
        if not once:
            self._record_failure(effect, record, ending.error)

    def _record_failure(self, effect: Effect, record: StepRecord, error: JsonObject) -> None:
        now, policy = self._now(), effect.call.policy.retry
        self._journal.record(
            e.StepFailed(
                at=now,
                key=effect.context.key,
                attempt=record.attempt,
                error=error,
                retry_at=next_try(policy, record.failures + 1, error, now, self._world.chance()),
            )
        )

    def _stop_effects(self, cause: Literal["paused", "cancelled"] | None = None) -> None:
        """End all effects in flight and wait for their ends; with a cause, record it for those nobody saw end."""
        for key in list(self._in_flight):
            self._stop(key)
        while self._in_flight:
            for finished in self._executor.wait(None):
                effect = self._in_flight.get(finished.key)
                if cause is None or effect is None or not _is_stopped(finished):
                    self._forget_or_finish(finished, cause)
                    continue
                del self._in_flight[finished.key]
                if self._is_wanted(finished.key):
                    doubt = cause == "paused" and effect.call.policy.effect == "once"
                    self._interrupted(finished.key, finished.attempt, cause, in_doubt=doubt)
        self._stopping.clear()

    def _forget_or_finish(self, finished: Finished, cause: str | None) -> None:
        if cause is None or isinstance(finished.ending, Broken):
            self._in_flight.pop(finished.key, None)
        else:
            self._finish(finished)

    # -- how a drive ends ------------------------------------------------------------------------

    def _settle(self) -> DriveOutcome | None:
        """Record that the workflow returned or failed; None if something has to be done before."""
        error = self._root.error
        if error is not None and not is_of_the_run(error):
            raise error
        if self._in_flight:
            self._commit()
            self._stop_effects()
        if error is None:
            self._journal.record(e.RunCompleted(at=self._now(), value=self._root.result()))
        else:
            self._journal.record(e.RunFailed(at=self._now(), error=_failure(error)))
        self._commit_end()
        return DriveOutcome("completed" if error is None else "failed", self._warnings())

    def _commit_end(self) -> None:
        if self._journal.commit(release=True) is None:
            self._decide_again()

    def _park(self) -> DriveOutcome | None:
        """Give the run up until one of its waits ends; None if a message came in between."""
        if not self._state.is_waiting():
            raise _stuck(self._hold.run_id)
        parked = self._state.status == "waiting"
        if not parked:
            elapsed = (self._now() - self._begun_at).total_seconds()
            self._journal.record(e.RunParked(at=self._now(), elapsed_seconds=max(0.0, elapsed)))
        if self._journal.commit(release=True) is None:
            if not parked:
                self._journal.withdraw()
            self._take_up()
            return None
        return DriveOutcome("waiting", self._warnings())

    def _pause(self) -> DriveOutcome:
        """End the effects and give the run up until somebody resumes it."""
        self._scheduler.close()
        self._journal.keep_facts()
        self._stop_effects("paused")
        while True:
            self._journal.record(e.RunPaused(at=self._now(), actor=self._world.interrupt.actor))
            if self._journal.commit(release=True) is not None:
                return DriveOutcome("paused", [])
            self._journal.withdraw()
            try:
                self._take_up()
            except _Cancel as cancel:
                return self._cancel(cancel.message)

    def _cancel(self, message: Message) -> DriveOutcome:
        """End the effects, close what is open, and settle the run as cancelled."""
        self._scheduler.close()
        self._asked.clear()
        self._journal.keep_facts()
        self._stop_effects("cancelled")
        while True:
            self._take_rest(message)
            self._close_all()
            payload = message.payload if isinstance(message.payload, dict) else {}
            reason = payload.get("reason")
            self._journal.record(
                e.RunCancelled(at=self._now(), actor=message.actor, reason=None if reason is None else str(reason))
            )
            if self._journal.commit(release=True) is not None:
                return DriveOutcome("cancelled", [])
            self._journal.keep_facts()

    def _take_rest(self, cancel: Message) -> None:
        """Take up all messages: the cancellation, the answers that came before it, further cancellations."""
        self._journal.take(cancel)
        for message in self._journal.untaken():
            self._journal.take(message)
            if message.kind == "event":
                self._take_answer(message)

    def _close_all(self) -> None:
        for key, attempt in self._state.open_attempts().items():
            self._interrupted(key, attempt, "cancelled", in_doubt=False)
        for key in list(self._state.waiting.values()):
            record = self._state.records[key]
            if isinstance(record, WaitRecord | TimerRecord):
                self._close_wait(key, record)
        for key, record in list(self._state.records.items()):
            if isinstance(record, ScopeRecord):
                self.close_scope(key, None, cancelled=True)

    def _give_up(self) -> None:
        """Something that is no fault of the run ended the drive: keep the facts, and let others have it."""
        self._scheduler.close()
        try:
            self._journal.keep_facts()
            self._stop_effects("paused")
            while self._journal.commit(release=True) is None:
                self._take_up()
        except _Cancel as cancel:
            self._cancel(cancel.message)
        except CheckpointflowError:
            return  # the store is gone or the hold lost: the last commit stands

    def _warnings(self) -> list[str]:
        unused = [key for key in self._state.records if key not in self._used]
        found = [f"`{key}` was called but never awaited, so nothing happened" for key in self._scheduler.unawaited]
        if unused:
            found.append(f"recorded but not asked for any more: {', '.join(f'`{key}`' for key in unused[:10])}")
        return found


def _is_stopped(finished: Finished) -> bool:
    return isinstance(finished.ending, Unseen) and finished.ending.cause == "stopped"


def _failure(error: BaseException) -> JsonObject:
    """Return a run's failure as its journal keeps it."""
    if not isinstance(error, CheckpointflowError):
        return {"code": WorkflowCodeError.code, "message": str(error), "details": {}}
    record = error_record(error)
    if error.step_key is not None:
        record["step_key"] = error.step_key
    if error.further_keys:
        record["further_keys"] = list(error.further_keys)
    return record


def _stuck(run_id: str) -> WorkflowCodeError:
    return WorkflowCodeError(
        f"run `{run_id}` cannot go on: its workflow waits for nothing that could come; "
        "look for members that wait for each other"
    )
