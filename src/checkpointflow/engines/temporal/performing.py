"""The activity that performs one attempt on a worker, with the embedded engine's executor; nothing decides here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from checkpointflow.engines.temporal.effects import STEP
from checkpointflow.engines.temporal.wire import Order, ending_json, order_of
from checkpointflow.errors import CheckpointflowError, is_of_the_run
from checkpointflow.frontends.opening import recalled
from checkpointflow.kernel.effects import (
    Broken,
    Effect,
    Ending,
    Executor,
    Failed,
    Lost,
    Succeeded,
    Unseen,
    error_record,
)
from checkpointflow.kernel.run import LocalEffect, StepCall
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.records import replace
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings
from checkpointflow.steps.orphans import end_orphans
from checkpointflow.values import JsonObject

_LOOK_SECONDS = 0.5


class Performer:
    """Performs attempts on this machine, in this process's environment; files go below `runs_dir`."""

    def __init__(self, settings: StepSettings) -> None:
        self._perform = make_perform(settings)
        self._end_orphans = partial(end_orphans, home=settings.home)
        self._is_hurried = False
        self.runs_dir: Path = settings.runs_dir

    def hurry(self) -> None:
        """Have all attempts end now, and leave them to other workers."""
        self._is_hurried = True

    @activity.defn(name=STEP, no_thread_cancel_exception=True)
    def step(self, told: dict[str, Any]) -> dict[str, Any]:
        """Perform one attempt and return how it ended.

        Raises:
            ApplicationError: it ended otherwise than well; its details say how.
            CancelledError: the workflow gave it up, and it has ended.
        """
        order = order_of(told)
        try:
            call = _call(order)
        except CheckpointflowError as error:
            ending: Ending = Failed(error_record(error)) if is_of_the_run(error) else Broken(error)
        else:
            ending = self._seen_through(Effect(call=call, context=order.context))
        return _told(ending)

    def _seen_through(self, effect: Effect) -> Ending:
        executor = ThreadExecutor(self._perform, self._end_orphans)
        context = effect.context
        if context.attempt > 1:
            executor.end_orphans(context.run_id, {context.key: context.attempt - 1})
        executor.start(effect)
        while True:
            for finished in executor.wait(_LOOK_SECONDS):
                return finished.ending
            self._look(executor, effect)

    def _look(self, executor: Executor, effect: Effect) -> None:
        """Say that the attempt goes on, and end it if it has to."""
        activity.heartbeat()
        if activity.is_cancelled() or self._is_hurried:
            executor.stop(effect.context.key)


def _call(order: Order) -> StepCall | LocalEffect:
    if order.call is not None:
        return order.call
    assert order.recipe is not None
    return replace(recalled(order.recipe), policy=order.policy)


def _told(ending: Ending) -> JsonObject:
    """Return what the workflow is told, in the way in which Temporal shows it rightly."""
    match ending:
        case Succeeded():
            return ending_json(ending)
        case Failed(error=error):
            raise _failure(str(error.get("message")), str(error.get("code")), ending_json(ending))
        case Unseen(cause="stopped"):
            if activity.is_worker_shutdown():
                raise _failure("its worker was stopped", "drained", ending_json(Lost(is_drained=True)))
            raise CancelledError("the step was stopped")
        case Unseen(error=error):
            raise _failure(str(error.get("message")), str(error.get("code")), ending_json(ending))
        case Broken(error=error, has_begun=False):
            told: JsonObject = {"ending": "not_begun", "message": str(error)}
            raise _failure(str(error), getattr(error, "code", type(error).__name__), told)
        case Broken(error=error):
            raise _failure(str(error), getattr(error, "code", type(error).__name__), ending_json(Lost()))
        case Lost():
            raise _failure("nobody saw its outcome", "lost", ending_json(ending))


def _failure(message: str, kind: str, told: JsonObject) -> ApplicationError:
    """Return what the workflow is told of; `BENIGN`, because what a step does wrong is no trouble of its worker."""
    return ApplicationError(message, told, type=kind, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
