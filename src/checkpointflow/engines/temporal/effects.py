"""PORT Executor inside a Temporal workflow: attempts are activities, and nothing here waits."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

from checkpointflow.engines.temporal.conversion import LARGE_BYTES
from checkpointflow.engines.temporal.wire import ending_of, order_json
from checkpointflow.kernel.asks import digest_of
from checkpointflow.kernel.effects import Effect, Ending, Finished, Lost, stopped, timed_out
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.values import JsonObject, fingerprint_text

STEP = "cpf.step"
"""The name of the activity that performs an attempt."""

HEARTBEAT_SECONDS = 10.0
"""A worker that was not heard of for so long has died, as far as its attempts go."""

_GRACE_SECONDS = 30.0
_LONGEST_SECONDS = 3650 * 86400.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 900.0
_MOST_AT_ONCE, _MOST_BYTES = 500, 2_000_000
_LONGEST_KEY, _DIGITS = 900, 16


def _identity(effect: Effect) -> str:
    """Return the id of an attempt's activity, which says what it means.

    The service compares ids where it replays a history, so edited code is never handed what another step gave.
    """
    key, digest = effect.context.key, digest_of(effect.call)
    shown = key if len(key.encode()) <= _LONGEST_KEY else fingerprint_text(key)
    return f"{shown} {effect.context.attempt} {digest[:_DIGITS]}"


class ActivityExecutor:
    """Performs each attempt as one activity; `news` is called when one has ended, `troubles` say what none could begin.

    What is to be tried again is the engine's to decide, so an activity has one try. Only so much is on its way at a
    time, as the service takes so much in one message; the rest begins as that ends.
    """

    def __init__(self, news: Callable[[], None]) -> None:
        self._news = news
        self._going: dict[StepKey, tuple[int, asyncio.Task[None], int]] = {}
        self._waiting: deque[tuple[Effect, JsonObject, int]] = deque()
        self._ended: list[Finished] = []
        self._bytes = 0
        self.troubles: dict[StepKey, str] = {}

    def start(self, effect: Effect) -> None:
        """Begin an attempt.

        Raises:
            UnsupportedError: no worker could perform it.
        """
        order = order_json(effect)
        self._waiting.append((effect, order, min(len(json.dumps(order)), LARGE_BYTES)))
        self._admit()

    def stop(self, key: StepKey) -> None:
        """End an attempt: its worker is told, and nobody waits for what it makes of that."""
        for one in list(self._waiting):
            if one[0].context.key == key:
                self._waiting.remove(one)
                self._told_stopped(key, one[0].context.attempt)
        if key in self._going:
            attempt, task, _ = self._going[key]
            task.cancel()
            self._landed(key)
            self._told_stopped(key, attempt)
        self._news()

    def wait(self, _timeout_seconds: float | None) -> list[Finished]:
        """Return the attempts that have ended by now."""
        ended, self._ended = self._ended, []
        return ended

    def wake(self) -> None:
        """Nobody waits here."""

    def end_orphans(self, _run_id: RunId, _attempts: Mapping[StepKey, int]) -> None:
        """Whoever performs the next attempt sees to that, on its machine."""

    def _told_stopped(self, key: StepKey, attempt: int) -> None:
        self._ended.append(Finished(key, attempt, stopped()))

    def _admit(self) -> None:
        """Begin what there is room for."""
        while self._waiting and len(self._going) < _MOST_AT_ONCE:
            effect, order, size = self._waiting[0]
            if self._going and self._bytes + size > _MOST_BYTES:
                return
            self._waiting.popleft()
            context = effect.context
            task = asyncio.create_task(self._performed(effect, order))
            self._going[context.key] = (context.attempt, task, size)
            self._bytes += size

    def _landed(self, key: StepKey) -> None:
        _, _, size = self._going.pop(key)
        self._bytes -= size
        self.troubles.pop(key, None)
        self._admit()

    async def _performed(self, effect: Effect, order: JsonObject) -> None:
        key, attempt = effect.context.key, effect.context.attempt
        pause = _FIRST_PAUSE_SECONDS
        while (ending := await self._attempted(effect, order)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        if key not in self._going or self._going[key][0] != attempt:
            return  # it was stopped, and nobody waits for what it made of that
        self._landed(key)
        self._ended.append(Finished(key, attempt, ending))
        self._news()

    async def _attempted(self, effect: Effect, order: JsonObject) -> Ending | None:
        """Return how an attempt ended; None if its worker could not begin it, which is no fault of the run."""
        bound = effect.call.policy.timeout_seconds
        seconds = _LONGEST_SECONDS if bound is None else min(bound + _GRACE_SECONDS, _LONGEST_SECONDS)
        try:
            told = await workflow.execute_activity(
                STEP,
                order,
                start_to_close_timeout=timedelta(seconds=seconds),
                heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
                retry_policy=RetryPolicy(maximum_attempts=1),
                activity_id=_identity(effect),
                summary=effect.context.key[:200],
            )
        except ActivityError as error:
            return self._unseen(effect, error)
        return ending_of(told)

    def _unseen(self, effect: Effect, error: ActivityError) -> Ending | None:
        cause, key = error.cause, effect.context.key
        if isinstance(cause, ApplicationError) and cause.details:
            told = cast("dict[str, Any]", cause.details[0])
            if told["ending"] != "not_begun":
                return ending_of(told)
            self.troubles[key] = f"step `{key}` could not be begun: {told['message']}"
            self._news()
            return None
        bound = effect.call.policy.timeout_seconds
        if isinstance(cause, TimeoutError) and cause.type == TimeoutType.START_TO_CLOSE and bound is not None:
            return timed_out(key, bound)
        return Lost()
