"""What entries make of the rows that a store keeps beside a journal: head, open waits, kept messages; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, assert_never

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey, WaitId
from checkpointflow.kernel.store import Fits, Message, OpenWait, RunHead
from checkpointflow.records import dataclass, replace


def stands_against(entries: Sequence[e.AnyEntry], release: bool, pending: Iterable[Message]) -> tuple[Message, ...]:
    """Return the pending messages that forbid a commit.

    Those are a cancel or decide message, always; an accepted answer, if the commit would close its wait or give
    up the hold, so that no answer and no wake-up is lost. Nothing forbids a move: the messages go with the run.
    """
    if moves_away(entries):
        return ()
    closing = {entry.wait_id for entry in entries if isinstance(entry, e.WaitClosed)}
    return tuple(message for message in pending if message.kind != "event" or release or message.wait_id in closing)


def moves_away(entries: Sequence[e.AnyEntry]) -> bool:
    """Tell whether entries end with the run gone elsewhere, so that nothing of it is taken up here any more."""
    return bool(entries) and isinstance(entries[-1], e.RunMoved)


def head_of(run_id: RunId, entries: Sequence[e.AnyEntry]) -> RunHead:
    """Return the head of a journal that begins with these entries.

    Raises:
        ValueError: the first is no `run_started`.
    """
    if not entries or not isinstance(entries[0], e.RunStarted):
        raise ValueError("a journal begins with `run_started`")
    return advance(first_head(run_id, entries[0]), entries[1:])


def first_head(run_id: RunId, entry: e.RunStarted) -> RunHead:
    """Return the head of a journal that holds only its first entry."""
    return RunHead(
        run_id=run_id,
        status="open",
        length=1,
        workflow_id=entry.workflow_id,
        workflow_name=entry.workflow_name,
        workflow_version=entry.workflow_version,
        definition=entry.definition,
        source_path=entry.source_path,
        labels=entry.labels,
        cwd=entry.cwd,
        started_at=entry.at,
        updated_at=entry.at,
        current_key=None,
        waits_opened=0,
        error=None,
    )


def advance(head: RunHead, entries: Iterable[e.AnyEntry]) -> RunHead:
    """Return the head after further entries."""
    length, waits_opened, changes = head.length, head.waits_opened, dict[str, Any]()
    for entry in entries:
        changes |= _changes(entry)
        changes["updated_at"] = entry.at
        length += 1
        waits_opened += isinstance(entry, e.WaitOpened | e.TimerSet)
    return replace(head, length=length, waits_opened=waits_opened, **changes)


def _changes(entry: e.AnyEntry) -> dict[str, Any]:
    """Return what an entry makes of the fields of a head, but for its counts and times."""
    match entry:
        case e.RunParked():
            return {"status": "waiting"}
        case e.RunPaused():
            return {"status": "paused"}
        case e.RunCompleted():
            return {"status": "completed"}
        case e.RunCancelled():
            return {"status": "cancelled"}
        case e.RunFailed(error=error):
            return {"status": "failed", "error": error}
        case e.RunMoved():
            return {"status": "moved"}
        case e.RunReopened():
            return {"status": "open", "error": None}
        case e.DefinitionChanged():
            return {
                "status": "open",
                "definition": entry.definition,
                "source_path": entry.source_path,
                "workflow_name": entry.workflow_name,
                "workflow_version": entry.workflow_version,
            }
        case e.WaitOpened() | e.TimerSet() | e.StepStarted():
            return {"status": "open", "current_key": entry.key}
        case (
            e.RunStarted() | e.RunResumed() | e.StepCompleted() | e.StepFailed() | e.StepInterrupted()
            | e.StepDecided() | e.StepSkipped() | e.ScopeOpened() | e.ScopeClosed() | e.WaitClosed()
            | e.EventReceived() | e.TimerFired() | e.ValueRecorded()
        ):  # fmt: skip
            return {"status": "open"}
        case _:
            assert_never(entry)


@dataclass(frozen=True, slots=True)
class Progress:
    """What entries change by which a run only goes on: its current key, if they begin a step, and waits they close."""

    current_key: StepKey | None
    closed: frozenset[StepKey]


def progress(run_id: RunId, entries: Sequence[e.AnyEntry]) -> Progress | None:
    """Return what entries change by which a run only goes on, as most do; None if they do anything else.

    They leave it open, open no wait, and touch nothing of its head but length, time and current key.
    """
    current_key, closed = None, set[StepKey]()
    for entry in entries:
        head, waits = _changes(entry), wait_change(run_id, entry)
        if head.pop("status") != "open" or head.keys() - {"current_key"}:
            return None
        if waits is not None and (waits.opened or waits.closes_all):
            return None
        current_key = head.get("current_key", current_key)
        closed.update(() if waits is None else waits.closed)
    return Progress(current_key, frozenset(closed))


@dataclass(frozen=True, slots=True)
class WaitEffects:
    """What a batch of entries does to a run's open waits: those of `closed` keys (or all) go, `opened` come."""

    closes_all: bool
    closed: frozenset[StepKey]
    opened: tuple[OpenWait, ...]


def wait_effects(run_id: RunId, entries: Iterable[e.AnyEntry]) -> WaitEffects:
    """Return what entries do to the waits that were open before them, and which of their own stay open."""
    closes_all, closed, opened = False, set[StepKey](), list[OpenWait]()
    for entry in entries:
        change = wait_change(run_id, entry)
        if change is None:
            continue
        if change.closes_all:
            closes_all = True
            opened.clear()
        if change.closed:
            closed.update(change.closed)
            opened = [wait for wait in opened if wait.key not in change.closed]
        if change.opened is not None:
            opened.append(change.opened)
    return WaitEffects(closes_all, frozenset(closed), tuple(opened))


@dataclass(frozen=True, slots=True)
class WaitChange:
    """What one entry does to the open waits: removes those of some keys, or all, or adds one."""

    closed: tuple[StepKey, ...] = ()
    closes_all: bool = False
    opened: OpenWait | None = None


def wait_change(run_id: RunId, entry: e.AnyEntry) -> WaitChange | None:
    """Return what an entry does to a run's open waits, or None."""
    match entry:
        case e.WaitOpened():
            return WaitChange(opened=_event_wait(run_id, entry))
        case e.TimerSet():
            return WaitChange(opened=_timer(run_id, entry.key, entry.wait_id, entry.at, entry.due_at))
        case e.StepFailed(retry_at=datetime()):
            return WaitChange(opened=_timer(run_id, entry.key, None, entry.at, entry.retry_at))
        case e.StepInterrupted(in_doubt=True):
            return WaitChange(opened=_in_doubt(run_id, entry))
        case (
            e.WaitClosed() | e.EventReceived() | e.TimerFired() | e.StepStarted() | e.StepDecided()
            | e.StepFailed() | e.StepInterrupted()
        ):  # fmt: skip
            return WaitChange(closed=(entry.key,))
        case e.DefinitionChanged():
            return WaitChange(closed=tuple(StepKey(str(key)) for key in entry.voided))
        case e.RunCompleted() | e.RunFailed() | e.RunCancelled() | e.RunMoved():
            return WaitChange(closes_all=True)
        case _:
            return None


def _event_wait(run_id: RunId, entry: e.WaitOpened) -> OpenWait:
    name, audience = entry.request.get("event_name"), entry.request.get("audience")
    return OpenWait(
        run_id=run_id,
        key=entry.key,
        kind="external_event",
        wait_id=entry.wait_id,
        event_name=str(name),
        audience=None if audience is None else str(audience),
        opened_at=entry.at,
        due_at=entry.deadline_at,
        request=entry.request,
    )


def _timer(run_id: RunId, key: StepKey, wait_id: WaitId | None, at: datetime, due_at: datetime | None) -> OpenWait:
    return OpenWait(
        run_id=run_id,
        key=key,
        kind="timer",
        wait_id=wait_id,
        event_name=None,
        audience=None,
        opened_at=at,
        due_at=due_at,
        request={},
    )


def _in_doubt(run_id: RunId, entry: e.StepInterrupted) -> OpenWait:
    return OpenWait(
        run_id=run_id,
        key=entry.key,
        kind="in_doubt",
        wait_id=None,
        event_name=None,
        audience="user",
        opened_at=entry.at,
        due_at=None,
        request={"cause": entry.cause, "attempt": entry.attempt},
    )


def take_kept(opened: Iterable[OpenWait], kept: Sequence[Message], fits: Fits | None) -> list[Message]:
    """Return the kept events, oldest first, that newly opened waits change, in their new state.

    Each wait accepts the oldest of its name that fits its schema; those before it are set aside.
    """
    left, changed = list(kept), list[Message]()
    for wait in opened:
        if wait.kind != "external_event":
            continue
        for message in [row for row in left if row.name == wait.event_name]:
            left.remove(message)
            if _fits(wait, message, fits):
                changed.append(replace(message, state="accepted", wait_id=wait.wait_id))
                break
            changed.append(replace(message, state="set_aside"))
    return changed


def _fits(wait: OpenWait, message: Message, fits: Fits | None) -> bool:
    schema = wait.request.get("input_schema")
    return fits is None or schema is None or fits(schema, message.payload)
