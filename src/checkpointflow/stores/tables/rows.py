"""How heads, waits and messages stand in rows: their columns and both directions; no statements that run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from checkpointflow import clock
from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel.store import Message, OpenWait, RunHead
from checkpointflow.records import fields
from checkpointflow.stores.tables.database import Row
from checkpointflow.values import JsonObject, dump, load

HEAD = ", ".join(f"runs.{field.name}" for field in fields(RunHead))
HEAD_MARKS = ", ".join("?" for _ in fields(RunHead))
WAIT = "run_id, key, kind, wait_id, event_name, audience, opened_at, due_at, request"
ANSWERED = (
    "(EXISTS (SELECT 1 FROM inbox WHERE inbox.run_id = waits.run_id AND inbox.wait_id = waits.wait_id)"
    " OR waits.kind = 'in_doubt' AND EXISTS (SELECT 1 FROM inbox WHERE inbox.run_id = waits.run_id"
    " AND state = 'accepted' AND inbox.kind = 'decide' AND name = waits.key))"
)
NEW_MESSAGE = "run_id, event_id, kind, name, payload, actor, at, wait_id, state"
MESSAGE = f"{NEW_MESSAGE}, number"


def head_row(head: RunHead) -> Row:
    """Return a head's values in the order of `HEAD`."""
    return (
        head.run_id,
        head.status,
        head.length,
        head.workflow_id,
        *definition_row(head),
        dump(dict(head.labels)),
        head.cwd,
        clock.to_text(head.started_at),
        *progress_row(head),
    )


def definition_row(head: RunHead) -> Row:
    """Return those values of a head that say under which definition it goes on."""
    return (head.workflow_name, head.workflow_version, head.definition, head.source_path)


def progress_row(head: RunHead) -> Row:
    """Return those values of a head that change: when it was updated, key, waits opened, error."""
    error = None if head.error is None else dump(head.error)
    return (clock.to_text(head.updated_at), head.current_key, head.waits_opened, error)


def head_from(row: Row) -> RunHead:
    """Return the head in a row of `HEAD`.

    Raises:
        StoreCorrupt: there is none.
    """
    with _or_corrupt():
        values = cast("Any", row)
        return RunHead(
            run_id=values[0],
            status=values[1],
            length=values[2],
            workflow_id=values[3],
            workflow_name=values[4],
            workflow_version=values[5],
            definition=values[6],
            source_path=values[7],
            labels=_object(values[8]),
            cwd=values[9],
            started_at=clock.from_text(values[10]),
            updated_at=clock.from_text(values[11]),
            current_key=values[12],
            waits_opened=values[13],
            error=None if values[14] is None else _object(values[14]),
        )


def wait_row(wait: OpenWait) -> Row:
    """Return a wait's values in the order of `WAIT`."""
    due_at = None if wait.due_at is None else clock.to_text(wait.due_at)
    opened_at, request = clock.to_text(wait.opened_at), dump(wait.request)
    return (
        wait.run_id, wait.key, wait.kind, wait.wait_id, wait.event_name, wait.audience, opened_at, due_at, request,
    )  # fmt: skip


def wait_from(row: Row) -> OpenWait:
    """Return the wait in a row of `WAIT` and `ANSWERED`.

    Raises:
        StoreCorrupt: there is none.
    """
    with _or_corrupt():
        run_id, key, kind, wait_id, event_name, audience, opened_at, due_at, request, answered = cast("Any", row)
        return OpenWait(
            run_id=run_id,
            key=key,
            kind=kind,
            wait_id=wait_id,
            event_name=event_name,
            audience=audience,
            opened_at=clock.from_text(opened_at),
            due_at=None if due_at is None else clock.from_text(due_at),
            request=_object(request),
            answered=bool(answered),
        )


def message_row(message: Message) -> Row:
    """Return a new message's values in the order of `NEW_MESSAGE`; its number is left to the database."""
    return (
        message.run_id,
        message.event_id,
        message.kind,
        message.name,
        dump(message.payload),
        message.actor,
        clock.to_text(message.at),
        message.wait_id,
        message.state,
    )


def message_from(row: Row) -> Message:
    """Return the message in a row of `MESSAGE`.

    Raises:
        StoreCorrupt: there is none.
    """
    with _or_corrupt():
        run_id, event_id, kind, name, payload, actor, at, wait_id, state, number = cast("Any", row)
        return Message(
            run_id=run_id,
            event_id=event_id,
            kind=kind,
            name=name,
            payload=load(payload),
            actor=actor,
            at=clock.from_text(at),
            wait_id=wait_id,
            state=state,
            number=number,
        )


def instant_from(text: object) -> datetime:
    """Return the instant in a column.

    Raises:
        StoreCorrupt: there is none.
    """
    with _or_corrupt():
        return clock.from_text(cast(str, text))


def object_from(text: object) -> JsonObject:
    """Return the JSON object in a column.

    Raises:
        StoreCorrupt: there is none.
    """
    with _or_corrupt():
        return _object(cast(str, text))


def _object(text: str) -> JsonObject:
    value = load(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


@contextlib.contextmanager
def _or_corrupt() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreCorrupt(
            "a row of the store cannot be read; restore the store from a copy", details={"cause": str(error)[:200]}
        ) from error
