"""Ends of attempts that need no step kind to be seen: who is told to stop, and what an effect may raise."""

import sys
import threading

import pytest

from checkpointflow.errors import InputError, MissingExtraError, StepOutputError, StoreUnavailable
from checkpointflow.kernel.effects import (
    Broken,
    Effect,
    EffectStopped,
    Failed,
    OutcomeLost,
    Stop,
    Succeeded,
    Unseen,
    error_record,
)
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import LocalEffect, Policy, StepCall, StepContext, StepResult
from checkpointflow.kernel.threads import LeftThreads, ThreadExecutor


def context(key="s", attempt=1):
    return StepContext(run_id=RunId("run-1"), key=StepKey(key), attempt=attempt, idempotency_key="k", cwd="/")


def perform(function, *, key="s", attempt=1, timeout_seconds=None):
    """Return an effect whose step kind is this function of `stop`, and the executor for it."""
    executor = ThreadExecutor(lambda _call, _context, stop: function(stop), lambda _run, _attempts: None)
    policy = Policy(timeout_seconds=timeout_seconds)
    executor.start(Effect(call=StepCall(kind="do", arguments=None, policy=policy), context=context(key, attempt)))
    return executor


def ending(executor):
    (finished,) = executor.wait(30)
    return finished.ending


def raising(error):
    def function(*_):
        raise error

    return function


def local(function):
    executor = ThreadExecutor(lambda _call, _context, _stop: StepResult(None, {}), lambda _run, _attempts: None)
    executor.start(Effect(call=LocalEffect(function=lambda _context: function(), identity="here:f"), context=context()))
    return executor


# -- what an effect may raise ----------------------------------------------------------------------


@pytest.mark.parametrize("error", [InputError("no"), StepOutputError("no", hint="look")], ids=lambda e: e.code)
def test_an_error_of_the_step_is_its_failure(error):
    assert ending(perform(raising(error))) == Failed(error_record(error))


@pytest.mark.parametrize("error", [StoreUnavailable("no"), MissingExtraError("no"), LookupError("a defect")], ids=repr)
def test_an_error_that_is_not_the_steps_is_not_its_failure(error):
    assert ending(perform(raising(error))) == Broken(error)


def test_a_lost_connection_is_an_outcome_that_nobody_saw():
    unseen = ending(perform(raising(OutcomeLost("no answer"))))
    assert isinstance(unseen, Unseen)
    assert (unseen.cause, unseen.error["details"]) == ("connection_lost", {"connection": True})


@pytest.mark.parametrize("leave", [lambda: sys.exit(3), raising(KeyboardInterrupt())], ids=["exit", "interrupt"])
def test_a_local_effect_that_would_leave_the_process_has_failed(leave):
    failed = ending(local(leave))
    assert isinstance(failed, Failed)
    assert failed.error["details"]["exceptions"][-1] == "BaseException"


def test_a_local_effect_may_raise_the_errors_of_a_step():
    assert ending(local(raising(StepOutputError("no")))) == Failed(error_record(StepOutputError("no")))


def test_a_record_of_an_error_has_its_hint_where_there_is_one():
    record = {"code": "ERR_VALIDATION_INPUT", "message": "no", "details": {"n": 1}}
    assert error_record(InputError("no", details={"n": 1})) == record
    assert error_record(InputError("no", details={"n": 1}, hint="look")) == {**record, "hint": "look"}


# -- stopping --------------------------------------------------------------------------------------


def until_asked(stop):
    asked = threading.Event()
    stop.on_ask(asked.set)
    assert asked.wait(30)
    raise EffectStopped


def test_an_effect_that_is_stopped_is_an_outcome_that_nobody_saw():
    executor = perform(until_asked)
    executor.stop(StepKey("s"))
    executor.stop(StepKey("s"))
    unseen = ending(executor)
    assert isinstance(unseen, Unseen)
    assert unseen.cause == "stopped"


def test_an_effect_that_exceeds_its_time_says_which():
    unseen = ending(perform(until_asked, timeout_seconds=0.01))
    assert unseen == Unseen(
        "timeout",
        {
            "code": "ERR_TIMEOUT",
            "message": "step `s` did not finish within 0.01 seconds",
            "details": {"timeout_seconds": 0.01},
        },
    )


def test_stopping_what_does_not_go_on_does_nothing():
    executor = perform(lambda _stop: StepResult(1, {}))
    executor.stop(StepKey("other"))
    assert ending(executor) == Succeeded(StepResult(1, {}))
    executor.stop(StepKey("s"))
    assert executor.wait(0) == []


def test_the_first_cause_to_stop_counts_and_the_action_is_called_once():
    stop, calls = Stop(), []
    assert stop.cause is None
    stop.on_ask(lambda: calls.append("called"))
    stop.ask("timeout")
    stop.ask("stopped")
    assert (stop.cause, calls) == ("timeout", ["called"])


def test_who_hears_late_of_a_stop_is_told_at_once():
    stop, calls = Stop(), []
    stop.ask("stopped")
    stop.on_ask(lambda: calls.append("called"))
    assert calls == ["called"]


def test_a_forgotten_action_is_not_called():
    stop, calls = Stop(), []
    stop.on_ask(lambda: calls.append("called"))
    stop.forget()
    stop.ask("stopped")
    assert calls == []


# -- orphans, threads ------------------------------------------------------------------------------


def test_orphans_are_looked_for_only_where_an_attempt_was_open():
    seen = []
    executor = ThreadExecutor(lambda *_: StepResult(None, {}), lambda run, attempts: seen.append((run, dict(attempts))))
    executor.end_orphans(RunId("run-1"), {})
    executor.end_orphans(RunId("run-1"), {StepKey("s"): 2})
    assert seen == [("run-1", {"s": 2})]


def test_a_thread_that_cannot_be_started_breaks_the_attempt_and_not_the_drive(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
    broken = ending(perform(lambda _stop: StepResult(1, {})))
    assert isinstance(broken, Broken)
    assert broken.error.code == "ERR_ENGINE_LIMIT"


def test_the_late_end_of_an_attempt_given_up_is_not_taken_for_the_next_one():
    begun, go, hold, occupied, threads = *(threading.Event() for _ in range(4)), []

    def slow():
        threads.append(threading.current_thread())
        begun.set()
        return go.wait(30)

    def occupy():
        threads.append(threading.current_thread())
        occupied.set()
        return hold.wait(30)

    executor = local(slow)
    assert begun.wait(30)
    executor.stop(StepKey("s"))
    assert isinstance(ending(executor), Unseen)
    following = LocalEffect(function=lambda _context: hold.wait(30), identity="here:next")
    executor.start(Effect(call=following, context=context(attempt=2)))
    go.set()
    while threads[-1] is not threads[0] or len(threads) == 1:  # it is free only once the late end has been told
        other = LocalEffect(function=lambda _context: occupy(), identity="here:other")
        executor.start(Effect(call=other, context=context(key=f"other-{len(threads)}")))
        assert occupied.wait(30)
        occupied.clear()
    assert executor.wait(0) == []
    hold.set()
    ended = []
    while len(ended) < len(threads):
        ended += executor.wait(30)
    (finished,) = [one for one in ended if one.key == "s"]
    assert (finished.attempt, finished.ending) == (2, Succeeded(StepResult(True, {})))


def test_an_effect_that_began_and_whose_outcome_could_not_be_kept_is_told_from_one_that_never_began():
    def begins(stop):
        stop.on_ask(lambda: None)
        raise StoreUnavailable("the disk is full")

    begun = ending(perform(begins))
    not_begun = ending(perform(raising(StoreUnavailable("the disk is full"))))
    assert (begun.has_begun, not_begun.has_begun) == (True, False)


# -- threads that go on ----------------------------------------------------------------------------


class Slow:
    """A step that goes on until it is let go; at most so many of it went on at the same time."""

    def __init__(self):
        self.lock, self.begun, self.let_go = threading.Lock(), threading.Semaphore(0), threading.Event()
        self.going = self.most = self.count = 0

    def __call__(self, _context):
        with self.lock:
            self.count, self.going = self.count + 1, self.going + 1
            self.most = max(self.most, self.going)
        self.begun.release()
        self.let_go.wait(60)
        with self.lock:
            self.going -= 1
        return self.count


def started(slow, left, attempt, *, key="s", timeout_seconds=None):
    """Return an executor, as of a drive of its own, that has begun an attempt."""
    executor = ThreadExecutor(lambda *_: StepResult(None, {}), lambda *_: None, left=left)
    call = LocalEffect(function=slow, identity="here:f", policy=Policy(timeout_seconds=timeout_seconds))
    executor.start(Effect(call=call, context=context(key, attempt)))
    return executor


def given_up(executor):
    executor.stop(StepKey("s"))
    assert ending(executor).cause == "stopped"


def test_a_step_that_was_given_up_and_goes_on_in_its_thread_is_over_before_the_next_attempt_begins():
    slow, left = Slow(), LeftThreads()
    first = started(slow, left, 1)
    slow.begun.acquire()
    given_up(first)
    given_up(started(slow, left, 2))
    third = started(slow, left, 3)
    assert third.wait(0.05) == []
    assert slow.count == 1
    slow.let_go.set()
    assert ending(third) == Succeeded(StepResult(2, {}))
    assert slow.most == 1
    assert left.of(context()) == []


def test_other_steps_do_not_wait_for_one_that_was_given_up():
    slow, left = Slow(), LeftThreads()
    first = started(slow, left, 1)
    slow.begun.acquire()
    given_up(first)
    other = started(slow, left, 1, key="other")
    slow.begun.acquire()
    slow.let_go.set()
    assert isinstance(ending(other), Succeeded)
    assert slow.most == 2


def test_a_step_whose_time_is_up_is_tried_again_though_its_thread_goes_on():
    slow, left = Slow(), LeftThreads()
    first = started(slow, left, 1, timeout_seconds=0.01)
    slow.begun.acquire()
    assert ending(first).cause == "timeout"
    second = started(slow, left, 2)
    slow.begun.acquire()
    slow.let_go.set()
    assert isinstance(ending(second), Succeeded)


def test_an_attempt_that_was_given_up_behind_another_never_begins():
    slow, left = Slow(), LeftThreads()
    first = started(slow, left, 1)
    slow.begun.acquire()
    given_up(first)
    given_up(started(slow, left, 2))
    slow.let_go.set()
    third = started(slow, left, 3)
    assert ending(third) == Succeeded(StepResult(2, {}))
