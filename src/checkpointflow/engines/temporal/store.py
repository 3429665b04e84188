"""PORT Store, as doors need it, over Temporal: what memos, histories and workers tell of runs; nobody drives by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from checkpointflow.clock import Clock
from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import Address
from checkpointflow.engines.temporal.connection import RPC, Connection
from checkpointflow.engines.temporal.looking import NAME, Found, alike, listed, looked_at, opened, started
from checkpointflow.engines.temporal.unheld import Unheld, refuse
from checkpointflow.engines.temporal.wire import (
    Start,
    Summary,
    delivery_of,
    entry_of,
    message_json,
    start_json,
    summary_json,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import head_of
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import (
    Delivery,
    Hold,
    HolderInfo,
    Message,
    OpenWait,
    RunHead,
    StoredStatus,
)
from checkpointflow.records import replace
from checkpointflow.stores import refusals
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle
    from temporalio.service import RPCError

T = TypeVar("T")

ANSWER = timedelta(seconds=3)
"""How long a worker may take for a query, or to take up an answer, before a door does without it."""

_BETWEEN_LOOKS_SECONDS = 0.1
_LOOKS = 120
"""What comes while a worker decides stands in the history after that, or after ten seconds if the worker has died."""

_OTHERWISE = "TMPRL1100"
"""The service's own name for it."""


class TemporalStore(Unheld):
    """The runs of one namespace, for doors: begun, looked at and answered; workers drive them.

    What needs the hold of a run is refused.
    """

    def __init__(self, address: Address, settings: Settings, *, clock: Clock) -> None:
        super().__init__(address.target)
        self.address = address
        self._clock = clock
        self._connection = Connection(address, settings)
        self._runs: dict[str, RunId] = {}
        self._is_silent = False
        self._moment: tuple[RunId, Found] | None = None

    # -- beginning ---------------------------------------------------------------------------------

    def create(
        self,
        run_id: RunId,
        entries: Sequence[e.AnyEntry],
        *,
        holder: HolderId | None,
        definition: tuple[str, JsonObject] | None = None,
        messages: Sequence[Message] = (),
        over_moved: bool = False,
    ) -> Hold | None:
        """Begin a run as a workflow; nobody here gets its hold.

        Raises:
            RunExistsError: there is a workflow with this id.
        """
        del holder
        if definition is None or messages or over_moved or len(entries) != 1:
            refuse("a run with a history")
        head = head_of(run_id, entries)
        start = Start(run_id=run_id, entries=entries, digest=definition[0], stored=definition[1], path=head.source_path)
        self._connection.call(lambda client: self._begun(client, start, Summary(head=head)))
        return None

    async def _begun(self, client: Client, start: Start, summary: Summary) -> None:
        from temporalio.common import WorkflowIDReusePolicy
        from temporalio.exceptions import WorkflowAlreadyStartedError

        try:
            await client.start_workflow(
                NAME,
                start_json(start),
                id=start.run_id,
                task_queue=self.address.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={NAME: summary_json(summary)},
                static_summary=f"{summary.head.workflow_name or summary.head.workflow_id}"[:200],
                rpc_timeout=RPC,
            )
        except WorkflowAlreadyStartedError:
            raise refusals.run_exists(start.run_id) from None

    # -- looking -----------------------------------------------------------------------------------

    def found(self, run_id: RunId) -> Found:
        """Return what the service tells of a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        if self._moment is not None and self._moment[0] == run_id:
            return self._moment[1]
        return self._asked(run_id, lambda client, handle: looked_at(client, handle, self._clock))

    @contextmanager
    def at_one_moment(self, run_id: RunId) -> Iterator[None]:
        """Have all that is read of a run be of one moment, and the service be asked once."""
        self._moment = (run_id, self.found(run_id))
        try:
            yield
        finally:
            self._moment = None

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        """Return the entries behind a position, as a worker replays them; without one, what is known all the same."""
        return self._entries(run_id, after)[:limit]

    def _entries(self, run_id: RunId, after: int) -> list[e.AnyEntry]:
        from checkpointflow.errors import RunNotFoundError

        try:
            found = self.found(run_id)
        except RunNotFoundError:
            return []
        if after > 0 and (last := self._last(run_id, found.summary, after)) is not None:
            return [last]
        replayed = self._replayed(run_id, after)
        return self._known(run_id, found.summary)[after:] if replayed is None else replayed

    def _last(self, run_id: RunId, summary: Summary, after: int) -> e.AnyEntry | None:
        """Return the last entry, if that alone is asked for and no worker is needed to know it."""
        if after != summary.head.length - 1:
            return None
        if summary.head.status == "completed":
            value = self._asked(run_id, lambda _client, handle: handle.result(rpc_timeout=RPC))
            return e.RunCompleted(at=summary.head.updated_at, value=cast(JsonObject, value))
        return summary.last

    def _replayed(self, run_id: RunId, after: int) -> list[e.AnyEntry] | None:
        """Return what a worker says; None if none answers."""
        if self._is_silent:
            return None
        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError

        async def asked(client: Client) -> list[JsonObject]:
            handle = client.get_workflow_handle(run_id)
            told = await asyncio.wait_for(handle.query("entries", after, rpc_timeout=ANSWER), ANSWER.total_seconds())
            return cast("list[JsonObject]", told)

        async def answered(client: Client) -> list[JsonObject] | None:
            try:
                return await asked(client)
            except (TimeoutError, WorkflowQueryFailedError):
                return None
            except RPCError as error:
                if _is_silence(error):
                    return None
                raise

        told = self._connection.call(answered)
        self._is_silent = told is None
        return None if told is None else [entry_of(one) for one in told]

    def _known(self, run_id: RunId, summary: Summary) -> list[e.AnyEntry]:
        """Return the entries that the service itself knows of: how the run began, what it waits for, how it ended."""
        first = self._asked(run_id, lambda client, _handle: started(client, run_id))
        asked = [opened(one) for one in summary.waits if one.kind == "external_event"]
        last = self._last(run_id, summary, summary.head.length - 1)
        return [*first.entries, *(one for one in asked if one is not None), *([] if last is None else [last])]

    def head(self, run_id: RunId) -> RunHead:
        """Return a run's summary row."""
        head = self.found(run_id).summary.head
        self._runs[head.definition] = run_id
        return head

    def heads(
        self,
        *,
        statuses: Iterable[StoredStatus] | None = None,
        workflow_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 50,
        before: tuple[datetime, RunId] | None = None,
    ) -> list[RunHead]:
        """Return summary rows, newest start first."""
        wanted = None if statuses is None else set(statuses)

        def fits(head: RunHead) -> bool:
            return (
                (wanted is None or head.status in wanted)
                and workflow_id in (None, head.workflow_id)
                and all(head.labels.get(key) == value for key, value in (labels or {}).items())
                and (before is None or (head.started_at, head.run_id) < before)
            )

        summaries = self._connection.call(lambda client: listed(client, f"WorkflowType = '{NAME}'"))
        found = sorted(
            (one.head for one in summaries if fits(one.head)),
            key=lambda head: (head.started_at, head.run_id),
            reverse=True,
        )
        for head in found[:limit]:
            self._runs[head.definition] = head.run_id
        return found[:limit]

    def waits(self, run_id: RunId | None = None) -> list[OpenWait]:
        """Return the open waits of one run or of all, oldest first, `answered` ones marked."""
        if run_id is not None:
            inbox = self.found(run_id).inbox
            return [replace(one, answered=inbox.is_answered(one)) for one in inbox.waits]
        query = f"WorkflowType = '{NAME}' AND ExecutionStatus = 'Running'"
        summaries = self._connection.call(lambda client: listed(client, query))
        return sorted((wait for one in summaries for wait in one.waits), key=lambda wait: wait.opened_at)

    def find(self, fragment: str) -> list[RunId]:
        """Return up to 10 run ids that equal, begin or end with a text; an equal one alone."""
        from checkpointflow.errors import RunNotFoundError

        if not fragment or not all(char.isalnum() or char in "._-" for char in fragment):
            return []
        try:
            self.found(RunId(fragment))
            return [RunId(fragment)]
        except RunNotFoundError:
            return self._connection.call(lambda client: alike(client, fragment))

    def messages(self, run_id: RunId) -> list[Message]:
        """Return all messages a run ever got, oldest first."""
        return [*self.found(run_id).inbox.messages]

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """Return the messages that no worker has taken up yet."""
        found = self.found(run_id)
        return tuple(found.inbox.messages[len(found.summary.messages) :])

    def holder_of(self, run_id: RunId) -> HolderInfo | None:
        """Return that workers drive a run that goes on; one that nobody takes up is driven by nobody alive."""
        found = self.found(run_id)
        if found.summary.head.status != "open":
            return None
        return HolderInfo(
            holder=HolderId("temporal"),
            host=self.address.target,
            pid=0,
            since=found.summary.head.started_at,
            alive=not found.is_stuck,
        )

    def definition(self, digest: str) -> JsonObject:
        """Return the definition of a run that was looked at before."""
        run_id = self._runs.get(digest)
        if run_id is None:
            raise refusals.no_definition(digest)
        return self._asked(run_id, lambda client, _handle: started(client, run_id)).stored

    def remarks(self, run_id: RunId) -> list[str]:
        """Return what has to be said of a run on Temporal: what troubles it, and whether a worker lives."""
        found = self.found(run_id)
        said = [*found.summary.warnings]
        if found.trouble is not None:
            said.append(f"a worker could not go on with it, and tries again: {found.trouble}{_remedy(found.trouble)}")
        elif found.is_stuck:
            said.append(
                f"no worker has taken it up for {found.idle_seconds or 0.0:.0f} seconds; "
                f"start one with `cpf worker --engine '{self.address.url}'`"
            )
        return said

    # -- messages ----------------------------------------------------------------------------------

    def answer(self, message: Message) -> Delivery:
        """Have an event accepted by the run's worker; or by the service, if none answers."""
        return self._delivered(message)

    def deliver(self, message: Message) -> Delivery:
        """Keep an early event, or put a control message on its way."""
        if message.kind == "cancel":
            return self._cancelled(message)
        return self._delivered(message)

    def _delivered(self, message: Message) -> Delivery:
        waits = [] if message.wait_id is None else self.found(message.run_id).summary.waits
        told = message_json(message, next((one.key for one in waits if one.wait_id == message.wait_id), None))
        delivery = self._updated(message, told)
        return self._signalled(message, told) if delivery is None else delivery

    def _updated(self, message: Message, told: JsonObject) -> Delivery | None:
        """Have a worker take a message in; None if none answers."""
        from temporalio.client import (
            WorkflowUpdateFailedError,
            WorkflowUpdateRPCTimeoutOrCancelledError,
        )
        from temporalio.exceptions import ApplicationError
        from temporalio.service import RPCError, RPCStatusCode

        async def updated(_client: Client, handle: WorkflowHandle[Any, Any]) -> Delivery | None:
            try:
                update = handle.execute_update("deliver", told, id=message.event_id, rpc_timeout=ANSWER)
                return delivery_of(cast(JsonObject, await asyncio.wait_for(update, ANSWER.total_seconds())))
            except WorkflowUpdateFailedError as error:
                cause = error.cause
                if isinstance(cause, ApplicationError) and cause.details:
                    return delivery_of(cause.details[0])
                raise
            except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
                return None
            except RPCError as error:
                if _is_silence(error) or error.status == RPCStatusCode.NOT_FOUND:
                    return None  # what the memo says of a run that has ended is told below
                raise

        return self._asked(message.run_id, updated)

    def _signalled(self, message: Message, told: JsonObject) -> Delivery:
        """Put a message into the history, where the next worker finds it; what can be told without one is told."""
        delivery = self.found(message.run_id).inbox.weigh(message)
        if delivery.message is None or delivery.outcome not in ("accepted", "kept"):
            return delivery
        if not self._asked(message.run_id, lambda _client, handle: _signal(handle, told)):
            return self.found(message.run_id).inbox.weigh(message)
        for _ in range(_LOOKS):
            if (outcome := self._outcome(delivery.message)) is not None:
                return outcome
            self._connection.call(lambda _client: asyncio.sleep(_BETWEEN_LOOKS_SECONDS))
        return delivery

    def _outcome(self, message: Message) -> Delivery | None:
        """Return what becomes of a message that was put into the history; None as long as it does not stand there.

        Several doors may have found a wait open; a worker goes by the order of the history, and so does each of them.
        """
        found = self.found(message.run_id)
        inbox = found.known
        for other in found.unseen:
            if other.event_id == message.event_id:
                return inbox.weigh(message)
            inbox = inbox.after(other)
        delivery = inbox.weigh(message)
        if delivery.outcome == "duplicate":  # a worker has taken it up meanwhile
            return Delivery(outcome="kept" if message.state == "kept" else "accepted", message=message)
        return None if delivery.outcome in ("accepted", "kept") else delivery

    def _cancelled(self, message: Message) -> Delivery:
        from temporalio.service import RPCError, RPCStatusCode

        async def cancelled(_client: Client, handle: WorkflowHandle[Any, Any]) -> Delivery:
            try:
                await handle.signal("deliver", message_json(message), rpc_timeout=RPC)
                await handle.cancel(rpc_timeout=RPC)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return Delivery(outcome="settled")  # the caller has seen the run
                raise
            return Delivery(outcome="accepted", message=message)

        return self._asked(message.run_id, cancelled)

    def _asked(self, run_id: RunId, work: Callable[[Client, WorkflowHandle[Any, Any]], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine over a run's handle returns; a run that is not there is said to be so."""
        from temporalio.service import RPCError, RPCStatusCode

        async def asked(client: Client) -> T:
            try:
                return await work(client, client.get_workflow_handle(run_id))
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise refusals.no_such_run(run_id) from None
                raise

        return self._connection.call(asked)

    def holder(self) -> HolderId:
        """Return this door, which drives nothing."""
        return HolderId("door")

    def close(self) -> None:
        """Leave the service."""
        self._connection.close()


def _remedy(trouble: str) -> str:
    """Return what mends a trouble, where that is known: the service says in its own words that code was edited."""
    if _OTHERWISE not in trouble:
        return ""
    return "; the workflow asks for something else than its history has: have workers use the code that it began with"


async def _signal(handle: WorkflowHandle[Any, Any], told: JsonObject) -> bool:
    """Put a message into a history; False if the run has ended meanwhile, or was never there."""
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await handle.signal("deliver", told, rpc_timeout=RPC)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


def _is_silence(error: RPCError) -> bool:
    """Tell whether an error says that no worker answers, or that a run has had its fill of updates."""
    from temporalio.service import RPCStatusCode as Code

    return error.status in (
        Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.FAILED_PRECONDITION, Code.RESOURCE_EXHAUSTED,
    )  # fmt: skip
