"""Everything that is left of a storm, read once from the store and the log of effects; nothing is judged here."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.store import HolderInfo, Message, OpenWait, RunHead, Store
from torture.moves import Report

ALL = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One line of the log of effects: an attempt that begins, or that has come to its end."""

    what: str
    run: str
    key: str
    generation: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """What the store says of one run."""

    head: RunHead
    entries: Sequence[e.AnyEntry]
    waits: Sequence[OpenWait]
    messages: Sequence[Message]
    holder: HolderInfo | None
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is left of a storm: the runs by id, the effects in order, what was said, what was seen on the way."""

    runs: Mapping[str, RunEvidence]
    effects: Sequence[Effect]
    reports: Sequence[Report]
    sights: Sequence[Sight] = ()
    stuck: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A run as it was seen during the storm."""

    run: str
    epoch: int
    length: int
    digest: str


def digest(entries: Sequence[e.AnyEntry]) -> str:
    """Return a text that other entries do not give."""
    return hashlib.sha256("".join(map(repr, entries)).encode(errors="surrogatepass")).hexdigest()


def gathered(
    base: Path | str,
    store: Store,
    effects: Path,
    reports: Sequence[Report],
    sights: Sequence[Sight],
    stuck: Sequence[str],
) -> Evidence:
    """Return the evidence in a state folder."""
    epochs = epochs_in(base)
    runs: dict[str, RunEvidence] = {
        head.run_id: run_in(store, head, epochs[head.run_id]) for head in store.heads(limit=ALL)
    }
    lines = effects.read_text().splitlines() if effects.exists() else []
    return Evidence(runs=runs, effects=[_effect(line) for line in lines], reports=reports, sights=sights, stuck=stuck)


def run_in(store: Store, head: RunHead, epoch: int) -> RunEvidence:
    """Return what a store says of a run."""
    run = head.run_id
    return RunEvidence(
        head=head, entries=store.entries(run), waits=store.waits(run), messages=store.messages(run),
        holder=store.holder_of(run), epoch=epoch,
    )  # fmt: skip


def epochs_in(base: Path | str) -> dict[str, int]:
    """Return how often each run was taken to be driven, which the port of stores does not tell."""
    if isinstance(base, str):
        import psycopg

        with psycopg.connect(base) as session:
            return dict(session.execute("SELECT run_id, epoch FROM checkpointflow.holds").fetchall())
    import apsw

    connection = apsw.Connection(str(base / "runs.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(30_000)
    with contextlib.closing(connection):
        return {str(run): cast(int, epoch) for run, epoch in connection.execute("SELECT run_id, epoch FROM holds")}


def _effect(line: str) -> Effect:
    what, run, idempotency, attempt = line.split("\t")
    key, _, generation = idempotency.removeprefix(f"{run}/").rpartition("/")
    return Effect(what=what, run=run, key=key, generation=int(generation), attempt=int(attempt))


@dataclass
class Watch:
    """Looks at a few runs again and again while a storm goes on, in a thread of its own."""

    base: Path | str
    store: Store
    sights: list[Sight] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def look(self, every_seconds: float) -> None:
        """Look until `stop` is called."""
        while not self._is_over.wait(every_seconds):
            epochs = epochs_in(self.base)
            heads = self.store.heads(limit=10) + self.store.heads(statuses=["open", "waiting", "failed"], limit=20)
            for head in heads:
                entries, epoch = self.store.entries(head.run_id), epochs.get(head.run_id)
                if epoch is not None:
                    sight = Sight(run=head.run_id, epoch=epoch, length=len(entries), digest=digest(entries))
                    self.sights.append(sight)

    def stop(self) -> None:
        """Let `look` return."""
        self._is_over.set()
