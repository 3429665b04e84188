"""The one Temporal workflow: it drives a run with the embedded engine, over a store that is its own memory.

Nothing of the journal is kept anywhere: Temporal's history is the truth, and its replay makes the entries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from checkpointflow.engines.temporal.effects import ActivityExecutor
from checkpointflow.engines.temporal.wire import (
    Start,
    Summary,
    delivery_json,
    entry_json,
    message_of,
    start_of,
    summary_json,
    wait_key_of,
)
from checkpointflow.errors import EngineLimitError, NondeterminismError, UnsupportedError
from checkpointflow.frontends.functions import loops
from checkpointflow.frontends.opening import open_stored
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.engine import Drive, DriveOutcome
from checkpointflow.kernel.ids import EventId, HolderId, StepKey
from checkpointflow.kernel.run import Workflow
from checkpointflow.kernel.store import Delivery, Message, OpenWait
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.records import replace
from checkpointflow.schemas import is_valid
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.values import JsonObject, JsonValue, dump

NAME = "checkpointflow"
MEMO = "checkpointflow"
DELIVER = "deliver"
ENTRIES = "entries"

_HOLDER = HolderId("temporal")
_INLINE_SECONDS = 60.0


class Limits:
    """How long a history may get: from `warn_events` on a run is warned, at the others it ends.

    The service itself ends a workflow at 51,200 events or 50 MB, without a word of ours.
    """

    warn_events = 10_000
    most_events = 45_000
    most_bytes = 45_000_000


class WorkflowClock:
    """The workflow's own clock, the same on every replay."""

    def now(self) -> datetime:
        """Return the instant of the present turn."""
        return workflow.now()


class _Elsewhere:
    """PORT Loop of workflow code, in which nothing is awaited: its effects are performed by a worker's activities."""

    def run(
        self, _work: Callable[[], Any], _ended: Callable[[object, BaseException | None], None]
    ) -> Callable[[], None]:
        raise UnsupportedError("an effect cannot be awaited inside a workflow on Temporal; make it a task")


@workflow.defn(name=NAME)
class RunWorkflow:
    """Drives one run to its end."""

    @workflow.init
    def __init__(self, told: dict[str, Any]) -> None:
        self._start: Start = start_of(told)
        self._run_id = self._start.run_id
        self._store = MemoryStore(clock=WorkflowClock())
        definition = (self._start.digest, self._start.stored)
        hold = self._store.create(self._run_id, self._start.entries, holder=_HOLDER, definition=definition)
        assert hold is not None
        self._hold = hold
        self._executor = ActivityExecutor(self._ring)
        self._has_news = False
        self._alarm: tuple[datetime, asyncio.TimerHandle] | None = None
        self._cancellation: Message | None = None
        self._warnings: list[str] = []
        self._told: object = None

    # -- the whole -------------------------------------------------------------------------------

    @workflow.run
    async def run(self, told: dict[str, Any]) -> Any:
        """Drive the run; return what it ends with.

        Raises:
            ApplicationError: it failed; the type is the error's code, the details its record.
        """
        del told
        loops.use(_Elsewhere())
        drive = Drive(self._opened(), self._hold, self._surroundings())
        try:
            outcome = await self._driven(drive)
        finally:
            drive.leave()  # also when this process only forgets the workflow, so that no code of it is left half-way
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._ended(outcome)

    async def _driven(self, drive: Drive) -> DriveOutcome:
        drive.begin()
        if self._cancellation is not None:  # before anything was begun
            self._store.deliver(self._cancellation)
        while True:
            outcome = self._turn(drive)
            self._tell(outcome)
            if outcome is not None and outcome.status != "waiting":
                return outcome
            await self._more(drive)
            drive.absorb()

    def _opened(self) -> Workflow:
        return open_stored(self._start.stored, path=self._start.path).workflow()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            store=self._store,
            executor=self._executor,
            clock=WorkflowClock(),
            fits=_fits,
            inline_wait_seconds=_INLINE_SECONDS,
            stays=True,
            chance=lambda: workflow.random().random(),
            mint_uuid=lambda: str(workflow.uuid4()),
        )

    def _turn(self, drive: Drive) -> DriveOutcome | None:
        """Go on; a run that cannot go on in this engine, now or ever, fails."""
        self._has_news = False
        try:
            self._check_history()
            return drive.turn()
        except UnsupportedError as error:
            return drive.fail(error)

    def _check_history(self) -> None:
        info = workflow.info()
        events, size = info.get_current_history_length(), info.get_current_history_size()
        if events >= Limits.most_events or size >= Limits.most_bytes:
            raise EngineLimitError(
                f"the run's history has {events} events and {size} bytes, and Temporal takes no more than about "
                "50,000 and 50 MB; split the workflow into several runs",
                details={"events": events, "bytes": size},
            )
        if events >= Limits.warn_events and not self._warnings:
            self._warnings.append(
                f"the run's history has more than {Limits.warn_events} events, and it will end at "
                f"{Limits.most_events}; split the workflow into several runs"
            )

    async def _more(self, drive: Drive) -> None:
        """Wait until something has come: an effect's end, a message, a time, or a cancellation."""
        self._set_alarm(drive.due_at)
        try:
            await workflow.wait_condition(lambda: self._has_news)
        except asyncio.CancelledError:
            self._store.deliver(self._cancellation or self._cancelled_by_temporal())

    def _cancelled_by_temporal(self) -> Message:
        return Message(
            run_id=self._run_id,
            event_id=EventId("temporal-cancel"),
            kind="cancel",
            name="",
            payload={"reason": workflow.cancellation_reason() or "it was cancelled in Temporal"},
            actor=None,
            at=workflow.now(),
        )

    def _set_alarm(self, due: datetime | None) -> None:
        """Have the workflow go on at an instant; a timer that stands already is left as it is."""
        if self._alarm is not None and self._alarm[0] != due:
            self._alarm[1].cancel()
            self._alarm = None
        if due is not None and self._alarm is None:
            seconds = max(0.0, (due - workflow.now()).total_seconds())
            self._alarm = (due, asyncio.get_running_loop().call_later(seconds, self._at_alarm))

    def _at_alarm(self) -> None:
        self._alarm = None
        self._ring()

    def _ring(self) -> None:
        self._has_news = True

    def _ended(self, outcome: DriveOutcome) -> JsonValue:
        """Return or raise what Temporal is told of the end."""
        if outcome.status == "cancelled":
            raise asyncio.CancelledError
        error = self._store.head(self._run_id).error
        if outcome.status == "failed" and error is not None:
            raise ApplicationError(str(error.get("message")), error, type=str(error.get("code")), non_retryable=True)
        last = self._store.entries(self._run_id)[-1]
        return last.value if isinstance(last, e.RunCompleted) else None

    # -- telling ---------------------------------------------------------------------------------

    def _tell(self, outcome: DriveOutcome | None) -> None:
        """Keep the memo up to date: lists, status and answers read that, whether a worker lives or not."""
        if outcome is not None:
            self._warnings += [one for one in outcome.warnings if one not in self._warnings]
        summary = self._summary()
        seen = (
            summary.head.status,
            [one.key for one in summary.waits],
            [(one.event_id, one.state) for one in summary.messages],
            list(summary.warnings),
        )
        if seen != self._told and not (self._told is None and seen == ("open", [], [], [])):
            self._told = seen
            workflow.upsert_memo({MEMO: summary_json(summary)})

    def _summary(self) -> Summary:
        head = self._store.head(self._run_id)
        last = self._store.entries(self._run_id, after=head.length - 1)[-1]
        return Summary(
            head=head,
            waits=self._store.waits(self._run_id),
            messages=[_short(one) for one in self._store.messages(self._run_id)],
            last=last if isinstance(last, e.RunParked) else None,
            warnings=[*self._warnings, *self._executor.troubles.values()],
        )

    @workflow.query(name=ENTRIES)
    def entries(self, after: int) -> list[Any]:
        """Return the entries behind a position."""
        return [entry_json(one) for one in self._store.entries(self._run_id, after=after)]

    # -- messages --------------------------------------------------------------------------------

    @workflow.update(name=DELIVER)
    def deliver(self, told: dict[str, Any]) -> dict[str, Any]:
        """Take a message in, and return what became of it."""
        message = message_of(told)
        self._check_wait(message, wait_key_of(told))
        return delivery_json(self._delivered(message))

    @deliver.validator
    def _weigh(self, told: dict[str, Any]) -> None:
        message = message_of(told)
        delivery = self._store.inbox(self._run_id).weigh(message)
        if delivery.outcome not in ("accepted", "kept"):
            raise ApplicationError("the message is not taken", delivery_json(delivery), type="refused")
        if not self._fits_its_wait(message):
            raise ApplicationError(
                "the payload does not fit", delivery_json(Delivery(outcome="closed")), type="refused"
            )

    @workflow.signal(name=DELIVER)
    def delivered(self, told: dict[str, Any]) -> None:
        """Take a message in that came while no worker answered; one that does not fit changes nothing."""
        message = message_of(told)
        self._check_wait(message, wait_key_of(told))
        if message.kind == "cancel":
            self._cancellation = message
        elif self._fits_its_wait(message) and self._delivered(message).outcome == "open":
            self._answered(message)

    def _check_wait(self, message: Message, key: StepKey | None) -> None:
        """Refuse to go on where an answer of the history would come to another wait than the one it was given to.

        Raises:
            NondeterminismError: the workflow's code was edited; only this decision fails, not the run.
        """
        wait = next((one for one in self._store.waits(self._run_id) if _is_for(message, one)), None)
        if wait is not None and (wait.event_name, wait.key) != (message.name, key or wait.key):
            raise NondeterminismError(
                f"the answer to `{message.name}` was given to the wait `{key}`, and the workflow now asks "
                f"for `{wait.event_name or 'a sleep'}` under `{wait.key}` in its place; "
                "have workers use the code that the run began with"
            )

    def _delivered(self, message: Message) -> Delivery:
        is_answer = message.kind == "event" and message.wait_id is not None
        self._ring()
        return self._store.answer(message) if is_answer else self._store.deliver(message)

    def _answered(self, message: Message) -> None:
        """Have an early event answer the first wait of its name: that was opened while the event was on its way."""
        inbox = self._store.inbox(self._run_id)
        waits = [one for one in inbox.waits if one.event_name == message.name and not inbox.is_answered(one)]
        own = (replace(message, wait_id=one.wait_id) for one in waits)
        answer = next((one for one in own if self._fits_its_wait(one)), None)
        if answer is not None:
            self._delivered(answer)

    def _fits_its_wait(self, message: Message) -> bool:
        wait = next((one for one in self._store.waits(self._run_id) if _is_for(message, one)), None)
        return wait is None or _fits(wait.request.get("input_schema"), message.payload)


def _is_for(message: Message, wait: OpenWait) -> bool:
    return message.kind == "event" and message.wait_id is not None and message.wait_id == wait.wait_id


def _fits(schema: JsonValue, payload: JsonValue) -> bool:
    return schema is None or is_valid(payload, cast("JsonObject | bool", schema))


def _short(message: Message) -> Message:
    """Return a message without a payload that is too long for a list."""
    return replace(message, payload=None) if len(dump(message.payload)) > 2_000 else message
