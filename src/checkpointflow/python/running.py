"""One way to run: the verbs that every definition has, over the client; the engine works in a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from checkpointflow.errors import DefinitionChangedError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.functions.accepting import shown
from checkpointflow.frontends.functions.conversion import to_json
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.python.checkpoint import Checkpoint
from checkpointflow.python.given import MISSING, Given, given
from checkpointflow.python.outcome import Event, Outcome
from checkpointflow.views import RunView

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

OUTCOME = "outcome"
"""What the last event of a stream is called."""


class Runnable(Generic[T]):
    """A definition that runs itself: stateless, so that any number of runs may go on at once.

    `input` starts a run; `responses` answer one that waits, by wait id, key or unique event name, and may be partial;
    neither goes on with one, as after a crash. A step in doubt is answered by its key with a decision, as `cpf decide`
    takes it: `{"decision": "done" | "again" | "fail", "output": …, "reason": …}`, `output` with `done` alone. Without a
    `checkpoint` a run is kept in memory alone.

    | given | without `checkpoint` | a new one | one that has begun |
    | --- | --- | --- | --- |
    | nothing | starts with `{}` | ValueError | goes on |
    | `input` | starts | starts | ValueError |
    | `responses` | ValueError | ValueError | answers and goes on |
    | both | ValueError | ValueError | ValueError |
    """

    def as_result(self, value: Any) -> T:
        """Return a run's result as the definition says that it is."""
        return cast(T, value)

    async def run(
        self,
        input: Any = MISSING,
        *,
        checkpoint: Checkpoint | None = None,
        responses: Mapping[str, Any] | None = None,
    ) -> Outcome[T]:
        """Drive a run until it settles or only waits are left, and return how that ended; a failure is an outcome.

        Async tasks run on the caller's event loop. If this call is cancelled, what it had begun is stopped, and the
        run goes on from its last commit when it is driven again.

        Raises:
            ValueError: the arguments mean nothing together.
            InputError, EventPayloadError: the input, or a response, does not fit; nothing was recorded.
            RunExistsError: the id that the checkpoint was given is that of another run.
            RunNotWaitingError, EventMismatchError: a response answers nothing that is asked.
            StepNotInDoubtError: somebody has decided about the step before.
            RunHeldError: the run is being driven already.
            PersistenceError: a commit could not be kept; the run goes on from the last one.
        """
        call = self._call(input, checkpoint, responses)
        interrupt = Interrupt()
        return await _in_thread(lambda: call.drive(_ignored, interrupt), interrupt)

    async def run_stream(
        self,
        input: Any = MISSING,
        *,
        checkpoint: Checkpoint | None = None,
        responses: Mapping[str, Any] | None = None,
        after: int = 0,
    ) -> AsyncIterator[Event[T]]:
        """Drive a run as `run` does, and yield the entries of its journal behind `after` as they become durable.

        The last event holds the outcome. Leaving the loop early stops the drive as a cancellation does.

        Raises:
            As `run`.
        """
        import asyncio

        call = self._call(input, checkpoint, responses)
        queue: asyncio.Queue[Event[T] | None] = asyncio.Queue()
        loop, interrupt = asyncio.get_running_loop(), Interrupt()

        def put(event: Event[T] | None) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, event)

        teller = _Teller(put, call, after)

        def work() -> Outcome[T]:
            try:
                teller.catch_up()
                return call.drive(teller.told, interrupt)
            finally:
                teller.end()

        driving = asyncio.ensure_future(_in_thread(work, interrupt))
        try:
            while (event := await queue.get()) is not None:
                yield event
            outcome = await driving
            yield Event(outcome.checkpoint.position, OUTCOME, outcome.envelope(), outcome)
        finally:
            if not driving.done():
                driving.cancel()
                await asyncio.wait([driving])

    def run_sync(
        self,
        input: Any = MISSING,
        *,
        checkpoint: Checkpoint | None = None,
        responses: Mapping[str, Any] | None = None,
    ) -> Outcome[T]:
        """Drive a run as `run` does, for programs without an event loop; async tasks run on one made for the purpose.

        Raises:
            RuntimeError: an event loop runs in this thread; await `run` there.
            As `run`.
        """
        _refuse_running_loop()
        return self._call(input, checkpoint, responses).drive(_ignored, Interrupt())

    def _call(self, run_input: Any, checkpoint: Checkpoint | None, responses: Mapping[str, Any] | None) -> _Call[T]:
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            raise TypeError(
                f"`checkpoint` is {shown(checkpoint)}; give it `Checkpoint.new(…)`, or `store.checkpoint(run_id)`"
            )
        begun = checkpoint is not None and checkpoint.run_id is not None
        call = given(run_input, responses, has_checkpoint=checkpoint is not None, has_run=begun)
        return _Call(cast(Definition, self), call, checkpoint or Checkpoint.new(), self.as_result)


class _Call(Generic[T]):
    """One call of a verb."""

    def __init__(
        self, definition: Definition, call: Given, checkpoint: Checkpoint, as_result: Callable[[Any], T]
    ) -> None:
        self._definition = definition
        self._given = call
        self._checkpoint = checkpoint
        self._as_result = as_result

    def drive(self, observer: Observer, interrupt: Interrupt) -> Outcome[T]:
        """Drive the run in this thread."""
        return Outcome(self._view(observer, interrupt), self._checkpoint, self._as_result)

    def recorded(self, after: int) -> list[Event[T]]:
        """Return the events of a run that has begun, as they stand."""
        run_id = self._checkpoint.run_id
        if run_id is None:
            return []
        entries = self._checkpoint.store.port.entries(RunId(run_id))
        return list(_events(entries, 1, after))

    def _view(self, observer: Observer, interrupt: Interrupt) -> RunView:
        checkpoint, definition = self._checkpoint, self._definition
        runs = checkpoint.store.runs(observer=observer, interrupt=interrupt, on_created=self._created)
        if self._given.begin == "start":
            with checkpoint.beginning():
                self._refuse_begun()
                view = runs.run(definition, to_json(self._given.run_input, "input"), run_id=checkpoint.chosen_id)
                self._created(view.run_id)  # also of a run that was there
                return view
        assert checkpoint.run_id is not None
        self._refuse_other(checkpoint.run_id)
        responses = {name: to_json(value, name) for name, value in (self._given.responses or {}).items()}
        return runs.advance(checkpoint.run_id, responses, definition=definition)

    def _created(self, run_id: str) -> None:
        self._checkpoint.run_id = run_id

    def _refuse_begun(self) -> None:
        """Refuse a checkpoint under which another call has begun a run since this one looked."""
        given(self._given.run_input, None, has_checkpoint=True, has_run=self._checkpoint.run_id is not None)

    def _refuse_other(self, run_id: str) -> None:
        head, definition = self._checkpoint.store.port.head(RunId(run_id)), self._definition
        if head.workflow_id != definition.id:
            raise ValueError(
                f"the checkpoint is one of workflow `{head.workflow_id}`, not of `{definition.id}`; "
                f"run `{head.workflow_id}`, or drop `checkpoint`"
            )
        if not definition.takes_over(head.definition, self._checkpoint.store.port.definition(head.definition)):
            raise DefinitionChangedError(
                f"run `{run_id}` was started with another definition of `{definition.id}`; go on with that one, or "
                f"start another run",
                run_id=run_id,
            )


class _Teller(Generic[T]):
    """Tells every entry of a run's journal once, in order: those that are there, then what is committed."""

    def __init__(self, put: Callable[[Event[T] | None], None], call: _Call[T], after: int) -> None:
        self._put = put
        self._call = call
        self._after = after

    def told(self, entries: Sequence[e.AnyEntry], first: int) -> None:
        """Tell what was committed, and what another process committed before."""
        if first > self._after + 1:
            self.catch_up()
        self._tell(_events(entries, first, self._after))

    def catch_up(self) -> None:
        """Tell what is in the journal and was not told yet."""
        self._tell(self._call.recorded(self._after))

    def end(self) -> None:
        """Tell what is left, and that this was all."""
        try:
            self.catch_up()
        finally:
            self._put(None)

    def _tell(self, events: list[Event[T]]) -> None:
        for event in events:
            self._after = event.position
            self._put(event)


def _events(entries: Sequence[e.AnyEntry], first: int, after: int) -> list[Event[Any]]:
    return [
        Event(first + index, e.name_of(entry), e.as_json(entry, first + index))
        for index, entry in enumerate(entries)
        if first + index > after
    ]


def _ignored(_entries: Sequence[e.AnyEntry], _first: int) -> None:
    """Tell nobody."""


def _refuse_running_loop() -> None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("an event loop runs in this thread, which `run_sync` would block; `await` its `run` instead")


async def _in_thread(work: Callable[[], Outcome[T]], interrupt: Interrupt) -> Outcome[T]:
    """Do work in a thread of its own, its async tasks on this loop; when cancelled, stop it and wait for its end."""
    import asyncio

    from checkpointflow.frontends.functions.loops import EventLoop, use

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Outcome[T]] = loop.create_future()
    context = copy_context()
    context.run(use, EventLoop(loop))

    def settle(outcome: Outcome[T] | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("Outcome[T]", outcome))

    def body() -> None:
        try:
            ended: tuple[Outcome[T] | None, BaseException | None] = (context.run(work), None)
        except BaseException as error:
            ended = (None, error)
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits for this
            loop.call_soon_threadsafe(settle, *ended)

    threading.Thread(target=body, name="drive", daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        interrupt.drain(0)
        await asyncio.wait([future])
        future.exception()  # which nobody will ask for
        raise
