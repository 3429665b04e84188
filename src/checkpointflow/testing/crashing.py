"""A store that dies at a chosen write, to see what a run makes of it; it knows no particular store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import (
    Backoff,
    Commit,
    Delivery,
    DriverInfo,
    Fits,
    Hold,
    HolderInfo,
    Message,
    OpenWait,
    RunHead,
    Store,
    StoredStatus,
    Swept,
)
from checkpointflow.values import JsonObject

Answer = TypeVar("Answer")


class Crash(BaseException):
    """The process is taken to have died here; not an Exception, so that no handler of errors goes on."""


class CrashingStore:
    """Does what another store does, and raises Crash before or after its n-th write transaction, from 1.

    Writes are all methods that change anything but `holder` and `close`; `writes` counts those that were begun.
    After the crash everything but `close` raises Crash, because a dead process does nothing more.
    """

    def __init__(self, store: Store, *, before: int | None = None, after: int | None = None) -> None:
        self.writes = 0
        self.crashed = False
        self._store = store
        self._before = before
        self._after = after

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
        return self._write(
            lambda: self._store.create(
                run_id, entries, holder=holder, definition=definition, messages=messages, over_moved=over_moved
            )
        )

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """See Store."""
        return self._write(lambda: self._store.acquire(run_id, holder, at=at))

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
        return self._write(
            lambda: self._store.commit(
                hold, length, entries, taken=taken, release=release, fits=fits, definition=definition
            )
        )

    def release(self, hold: Hold) -> None:
        """See Store."""
        self._write(lambda: self._store.release(hold))

    def answer(self, message: Message) -> Delivery:
        """See Store."""
        return self._write(lambda: self._store.answer(message))

    def deliver(self, message: Message) -> Delivery:
        """See Store."""
        return self._write(lambda: self._store.deliver(message))

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        """See Store."""
        return self._living().entries(run_id, after=after, limit=limit)

    def head(self, run_id: RunId) -> RunHead:
        """See Store."""
        return self._living().head(run_id)

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
        store = self._living()
        return store.heads(statuses=statuses, workflow_id=workflow_id, labels=labels, limit=limit, before=before)

    def waits(self, run_id: RunId | None = None) -> list[OpenWait]:
        """See Store."""
        return self._living().waits(run_id)

    def pending(self, run_id: RunId) -> tuple[Message, ...]:
        """See Store."""
        return self._living().pending(run_id)

    def messages(self, run_id: RunId) -> list[Message]:
        """See Store."""
        return self._living().messages(run_id)

    def holder_of(self, run_id: RunId) -> HolderInfo | None:
        """See Store."""
        return self._living().holder_of(run_id)

    def definition(self, digest: str) -> JsonObject:
        """See Store."""
        return self._living().definition(digest)

    def find(self, fragment: str) -> list[RunId]:
        """See Store."""
        return self._living().find(fragment)

    def delete(self, run_id: RunId, *, sweeps: bool = True) -> None:
        """See Store."""
        self._write(lambda: self._store.delete(run_id, sweeps=sweeps))

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """See Store."""
        return self._living().sweep(dry_run=dry_run) if dry_run else self._write(self._store.sweep)

    def drivable(self, at: datetime, *, pool: str, limit: int) -> list[RunId]:
        """See Store."""
        return self._living().drivable(at, pool=pool, limit=limit)

    def back_off(self, backoff: Backoff) -> None:
        """See Store."""
        self._write(lambda: self._store.back_off(backoff))

    def forget_backoff(self, run_id: RunId, pool: str) -> None:
        """See Store."""
        self._write(lambda: self._store.forget_backoff(run_id, pool))

    def backoffs(self, run_id: RunId | None = None) -> list[Backoff]:
        """See Store."""
        return self._living().backoffs(run_id)

    def enroll(self, kind: Literal["worker", "tick"], pool: str, *, at: datetime) -> None:
        """See Store."""
        self._write(lambda: self._store.enroll(kind, pool, at=at))

    def drivers(self) -> list[DriverInfo]:
        """See Store."""
        return self._living().drivers()

    def holder(self) -> HolderId:
        """See Store."""
        return self._living().holder()

    def close(self) -> None:
        """See Store."""
        self._store.close()

    def _living(self) -> Store:
        if self.crashed:
            raise Crash("the process died before")
        return self._store

    def _write(self, write: Callable[[], Answer]) -> Answer:
        self._living()
        self.writes += 1
        if self.writes == self._before:
            self._crash("before")
        answer = write()
        if self.writes == self._after:
            self._crash("after")
        return answer

    def _crash(self, when: str) -> None:
        self.crashed = True
        raise Crash(f"the process dies {when} write {self.writes}")
