"""Entries and messages with little said about them, for the promises of stores; no assertions here."""

from __future__ import annotations

from datetime import datetime, timedelta

from checkpointflow.clock import UTC
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import EventId, HolderId, RunId, StepKey, WaitId
from checkpointflow.kernel.store import Hold, Message, MessageKind, Store
from checkpointflow.values import JsonObject, JsonValue

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RUN = RunId("run-1")


def at(seconds: float) -> datetime:
    """Return an instant so many seconds after `START`."""
    return START + timedelta(seconds=seconds)


def started(seconds: float = 0, *, workflow: str = "flow", labels: JsonObject | None = None) -> e.RunStarted:
    """Return the first entry of a journal."""
    return e.RunStarted(
        at=at(seconds),
        workflow_id=workflow,
        workflow_name="Flow",
        workflow_version=None,
        definition="d" * 64,
        source_path=None,
        input={"a": [1, 2.5, None]},
        labels=dict(labels or {}),
        actor="ann",
        cwd="/somewhere",
        host="here",
    )


def step_started(key: str = "s", seconds: float = 1) -> e.StepStarted:
    """Return the beginning of a step's first attempt."""
    return e.StepStarted(at=at(seconds), key=StepKey(key), kind="cli", attempt=1, digest="0", arguments={"x": 1})


def step_completed(key: str = "s", output: JsonValue = "out", seconds: float = 2) -> e.StepCompleted:
    """Return the end of a step's first attempt."""
    return e.StepCompleted(at=at(seconds), key=StepKey(key), attempt=1, output=output, details={})


def in_doubt(key: str = "s", seconds: float = 3) -> e.StepInterrupted:
    """Return the end of a step's first attempt that nobody saw, so that somebody has to decide."""
    return e.StepInterrupted(at=at(seconds), key=StepKey(key), attempt=1, cause="holder_died", in_doubt=True)


def decided(decision: e.Decision, key: str = "s", seconds: float = 4) -> e.StepDecided:
    """Return what somebody decided of a step in doubt."""
    return e.StepDecided(at=at(seconds), key=StepKey(key), decision=decision, output=None, actor="ann", reason=None)


def wait_opened(
    key: str = "gate",
    wait: str = "w1",
    *,
    event: str = "go",
    schema: JsonValue = None,
    due: float | None = None,
    seconds: float = 1,
) -> e.WaitOpened:
    """Return the opening of a wait for an event."""
    return e.WaitOpened(
        at=at(seconds),
        key=StepKey(key),
        wait_id=WaitId(wait),
        request={"event_name": event, "audience": "user", "input_schema": schema},
        deadline_at=None if due is None else at(due),
    )


def timer_set(key: str = "nap", wait: str = "t1", *, due: float = 60, seconds: float = 1) -> e.TimerSet:
    """Return the beginning of a sleep."""
    return e.TimerSet(at=at(seconds), key=StepKey(key), wait_id=WaitId(wait), due_at=at(due))


def received(message: Message, key: str = "gate") -> e.EventReceived:
    """Return the taking up of an accepted answer."""
    assert message.wait_id is not None
    return e.EventReceived(
        at=message.at,
        key=StepKey(key),
        wait_id=message.wait_id,
        event_id=message.event_id,
        payload=message.payload,
        actor=message.actor,
    )


def expired(key: str = "gate", wait: str = "w1") -> e.WaitClosed:
    """Return the end of a wait without an answer."""
    return e.WaitClosed(at=at(90), key=StepKey(key), wait_id=WaitId(wait), cause="expired")


def completed() -> e.RunCompleted:
    """Return the end of a run that went well."""
    return e.RunCompleted(at=at(99), value={"result": 1})


def failed(error: JsonObject | None = None) -> e.RunFailed:
    """Return the end of a run that did not."""
    return e.RunFailed(at=at(99), error=error or {"code": "ERR_STEP_FAILED", "message": "no"})


def message(
    event_id: str = "e1",
    *,
    kind: MessageKind = "event",
    name: str = "go",
    wait: str | None = None,
    payload: JsonValue = None,
    seconds: float = 5,
    run_id: RunId = RUN,
) -> Message:
    """Return a message to a run."""
    return Message(
        run_id=run_id,
        event_id=EventId(event_id),
        kind=kind,
        name=name,
        payload=payload,
        actor="bob",
        at=at(seconds),
        wait_id=None if wait is None else WaitId(wait),
    )


def begin(store: Store, *entries: e.AnyEntry, run_id: RunId = RUN, holder: HolderId | None = None) -> Hold:
    """Begin a run that this process, or another holder, holds."""
    hold = store.create(run_id, [started(), *entries], holder=holder or store.holder())
    assert hold is not None
    return hold
