"""What the service tells of runs, by itself: their memos, and the ends of their histories; no worker is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from checkpointflow.clock import Clock
from checkpointflow.engines.temporal.connection import RPC
from checkpointflow.engines.temporal.wire import Start, Summary, message_of, start_of, summary_of
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.inbox import Inbox
from checkpointflow.kernel.store import Message, OpenWait, StoredStatus
from checkpointflow.records import dataclass, replace
from checkpointflow.stores import refusals
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution, WorkflowHandle

NAME = "checkpointflow"
"""The workflow's type, and the key of what its memo tells."""

STUCK_SECONDS = 5.0
"""A decision that nobody has taken up for so long has no worker that could."""

_SUFFIXES = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """What the service tells of one run: the memo's summary, and the messages that no worker has seen yet.

    `is_deciding` while a decision is to be taken, `idle_seconds` is for how long that waits for a worker, None if none
    has to; `trouble` says why the last one failed.
    """

    summary: Summary
    unseen: tuple[Message, ...] = ()
    is_deciding: bool = False
    idle_seconds: float | None = None
    trouble: str | None = None

    @property
    def inbox(self) -> Inbox:
        """What decides on a message: also on those that no worker has seen, for each will find them in this order."""
        inbox = self.known
        for message in self.unseen:
            inbox = inbox.after(message)
        return inbox

    @property
    def known(self) -> Inbox:
        """What decided on a message when a worker decided last."""
        return Inbox(self.summary.head.is_settled, self.summary.waits, self.summary.messages)

    @property
    def is_stuck(self) -> bool:
        """Tell whether nobody goes on with the run although there is something to do."""
        return self.trouble is not None or (self.idle_seconds is not None and self.idle_seconds >= STUCK_SECONDS)


async def looked_at(client: Client, handle: WorkflowHandle[Any, Any], clock: Clock) -> Found:
    """Return what the service tells of a run.

    Raises:
        RunNotFoundError: it is none of ours.
    """
    description = await handle.describe(rpc_timeout=RPC)
    summary = await summary_in(description)
    if summary is None:
        raise refusals.no_such_run(RunId(handle.id))
    pending = description.raw_description.pending_workflow_task
    is_pending = description.raw_description.HasField("pending_workflow_task")
    if not is_pending:
        return Found(summary)
    unseen, trouble = await _unseen(client, handle.id)
    idle = None
    if pending.state == 1:  # scheduled, and not begun
        since = pending.scheduled_time.ToDatetime(clock.now().tzinfo)
        idle = (clock.now() - since).total_seconds()
    known = {one.event_id for one in summary.messages}
    return Found(summary, tuple(one for one in unseen if one.event_id not in known), True, idle, trouble)


async def summary_in(execution: WorkflowExecution) -> Summary | None:
    """Return what a memo tells; None if the workflow is none of ours."""
    if execution.workflow_type != NAME:
        return None
    memo = await execution.memo()
    if NAME not in memo:
        return None
    return _settled_otherwise(summary_of(memo[NAME]), execution)


async def _unseen(client: Client, run_id: str) -> tuple[list[Message], str | None]:
    """Return the messages that came since a worker last decided, the oldest first; and why a decision failed."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.enums.v1 import EventType
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest

    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=run_id), maximum_page_size=200
    )
    found: list[Message] = []
    trouble: str | None = None
    while True:
        page = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=RPC)
        for event in page.history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                return found[::-1], trouble
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED and trouble is None:
                trouble = event.workflow_task_failed_event_attributes.failure.message
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                signal = event.workflow_execution_signaled_event_attributes
                values = await client.data_converter.decode(signal.input.payloads)
                found.append(message_of(values[0]))
        if not page.next_page_token:
            return found[::-1], trouble
        request.next_page_token = page.next_page_token


async def started(client: Client, run_id: str) -> Start:
    """Return what a workflow began with, from the first event of its history."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=run_id), maximum_page_size=1
    )
    page = await client.workflow_service.get_workflow_execution_history(request, timeout=RPC)
    begun = page.history.events[0].workflow_execution_started_event_attributes
    values = await client.data_converter.decode(begun.input.payloads)
    return start_of(values[0])


async def listed(client: Client, query: str) -> list[Summary]:
    """Return what the memos of workflows tell."""
    executions = cast("AsyncIterator[WorkflowExecution]", client.list_workflows(query, rpc_timeout=RPC))
    found = [await summary_in(one) async for one in executions]
    return [one for one in found if one is not None]


async def alike(client: Client, fragment: str) -> list[RunId]:
    """Return up to 10 runs whose ids begin or end with a text."""
    ours = f"WorkflowType = '{NAME}'"
    begins = f"{ours} AND WorkflowId STARTS_WITH '{fragment}'"
    found = [RunId(one.id) async for one in client.list_workflows(begins, limit=10, rpc_timeout=RPC)]
    async for one in client.list_workflows(ours, limit=_SUFFIXES, rpc_timeout=RPC):
        if one.id.endswith(fragment) and one.id not in found:
            found.append(RunId(one.id))
    return found[:10]


def _settled_otherwise(summary: Summary, execution: WorkflowExecution) -> Summary:
    """Return a summary with the end that the service gave the workflow, if the workflow did not end itself."""
    from temporalio.client import WorkflowExecutionStatus as Status

    ends: dict[Any, tuple[StoredStatus, str]] = {
        Status.TERMINATED: ("cancelled", "it was terminated in Temporal"),
        Status.CANCELED: ("cancelled", "it was cancelled in Temporal"),
        Status.TIMED_OUT: ("failed", "it timed out in Temporal"),
        Status.FAILED: ("failed", "it failed in Temporal"),
    }
    if summary.head.is_settled or execution.status not in ends:
        return summary
    status, message = ends[execution.status]
    error: JsonObject = {"code": "ERR_RUNTIME", "message": message, "details": {}}
    head = replace(summary.head, status=status, error=error if status == "failed" else None)
    return replace(summary, head=replace(head, updated_at=execution.close_time or head.updated_at), waits=())


def opened(wait: OpenWait) -> e.WaitOpened | None:
    """Return the entry that opened a wait for an event."""
    if wait.wait_id is None:
        return None
    return e.WaitOpened(
        at=wait.opened_at, key=wait.key, wait_id=wait.wait_id, request=wait.request, deadline_at=wait.due_at
    )
