"""The store that keeps runs in this process alone, for tests and simulations; nothing of it survives."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from checkpointflow import clock
from checkpointflow.clock import Clock
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, head_of, moves_away, stands_against, take_kept, wait_effects
from checkpointflow.kernel.ids import HolderId, RunId, WaitId, new_holder_id
from checkpointflow.kernel.inbox import Inbox
from checkpointflow.kernel.store import (
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
from checkpointflow.records import dataclass, field, replace
from checkpointflow.stores import refusals
from checkpointflow.values import JsonObject, dump, load

_HOST = "memory"


@dataclass(slots=True)
class _Run:
    """All that is kept of one run; entries as their stored text, so that nobody shares a value with the journal."""

    head: RunHead
    journal: list[e.Encoded]
    holder: HolderId | None
    since: datetime
    epoch: int
    waits: list[tuple[int, OpenWait]] = field(default_factory=list)
    inbox: list[Message] = field(default_factory=list)


class _Data:
    """What the processes of a simulation share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[RunId, _Run] = {}
        self.definitions: dict[str, str] = {}
        self.alive: set[HolderId] = set()
        self.backoffs: dict[tuple[RunId, str], Backoff] = {}
        self.drivers: dict[tuple[str, str, HolderId], DriverInfo] = {}
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count


class MemoryStore:
    """A Store for one process; `other_process` gives what another process would see of the same runs.

    Safe for threads.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._data = _Data()
        self._holder: HolderId | None = None

    def other_process(self) -> MemoryStore:
        """Return the store as a second process with its own holder would have it."""
        other = MemoryStore(clock=self._clock)
        other._data = self._data
        return other

    def die(self) -> None:
        """Let this process's holder be dead without releasing anything, as a crash does."""
        with self._data.lock:
            if self._holder is not None:
                self._data.alive.discard(self._holder)
            self._holder = None

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
        encoded, own = _stored(entries)
        head = head_of(run_id, own)
        body = None if definition is None else (definition[0], dump(definition[1]))
        inbox = [_own(message, message.state, message.wait_id, run_id) for message in messages]
        with self._data.lock:
            epoch = self._epoch_after(run_id, over_moved=over_moved)
            run = _Run(head, encoded, holder, entries[0].at, epoch=epoch if holder is None else epoch + 1)
            self._change_waits(run, own, None)
            run.inbox = [replace(message, number=self._data.next()) for message in inbox]
            self._data.runs[run_id] = run
            if body is not None:
                self._data.definitions.setdefault(*body)
        return None if holder is None else Hold(run_id=run_id, holder=holder, epoch=run.epoch)

    def _epoch_after(self, run_id: RunId, *, over_moved: bool) -> int:
        """Return the epoch of the run whose place a new one takes, 0 if there is none."""
        run, info = self._data.runs.get(run_id), self.holder_of(run_id)
        if run is None:
            return 0
        if not over_moved or run.head.status != "moved" or (info is not None and info.alive):
            raise refusals.run_exists(run_id)
        self.delete(run_id)
        return run.epoch

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
        encoded, own = _stored(entries)
        body = None if definition is None else (definition[0], dump(definition[1]))
        with self._data.lock:
            run = self._run_under(hold, length)
            pending = [row for row in run.inbox if row.state == "accepted" and row.number not in taken]
            if against := stands_against(own, release, pending):
                return Commit(False, copy.deepcopy(against))
            self._change_waits(run, own, fits)  # first, because `fits` may raise
            run.head = advance(run.head, own)
            run.journal += encoded
            if body is not None:
                self._data.definitions.setdefault(*body)
            run.inbox = [replace(row, state="taken") if row.number in taken else row for row in run.inbox]
            left = self.pending(hold.run_id)
            if release and (not left or moves_away(own)):  # an early event just accepted keeps it: no wake-up is lost
                run.holder = None
            return Commit(True, left)

    def _run_under(self, hold: Hold, length: int) -> _Run:
        run = self._data.runs.get(hold.run_id)
        if run is None or (run.holder, run.epoch) != (hold.holder, hold.epoch):
            raise refusals.hold_lost(hold, None if run is None else run.epoch)
        if run.head.length != length:
            raise refusals.other_length(hold, length, run.head.length)
        return run

    def _change_waits(self, run: _Run, entries: Sequence[e.AnyEntry], fits: Fits | None) -> None:
        effects = wait_effects(run.head.run_id, entries)
        kept = [message for message in copy.deepcopy(run.inbox) if message.state == "kept"]
        changed = {message.number: message for message in take_kept(effects.opened, kept, fits)}
        run.inbox = [changed.get(message.number, message) for message in run.inbox]
        left = [] if effects.closes_all else [row for row in run.waits if row[1].key not in effects.closed]
        run.waits = left + [(self._data.next(), wait) for wait in effects.opened]

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(run_id)
            found = [] if run is None else run.journal[max(after, 0) :][:limit]
        return [_read(encoded) for encoded in found]

    def definition(self, digest: str) -> JsonObject:
        """See Store."""
        body = self._data.definitions.get(digest)
        value = None if body is None else load(body)
        if not isinstance(value, dict):
            raise refusals.no_definition(digest)
        return value

    # -- heads and waits ---------------------------------------------------------------------------

    def head(self, run_id: RunId) -> RunHead:
        """See Store."""
        return copy.deepcopy(self._run(run_id).head)

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
        wanted = None if statuses is None else set(statuses)
        with self._data.lock:
            heads = [run.head for run in self._data.runs.values()]
        found = [
            head
            for head in heads
            if (wanted is None or head.status in wanted)
            and (workflow_id is None or head.workflow_id == workflow_id)
            and all(head.labels.get(key) == value for key, value in (labels or {}).items())
            and (before is None or (head.started_at, head.run_id) < before)
        ]
        found.sort(key=lambda head: (head.started_at, head.run_id), reverse=True)
        return copy.deepcopy(found[: max(limit, 0)])

    def waits(self, run_id: RunId | None = None) -> list[OpenWait]:
        """See Store."""
        with self._data.lock:
            runs = [run for name, run in self._data.runs.items() if run_id in (None, name)]
            found = [
                (wait.opened_at, number, replace(wait, answered=_inbox(run).is_answered(wait)))
                for run in runs
                for number, wait in run.waits
            ]
        return [copy.deepcopy(wait) for _, _, wait in sorted(found, key=lambda row: row[:2])]

    def find(self, fragment: str) -> list[RunId]:
        """See Store."""
        with self._data.lock:
            if fragment in self._data.runs:
                return [RunId(fragment)]
            heads = [run.head for run in self._data.runs.values() if fragment and _ends(run.head.run_id, fragment)]
        heads.sort(key=lambda head: (head.started_at, head.run_id), reverse=True)
        return [head.run_id for head in heads[:10]]

    # -- the inbox ---------------------------------------------------------------------------------

    def answer(self, message: Message) -> Delivery:
        """See Store."""
        own = _own(message, message.state, message.wait_id)
        with self._data.lock:
            run = self._run(message.run_id)
            return self._taken(run, _inbox(run).answer(own))

    def deliver(self, message: Message) -> Delivery:
        """See Store."""
        own = _own(message, message.state, None)
        with self._data.lock:
            run = self._run(message.run_id)
            return self._taken(run, _inbox(run).deliver(own))

    def inbox(self, run_id: RunId) -> Inbox:
        """Return what decides on messages to a run."""
        with self._data.lock:
            return copy.deepcopy(_inbox(self._run(run_id)))

    def _taken(self, run: _Run, delivery: Delivery) -> Delivery:
        if delivery.outcome not in ("accepted", "kept") or delivery.message is None:
            return copy.deepcopy(delivery)
        return replace(delivery, message=self._insert(run, delivery.message))

    def _insert(self, run: _Run, row: Message) -> Message:
        run.inbox.append(replace(row, number=self._data.next()))
        return copy.deepcopy(run.inbox[-1])

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(run_id)
            found = [] if run is None else [message for message in run.inbox if message.state == "accepted"]
            return tuple(copy.deepcopy(found))

    def messages(self, run_id: RunId) -> list[Message]:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(run_id)
            return [] if run is None else copy.deepcopy(run.inbox)

    # -- holds -------------------------------------------------------------------------------------

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """See Store."""
        with self._data.lock:
            run, info = self._run(run_id), self.holder_of(run_id)
            if info is not None and info.alive:
                raise refusals.run_held(run_id, info, own_host=_HOST)
            run.holder, run.since, run.epoch = holder, at, run.epoch + 1
            return Hold(run_id=run_id, holder=holder, epoch=run.epoch)

    def release(self, hold: Hold) -> None:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(hold.run_id)
            if run is not None and (run.holder, run.epoch) == (hold.holder, hold.epoch):
                run.holder = None

    def holder_of(self, run_id: RunId) -> HolderInfo | None:
        """See Store."""
        with self._data.lock:
            run = self._data.runs.get(run_id)
            if run is None or run.holder is None:
                return None
            alive = run.holder in self._data.alive
            return HolderInfo(holder=run.holder, host=_HOST, pid=os.getpid(), since=run.since, alive=alive)

    def drivable(self, at: datetime, *, pool: str, limit: int) -> list[RunId]:
        """See Store."""
        with self._data.lock:
            runs = [run for run in self._data.runs.values() if self._is_drivable(run, at, pool)]
        runs.sort(key=lambda run: (run.head.updated_at, run.head.run_id))
        return [run.head.run_id for run in runs[: max(limit, 0)]]

    def _is_drivable(self, run: _Run, at: datetime, pool: str) -> bool:
        backoff = self._data.backoffs.get((run.head.run_id, pool))
        if run.head.status not in ("open", "waiting") or run.holder in self._data.alive:
            return False
        if backoff is not None and backoff.next_try_at > at:
            return False
        is_due = any(wait.due_at is not None and wait.due_at <= at for _, wait in run.waits)
        return run.head.status == "open" or is_due or any(message.state == "accepted" for message in run.inbox)

    def back_off(self, backoff: Backoff) -> None:
        """See Store."""
        with self._data.lock:
            if backoff.run_id in self._data.runs:
                self._data.backoffs[backoff.run_id, backoff.pool] = copy.deepcopy(backoff)

    def forget_backoff(self, run_id: RunId, pool: str) -> None:
        """See Store."""
        with self._data.lock:
            self._data.backoffs.pop((run_id, pool), None)

    def backoffs(self, run_id: RunId | None = None) -> list[Backoff]:
        """See Store."""
        with self._data.lock:
            found = [copy.deepcopy(one) for one in self._data.backoffs.values() if run_id in (None, one.run_id)]
        return sorted(found, key=lambda one: (one.next_try_at, one.run_id, one.pool))

    def enroll(self, kind: Literal["worker", "tick"], pool: str, *, at: datetime) -> None:
        """See Store."""
        holder = self.holder()
        with self._data.lock:
            kept = {name: one for name, one in self._data.drivers.items() if kind != "tick" or name[:2] != (kind, pool)}
            kept[kind, pool, holder] = DriverInfo(
                holder=holder, kind=kind, pool=pool, host=_HOST, pid=os.getpid(), at=at, alive=True
            )
            self._data.drivers = kept

    def drivers(self) -> list[DriverInfo]:
        """See Store."""
        with self._data.lock:
            found = [replace(one, alive=one.holder in self._data.alive) for one in self._data.drivers.values()]
        return sorted((one for one in found if one.alive or one.kind == "tick"), key=lambda one: (one.at, one.holder))

    def delete(self, run_id: RunId, *, sweeps: bool = True) -> None:
        """See Store."""
        with self._data.lock:
            run, info = self._run(run_id), self.holder_of(run_id)
            if info is not None and info.alive:
                raise refusals.run_held(run_id, info, own_host=_HOST)
            if not run.head.is_settled:
                raise refusals.not_settled(run_id)
            del self._data.runs[run_id]
            for key in [key for key in self._data.backoffs if key[0] == run_id]:
                del self._data.backoffs[key]
        if sweeps:
            self.sweep()

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """See Store."""
        with self._data.lock:
            needed = {run.head.definition for run in self._data.runs.values()}
            lost = self._data.definitions.keys() - needed
            for digest in () if dry_run else lost:
                del self._data.definitions[digest]
            return Swept(definitions=len(lost))

    def holder(self) -> HolderId:
        """See Store."""
        with self._data.lock:
            if self._holder is None:
                self._holder = new_holder_id()
                self._data.alive.add(self._holder)
            return self._holder

    def close(self) -> None:
        """See Store."""
        self.die()

    def _run(self, run_id: RunId) -> _Run:
        run = self._data.runs.get(run_id)
        if run is None:
            raise refusals.no_such_run(run_id)
        return run


def _stored(entries: Sequence[e.AnyEntry]) -> tuple[list[e.Encoded], list[e.AnyEntry]]:
    """Return the stored forms of entries, and the entries as they will be read, which share nothing with the given."""
    encoded = [e.encode(entry) for entry in entries]
    return encoded, [_read(one) for one in encoded]


def _read(encoded: e.Encoded) -> e.AnyEntry:
    return e.decode(encoded.name, encoded.at, encoded.body, encoded.blobs.__getitem__)


def _own(message: Message, state: MessageState, wait_id: WaitId | None, run_id: RunId | None = None) -> Message:
    payload, at = load(dump(message.payload)), clock.from_text(clock.to_text(message.at))
    run_id = run_id or message.run_id
    return replace(message, run_id=run_id, state=state, wait_id=wait_id, number=0, payload=payload, at=at)


def _inbox(run: _Run) -> Inbox:
    return Inbox(run.head.is_settled, [wait for _, wait in run.waits], run.inbox)


def _ends(run_id: RunId, fragment: str) -> bool:
    return run_id.startswith(fragment) or run_id.endswith(fragment)
