"""The executor that performs effects in threads of this process: their order, their time and their ends."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import cast

from checkpointflow.errors import CheckpointflowError, EngineLimitError, is_of_the_run, said
from checkpointflow.kernel.effects import (
    Broken,
    Effect,
    EffectStopped,
    Ending,
    EndOrphans,
    Failed,
    Finished,
    OutcomeLost,
    Perform,
    Stop,
    StopCause,
    Succeeded,
    Unseen,
    error_record,
    step_failure,
    stopped,
    timed_out,
)
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import LocalEffect, Loop, StepContext, StepResult
from checkpointflow.values import JsonValue, checked


class ThreadExecutor:
    """Performs attempts in daemon threads, one at a time in each, and ends those that exceed their time.

    `perform` knows the step kinds. A local effect in a thread cannot be ended: when it has to, its outcome counts as
    unseen and its thread is left alone. Unless its time was up, the next attempt at that step of that run begins once
    the thread has come to its end; `left` knows of such threads, those of the whole process if nothing else is given.
    One on a loop is cancelled there.
    """

    def __init__(self, perform: Perform, end_orphans: EndOrphans, *, left: LeftThreads | None = None) -> None:
        self._left = left or _LEFT
        self._perform = perform
        self._end_orphans = end_orphans
        self._ended: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._going: dict[StepKey, _Attempt] = {}
        self._threads = _Threads()
        weakref.finalize(self, self._threads.dismiss)

    def start(self, effect: Effect) -> None:
        """Begin an attempt in a thread."""
        attempt = _Attempt(effect, time.monotonic(), self._left)
        self._going[effect.context.key] = attempt
        context = effect.context
        if isinstance(effect.call, LocalEffect) and effect.call.loop is not None:
            self._launch(attempt, effect.call, effect.call.loop)
            return
        try:
            self._threads.begin(f"step {context.key}", lambda thread: self._run(attempt, thread))
        except RuntimeError:
            attempt.end()
            error = EngineLimitError("this process cannot start another thread; limit what goes on beside each other")
            self._ended.put(Finished(context.key, context.attempt, Broken(error)))

    def stop(self, key: StepKey) -> None:
        """Ask an attempt to end."""
        attempt = self._going.get(key)
        if attempt is not None:
            self._end(attempt, "stopped")

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        """Return the attempts that have ended, waiting for one at most so long; timeouts are noticed here."""
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            finished = self._drain(self._patience(until))
            if finished is not None:
                return finished
            self._end_overdue()
            if until is not None and time.monotonic() >= until:
                return []

    def wake(self) -> None:
        """Make `wait` return."""
        self._ended.put(None)

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        """End what a dead holder's attempts have left running."""
        if attempts:
            self._end_orphans(run_id, attempts)

    def _run(self, attempt: _Attempt, thread: _Thread) -> None:
        context = attempt.effect.context
        ending = _ending(lambda: self._result(attempt), attempt)
        attempt.stop.forget()
        self._threads.free(thread)  # first: what follows this attempt can have its thread
        self._ended.put(Finished(context.key, context.attempt, ending))

    def _result(self, attempt: _Attempt) -> StepResult:
        call, context = attempt.effect.call, attempt.effect.context
        if isinstance(call, LocalEffect):
            return attempt.perform(call)
        return self._perform(call, context, attempt.stop)

    def _launch(self, attempt: _Attempt, call: LocalEffect, loop: Loop) -> None:
        """Begin an attempt on the loop that it asks for."""
        context = attempt.effect.context

        def ended(value: object, error: BaseException | None) -> None:
            ending = _ending(lambda: _outcome(attempt, call, value, error), attempt)
            attempt.stop.forget()
            self._ended.put(Finished(context.key, context.attempt, ending))

        try:
            cancel = loop.run(lambda: cast(Awaitable[object], call.function(context)), ended)
        except Exception as error:
            self._ended.put(Finished(context.key, context.attempt, Broken(error)))
        else:
            attempt.stop.on_ask(cancel)

    def _patience(self, until: float | None) -> float | None:
        due = [until] if until is not None else []
        due += [a.due for a in self._going.values() if a.due is not None and a.stop.cause is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drain(self, patience: float | None) -> list[Finished] | None:
        """Return what has ended, [] if woken, None if patience ran out or only what was given up has ended."""
        try:
            first = self._ended.get(timeout=patience)
        except queue.Empty:
            return None
        ended = [first]
        while not self._ended.empty():
            ended.append(self._ended.get())
        ours = [one for one in ended if one is not None and self._was_going(one)]
        return ours if ours or None in ended else None

    def _was_going(self, finished: Finished) -> bool:
        """Forget an attempt that has ended; False for one that was given up before."""
        attempt = self._going.get(finished.key)
        if attempt is None or attempt.effect.context.attempt != finished.attempt:
            return False
        del self._going[finished.key]
        return True

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for attempt in list(self._going.values()):
            if attempt.due is not None and now >= attempt.due and attempt.stop.cause is None:
                self._end(attempt, "timeout")

    def _end(self, attempt: _Attempt, cause: StopCause) -> None:
        attempt.stop.ask(cause)
        call, context = attempt.effect.call, attempt.effect.context
        if isinstance(call, LocalEffect) and call.loop is None:
            if cause == "stopped":
                self._left.give_up(context, attempt.is_over)
            self._ended.put(Finished(context.key, context.attempt, _unseen(attempt)))


_FREE = "free for steps"


class _Thread:
    """A daemon thread that does one piece of work after the other, each in a context of its own."""

    def __init__(self) -> None:
        self._todo: queue.SimpleQueue[tuple[str, Callable[[_Thread], None]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=_FREE, daemon=True).start()

    def take(self, name: str, work: Callable[[_Thread], None]) -> None:
        """Do this next, under this name."""
        self._todo.put((name, work))

    def end(self) -> None:
        """Do nothing any more."""
        self._todo.put(None)

    def _work(self) -> None:
        while (todo := self._todo.get()) is not None:
            threading.current_thread().name, work = todo
            Context().run(work, self)
            threading.current_thread().name = _FREE
            del todo, work  # what they hold is not ours while nothing is to do


class _Threads:
    """The threads of one executor: a new one begins only if none is free, for beginning one takes longer than most."""

    def __init__(self) -> None:
        self._free: list[_Thread] = []

    def begin(self, name: str, work: Callable[[_Thread], None]) -> None:
        """Have work done beside the caller's; it calls `free` when its thread may do the next.

        Raises:
            RuntimeError: this process cannot start another thread.
        """
        thread = self._free.pop() if self._free else _Thread()
        thread.take(name, work)

    def free(self, thread: _Thread) -> None:
        """Let a thread have more work."""
        self._free.append(thread)

    def dismiss(self) -> None:
        """End the threads that have nothing to do."""
        while self._free:
            self._free.pop().end()


class _Attempt:
    """An effect that has begun, with how to end it and when it has to."""

    def __init__(self, effect: Effect, now: float, left: LeftThreads) -> None:
        seconds = effect.call.policy.timeout_seconds
        self.effect = effect
        self.stop = Stop()
        self.due = None if seconds is None else now + seconds
        self.is_over = threading.Event()
        self.before = left.of(effect.context)
        self._left = left

    def perform(self, call: LocalEffect) -> StepResult:
        """Perform a local effect in this thread, once those that were given up before it have come to their ends.

        Raises:
            EffectStopped: it had to end before it could begin.
        """
        try:
            for is_over in self.before:
                is_over.wait()
            if self.before and self.stop.cause is not None:
                raise EffectStopped
            return StepResult(checked(call.function(self.effect.context), call.identity), {})
        finally:
            self.end()

    def end(self) -> None:
        """Let those go on who wait for this."""
        self._left.end(self.effect.context, self.is_over)


class LeftThreads:
    """The attempts of a process that were given up while their threads went on, by run and step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: dict[tuple[RunId, StepKey], list[threading.Event]] = {}

    def of(self, context: StepContext) -> list[threading.Event]:
        """Return what the next attempt at a step has to wait for."""
        with self._lock:
            return [*self._going.get((context.run_id, context.key), ())]

    def give_up(self, context: StepContext, is_over: threading.Event) -> None:
        """Take note of an attempt whose end nobody waits for, unless it has come."""
        with self._lock:
            if not is_over.is_set():
                self._going.setdefault((context.run_id, context.key), []).append(is_over)

    def end(self, context: StepContext, is_over: threading.Event) -> None:
        """Take note that an attempt has come to its end."""
        key = (context.run_id, context.key)
        with self._lock:
            is_over.set()
            left = [one for one in self._going.pop(key, ()) if one is not is_over]
            if left:
                self._going[key] = left

    def forget(self) -> None:
        """Forget all: threads do not come along into a forked child."""
        self._lock = threading.Lock()
        self._going.clear()


_LEFT = LeftThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LEFT.forget)


def _outcome(attempt: _Attempt, call: LocalEffect, value: object, error: BaseException | None) -> StepResult:
    """Return what an attempt on a loop gave, or raise why it gave nothing."""
    if error is None:
        return StepResult(checked(value, call.identity), {})
    if attempt.stop.cause is not None:
        raise EffectStopped from error
    raise error


def _ending(result: Callable[[], StepResult], attempt: _Attempt) -> Ending:
    """Say how an attempt ended; whatever it raises is one of the endings."""
    try:
        return Succeeded(result())
    except EffectStopped:
        return _unseen(attempt)
    except OutcomeLost as error:
        return Unseen("connection_lost", step_failure(str(error), {"connection": True}))
    except CheckpointflowError as error:
        return Failed(error_record(error)) if is_of_the_run(error) else Broken(error, attempt.stop.has_begun)
    except BaseException as error:  # a SystemExit must not end this thread in silence: the drive would wait for ever
        return _failure(attempt, error)


def _failure(attempt: _Attempt, error: BaseException) -> Ending:
    """An exception of user code is the step's failure; one of a step kind of ours is a defect."""
    if not isinstance(attempt.effect.call, LocalEffect):
        return Broken(error, attempt.stop.has_begun)
    names: list[JsonValue] = [cls.__name__ for cls in type(error).__mro__ if cls is not object]
    return Failed(step_failure(said(error), {"exceptions": names}))


def _unseen(attempt: _Attempt) -> Unseen:
    seconds = attempt.effect.call.policy.timeout_seconds
    if attempt.stop.cause == "timeout" and seconds is not None:
        return timed_out(attempt.effect.context.key, seconds)
    return stopped()
