"""The attempts in flight: begun once their intent is durable, ended, and what their ends mean for the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias, assert_never

from checkpointflow.clock import Clock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Broken, Effect, Executor, Failed, Finished, Lost, Succeeded, Unseen
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.journal import Journal
from checkpointflow.kernel.retry import next_try
from checkpointflow.kernel.state import StepRecord
from checkpointflow.values import JsonObject

Stopping: TypeAlias = Literal["paused", "cancelled", "drained"]


class Attempts:
    """What one drive has in flight; it outlives a pass, whose decisions may be dropped while effects go on."""

    def __init__(self, executor: Executor, journal: Journal, clock: Clock, chance: Callable[[], float]) -> None:
        self._executor = executor
        self._journal = journal
        self._clock = clock
        self._chance = chance
        self._in_flight: dict[StepKey, Effect] = {}
        self._stopping: set[StepKey] = set()
        self._broken: BaseException | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is in flight."""
        return bool(self._in_flight)

    def __contains__(self, key: object) -> bool:
        """Tell whether an attempt of a step is in flight."""
        return key in self._in_flight

    def begin(self, effects: Iterable[Effect]) -> None:
        """Begin effects whose intents are durable, and stop those that the workflow has given up."""
        for key in self._in_flight:
            if not self._is_wanted(key):
                self._stop(key)
        for effect in effects:
            self._executor.start(effect)
            self._in_flight[effect.context.key] = effect

    def wait(self, seconds: float) -> list[StepKey] | None:
        """Record how the attempts that end within a time ended, and return their steps; None if time just passed.

        Raises:
            CheckpointflowError: one could not be performed here.
        """
        finished = self._executor.wait(seconds)
        ended = [one.key for one in finished if self._finish(one)]
        if self._broken is not None:
            raise self._broken
        return ended if finished else None

    def stop(self, cause: Stopping | None = None) -> None:
        """End everything and wait until it has ended; with a cause, record that of what nobody saw end."""
        for key in self._in_flight:
            self._stop(key)
        while self._in_flight:
            for finished in self._executor.wait(None):
                self._finish_stopped(finished, cause)

    def _stop(self, key: StepKey) -> None:
        if key not in self._stopping:
            self._stopping.add(key)
            self._executor.stop(key)

    def _is_wanted(self, key: StepKey) -> bool:
        record = self._journal.state.records.get(key)
        return isinstance(record, StepRecord) and record.is_open

    def _landed(self, finished: Finished) -> Effect | None:
        """Take an attempt that has ended out of the air; None if it is none of ours."""
        effect = self._in_flight.get(finished.key)
        if effect is None or effect.context.attempt != finished.attempt:
            return None
        self._stopping.discard(finished.key)
        return self._in_flight.pop(finished.key)

    def _finish(self, finished: Finished) -> bool:
        """Record how an attempt ended, unless the workflow has given it up; tell whether it was recorded."""
        effect = self._landed(finished)
        record = self._journal.state.records.get(finished.key)
        if effect is None or not isinstance(record, StepRecord) or not self._is_wanted(finished.key):
            return False
        self._record(effect, record, finished)
        return True

    def _finish_stopped(self, finished: Finished, cause: Stopping | None) -> None:
        ending = finished.ending
        if cause is None:
            self._landed(finished)
        elif isinstance(ending, Broken) or (isinstance(ending, Unseen) and ending.cause == "stopped"):
            effect = self._landed(finished)
            if effect is not None and self._is_wanted(finished.key):
                doubt = cause != "cancelled" and effect.call.policy.effect == "once" and isinstance(ending, Unseen)
                self._interrupted(finished, cause, in_doubt=doubt)
        else:
            self._finish(finished)

    def _record(self, effect: Effect, record: StepRecord, finished: Finished) -> None:
        ending = finished.ending
        match ending:
            case Succeeded():
                self._completed(finished, ending)
            case Failed():
                self._failed(effect, record, ending.error)
            case Unseen():
                self._unseen(effect, record, finished, ending)
            case Lost():
                if ending.is_drained:
                    self._interrupted(finished, "drained", in_doubt=effect.call.policy.effect == "once")
            case Broken():
                doubt = ending.has_begun and effect.call.policy.effect == "once"
                self._interrupted(finished, "outcome_lost" if ending.has_begun else "not_performed", in_doubt=doubt)
                self._broken = _blaming(ending.error, finished.key)
            case _:
                assert_never(ending)

    def _completed(self, finished: Finished, ending: Succeeded) -> None:
        self._journal.record(
            e.StepCompleted(
                at=self._clock.now(),
                key=finished.key,
                attempt=finished.attempt,
                output=ending.result.output,
                details=ending.result.details,
            )
        )

    def _unseen(self, effect: Effect, record: StepRecord, finished: Finished, ending: Unseen) -> None:
        """A lost outcome: a step that runs once is in doubt, of any other the retry policy decides."""
        if ending.cause == "stopped":
            self._interrupted(finished, "stopped", in_doubt=False)
            return
        once = effect.call.policy.effect == "once"
        self._interrupted(finished, ending.cause, in_doubt=once)
        if not once:
            self._failed(effect, record, ending.error)

    def _failed(self, effect: Effect, record: StepRecord, error: JsonObject) -> None:
        now, policy = self._clock.now(), effect.call.policy.retry
        self._journal.record(
            e.StepFailed(
                at=now,
                key=effect.context.key,
                attempt=record.attempt,
                error=error,
                retry_at=next_try(policy, record.failures + 1, error, now, self._chance()),
            )
        )

    def _interrupted(self, finished: Finished, cause: e.Cause, *, in_doubt: bool) -> None:
        self._journal.record(
            e.StepInterrupted(
                at=self._clock.now(), key=finished.key, attempt=finished.attempt, cause=cause, in_doubt=in_doubt
            )
        )


def _blaming(error: BaseException, key: StepKey) -> BaseException:
    if isinstance(error, CheckpointflowError) and error.step_key is None:
        error.step_key = key
    return error
