"""Each method of the Store port as one transaction over tables; opening, locking and dialects are elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from checkpointflow import clock
from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, head_of, moves_away, stands_against, take_kept, wait_effects
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import (
    SETTLED,
    Backoff,
    Commit,
    Delivery,
    DriverInfo,
    Fits,
    Hold,
    HolderInfo,
    Message,
    MessageState,
    OpenWait,
    RunHead,
    StoredStatus,
    Swept,
)
from checkpointflow.records import replace
from checkpointflow.stores import refusals
from checkpointflow.stores.tables import deletion, driving, inbox, rows
from checkpointflow.stores.tables.database import Database, Row, Transaction, Value
from checkpointflow.values import JsonObject, dump

_HOLD = "SELECT holder, epoch, host, pid, since FROM holds WHERE run_id = ?"

_ALL = 2**62
_UNDER_HOLD = (
    f"SELECT {rows.HEAD}, EXISTS (SELECT 1 FROM waits WHERE waits.run_id = runs.run_id),"
    " EXISTS (SELECT 1 FROM inbox WHERE inbox.run_id = runs.run_id AND state = 'accepted'), holds.holder, holds.epoch"
    " FROM runs JOIN holds USING (run_id) WHERE runs.run_id = ?"
)
"""Everything that most commits look at, in one statement."""
_ROWS_AT_ONCE = 50


class TableStore:
    """A Store over the tables of a database, for all processes that reach it; `host` is the name of this machine.

    Safe for threads.
    """

    def __init__(self, database: Database, *, host: str) -> None:
        self._tables = database
        self._host = host

    _OF_POOL = ""
    """What further has to hold of a run, in SQL with the pool for its one value, for a pool to drive it."""

    # -- journals ----------------------------------------------------------------------------------

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
        """See Store."""
        head = head_of(run_id, entries)
        encoded, head_row = [e.encode(entry) for entry in entries], rows.head_row(head)
        body = None if definition is None else (definition[0], dump(definition[1]))
        own = [replace(message, run_id=run_id, number=0) for message in messages]
        message_rows = [rows.message_row(message) for message in own]
        with self._tables.writing(run_id, sweeps=over_moved) as transaction:
            epoch = self._epoch_after(transaction, run_id, over_moved=over_moved)
            transaction.run(f"INSERT INTO runs VALUES ({rows.HEAD_MARKS})", *head_row)
            _insert_labels(transaction, head)
            _append(transaction, run_id, 0, encoded)
            _change_waits(transaction, run_id, entries, None, has_waits=False)
            inbox.insert_all(transaction, message_rows)
            _keep_definition(transaction, body)
            if holder is None:
                transaction.tell(run_id)
            return self._first_hold(transaction, run_id, holder, entries[0].at, epoch)

    def _epoch_after(self, transaction: Transaction, run_id: RunId, *, over_moved: bool) -> int:
        """Return the epoch of the run whose place a new one takes, 0 if there is none."""
        found = transaction.row("SELECT status FROM runs WHERE run_id = ?", run_id)
        if found is None:
            return 0
        hold = transaction.row(_HOLD, run_id)
        info = None if hold is None else _info(transaction, hold)
        if not over_moved or hold is None or found[0] != "moved" or (info is not None and info.alive):
            raise refusals.run_exists(run_id)
        deletion.delete(transaction, run_id, sweeps=True)
        return cast(int, hold[1])

    def _first_hold(
        self, transaction: Transaction, run_id: RunId, holder: HolderId | None, at: datetime, epoch: int
    ) -> Hold | None:
        who: Row = (None, epoch, None, None, None) if holder is None else (holder, epoch + 1, *self._who(at))
        transaction.run("INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?)", run_id, *who)
        return None if holder is None else Hold(run_id=run_id, holder=holder, epoch=epoch + 1)

    def commit(
        self,
        hold: Hold,
        length: int,
        entries: Sequence[e.AnyEntry],
        *,
        taken: Sequence[int] = (),
        release: bool = False,
        fits: Fits | None = None,
        definition: tuple[str, JsonObject] | None = None,
    ) -> Commit:
        """See Store."""
        encoded = [e.encode(entry) for entry in entries]
        body = None if definition is None else (definition[0], dump(definition[1]))
        with self._tables.writing(hold.run_id) as transaction:
            head, has_waits, has_accepted = self._head_under(transaction, hold, length)
            accepted = inbox.pending(transaction, hold.run_id) if has_accepted else []
            pending = [row for row in accepted if row.number not in taken]
            against = stands_against(entries, release, pending)
            if against:
                return Commit(False, against)
            _append(transaction, hold.run_id, length, encoded)
            _keep_definition(transaction, body)
            if entries:
                _update_head(transaction, head, advance(head, entries))
            inbox.mark_taken(transaction, hold.run_id, taken)
            pending += _change_waits(transaction, hold.run_id, entries, fits, has_waits=has_waits)
            if release and (not pending or moves_away(entries)):  # an early event just accepted keeps the hold
                transaction.run("UPDATE holds SET holder = NULL WHERE run_id = ?", hold.run_id)
                transaction.tell(hold.run_id)
            return Commit(True, tuple(sorted(pending, key=lambda row: row.number)))

    def _head_under(self, transaction: Transaction, hold: Hold, length: int) -> tuple[RunHead, bool, bool]:
        """Return the head of a run that is held, and whether it has open waits and accepted messages."""
        row = transaction.row(_UNDER_HOLD, hold.run_id)
        if row is None or row[-2:] != (hold.holder, hold.epoch) or not self._tables.may_write(hold.holder):
            raise refusals.hold_lost(hold, None if row is None else cast(int, row[-1]))
        head = rows.head_from(row[:-4])
        if head.length != length:
            raise refusals.other_length(hold, length, head.length)
        return head, bool(row[-4]), bool(row[-3])

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        """See Store."""
        with self._tables.reading() as transaction:
            found = transaction.rows(
                "SELECT name, at, body FROM journal WHERE run_id = ? AND position > ? ORDER BY position LIMIT ?",
                run_id,
                after,
                _ALL if limit is None else limit,
            )

            def blob(digest: str) -> str:
                row = transaction.row("SELECT data FROM blobs WHERE digest = ?", digest)
                if row is None:
                    raise StoreCorrupt("a value of the journal is missing; restore the store from a copy")
                return cast(str, row[0])

            return [e.decode(cast(str, name), cast(str, at), cast(str, body), blob) for name, at, body in found]

    def definition(self, digest: str) -> JsonObject:
        """See Store."""
        with self._tables.reading() as transaction:
            row = transaction.row("SELECT body FROM definitions WHERE hash = ?", digest)
        if row is None:
            raise refusals.no_definition(digest)
        return rows.object_from(row[0])

    # -- heads and waits ---------------------------------------------------------------------------

    def head(self, run_id: RunId) -> RunHead:
        """See Store."""
        with self._tables.reading() as transaction:
            row = transaction.row(f"SELECT {rows.HEAD} FROM runs WHERE run_id = ?", run_id)
        if row is None:
            raise refusals.no_such_run(run_id)
        return rows.head_from(row)

    def heads(
        self,
        *,
        statuses: Iterable[StoredStatus] | None = None,
        workflow_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 50,
        before: tuple[datetime, RunId] | None = None,
    ) -> list[RunHead]:
        """See Store."""
        conditions, values = ["1 = 1"], list[Value]()
        if statuses is not None:
            wanted = list(statuses)
            conditions.append(f"status IN ({', '.join('?' for _ in wanted)})" if wanted else "1 = 0")
            values += wanted
        if workflow_id is not None:
            conditions.append("workflow_id = ?")
            values.append(workflow_id)
        for key, value in (labels or {}).items():
            conditions.append(
                "EXISTS (SELECT 1 FROM labels l WHERE l.run_id = runs.run_id AND l.key = ? AND value = ?)"
            )
            values += [key, value]
        if before is not None:
            conditions.append("(started_at, run_id) < (?, ?)")
            values += [clock.to_text(before[0]), before[1]]
        sql = f"SELECT {rows.HEAD} FROM runs WHERE {' AND '.join(conditions)}"
        with self._tables.reading() as transaction:
            found = transaction.rows(f"{sql} ORDER BY started_at DESC, run_id DESC LIMIT ?", *values, max(limit, 0))
        return [rows.head_from(row) for row in found]

    def waits(self, run_id: RunId | None = None) -> list[OpenWait]:
        """See Store."""
        where, values = ("", []) if run_id is None else ("WHERE run_id = ?", [run_id])
        sql = f"SELECT {rows.WAIT}, {rows.ANSWERED} FROM waits {where} ORDER BY opened_at, id"
        with self._tables.reading() as transaction:
            return [rows.wait_from(row) for row in transaction.rows(sql, *values)]

    def find(self, fragment: str) -> list[RunId]:
        """See Store."""
        size = len(fragment)
        if not size:
            return []
        with self._tables.reading() as transaction:
            found = transaction.rows(
                "SELECT run_id FROM runs WHERE substr(run_id, 1, ?) = ?"
                " OR length(run_id) >= ? AND substr(run_id, length(run_id) - ? + 1) = ?"
                " ORDER BY run_id = ? DESC, started_at DESC, run_id DESC LIMIT 10",
                size, fragment, size, size, fragment, fragment,
            )  # fmt: skip
        ids = [RunId(cast(str, row[0])) for row in found]
        return ids[:1] if ids[:1] == [fragment] else ids

    # -- the inbox ---------------------------------------------------------------------------------

    def answer(self, message: Message) -> Delivery:
        """See Store."""
        row = replace(message, state="accepted", number=0)
        rows.message_row(row)  # refuses what is no JSON before anything is locked
        with self._tables.writing(row.run_id) as transaction:
            return _told(transaction, inbox.answer(transaction, row))

    def deliver(self, message: Message) -> Delivery:
        """See Store."""
        state: MessageState = "kept" if message.kind == "event" else "accepted"
        row = replace(message, state=state, number=0, wait_id=None)
        rows.message_row(row)
        with self._tables.writing(row.run_id) as transaction:
            return _told(transaction, inbox.deliver(transaction, row))

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """See Store."""
        with self._tables.reading() as transaction:
            return tuple(inbox.pending(transaction, run_id))

    def messages(self, run_id: RunId) -> list[Message]:
        """See Store."""
        with self._tables.reading() as transaction:
            return inbox.all_of(transaction, run_id)

    # -- holds -------------------------------------------------------------------------------------

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """See Store."""
        with self._tables.writing(run_id) as transaction:
            row = transaction.row(_HOLD, run_id)
            if row is None:
                raise refusals.no_such_run(run_id)
            info = _info(transaction, row)
            if info is not None and info.alive:
                raise refusals.run_held(run_id, info, own_host=self._host)
            epoch = cast(int, row[1]) + 1
            transaction.run(
                "UPDATE holds SET holder = ?, epoch = ?, host = ?, pid = ?, since = ? WHERE run_id = ?",
                holder, epoch, *self._who(at), run_id,
            )  # fmt: skip
            return Hold(run_id=run_id, holder=holder, epoch=epoch)

    def release(self, hold: Hold) -> None:
        """See Store."""
        sql = "UPDATE holds SET holder = NULL WHERE run_id = ? AND holder = ? AND epoch = ?"
        with self._tables.writing(hold.run_id) as transaction:
            transaction.run(sql, hold.run_id, hold.holder, hold.epoch)
            transaction.tell(hold.run_id)

    def holder_of(self, run_id: RunId) -> HolderInfo | None:
        """See Store."""
        with self._tables.reading() as transaction:
            row = transaction.row(_HOLD, run_id)
            return None if row is None else _info(transaction, row)

    def delete(self, run_id: RunId, *, sweeps: bool = True) -> None:
        """See Store."""
        with self._tables.writing(run_id, sweeps=sweeps) as transaction:
            row = transaction.row(_HOLD, run_id)
            found = transaction.row("SELECT status FROM runs WHERE run_id = ?", run_id)
            if row is None or found is None:
                raise refusals.no_such_run(run_id)
            info = _info(transaction, row)
            if info is not None and info.alive:
                raise refusals.run_held(run_id, info, own_host=self._host)
            if found[0] not in SETTLED:
                raise refusals.not_settled(run_id)
            deletion.delete(transaction, run_id, sweeps=sweeps)

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """See Store."""
        if dry_run:
            with self._tables.reading() as transaction:
                definitions, values = deletion.sweep(transaction, dry_run=True)
            return Swept(definitions, values, self.size_bytes())
        with self._tables.writing(sweeps=True) as transaction:
            definitions, values = deletion.sweep(transaction, dry_run=False)
        return Swept(definitions, values, *self._packed())

    def size_bytes(self) -> int:
        """Return how many bytes the store takes."""
        raise NotImplementedError

    def _packed(self) -> tuple[int, int]:
        """Give space back if there is much of it; return how many bytes the store takes then, and how many less."""
        raise NotImplementedError

    # -- what is due -------------------------------------------------------------------------------

    def drivable(self, at: datetime, *, pool: str, limit: int) -> list[RunId]:
        """See Store."""
        found: list[RunId] = []
        with self._tables.reading() as transaction:
            for run_id, hold in driving.drivable(transaction, at, pool, self._OF_POOL):
                if len(found) >= limit:
                    break
                info = _info(transaction, hold)
                if info is None or not info.alive:
                    found.append(run_id)
        return found

    def back_off(self, backoff: Backoff) -> None:
        """See Store."""
        with self._tables.writing(backoff.run_id) as transaction:
            driving.back_off(transaction, backoff)

    def forget_backoff(self, run_id: RunId, pool: str) -> None:
        """See Store."""
        with self._tables.writing(run_id) as transaction:
            transaction.run("DELETE FROM backoffs WHERE run_id = ? AND pool = ?", run_id, pool)

    def backoffs(self, run_id: RunId | None = None) -> list[Backoff]:
        """See Store."""
        with self._tables.reading() as transaction:
            return driving.backoffs(transaction, run_id)

    def enroll(self, kind: Literal["worker", "tick"], pool: str, *, at: datetime) -> None:
        """See Store."""
        holder = self.holder()
        with self._tables.writing() as transaction:
            for name, of_kind, *_ in driving.drivers(transaction):
                if of_kind == "worker" and not transaction.lives(HolderId(cast(str, name))):
                    transaction.run("DELETE FROM drivers WHERE kind = 'worker' AND holder = ?", name)
            driving.enroll(transaction, (holder, kind, pool, *self._who(at)))

    def drivers(self) -> list[DriverInfo]:
        """See Store."""
        with self._tables.reading() as transaction:
            found = [_driver(transaction, cast("tuple[Any, ...]", row)) for row in driving.drivers(transaction)]
        return [one for one in found if one.alive or one.kind == "tick"]

    def holder(self) -> HolderId:
        """See Store."""
        return self._tables.own()

    def close(self) -> None:
        """See Store."""
        self._tables.close()

    def _who(self, at: datetime) -> Row:
        return (self._host, os.getpid(), clock.to_text(at))


def _told(transaction: Transaction, delivery: Delivery) -> Delivery:
    if delivery.outcome == "accepted" and delivery.message is not None:
        transaction.tell(delivery.message.run_id)
    return delivery


def _info(transaction: Transaction, row: Row) -> HolderInfo | None:
    holder, _, host, pid, since = row
    if holder is None:
        return None
    name = HolderId(cast(str, holder))
    alive = transaction.lives(name)
    return HolderInfo(
        holder=name, host=cast(str, host), pid=cast(int, pid), since=rows.instant_from(since), alive=alive
    )


def _driver(transaction: Transaction, row: tuple[Any, ...]) -> DriverInfo:
    holder, kind, pool, host, pid, at = row
    alive = transaction.lives(HolderId(holder))
    return DriverInfo(holder=holder, kind=kind, pool=pool, host=host, pid=pid, at=rows.instant_from(at), alive=alive)


def _append(transaction: Transaction, run_id: RunId, length: int, encoded: Iterable[e.Encoded]) -> None:
    values: list[Value] = []
    for position, entry in enumerate(encoded, length + 1):
        for digest, text in entry.blobs.items():
            transaction.run("INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING", digest, text)
        values += [run_id, position, entry.name, entry.at, entry.body]
    for begin in range(0, len(values), 5 * _ROWS_AT_ONCE):
        part = values[begin : begin + 5 * _ROWS_AT_ONCE]
        marks = ", ".join(["(?, ?, ?, ?, ?)"] * (len(part) // 5))
        transaction.run(f"INSERT INTO journal (run_id, position, name, at, body) VALUES {marks}", *part)


def _insert_labels(transaction: Transaction, head: RunHead) -> None:
    for key, value in head.labels.items():
        if isinstance(value, str):
            transaction.run("INSERT INTO labels VALUES (?, ?, ?)", head.run_id, key, value)


def _keep_definition(transaction: Transaction, definition: tuple[str, str] | None) -> None:
    if definition is not None:
        transaction.run("INSERT INTO definitions VALUES (?, ?) ON CONFLICT DO NOTHING", *definition)


def _update_head(transaction: Transaction, before: RunHead, head: RunHead) -> None:
    transaction.run(
        "UPDATE runs SET status = ?, length = ?, updated_at = ?, current_key = ?, waits_opened = ?, error = ?"
        " WHERE run_id = ?",
        head.status, head.length, *rows.progress_row(head), head.run_id,
    )  # fmt: skip
    if rows.definition_row(head) != rows.definition_row(before):
        transaction.run(
            "UPDATE runs SET workflow_name = ?, workflow_version = ?, definition = ?, source_path = ? WHERE run_id = ?",
            *rows.definition_row(head), head.run_id,
        )  # fmt: skip


def _change_waits(
    transaction: Transaction, run_id: RunId, entries: Sequence[e.AnyEntry], fits: Fits | None, *, has_waits: bool
) -> list[Message]:
    """Bring the open waits up to date, and return the early events that were accepted for new ones."""
    effects = wait_effects(run_id, entries)
    if effects.closes_all and has_waits:
        transaction.run("DELETE FROM waits WHERE run_id = ?", run_id)
    for key in effects.closed if has_waits else ():
        transaction.run("DELETE FROM waits WHERE run_id = ? AND key = ?", run_id, key)
    for wait in effects.opened:
        transaction.run(f"INSERT INTO waits ({rows.WAIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *rows.wait_row(wait))
    if not any(wait.kind == "external_event" for wait in effects.opened):
        return []
    changed = take_kept(effects.opened, inbox.kept(transaction, run_id), fits)
    inbox.change(transaction, changed)
    return [message for message in changed if message.state == "accepted"]
