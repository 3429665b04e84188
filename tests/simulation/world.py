"""A world in one thread: processes that die, drain and are superseded, people who answer and revise; from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from checkpointflow.errors import ConcurrencyError, JournalConflictError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import head_of
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import EventId, RunId, StepKey
from checkpointflow.kernel.revising import append, move, reopen
from checkpointflow.kernel.run import Workflow
from checkpointflow.kernel.store import Backoff, Hold, Message, OpenWait, Store
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.crashing import Crash, CrashingStore
from checkpointflow.values import JsonObject, JsonValue, canonical
from simulation.checks import Witness, voids
from simulation.executor import SimulatedExecutor, output_of
from simulation.revisions import EDITED, ORIGINAL, chosen_keys, fork_of, revision_of

RUN = RunId("simulated-run")
POOL = "pool"
LIMIT = 6000
REVISIONS = 3


class World:
    """One run, its store, and everything that happens to it.

    With `violence` processes die and are superseded, and people are rude; `cancels` has them cancel as well. Given an
    `edited` workflow, the run is revised at times: goes back to a step, goes on under that workflow, is forked.
    """

    def __init__(self, seed: int, *, violence: bool, cancels: bool = False, edited: Workflow | None = None) -> None:
        self.rng = random.Random(seed)
        self.violence = violence
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.witness = Witness(self.store, RUN)
        self.performed: Counter[StepKey] = Counter()
        self.again: Counter[StepKey] = Counter()
        self.accepted: dict[str, JsonValue] = {}
        self.kept: set[str] = set()
        self.forks: list[list[e.AnyEntry]] = []
        self.events = 0
        self.cancels = cancels
        self.cancelled = False
        self.seen: Counter[str] = Counter()
        self._edited = edited
        self._workflow: Workflow
        self._is_nested = False
        self._ticks = violence and edited is not None and self.rng.random() < 0.5
        self._inherited: set[str] = set()
        self._mark = "e"
        self._steps_taken = 0

    # -- driving --------------------------------------------------------------------------------

    def run(self, workflow: Workflow, beginning: Sequence[e.AnyEntry] | None = None) -> JsonObject:
        """Drive a run to its end through whatever happens, checking what must hold; return its settling entry.

        With a `beginning` the run is the fork that begins so.
        """
        self._workflow = workflow
        self._create(beginning)
        while True:
            self.count()
            outcome = self._one_drive()
            self.witness.check()
            if outcome == "failed" and not self.was_reopened():
                self._reopen()
            elif outcome in ("completed", "failed", "cancelled"):
                return self._settled()
            self._meanwhile(outcome)

    def definition(self) -> str:
        """Return under which definition the run is."""
        return self.store.head(RUN).definition

    def entries(self) -> list[e.AnyEntry]:
        """Return the run's journal."""
        return self.witness.entries()

    def waits(self) -> list[OpenWait]:
        """Return what the run waits for."""
        return self.store.waits(RUN)

    def was_reopened(self) -> bool:
        """Tell whether the run has failed and goes on, so that what failed it will not fail again."""
        return any(isinstance(entry, e.RunReopened) for entry in self.entries())

    def _create(self, beginning: Sequence[e.AnyEntry] | None) -> None:
        started = e.RunStarted(
            at=self.clock.now(), workflow_id="w", workflow_name=None, workflow_version=None, definition=ORIGINAL,
            source_path=None, input={}, labels={}, actor=None, cwd="/", host="h",
        )  # fmt: skip
        entries = list(beginning or [started])
        self._mark = "e" if beginning is None else "f"
        self._inherited = {str(entry.event_id) for entry in entries if isinstance(entry, e.EventReceived)}
        self.clock.advance(max(0.0, (entries[0].at - self.clock.now()).total_seconds()))
        self.store.create(RUN, entries, holder=None)

    def _one_drive(self) -> str | None:
        """Let a process go on with the run, if that is due; return how its drive ended, None if it did not."""
        if self._ticks and RUN not in self.store.drivable(self.clock.now(), pool=POOL, limit=1):
            self.seen["not due"] += 1
            return self.store.head(RUN).status if self.rng.random() < 0.5 else self._one_process()
        if self._ticks and self.rng.random() < 0.1:
            self._put_off()
            return None
        if self._edited is not None and self.rng.random() < 0.04:
            return self._move()
        return self._one_process()

    def _one_process(self) -> str | None:
        """Let one process drive; None if it died, or another took the run from it."""
        face = self.store.other_process()
        interrupt = Interrupt()
        executor = SimulatedExecutor(self, face, interrupt)
        try:
            surroundings = self._surroundings(self._doomed(face), executor, interrupt)
            hold = self._taken(surroundings)
            workflow = self._edited if self.definition() == EDITED else self._workflow
            assert workflow is not None
            return drive(workflow, hold, surroundings).status
        except Crash:
            face.die()
        except JournalConflictError:
            assert executor.was_superseded, "the hold was lost, and nobody had taken it"
        except ConcurrencyError:
            face.die()  # a message stands against a revision: whoever drives next takes it up
        return None

    def _taken(self, world: Surroundings) -> Hold:
        """Take the run, and revise it at times."""
        hold = world.store.acquire(RUN, world.store.holder(), at=self.clock.now())
        is_settled = self.store.head(RUN).status in ("completed", "cancelled")
        if self._edited is not None and not is_settled and self.rng.random() < 0.2 and self.seen["revised"] < REVISIONS:
            self._revise(hold, world)
        return hold

    def _revise(self, hold: Hold, world: Surroundings) -> None:
        """Have the run go back to a step or two, under the edited program or the one it has."""
        entries = self.entries()
        definition = EDITED if self.rng.random() < 0.4 else self.definition()
        steps = chosen_keys(self.rng, entries, 2)
        found = revision_of(RUN, entries, self.clock.now(), steps, definition)
        self.seen["revised"] += 1
        append(hold, world, found.added, (definition, {}))
        self.witness.check()

    def _doomed(self, face: MemoryStore) -> Store:
        """Return the store of a process that may die at one of its next writes."""
        if not self.violence or self.rng.random() >= 0.7:
            return face
        at = self.rng.randint(1, 8)
        return CrashingStore(face, before=at) if self.rng.random() < 0.5 else CrashingStore(face, after=at)

    def supersede(self, face: MemoryStore) -> bool:
        """Let a second process drive the run while the first only seems to be dead; False if it did not come to it."""
        if self._is_nested or self._edited is None:
            return False
        self.seen["superseded"] += 1
        self._is_nested = True
        try:
            face.die()
            self._one_process()
        finally:
            self._is_nested = False
        return True

    def _move(self) -> str:
        """Let the run go elsewhere, or away and back, with the messages that it has not taken up."""
        if self.store.head(RUN).is_settled:
            return self.store.head(RUN).status
        hold = self.store.acquire(RUN, self.store.holder(), at=self.clock.now())
        before = list(self.entries())
        move(hold, self._surroundings(self.store, SimulatedExecutor(self, self.store, Interrupt())))
        self.witness.check_all()
        assert self.store.drivable(self.clock.now() + timedelta(days=99), pool=POOL, limit=1) == []
        left, comes_back = self.store, self.rng.random() < 0.5
        self.store = left if comes_back else MemoryStore(clock=self.clock)
        self.witness = Witness(self.store, RUN)
        definition, messages = (head_of(RUN, before).definition, {}), left.messages(RUN)
        self.store.create(RUN, before, holder=None, definition=definition, messages=messages, over_moved=comes_back)
        assert self.entries() == before
        assert [one.event_id for one in self.store.pending(RUN)] == [
            one.event_id for one in messages if one.state == "accepted"
        ]
        self.seen["moved"] += 1
        return self.store.head(RUN).status

    def _put_off(self) -> None:
        """A process cannot drive the run: nobody in its pool tries again before the time has come."""
        self.seen["put off"] += 1
        until = self.clock.now() + timedelta(seconds=30)
        self.store.back_off(Backoff(run_id=RUN, pool=POOL, tries=1, next_try_at=until, error={}))
        assert self.store.drivable(self.clock.now(), pool=POOL, limit=1) == []
        assert self.store.drivable(until, pool=POOL, limit=1) == [RUN]

    def _reopen(self) -> None:
        """Retry the failed run; what failed it will not fail again."""
        hold = self.store.acquire(RUN, self.store.holder(), at=self.clock.now())
        reopen(hold, self._surroundings(self.store, SimulatedExecutor(self, self.store, Interrupt())), None)
        length = self.store.head(RUN).length
        assert self.store.commit(hold, length, [], release=True).written

    def _surroundings(
        self, store: Store, executor: SimulatedExecutor, interrupt: Interrupt | None = None
    ) -> Surroundings:
        return Surroundings(
            store=store,
            executor=executor,
            clock=self.clock,
            fits=lambda _schema, _payload: True,
            interrupt=interrupt or Interrupt(),
            chance=self.rng.random,
        )

    # -- people ------------------------------------------------------------------------------------

    def _meanwhile(self, outcome: str | None) -> None:
        """Between two drives: people answer, decide and fork, time passes."""
        waits = self.waits()
        if outcome == "waiting":
            assert waits, "a run parked without a wait"
        self.rng.shuffle(waits)
        for wait in waits:
            if self.rng.random() < 0.6:
                self.meet(wait)
        if self.cancels and self.rng.random() < 0.1:
            self.cancel()
        if self._edited is not None and self.rng.random() < 0.1:
            self._fork()
        if self.rng.random() < 0.5 or not self._may_answer(waits):
            self.clock.advance(self.rng.choice([0.5, 30, 400]))

    @staticmethod
    def _may_answer(waits: list[OpenWait]) -> bool:
        return any(wait.kind != "timer" and not (wait.event_name or "").startswith("expiring") for wait in waits)

    def _fork(self) -> None:
        """Keep the beginning of a run that goes its own way from here, to be driven by a world of its own."""
        entries = self.entries()
        definition = EDITED if self.rng.random() < 0.3 else self.definition()
        for key in chosen_keys(self.rng, entries, 1)[: 1 - len(self.forks)]:
            self.forks.append(fork_of(entries, key, self.clock.now(), definition))

    def meet(self, wait: OpenWait) -> None:
        """Give a wait what it needs, at times twice."""
        if wait.kind == "in_doubt":
            decision = self.rng.choice(["done", "again"]) if self._succeeds(wait) else "again"
            self.again[wait.key] += decision == "again"
            payload: JsonValue = {"decision": decision, "output": output_of(wait.key)}
            self._deliver("decide", wait.key, payload)
        elif wait.kind == "external_event" and not (wait.event_name or "").startswith("expiring"):
            for _ in range(self.rng.randint(1, 2)):
                self._answer(wait)

    def _answer(self, wait: OpenWait) -> None:
        message = self._message("event", str(wait.event_name), {"to": wait.event_name}, wait)
        delivery = self.store.answer(message)
        if delivery.outcome == "accepted":
            assert wait.wait_id not in self.accepted, f"two answers accepted for {wait.key}"
            self.accepted[str(wait.wait_id)] = message.event_id

    def send_early(self) -> None:
        """Send an event for which no wait may be open yet."""
        name = f"wait_{self.rng.choice('abcd')}"
        message = self._message("event", name, {"to": name}, None)
        if self.store.deliver(message).outcome == "kept":
            self.kept.add(message.event_id)

    def cancel(self) -> None:
        """Cancel the run, whatever it is at."""
        if self.store.deliver(self._message("cancel", "", {"reason": "enough"}, None)).outcome == "accepted":
            self.cancelled = True

    def _succeeds(self, wait: OpenWait) -> bool:
        record = self.witness.state().records[wait.key]
        return "failing" not in wait.key and getattr(record, "kind", "") not in ("failing", "fatal")

    def _deliver(self, kind: str, name: str, payload: JsonValue) -> None:
        self.store.deliver(self._message(kind, name, payload, None))

    def _message(self, kind: str, name: str, payload: JsonValue, wait: OpenWait | None) -> Message:
        self.events += 1
        return Message(
            run_id=RUN, event_id=EventId(f"{self._mark}{self.events}"), kind=kind, name=name, payload=payload,  # type: ignore[arg-type]
            actor="somebody", at=self.clock.now(), wait_id=None if wait is None else wait.wait_id,
        )  # fmt: skip

    def count(self) -> None:
        """Count what happens, so that a run which goes on for ever is seen."""
        self._steps_taken += 1
        assert self._steps_taken < LIMIT, "the run does not come to its end"

    # -- at the end --------------------------------------------------------------------------------

    def _settled(self) -> JsonObject:
        entries = self.entries()
        taken = {str(entry.event_id) for entry in entries if isinstance(entry, e.EventReceived)} - self._inherited
        accepted = {str(event_id) for event_id in self.accepted.values()}
        assert accepted <= taken <= accepted | self.kept, "an answer was lost"
        holder = self.store.holder_of(RUN)
        assert holder is None or not holder.alive, "somebody alive holds a settled run"
        assert not self.store.pending(RUN)
        self._check_once(entries)
        assert not self.witness.state().open_attempts()
        self.witness.check_all()
        last = entries[-1]
        return {"completed": last.value} if isinstance(last, e.RunCompleted) else {e.name_of(last): True}

    def _check_once(self, entries: Sequence[e.AnyEntry]) -> None:
        voided = voids(entries)
        for key, count in self.performed.items():
            allowed = 1 + self.again[key] + voided[key]
            assert count <= allowed, f"{key} had to run once and ran {count} times, where {allowed} are allowed"


def outcome(workflow: Workflow, seed: int, *, violence: bool) -> str:
    """Return how a run of a workflow ends in the world of a seed, as canonical text."""
    return canonical(World(seed, violence=violence).run(workflow))
