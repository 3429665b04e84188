"""Everything that is left of a storm, read once from the stores and the logs of effects; nothing is judged here."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.store import HolderInfo, Message, OpenWait, RunHead, Store
from torture.homes import Home
from torture.moves import Report
from torture.web import Request

ALL = 1_000_000
UNKNOWN = 1_000_000
"""The epoch of a run that is gone: it may have been taken up again, for nothing, after it was read."""


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
    """What the store of a home says of one run."""

    home: str
    head: RunHead
    entries: Sequence[e.AnyEntry]
    waits: Sequence[OpenWait]
    messages: Sequence[Message]
    holder: HolderInfo | None
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is left of a storm: the runs by id, the effects in order, what was said, what was seen on the way.

    A run stands under `runs` as it is where it came to its end, and under `traces` as it is elsewhere.
    """

    runs: Mapping[str, RunEvidence]
    effects: Sequence[Effect]
    requests: Sequence[Request] = ()
    traces: Sequence[RunEvidence] = ()
    forgotten: Container[str] = ()
    reports: Sequence[Report]
    sights: Sequence[Sight] = ()
    stuck: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A run as it was seen during the storm in a home; whether it had been moved away from there is left aside."""

    home: str
    run: str
    epoch: int
    length: int
    digest: str


def digest(entries: Sequence[e.AnyEntry]) -> str:
    """Return a text that other entries do not give."""
    return hashlib.sha256("".join(map(repr, entries)).encode(errors="surrogatepass")).hexdigest()


def stayed(entries: Sequence[e.AnyEntry]) -> Sequence[e.AnyEntry]:
    """Return the entries of a run without the last one that says that it was moved away."""
    return entries[:-1] if entries and isinstance(entries[-1], e.RunMoved) else entries


def found_in(homes: Sequence[Home], forgotten: Sequence[RunEvidence]) -> list[RunEvidence]:
    """Return what the stores of the homes say of each run, and what they said of those that are gone."""
    found = {(run.home, run.head.run_id): replace(run, epoch=UNKNOWN) for run in forgotten}
    for home in homes:
        with contextlib.closing(home.open()) as store:
            epochs = home.epochs()
            heads = store.heads(limit=ALL)
            found |= {(home.name, head.run_id): run_in(home.name, store, head, epochs[head.run_id]) for head in heads}
    return list(found.values())


def where_they_ended(runs: Sequence[RunEvidence]) -> tuple[dict[str, RunEvidence], list[RunEvidence]]:
    """Return runs as they are where they came to their end, by their ids, and as they are elsewhere."""
    ended: dict[str, RunEvidence] = {}
    elsewhere: list[RunEvidence] = []
    for run in sorted(runs, key=lambda run: (run.head.status != "moved", run.head.length), reverse=True):
        if ended.setdefault(run.head.run_id, run) is not run:
            elsewhere.append(run)
    return ended, elsewhere


def effects_in(log: Path) -> list[Effect]:
    """Return the effects in a log."""
    return [_effect(line) for line in log.read_text().splitlines()] if log.exists() else []


def run_in(home: str, store: Store, head: RunHead, epoch: int) -> RunEvidence:
    """Return what the store of a home says of a run."""
    run = head.run_id
    return RunEvidence(
        home=home, head=head, entries=store.entries(run), waits=store.waits(run), messages=store.messages(run),
        holder=store.holder_of(run), epoch=epoch,
    )  # fmt: skip


def _effect(line: str) -> Effect:
    what, run, idempotency, attempt = line.split("\t")
    key, _, generation = idempotency.removeprefix(f"{run}/").rpartition("/")
    return Effect(what=what, run=run, key=key, generation=int(generation), attempt=int(attempt))


@dataclass
class Watch:
    """Looks at a few runs again and again while a storm goes on, in a thread of its own."""

    homes: Sequence[Home]
    sights: list[Sight] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def look(self, every_seconds: float) -> None:
        """Look until `stop` is called."""
        with contextlib.ExitStack() as stack:
            stores = [(home, stack.enter_context(contextlib.closing(home.open()))) for home in self.homes]
            while not self._is_over.wait(every_seconds):
                for home, store in stores:
                    self._look_at(home, store)

    def _look_at(self, home: Home, store: Store) -> None:
        epochs = home.epochs()
        for head in store.heads(limit=10) + store.heads(statuses=["open", "waiting", "failed", "moved"], limit=20):
            run, epoch = head.run_id, epochs.get(head.run_id)
            entries = stayed(store.entries(run))
            if epoch is not None and entries:
                sight = Sight(home=home.name, run=run, epoch=epoch, length=len(entries), digest=digest(entries))
                self.sights.append(sight)

    def stop(self) -> None:
        """Let `look` return."""
        self._is_over.set()
