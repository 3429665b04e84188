"""Whatever is asked of the Store port, method by method: the SQLite store answers as the memory store does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from checkpointflow.clock import SystemClock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import HolderId, RunId, StepKey
from checkpointflow.kernel.store import Backoff, Delivery, Hold, Message, Store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.sqlite import SqliteStore
from checkpointflow.testing import samples as s
from checkpointflow.values import JsonObject, JsonValue

RUNS = [RunId("run-one"), RunId("run-two"), RunId("one-run")]
POOLS = ["default", "other"]
KEYS = ["a", "b"]
DIGESTS = ["d" * 64, "e" * 64]
PAYLOADS: list[JsonValue] = [None, 0, 1, "\ud800", {"a": [1.5]}, "x" * 70_000]

wheres, runs, pools = st.integers(0, 1), st.sampled_from(RUNS), st.sampled_from(POOLS)
instants = st.sampled_from([0, 5, 49.999999, 50, 60, 90]).map(s.at)
definitions = st.none() | st.sampled_from(DIGESTS).map(lambda digest: (digest, {"of": digest[0]}))
labels = st.dictionaries(st.sampled_from(["k", "\0", "\udc80"]), st.sampled_from(["v", "w", 1]), max_size=2)


def _entry(kind: str, key: str, number: int) -> e.AnyEntry:
    """Return an entry whose wait id, if it opens a wait, is that number's."""
    step, at, wait = StepKey(key), s.at(number), f"w{number}"
    made: dict[str, Callable[[], e.AnyEntry]] = {
        "started": lambda: s.step_started(key, number),
        "completed": lambda: s.step_completed(key, wait, number),
        "wait": lambda: s.wait_opened(key, wait, event=("go", "stop")[number % 2], schema={}, seconds=number % 5),
        "dated": lambda: s.wait_opened(key, wait, due=50, seconds=number % 5),
        "timer": lambda: s.timer_set(key, wait, seconds=number % 5),
        "closed": lambda: s.expired(key, wait),
        "fired": lambda: e.TimerFired(at=at, key=step, wait_id=s.timer_set(key, wait).wait_id),
        "doubt": lambda: e.StepInterrupted(at=at, key=step, attempt=1, cause="timeout", in_doubt=True),
        "decided": lambda: e.StepDecided(at=at, key=step, decision="again", output=None, actor=None, reason=None),
        "later": lambda: e.StepFailed(at=at, key=step, attempt=1, error={}, retry_at=s.at(90)),
        "parked": lambda: e.RunParked(at=at, elapsed_seconds=0.5),
        "paused": lambda: e.RunPaused(at=at, actor=None),
        "ended": s.completed,
        "failed": s.failed,
        "cancelled": lambda: e.RunCancelled(at=at, actor=None, reason=None),
        "moved": lambda: e.RunMoved(at=at, actor=None),
        "reopened": lambda: e.RunReopened(at=at, voided=[], actor=None, reason=None),
        "changed": lambda: e.DefinitionChanged(
            at=at, definition=DIGESTS[number % 2], source_path="there", workflow_name=None, workflow_version="2",
            voided=[key], actor=None, reason=None,
        ),
    }  # fmt: skip
    return made[kind]()


KINDS = [
    *("started", "completed", "wait", "wait", "wait", "dated", "timer", "closed", "fired", "doubt", "decided"),
    *("later", "parked", "parked", "paused", "ended", "failed", "cancelled", "moved", "reopened", "changed"),
]
kinds = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(KEYS)), max_size=3)


class Side:
    """One store as two processes have it; what each store names in its own way is made alike."""

    def __init__(self, faces: list[Any], kill: Callable[[Any], None]) -> None:
        self.faces: list[Store] = faces
        self.kill = kill
        self.holds: list[Hold] = []
        self.holders: dict[str, int] = {}

    def holder(self, face: Store) -> HolderId:
        holder = face.holder()
        self.name(holder)
        return holder

    def name(self, holder: str) -> int:
        return self.holders.setdefault(holder, len(self.holders))

    def held(self, hold: Hold | None) -> object:
        if hold is None:
            return None
        self.holds.append(hold)
        return hold.run_id, self.name(hold.holder), hold.epoch

    def plain(self, message: Message | None) -> Message | None:
        """Return a message with its place among those of its run for its number."""
        if message is None:
            return None
        numbers = [other.number for other in self.faces[0].messages(message.run_id)]
        return replace(message, number=numbers.index(message.number))

    def delivered(self, delivery: Delivery) -> object:
        return delivery.outcome, self.plain(delivery.message)

    def seen(self, face: Store) -> list[object]:
        """Return all that one process can read."""
        found: list[object] = [face.heads(), face.waits(), face.backoffs()]
        drivers = [(self.name(one.holder), one.kind, one.pool, one.at, one.alive) for one in face.drivers()]
        found.append(sorted(drivers))
        for run_id in RUNS:
            info = face.holder_of(run_id)
            found += [face.entries(run_id), face.waits(run_id), face.backoffs(run_id)]
            found.append([self.plain(message) for message in face.messages(run_id)])
            found.append([self.plain(message) for message in face.pending(run_id)])
            found.append(info and (self.name(info.holder), info.since, info.alive))
        return found


class Stores(RuleBasedStateMachine):
    """Asks both stores the same and compares their answers, and after each all that can be read."""

    @initialize(held=st.booleans())
    def open(self, held: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stores-"))
        memory = MemoryStore(clock=SystemClock())
        files = [SqliteStore(self.folder / "base", clock=SystemClock(), durability="process") for _ in range(2)]
        self.sides = [
            Side(list(files), lambda face: face._database._holders.forget()),
            Side([memory, memory.other_process()], lambda face: face.die()),
        ]
        self.number = 0
        self.create(0, RUNS[0], held, {"k": "v"}, [("wait", "a")], None, False)

    def teardown(self) -> None:
        for side in getattr(self, "sides", ()):
            for face in side.faces:
                face.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def both(self, where: int, act: Callable[[Side, Store], object]) -> object:
        """Have both sides do something, and return what both answer."""
        self.number += 1
        ours, reference = (self._answer(side, side.faces[where], act) for side in self.sides)
        assert ours == reference
        return ours

    @staticmethod
    def _answer(side: Side, face: Store, act: Callable[[Side, Store], object]) -> object:
        try:
            return act(side, face)
        except CheckpointflowError as error:
            return error.code, {key: value for key, value in error.details.items() if key not in ("host", "pid")}

    def entries(self, chosen: list[tuple[str, str]]) -> list[e.AnyEntry]:
        return [_entry(kind, key, 10 * self.number + place) for place, (kind, key) in enumerate(chosen)]

    # -- journals ----------------------------------------------------------------------------------

    @rule(where=wheres, run_id=runs, held=st.booleans(), given=labels, chosen=kinds, definition=definitions,
          over_moved=st.booleans())  # fmt: skip
    def create(
        self, where: int, run_id: RunId, held: bool, given: JsonObject, chosen: list[Any], definition: Any,
        over_moved: bool,
    ) -> None:  # fmt: skip
        number = self.number

        def act(side: Side, face: Store) -> object:
            holder = side.holder(face) if held else None
            first = s.started(number, workflow=("flow", "other")[number % 2], labels=given)
            made = face.create(run_id, [first, *entries], holder=holder, definition=definition, over_moved=over_moved)
            return side.held(made)

        entries = self.entries(chosen)
        self.both(where, act)

    @rule(where=wheres, run_id=runs)
    def acquire(self, where: int, run_id: RunId) -> None:
        at = s.at(self.number)
        self.both(where, lambda side, face: side.held(face.acquire(run_id, side.holder(face), at=at)))

    @precondition(lambda self: self.sides[0].holds)
    @rule(where=wheres, which=st.integers(1, 3), off=st.sampled_from([0] * 9 + [1, -1]), chosen=kinds,
          take=st.integers(0, 2), release=st.booleans(), definition=definitions)  # fmt: skip
    def commit(
        self, where: int, which: int, off: int, chosen: list[Any], take: int, release: bool, definition: Any
    ) -> None:
        entries = self.entries(chosen)

        def act(side: Side, face: Store) -> object:
            hold = side.holds[-min(which, len(side.holds))]
            taken = [message.number for message in face.pending(hold.run_id)][:take]
            commit = face.commit(
                hold, face.head(hold.run_id).length + off, entries, taken=taken, release=release,
                fits=lambda _schema, payload: payload != 0, definition=definition,
            )  # fmt: skip
            return commit.written, [side.plain(message) for message in commit.pending]

        self.both(where, act)

    @rule(where=wheres, run_id=runs, sweeps=st.booleans())
    def delete(self, where: int, run_id: RunId, sweeps: bool) -> None:
        self.both(where, lambda _side, face: face.delete(run_id, sweeps=sweeps))

    @rule(where=wheres, dry_run=st.booleans())
    def sweep(self, where: int, dry_run: bool) -> None:
        self.both(where, lambda _side, face: face.sweep(dry_run=dry_run).definitions)

    # -- the inbox ---------------------------------------------------------------------------------

    @rule(where=wheres, run_id=runs, event=st.integers(0, 9), which=st.integers(0, 4),
          payload=st.sampled_from(PAYLOADS), seconds=st.sampled_from([5, 49.999999, 50, 60]))  # fmt: skip
    def answer(self, where: int, run_id: RunId, event: int, which: int, payload: JsonValue, seconds: float) -> None:
        def act(side: Side, face: Store) -> object:
            opened = [one.wait_id for one in face.entries(run_id) if isinstance(one, e.WaitOpened | e.TimerSet)]
            wait = ["none", *opened[-4:]][-min(which, len(opened[-4:])) or 0]
            message = s.message(f"e{event}", wait=wait, payload=payload, seconds=seconds, run_id=run_id)
            return side.delivered(face.answer(message))

        self.both(where, act)

    @rule(where=wheres, run_id=runs, event=st.integers(0, 9), payload=st.sampled_from(PAYLOADS),
          kind=st.sampled_from(["event"] * 5 + ["cancel", "decide"]))  # fmt: skip
    def deliver(self, where: int, run_id: RunId, event: int, payload: JsonValue, kind: Any) -> None:
        message = s.message(f"e{event}", kind=kind, name=("go", "stop")[event % 2], payload=payload, run_id=run_id)
        self.both(where, lambda side, face: side.delivered(face.deliver(message)))

    # -- who lives, and what is due ----------------------------------------------------------------

    @rule(where=wheres, close=st.booleans())
    def end(self, where: int, close: bool) -> None:
        self.both(where, lambda side, face: face.close() if close else side.kill(face))

    @rule(where=wheres, kind=st.sampled_from(["worker", "tick"]), pool=pools)
    def enroll(self, where: int, kind: Any, pool: str) -> None:
        at = s.at(self.number)

        def act(side: Side, face: Store) -> object:
            side.holder(face)
            return face.enroll(kind, pool, at=at)

        self.both(where, act)

    @rule(where=wheres, run_id=runs, pool=pools, tries=st.integers(1, 3), until=instants)
    def back_off(self, where: int, run_id: RunId, pool: str, tries: int, until: Any) -> None:
        backoff = Backoff(run_id=run_id, pool=pool, tries=tries, next_try_at=until, error={"code": "ERR"})
        self.both(where, lambda _side, face: face.back_off(backoff))

    @rule(where=wheres, run_id=runs, pool=pools)
    def forget_backoff(self, where: int, run_id: RunId, pool: str) -> None:
        self.both(where, lambda _side, face: face.forget_backoff(run_id, pool))

    @rule(where=wheres, at=instants, pool=pools, limit=st.integers(0, 3))
    def drivable(self, where: int, at: Any, pool: str, limit: int) -> None:
        self.both(where, lambda _side, face: face.drivable(at, pool=pool, limit=limit))

    # -- looking -----------------------------------------------------------------------------------

    @rule(where=wheres, fragment=st.sampled_from(["", "run", "one", "run-one", "on", "n-t", "\udc80"]))
    def find(self, where: int, fragment: str) -> None:
        self.both(where, lambda _side, face: face.find(fragment))

    @rule(
        where=wheres, limit=st.integers(0, 2), statuses=st.none() | st.lists(st.sampled_from(["open", "waiting"])),
        workflow=st.none() | st.sampled_from(["flow", "none"]), wanted=st.none() | labels, paged=st.booleans(),
    )  # fmt: skip
    def heads(self, where: int, limit: int, statuses: Any, workflow: Any, wanted: Any, paged: bool) -> None:
        texts = None if wanted is None else {key: str(value) for key, value in wanted.items()}

        def act(_side: Side, face: Store) -> object:
            found = face.heads(limit=1) if paged else []
            before = (found[0].started_at, found[0].run_id) if found else None
            return face.heads(limit=limit, statuses=statuses, workflow_id=workflow, labels=texts, before=before)

        self.both(where, act)

    @rule(where=wheres, digest=st.sampled_from([*DIGESTS, "none"]))
    def definition(self, where: int, digest: str) -> None:
        self.both(where, lambda _side, face: face.definition(digest))

    @rule(where=wheres, run_id=runs, after=st.integers(-1, 5))
    def read(self, where: int, run_id: RunId, after: int) -> None:
        self.both(where, lambda _side, face: face.entries(run_id, after=after))

    @invariant()
    def all_that_can_be_read_is_alike(self) -> None:
        if hasattr(self, "sides"):
            ours, reference = self.sides
            assert ours.seen(ours.faces[self.number % 2]) == reference.seen(reference.faces[self.number % 2])


bounded = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # to shrink what was found takes minutes here
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_every_method_of_the_sqlite_store_answers_as_that_of_the_memory_store() -> None:
    run_state_machine_as_test(Stores, settings=bounded)
