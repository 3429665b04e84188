"""The inbox's statements: what becomes of a message inside a transaction that the caller has begun."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from checkpointflow import clock
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import SETTLED, Delivery, Message
from checkpointflow.records import replace
from checkpointflow.stores import refusals
from checkpointflow.stores.tables import rows
from checkpointflow.stores.tables.database import Row, Transaction, Value

_SELECT = f"SELECT {rows.MESSAGE} FROM inbox WHERE run_id = ?"
_INSERT = f"INSERT INTO inbox ({rows.NEW_MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


def answer(transaction: Transaction, message: Message) -> Delivery:
    """Accept a message for its wait, or tell why not."""
    _status(transaction, message.run_id)
    if found := _message(transaction, message.run_id, "event_id", message.event_id):
        return Delivery(outcome="duplicate", message=found)
    if found := _message(transaction, message.run_id, "wait_id", message.wait_id):
        return Delivery(outcome="answered", message=found)
    wait = transaction.row(
        "SELECT due_at FROM waits WHERE run_id = ? AND wait_id = ? AND kind = 'external_event'",
        message.run_id, message.wait_id,
    )  # fmt: skip
    if wait is None:
        return Delivery(outcome="closed")
    if wait[0] is not None and clock.to_text(message.at) >= cast(str, wait[0]):
        return Delivery(outcome="late")
    return Delivery(outcome="accepted", message=_insert(transaction, message))


def deliver(transaction: Transaction, message: Message) -> Delivery:
    """Keep an early event or accept a control message, or tell why not."""
    status = _status(transaction, message.run_id)
    if found := _message(transaction, message.run_id, "event_id", message.event_id):
        return Delivery(outcome="duplicate", message=found)
    if status in SETTLED:
        return Delivery(outcome="settled")
    if message.kind == "decide" and (refused := _undecidable(transaction, message)):
        return refused
    if message.kind != "event":
        return Delivery(outcome="accepted", message=_insert(transaction, message))
    if _is_awaited(transaction, message):
        return Delivery(outcome="open")
    return Delivery(outcome="kept", message=_insert(transaction, message))


def pending(transaction: Transaction, run_id: RunId) -> list[Message]:
    """Return a run's accepted messages that no journal has taken up, oldest first."""
    found = transaction.rows(f"{_SELECT} AND state = 'accepted' ORDER BY number", run_id)
    return [rows.message_from(row) for row in found]


def kept(transaction: Transaction, run_id: RunId) -> list[Message]:
    """Return a run's early events, oldest first."""
    return [rows.message_from(row) for row in transaction.rows(f"{_SELECT} AND state = 'kept' ORDER BY number", run_id)]


def all_of(transaction: Transaction, run_id: RunId) -> list[Message]:
    """Return a run's messages, oldest first."""
    return [rows.message_from(row) for row in transaction.rows(f"{_SELECT} ORDER BY number", run_id)]


def mark_taken(transaction: Transaction, run_id: RunId, numbers: Iterable[int]) -> None:
    """Record that a journal has taken messages up."""
    for number in numbers:
        transaction.run("UPDATE inbox SET state = 'taken' WHERE number = ? AND run_id = ?", number, run_id)


def change(transaction: Transaction, messages: Iterable[Message]) -> None:
    """Record the new states and waits of messages."""
    for message in messages:
        transaction.run(
            "UPDATE inbox SET state = ?, wait_id = ? WHERE number = ?", message.state, message.wait_id, message.number
        )


def insert_all(transaction: Transaction, message_rows: Iterable[Row]) -> None:
    """Keep messages as they stand, given as rows of `NEW_MESSAGE`."""
    for row in message_rows:
        transaction.run(_INSERT, *row)


def _status(transaction: Transaction, run_id: RunId) -> Value:
    row = transaction.row("SELECT status FROM runs WHERE run_id = ?", run_id)
    if row is None:
        raise refusals.no_such_run(run_id)
    return row[0]


def _message(transaction: Transaction, run_id: RunId, column: str, value: str | None) -> Message | None:
    row = transaction.row(f"{_SELECT} AND {column} = ?", run_id, value)
    return None if row is None else rows.message_from(row)


def _undecidable(transaction: Transaction, message: Message) -> Delivery | None:
    """Tell why a step cannot be decided: somebody has, or it is not in doubt; None if it can."""
    key = (message.run_id, message.name)
    last = transaction.row(f"{_SELECT} AND kind = 'decide' AND name = ? ORDER BY number DESC LIMIT 1", *key)
    found = None if last is None else rows.message_from(last)
    doubt = transaction.row("SELECT 1 FROM waits WHERE run_id = ? AND key = ? AND kind = 'in_doubt'", *key)
    if doubt is not None and (found is None or found.state != "accepted"):
        return None
    return Delivery(outcome="closed" if found is None else "answered", message=found)


def _is_awaited(transaction: Transaction, message: Message) -> bool:
    row = transaction.row(
        f"SELECT 1 FROM waits WHERE run_id = ? AND event_name = ? AND NOT {rows.ANSWERED} LIMIT 1",
        message.run_id, message.name,
    )  # fmt: skip
    return row is not None


def _insert(transaction: Transaction, message: Message) -> Message:
    (found,) = transaction.rows(f"{_INSERT} RETURNING number", *rows.message_row(message))
    return replace(message, number=cast(int, found[0]))
