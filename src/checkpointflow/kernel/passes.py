"""One pass of a workflow over its journal: what it asks, what it is handed back, and what that makes it intend."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from checkpointflow import clock as clocks
from checkpointflow.clock import Clock
from checkpointflow.errors import CheckpointflowError, NondeterminismError, WorkflowCodeError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.asks import Asked, JournaledRun, SleepAsk, StepAsk, WaitAsk, differs, error_of
from checkpointflow.kernel.effects import Effect, error_record
from checkpointflow.kernel.fibers import Ask, Fiber, Scheduler
from checkpointflow.kernel.ids import RunId, StepKey, WaitId, random_uuid
from checkpointflow.kernel.journal import Journal
from checkpointflow.kernel.run import Answer, RunInfo, StepContext, StepResult, WaitRequest, Workflow
from checkpointflow.kernel.state import (
    Outcome,
    Record,
    RunState,
    ScopeRecord,
    StepFailure,
    StepRecord,
    TimerRecord,
    ValueRecord,
    WaitRecord,
)
from checkpointflow.values import JsonObject, JsonValue, checked, copied, dump

Chance: TypeAlias = Callable[[], float]

MAX_DEADLINE_SECONDS = 100 * 366 * 86400.0
"""A deadline is a century away at most, so that calendars can hold it."""

HOLDER_DEATHS = 3
"""So many holders in a row may die in a step before it is in doubt."""


class Pass:
    """A workflow's fibers from its beginning; the Driver of its verbs. `attempts` are those in flight, by key.

    Results come from the journal alone, lowest position first, and only when every fiber is blocked: so it makes no
    difference whether they were recorded just now or by a process that died long ago. When decisions have to be taken
    again, the pass is closed and another begun.
    """

    def __init__(
        self,
        workflow: Workflow,
        run_id: RunId,
        journal: Journal,
        attempts: Container[StepKey],
        clock: Clock,
        chance: Chance,
        *,
        mint_uuid: Callable[[], str] = random_uuid,
    ) -> None:
        self.scheduler = Scheduler(self._forsake)
        self.timers: list[tuple[datetime, StepKey]] = []
        self.chance = chance
        self.mint_uuid = mint_uuid
        self._run_id = run_id
        self._journal = journal
        self._attempts = attempts
        self._clock = clock
        self._asked: dict[StepKey, Ask[Any]] = {}
        self._fresh: list[Ask[Any]] = []
        self._ready: list[tuple[int, StepKey]] = []
        self._effects: dict[StepKey, Effect] = {}
        self._used: set[StepKey] = set()
        self._failed_members: dict[StepKey, list[JsonValue]] = {}
        self._mismatch: NondeterminismError | None = None
        root = JournaledRun(self, self._info(), copied(self._started.input))
        self.root: Fiber[JsonObject] = self.scheduler.spawn(workflow.drive(root), StepKey(""))

    @property
    def _state(self) -> RunState:
        return self._journal.state

    @property
    def _started(self) -> e.RunStarted:
        started = self._state.started
        if started is None:
            raise NondeterminismError(f"the journal of run `{self._run_id}` has no beginning")
        return started

    def _info(self) -> RunInfo:
        started = self._started
        return RunInfo(
            run_id=self._run_id,
            workflow_id=started.workflow_id,
            workflow_version=started.workflow_version,
            started_at=started.at,
            cwd=started.cwd,
        )

    # -- turns -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the fibers go on, from one recorded result to the next, until they ask for what is not recorded.

        Raises:
            NondeterminismError: one of them asked for something else than was recorded, whatever it made of that.
        """
        self._turns()
        while self._ready and not self.root.is_settled:
            self._hand_back()
            self._turns()

    def close(self) -> None:
        """Leave the workflow's code."""
        self.scheduler.close()

    def noticed(self, key: StepKey) -> None:
        """Something was recorded under a key: hand its result back in its turn, or intend what follows."""
        ask = self._asked.get(key)
        if ask is not None and not self._make_ready(key):
            self._fresh.append(ask)

    def pending(self, key: StepKey) -> Ask[Any] | None:
        """Return the ask of a key that still waits for its result."""
        return self._asked.get(key)

    @property
    def asked_keys(self) -> list[StepKey]:
        """The keys that were asked for and have no result yet."""
        return list(self._asked)

    @property
    def used(self) -> frozenset[StepKey]:
        """The keys that were asked for so far."""
        return frozenset(self._used)

    def take_effects(self) -> list[Effect]:
        """Return the effects intended since this was last asked: their intents are recorded."""
        effects, self._effects = self._effects, {}
        return list(effects.values())

    def warnings(self) -> list[str]:
        """Return what the workflow did that deserves a word."""
        unused = [key for key in self._state.records if key not in self._used]
        found = [f"`{key}` was called but never awaited, so nothing happened" for key in self.scheduler.unawaited]
        if unused:
            found.append(f"recorded but not asked for any more: {', '.join(f'`{key}`' for key in unused[:10])}")
        return found

    def _turns(self) -> None:
        self.scheduler.run()
        if self._mismatch is not None:
            raise self._mismatch

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
            ask.resolve(_handed(outcome))

    def _make_ready(self, key: StepKey) -> bool:
        record = self._state.records.get(key)
        if not isinstance(record, StepRecord | WaitRecord | TimerRecord) or record.position is None:
            return False
        heapq.heappush(self._ready, (record.position, key))
        return True

    # -- the Driver of the verbs -----------------------------------------------------------------

    def asked(self, ask: Asked) -> None:
        """A fiber awaits a verb: have its recorded result ready, or see later to getting one."""
        self._used.add(ask.key)
        try:
            ask.check(self._state.records.get(ask.key), self._journal.arguments_of)
        except NondeterminismError as mismatch:
            self._refuse(mismatch)
        self._asked[ask.key] = ask
        self.noticed(ask.key)

    def value(self, key: StepKey, kind: str, value: Callable[[], JsonValue]) -> JsonValue:
        """Return the value recorded under a key, else record this one."""
        self._use(key)
        if key not in self._state.records:
            decided = _as_json(value(), key)
            self._journal.record(e.ValueRecorded(at=self._now(), key=key, kind=kind, value=decided))
        return self._recorded_value(key, kind)

    def skip(self, key: StepKey, reason: str) -> None:
        """Record once that a step was passed over."""
        self._use(key)
        if key not in self._state.records:
            self._journal.record(e.StepSkipped(at=self._now(), key=key, reason=reason))
        self._recorded_value(key, "skip")

    def open_scope(self, key: StepKey, kind: str, digest: str, members: int | None) -> None:
        """Record once that a scope was opened, and see to it that it is closed with its fiber at the latest."""
        self._use(key)
        recorded = self._state.records.get(key)
        if recorded is None:
            self._journal.record(e.ScopeOpened(at=self._now(), key=key, kind=kind, digest=digest, members=members))
        elif not isinstance(recorded, ScopeRecord) or (recorded.kind, recorded.digest) != (kind, digest):
            raise self._otherwise(key, recorded, kind)
        fiber = self.scheduler.current
        fiber.on_end.append(lambda error: self.close_scope(key, error, cancelled=fiber.is_cancelled))

    def close_scope(self, key: StepKey, error: BaseException | None, *, cancelled: bool = False) -> None:
        """Record once how a scope ended."""
        recorded = self._state.records.get(key)
        if not isinstance(recorded, ScopeRecord) or recorded.outcome is not None:
            return
        outcome: e.ScopeOutcome = "cancelled" if cancelled else "failed" if error is not None else "completed"
        record = error_record(error) if isinstance(error, CheckpointflowError) and not cancelled else None
        failed = self._failed_members.get(key, []) if outcome == "completed" else []
        self._journal.record(
            e.ScopeClosed(at=self._now(), key=key, outcome=outcome, error=record, failed_members=[*failed])
        )

    def member_failed(self, scope: StepKey, member: StepKey, error: BaseException) -> None:
        """Remember which member of a scope failed, and why."""
        if isinstance(error, CheckpointflowError):
            record: JsonObject = {"key": member, **error_record(error)}
            record |= {} if error.step_key is None else {"step_key": error.step_key}
            self._failed_members.setdefault(scope, []).append(record)

    def failed_members(self) -> list[JsonValue]:
        """Return the members that have failed in scopes which are still open: each error with the member's `key`."""
        scopes = {key: self._state.records.get(key) for key in self._failed_members}
        is_open = {key for key, one in scopes.items() if isinstance(one, ScopeRecord) and one.outcome is None}
        return [one for key, failed in self._failed_members.items() if key in is_open for one in failed]

    def now_recorded(self, key: StepKey) -> datetime:
        """Return the time as recorded under a key."""
        return clocks.from_text(str(self.value(key, "now", lambda: clocks.to_text(self._now()))))

    def _use(self, key: StepKey) -> None:
        self.scheduler.refuse_if_closing(always=True)
        self._used.add(key)

    def _recorded_value(self, key: StepKey, kind: str) -> JsonValue:
        recorded = self._state.records[key]
        if not isinstance(recorded, ValueRecord) or recorded.kind != kind:
            raise self._otherwise(key, recorded, kind)
        return copied(recorded.value)

    def _otherwise(self, key: StepKey, recorded: Record, kind: str) -> NondeterminismError:
        is_alike = isinstance(recorded, ScopeRecord | ValueRecord) and recorded.kind == kind
        self._mismatch = differs(key, recorded, f"another `{kind}`" if is_alike else f"the `{kind}`")
        return self._mismatch

    def _refuse(self, mismatch: NondeterminismError) -> None:
        """End the pass with what was asked for otherwise than it was recorded, whatever the fiber makes of that."""
        self._mismatch = mismatch
        raise mismatch

    def _now(self) -> datetime:
        return self._clock.now()

    # -- intending -------------------------------------------------------------------------------

    def intend(self) -> None:
        """Record what has to be begun for the verbs that were asked for, or may go on, since this was last done."""
        fresh, self._fresh = self._fresh, []
        for ask in fresh:
            if self._asked.get(ask.key) is not ask:
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
        self._note_lost_attempt(ask, record)
        if record.is_open or record.in_doubt or record.undone:
            return
        if record.retry_at is not None and record.retry_at > self._now():
            heapq.heappush(self.timers, (record.retry_at, ask.key))
        else:
            self._start(ask, record.attempt + 1)

    def _note_lost_attempt(self, ask: StepAsk, record: StepRecord) -> None:
        """Record what became of an attempt whose holder died, or that a failure since mended had stopped."""
        once = ask.call.policy.effect == "once"
        if record.is_open and ask.key not in self._attempts:
            self._interrupted(ask.key, record, "holder_died", once or record.deaths + 1 >= HOLDER_DEATHS)
        elif record.was_stopped and once and not record.in_doubt:
            self._interrupted(ask.key, record, "stopped", in_doubt=True)

    def _interrupted(self, key: StepKey, record: StepRecord, cause: e.Cause, in_doubt: bool) -> None:
        self._journal.record(
            e.StepInterrupted(at=self._now(), key=key, attempt=record.attempt, cause=cause, in_doubt=in_doubt)
        )

    def _start(self, ask: StepAsk, attempt: int) -> None:
        arguments = ask.call.arguments
        is_short = len(dump(arguments).encode(errors="replace")) <= e.ARGUMENT_BYTES
        self._journal.record(
            e.StepStarted(
                at=self._now(),
                key=ask.key,
                kind=ask.kind,
                attempt=attempt,
                digest=ask.digest,
                arguments=arguments if is_short else None,
                effect=ask.call.policy.effect,
            )
        )
        self._effects[ask.key] = Effect(call=ask.call, context=self._context(ask.key, attempt))

    def _context(self, key: StepKey, attempt: int) -> StepContext:
        generation = self._state.generations.get(key, 0)
        return StepContext(
            run_id=self._run_id,
            key=key,
            attempt=attempt,
            idempotency_key=f"{self._run_id}/{key}/{generation}",
            cwd=self._started.cwd,
        )

    def _intend_wait(self, ask: WaitAsk) -> None:
        if ask.key not in self._state.records:
            self._open_wait(ask)
        record = self._state.records[ask.key]
        if isinstance(record, WaitRecord) and not record.undone and record.deadline_at is not None:
            heapq.heappush(self.timers, (record.deadline_at, ask.key))

    def _open_wait(self, ask: WaitAsk) -> None:
        now, patience = self._now(), time_for(ask.request)
        self._journal.record(
            e.WaitOpened(
                at=now,
                key=ask.key,
                wait_id=self._next_wait_id(),
                request=ask.request.as_json(),
                deadline_at=None if patience is None else clocks.later(now, patience),
            )
        )

    def _intend_sleep(self, ask: SleepAsk) -> None:
        if ask.key not in self._state.records:
            now = self._now()
            due = clocks.later(now, ask.until) if isinstance(ask.until, timedelta) else ask.until
            self._journal.record(e.TimerSet(at=now, key=ask.key, wait_id=self._next_wait_id(), due_at=due))
        record = self._state.records[ask.key]
        if isinstance(record, TimerRecord) and not record.undone:
            heapq.heappush(self.timers, (record.due_at, ask.key))

    def _next_wait_id(self) -> WaitId:
        return WaitId(f"w{self._state.waits_opened + 1}")

    def _forsake(self, fiber: Fiber[Any]) -> None:
        """A fiber is cancelled: give up its effects and close its waits."""
        for key in list(fiber.asks):
            self._asked.pop(key, None)
            record = self._state.records.get(key)
            if isinstance(record, WaitRecord | TimerRecord) and record.position is None and not record.undone:
                self._journal.record(e.WaitClosed(at=self._now(), key=key, wait_id=record.wait_id, cause="cancelled"))
            elif isinstance(record, StepRecord) and record.position is None and not record.undone:
                self._effects.pop(key, None)
                self._interrupted(key, record, "stopped", in_doubt=False)


def time_for(request: WaitRequest) -> timedelta | None:
    """Return for how long a wait is open; None without end."""
    seconds = request.timeout_seconds
    return None if seconds is None else timedelta(seconds=min(seconds, MAX_DEADLINE_SECONDS))


def _handed(outcome: Outcome) -> Outcome:
    """Return a result as workflow code gets it: its own copy, so that what it does to it is not recorded."""
    if isinstance(outcome, StepResult):
        return StepResult(copied(outcome.output), {name: copied(value) for name, value in outcome.details.items()})
    if isinstance(outcome, Answer):
        return Answer(copied(outcome.payload), outcome.event_id, outcome.actor)
    return outcome


def _as_json(value: object, key: StepKey) -> JsonValue:
    try:
        return checked(value, key)
    except (TypeError, ValueError) as error:
        raise WorkflowCodeError(f"{error}; give `{key}` a JSON value", step_key=key) from None
