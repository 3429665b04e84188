"""Whatever is asked of them, in whatever order: the stores over tables answer as the memory store does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from checkpointflow.clock import SystemClock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Hold, Message, Store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.postgres import PostgresStore
from checkpointflow.stores.sqlite import SqliteStore
from checkpointflow.testing import samples as s
from checkpointflow.values import JsonValue

RUNS = [RunId("run-one"), RunId("run-two")]
ENTRY_KINDS = [
    *("started", "completed", "wait", "dated", "timer", "closed"),
    *("parked", "ended", "failed", "reopened", "doubt", "later"),
]
PAYLOADS: list[JsonValue] = [None, 0, 1, "text", "\ud800", {"a": [1.5]}, "x" * 70_000]
TIMES = [5, 5, 49.999999, 50, 60]
OUTCOMES = {"accepted", "kept", "duplicate", "answered", "late", "closed", "open", "settled", "written", "refused",
            "ERR_RUN_HELD", "ERR_RUN_EXISTS", "ERR_RUN_NOT_FOUND", "ERR_JOURNAL_CONFLICT"}  # fmt: skip


def an_action(chance: Random) -> tuple[object, ...]:
    """Draw what is to be done by one of two processes with one of two runs."""
    what = chance.choices(["create", "acquire", "commit", "answer", "deliver", "die"], [2, 4, 12, 6, 5, 1])[0]
    return (what, chance.randrange(4), *_details(what, chance))


def _details(what: str, chance: Random) -> tuple[object, ...]:
    kinds = chance.choices(ENTRY_KINDS, [2, 2, 6, 3, 2, 1, 1, 0.3, 0.6, 1, 1, 1], k=chance.randrange(4))
    payload, event = chance.choice(PAYLOADS), chance.randrange(40)
    match what:
        case "create":
            labels = {key: chance.choice(["v", "\0", 1]) for key in ("k", "\0", "\udc80") if chance.random() < 0.5}
            return labels, kinds, chance.random() < 0.8
        case "commit":
            off = chance.choices([0, 1, -1], [12, 1, 1])[0]
            return off, kinds, chance.randrange(3), chance.random() < 0.2
        case "answer":
            return event, chance.randrange(6), payload, chance.choice(TIMES)
        case "deliver":
            return event, chance.choices(["event", "cancel", "decide"], [8, 1, 1])[0], payload
        case _:
            return ()


def entries_of(kinds: list[str], step: int) -> list[e.AnyEntry]:
    """Entries of these kinds; keys repeat, wait ids do not, as an engine would have it."""
    return [
        _entry(kind, ("a", "all")[(step + place) % 2], f"w{step}.{place}", step) for place, kind in enumerate(kinds)
    ]


def _entry(kind: str, key: str, wait: str, step: int) -> e.AnyEntry:
    step_key = s.step_started(key).key
    entries: dict[str, Callable[[], e.AnyEntry]] = {
        "started": lambda: s.step_started(key, step),
        "completed": lambda: s.step_completed(key, wait),
        "wait": lambda: s.wait_opened(key, wait, event=("go", "stop")[step % 2], schema={}, seconds=step % 5),
        "dated": lambda: s.wait_opened(key, wait, due=50, seconds=step % 5),
        "timer": lambda: s.timer_set(key, wait, seconds=step % 5),
        "closed": lambda: s.expired(key, wait),
        "parked": lambda: e.RunParked(at=s.at(step), elapsed_seconds=0.5),
        "ended": s.completed,
        "failed": s.failed,
        "reopened": lambda: e.RunReopened(at=s.at(step), voided=[], actor=None, reason=None),
        "doubt": lambda: e.StepInterrupted(at=s.at(step), key=step_key, attempt=1, cause="timeout", in_doubt=True),
        "later": lambda: e.StepFailed(at=s.at(step), key=step_key, attempt=1, error={}, retry_at=s.at(90)),
    }
    return entries[kind]()


class Side:
    """One store, as two processes have it, with the holds that were taken; what is its own way is made alike."""

    def __init__(self, faces: list[Store], kill: Callable[[Store], None]) -> None:
        self.faces = faces
        self.kill = kill
        self.holds: list[Hold] = []
        self.names: dict[str, int] = {}

    def act(self, step: int, action: tuple[object, ...]) -> object:
        what, where, *how = action
        assert isinstance(where, int)
        face, run_id = self.faces[where // 2], RUNS[where % 2]
        try:
            return getattr(self, f"_{what}")(step, face, run_id, *how)
        except CheckpointflowError as error:
            return error.code, {key: value for key, value in error.details.items() if key not in ("host", "pid")}

    def _create(
        self, step: int, face: Store, run_id: RunId, labels: dict[str, JsonValue], kinds: list[str], held: bool
    ) -> object:
        entries = [s.started(step, labels=labels), *entries_of(kinds, step)]
        return self._held(face.create(run_id, entries, holder=face.holder() if held else None))

    def _acquire(self, step: int, face: Store, run_id: RunId) -> object:
        return self._held(face.acquire(run_id, face.holder(), at=s.at(step)))

    def _held(self, hold: Hold | None) -> object:
        if hold is None:
            return None
        self.holds.append(hold)
        return hold.run_id, self._name(hold.holder), hold.epoch

    def _commit(
        self, step: int, face: Store, run_id: RunId, off: int, kinds: list[str], taking: int, release: bool
    ) -> object:
        holds = [hold for hold in self.holds if hold.run_id == run_id]
        if not holds:
            return None
        hold = holds[-1 - (step % 7 == 0 and len(holds) > 1)]
        taken = [message.number for message in face.pending(run_id)][:taking]
        length, entries = face.head(run_id).length + off, entries_of(kinds, step)
        commit = face.commit(hold, length, entries, taken=taken, release=release, fits=lambda _, payload: payload != 0)
        return "written" if commit.written else "refused", [self._plain(run_id, message) for message in commit.pending]

    def _answer(
        self, _step: int, face: Store, run_id: RunId, event: int, which: int, payload: JsonValue, at: int
    ) -> object:
        opened = [entry.wait_id for entry in face.entries(run_id) if isinstance(entry, e.WaitOpened | e.TimerSet)]
        wait = [*opened[-6:], "none"][which % (len(opened[-6:]) + 1)]
        delivery = face.answer(s.message(f"e{event}", wait=wait, payload=payload, seconds=at, run_id=run_id))
        return delivery.outcome, delivery.message and self._plain(run_id, delivery.message)

    def _deliver(self, _step: int, face: Store, run_id: RunId, event: int, kind: str, payload: JsonValue) -> object:
        name = ("go", "stop")[event % 2]
        message = s.message(f"e{event}", name=name, payload=payload, run_id=run_id)
        delivery = face.deliver(replace(message, kind=kind))  # type: ignore[arg-type]
        return delivery.outcome, delivery.message and self._plain(run_id, delivery.message)

    def _die(self, _step: int, face: Store, _run_id: RunId) -> None:
        self.kill(face)

    def _name(self, holder: str) -> int:
        return self.names.setdefault(holder, len(self.names))

    def _plain(self, run_id: RunId, message: Message) -> Message:
        numbers = [other.number for other in self.faces[0].messages(run_id)]
        return replace(message, number=numbers.index(message.number))

    def seen(self) -> list[object]:
        """Everything that can be read, from both processes."""
        found: list[object] = []
        for face in self.faces:
            found += [
                face.heads(),
                face.heads(statuses=["waiting", "failed"]),
                face.heads(labels={"k": "v"}),
                face.waits(),
            ]
            found += [face.heads(labels={"k": "v"}), face.heads(labels={"\0": "\0", "\udc80": "v"})]
            found += [face.find("run"), face.find("two")]
            for run_id in RUNS:
                messages = face.messages(run_id), list(face.pending(run_id))
                found += [[self._plain(run_id, message) for message in some] for some in messages]
                found += [face.entries(run_id), face.entries(run_id, after=2), face.waits(run_id)]
                info = face.holder_of(run_id)
                found.append(info and (self._name(info.holder), info.since, info.alive))
        return found


def compare(seed: int, faces: list[Store], kill: Callable[[Store], None], *, steps: int = 60) -> set[str]:
    """Ask both stores the same, compare all they say, and return which outcomes there were."""
    chance, memory, outcomes = Random(seed), MemoryStore(clock=SystemClock()), set[str]()
    sides = [
        Side(faces, kill),
        Side([memory, memory.other_process()], lambda face: face.die()),  # type: ignore[attr-defined]
    ]
    for step in range(steps):
        action = an_action(chance) if step else ("create", 0, {}, ["wait", "dated"], True)
        ours, reference = (side.act(step, action) for side in sides)
        assert ours == reference, (seed, step, action)
        assert sides[0].seen() == sides[1].seen(), (seed, step, action)
        outcomes |= OUTCOMES.intersection(part for part in ours or () if isinstance(part, str))
    for face in faces:
        face.close()
    return outcomes


def test_sqlite_and_memory_answer_alike(tmp_path: Path) -> None:
    outcomes = set[str]()
    for seed in range(20):
        faces = [SqliteStore(tmp_path / str(seed), clock=SystemClock(), durability="process") for _ in range(2)]
        outcomes |= compare(seed, list(faces), lambda face: face._database._holders.forget())  # type: ignore[attr-defined]
    assert outcomes == OUTCOMES


@pytest.mark.parametrize("seed", range(3))
def test_postgres_and_memory_answer_alike(seed: int, postgres_url: str) -> None:
    faces = [PostgresStore(postgres_url, host="here") for _ in range(2)]
    try:
        assert compare(seed, list(faces), lambda face: face.close(), steps=40)
    finally:
        for face in faces:
            face.close()
