"""A world in one thread: effects that finish in any order, processes that die, people who answer; all from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Effect, Ending, Failed, Finished, Succeeded, Unseen
from checkpointflow.kernel.engine import DriveOutcome, drive
from checkpointflow.kernel.ids import EventId, RunId, StepKey
from checkpointflow.kernel.revising import reopen
from checkpointflow.kernel.run import StepCall, StepResult, Workflow
from checkpointflow.kernel.state import fold
from checkpointflow.kernel.store import Message, OpenWait, Store, advance, first_head
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.crashing import Crash, CrashingStore
from checkpointflow.values import JsonObject, JsonValue, canonical

RUN = RunId("simulated-run")
LIMIT = 4000


class World:
    """One run, its store, and everything that happens to it."""

    def __init__(self, seed: int, *, violence: bool, cancels: bool = False) -> None:
        self.rng = random.Random(seed)
        self.violence = violence
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.performed: Counter[StepKey] = Counter()
        self.again: Counter[StepKey] = Counter()
        self.accepted: dict[str, JsonValue] = {}
        self.kept: set[str] = set()
        self.events = 0
        self.reopened = False
        self.cancels = cancels
        self.cancelled = False
        self.steps_taken = 0

    # -- driving --------------------------------------------------------------------------------

    def run(self, workflow: Workflow) -> JsonObject:
        """Drive a run to its end through whatever happens, checking what must hold; return its settling entry."""
        self._create()
        while True:
            self._count()
            outcome = self._one_process(workflow)
            self.check_journal()
            if outcome is not None and outcome.status == "failed" and not self.reopened:
                self._reopen()
            elif outcome is not None and outcome.status in ("completed", "failed", "cancelled"):
                return self._settled()
            self._meanwhile(outcome)

    def _create(self) -> None:
        started = e.RunStarted(
            at=self.clock.now(), workflow_id="w", workflow_name=None, workflow_version=None, definition="d",
            source_path=None, input={}, labels={}, actor=None, cwd="/", host="h",
        )  # fmt: skip
        self.store.create(RUN, [started], holder=None)

    def _one_process(self, workflow: Workflow) -> DriveOutcome | None:
        """Let one process drive; None if it died."""
        face = self.store.other_process()
        store = self.mortal(face)
        interrupt = Interrupt()
        executor = SimulatedExecutor(self, face, interrupt)
        try:
            hold = store.acquire(RUN, store.holder(), at=self.clock.now())
            return drive(workflow, hold, self._surroundings(store, executor, interrupt))
        except Crash:
            face.die()
            return None

    def mortal(self, face: Store) -> Store:
        """Return the store as a process sees it, which may die at one of its writes."""
        if not self.violence or self.rng.random() >= 0.7:
            return face
        at = self.rng.randint(1, 8)
        return CrashingStore(face, before=at) if self.rng.random() < 0.5 else CrashingStore(face, after=at)

    def _reopen(self) -> None:
        """Retry the failed run; what failed it will not fail again."""
        hold = self.store.acquire(RUN, self.store.holder(), at=self.clock.now())
        self.reopened = True
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

    def _meanwhile(self, outcome: DriveOutcome | None) -> None:
        """Between two drives: people answer and decide, time passes."""
        waits = self.store.waits(RUN)
        if outcome is not None and outcome.status == "waiting":
            assert waits, "a run parked without a wait"
        self.rng.shuffle(waits)
        for wait in waits:
            if self.rng.random() < 0.6:
                self.meet(wait)
        if self.cancels and self.rng.random() < 0.1:
            self.cancel()
        if self.rng.random() < 0.5 or not self._may_answer(waits):
            self.clock.advance(self.rng.choice([0.5, 30, 400]))

    @staticmethod
    def _may_answer(waits: list[OpenWait]) -> bool:
        return any(wait.kind != "timer" and not (wait.event_name or "").startswith("expiring") for wait in waits)

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
        record = fold(self.store.entries(RUN)).records[wait.key]
        return "failing" not in wait.key and getattr(record, "kind", "") not in ("failing", "fatal")

    def _deliver(self, kind: str, name: str, payload: JsonValue) -> None:
        self.store.deliver(self._message(kind, name, payload, None))

    def _message(self, kind: str, name: str, payload: JsonValue, wait: OpenWait | None) -> Message:
        self.events += 1
        return Message(
            run_id=RUN, event_id=EventId(f"e{self.events}"), kind=kind, name=name, payload=payload,  # type: ignore[arg-type]
            actor="somebody", at=self.clock.now(), wait_id=None if wait is None else wait.wait_id,
        )  # fmt: skip

    def _count(self) -> None:
        self.steps_taken += 1
        assert self.steps_taken < LIMIT, "the run does not come to its end"

    # -- what must hold ---------------------------------------------------------------------------

    def check_journal(self) -> None:
        """Check what holds at every moment between two drives."""
        entries = self.store.entries(RUN)
        first = entries[0]
        assert isinstance(first, e.RunStarted)
        assert self.store.head(RUN) == advance(first_head(RUN, first), entries[1:])
        # a step that the reopening voided had failed, so even then none completes twice
        completed = Counter(entry.key for entry in entries if isinstance(entry, e.StepCompleted))
        assert all(count == 1 for count in completed.values()), f"a step completed twice: {completed}"
        received = Counter(entry.wait_id for entry in entries if isinstance(entry, e.EventReceived))
        assert all(count == 1 for count in received.values()), "a wait was answered twice"
        settled = [e.name_of(x) for x in entries if isinstance(x, e.RunCompleted | e.RunFailed | e.RunCancelled)]
        reopened = sum(isinstance(entry, e.RunReopened) for entry in entries)
        assert len(settled) <= 1 + reopened, "a run settled twice"
        if len(settled) > reopened:
            assert e.name_of(entries[-1]) == settled[-1], "an entry stands behind the settlement"
        assert {w.key for w in self.store.waits(RUN)} == open_keys(entries), "the table of open waits is wrong"

    def _settled(self) -> JsonObject:
        entries = self.store.entries(RUN)
        taken = {entry.event_id for entry in entries if isinstance(entry, e.EventReceived)}
        assert set(self.accepted.values()) <= taken <= set(self.accepted.values()) | self.kept, "an answer was lost"
        assert self.store.holder_of(RUN) is None
        assert not self.store.pending(RUN)
        for key, count in self.performed.items():
            if key.endswith("!once"):
                plain = StepKey(key.removesuffix("!once"))
                assert count <= 1 + self.again[plain], f"{plain} had to run once and ran {count} times"
        assert not fold(entries).open_attempts()
        last = entries[-1]
        return {"completed": last.value} if isinstance(last, e.RunCompleted) else {e.name_of(last): True}


def open_keys(entries: list[e.AnyEntry]) -> set[StepKey]:
    """Return the keys that wait, derived anew from the whole journal."""
    state = fold(entries)
    if state.status in ("completed", "failed", "cancelled"):
        return set()
    doubtful = {
        key for key, record in state.records.items()
        if getattr(record, "in_doubt", False) or getattr(record, "retry_at", None) is not None
    }  # fmt: skip
    return set(state.waiting.values()) | doubtful


def output_of(key: str) -> JsonValue:
    """Return what a step gives: a function of its key alone."""
    return {"of": key}


class SimulatedExecutor:
    """Ends effects in any order, loses and delays them, and lets the world act while a drive waits."""

    def __init__(self, world: World, face: MemoryStore, interrupt: Interrupt) -> None:
        self._world = world
        self._face = face
        self._interrupt = interrupt
        self._going: dict[StepKey, Effect] = {}
        self._stopped: set[StepKey] = set()

    def start(self, effect: Effect) -> None:
        """Check that the intent is durable and the step not done, and begin."""
        key = effect.context.key
        entries = self._world.store.entries(RUN)
        intents = [x for x in entries if isinstance(x, e.StepStarted) and x.key == key]
        assert [x.attempt for x in intents[-1:]] == [effect.context.attempt], (
            f"{key} began before its intent was durable"
        )
        assert not any(isinstance(x, e.StepCompleted) and x.key == key for x in entries), f"{key} ran again"
        assert key not in self._going, f"{key} runs twice at once"
        self._going[key] = effect
        if effect.call.policy.effect == "once":
            self._world.performed[StepKey(f"{key}!once")] += 1

    def stop(self, key: StepKey) -> None:
        """Remember that an effect has to end."""
        self._stopped.add(key)

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        """Let something happen: some effects end, somebody acts, or time passes."""
        world = self._world
        world._count()
        if world.violence and timeout_seconds is not None:
            self._outside()
        stopped = [key for key in self._going if key in self._stopped]
        if not self._going or (timeout_seconds is not None and not stopped and world.rng.random() < 0.3):
            world.clock.advance(timeout_seconds or 0.0)
            return []
        keys = stopped or list(self._going)
        return [self._end(key) for key in world.rng.sample(keys, world.rng.randint(1, len(keys)))]

    def wake(self) -> None:
        """Nothing sleeps here."""

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        """Nothing outlives a simulated process."""

    def _outside(self) -> None:
        rng = self._world.rng
        if rng.random() < 0.1:
            for wait in self._world.store.waits(RUN):
                self._world.meet(wait)
        if rng.random() < 0.05:
            self._world.send_early()
        if self._world.cancels and rng.random() < 0.05:
            self._world.cancel()
        if rng.random() < 0.02:
            self._interrupt.ask("somebody")

    def _end(self, key: StepKey) -> Finished:
        effect = self._going.pop(key)
        self._stopped.discard(key)
        return Finished(key, effect.context.attempt, self._ending(effect, stopped=key in self._stopped))

    def _ending(self, effect: Effect, *, stopped: bool) -> Ending:
        rng, kind = self._world.rng, _kind_of(effect)
        if stopped and rng.random() < 0.5:
            return Unseen("stopped", {"code": "ERR_STEP_FAILED", "message": "stopped", "details": {}})
        if kind == "failing" or (kind == "fatal" and not self._world.reopened):
            return Failed({"code": "ERR_STEP_FAILED", "message": f"{effect.context.key} fails", "details": {}})
        if kind == "flaky" and rng.random() < 0.4:
            error: JsonObject = {"code": "ERR_TIMEOUT", "message": "late", "details": {}}
            return Unseen("timeout", error) if rng.random() < 0.5 else Failed(error)
        return Succeeded(StepResult(output_of(effect.context.key), {}))


def _kind_of(effect: Effect) -> str:
    """Return how an effect is to behave: its kind, or what a function's name says."""
    if isinstance(effect.call, StepCall):
        return effect.call.kind
    name = effect.call.identity.rpartition(":")[2]
    return name if name in ("failing", "flaky") else "local"


def outcome(workflow: Workflow, seed: int, *, violence: bool) -> str:
    """Return how a run of a workflow ends in the world of a seed, as canonical text."""
    return canonical(World(seed, violence=violence).run(workflow))
