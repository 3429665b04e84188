"""A run in a small world whose every turn a test can script: what effects do, who dies, what happens in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from checkpointflow.errors import StoreUnavailable
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Broken, Effect, Ending, Failed, Finished, Succeeded, Unseen
from checkpointflow.kernel.engine import DriveOutcome, drive
from checkpointflow.kernel.ids import EventId, RunId, StepKey
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.revising import reopen
from checkpointflow.kernel.run import LocalEffect, Policy, Run, StepCall, StepResult, WaitRequest
from checkpointflow.kernel.state import RunState, fold
from checkpointflow.kernel.store import Commit, Delivery, Hold, Message, MessageKind, OpenWait, Store
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.crashing import Crash, CrashingStore
from checkpointflow.values import JsonObject, JsonValue

RUN = RunId("run-1")
PATIENCE = 3000

Action: TypeAlias = Callable[[], object]
Hook: TypeAlias = Callable[[Sequence[e.AnyEntry], bool], object]


# -- workflows -------------------------------------------------------------------------------------


@dataclass
class Flow:
    """A Workflow made of one async function of `run`."""

    function: Callable[[Run], Coroutine[Any, Any, Any]]

    async def drive(self, run: Run) -> JsonObject:
        return {"result": await self.function(run)}


def call(arguments: JsonValue = None, *, kind: str = "do", once: bool = False, retry: RetryPolicy | None = None):
    """Return a step's call, idempotent and tried once unless told otherwise."""
    policy = Policy(retry=retry or RetryPolicy(), effect="once" if once else "idempotent")
    return StepCall(kind=kind, arguments=arguments, policy=policy)


def tries(count: int, backoff_seconds: float = 1.0) -> RetryPolicy:
    return RetryPolicy(max_attempts=count, backoff_seconds=backoff_seconds)


def event(name: str = "go", *, schema: JsonValue = None, timeout_seconds: float | None = None) -> WaitRequest:
    return WaitRequest(event_name=name, audience="user", input_schema=schema, timeout_seconds=timeout_seconds)


async def output(run: Run, name: str, arguments: JsonValue = None, **options: Any) -> JsonValue:
    """Perform a step and return its output."""
    return (await run.step(name, call(arguments, **options))).output


# -- what effects do -------------------------------------------------------------------------------


class Holds:
    """The effect goes on until it is stopped, and then nobody sees how it ends."""


class Dies:
    """The process that performs the effect dies in it."""


Deed: TypeAlias = "Ending | Holds | Dies"


def ok(output: JsonValue = None) -> Ending:
    return Succeeded(StepResult(output, {}))


def fails(message: str = "no", **details: JsonValue) -> Ending:
    return Failed({"code": "ERR_STEP_FAILED", "message": message, "details": details})


def times_out() -> Ending:
    return Unseen("timeout", {"code": "ERR_TIMEOUT", "message": "too late", "details": {}})


def loses_connection() -> Ending:
    return Unseen("connection_lost", {"code": "ERR_STEP_FAILED", "message": "lost", "details": {"connection": True}})


def stopped() -> Ending:
    return Unseen("stopped", {"code": "ERR_STEP_FAILED", "message": "the step was stopped", "details": {}})


def breaks(error: BaseException) -> Ending:
    return Broken(error)


class ScriptedExecutor:
    """Ends effects as its script says: one at a time, first begun first ended, unless told otherwise.

    `script` has the deeds of each key's attempts in this process, in their order; what it does not name succeeds with
    the step's key. `late` are the endings of effects that were asked to stop. `order` picks, of those going, the keys
    that end in this turn.
    """

    def __init__(self, world: World, die: Action, script: Mapping[str, Sequence[Deed]]) -> None:
        self._world = world
        self._die = die
        self._script = {key: deque(deeds) for key, deeds in script.items()}
        self._going: dict[StepKey, tuple[Effect, Deed]] = {}
        self._stopping: set[StepKey] = set()
        self._turns = 0
        self._is_dead = False
        self.stray: list[Finished] = []
        self.late: dict[str, Ending] = {}
        self.order: Callable[[list[str]], list[str]] = lambda keys: keys[:1]
        self.meanwhile: deque[Action] = deque()
        self.started: list[Effect] = []
        self.stopped: list[str] = []
        self.orphans: list[Mapping[StepKey, int]] = []
        self.waited: list[float | None] = []

    def start(self, effect: Effect) -> None:
        """Begin, having made sure that the intent is durable."""
        intents = [x for x in self._world.entries() if isinstance(x, e.StepStarted) and x.key == effect.context.key]
        assert [x.attempt for x in intents[-1:]] == [effect.context.attempt], "an effect began before its intent"
        assert effect.context.key not in self._going, "two attempts of a step at once"
        deeds = self._script.get(effect.context.key)
        deed = deeds.popleft() if deeds else ok(effect.context.key)
        self._going[effect.context.key] = (effect, deed)
        self.started.append(effect)

    def stop(self, key: StepKey) -> None:
        self.stopped.append(key)
        self._stopping.add(key)

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        self._turns += 1
        assert self._turns < PATIENCE, "the drive does not come to its end"
        self.waited.append(timeout_seconds)
        if self.meanwhile:
            self.meanwhile.popleft()()
        stopping = [key for key in self._going if key in self._stopping]
        free = [key for key, (_, deed) in self._going.items() if not isinstance(deed, Holds)]
        keys = stopping or [StepKey(key) for key in self.order([str(key) for key in free])]
        if self._is_dead:
            keys = list(self._going)
        if not keys:
            assert timeout_seconds is not None, "the drive waits for effects that are not there"
            self._world.clock.advance(timeout_seconds)
        stray, self.stray = self.stray, []
        return [*stray, *(self._end(key) for key in keys)]

    def wake(self) -> None:
        """Nothing sleeps here."""

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        self.orphans.append(dict(attempts))

    def let_go(self) -> None:
        """Let the effects that hold succeed."""
        self._going = {key: (effect, ok(key)) for key, (effect, _) in self._going.items()}

    @property
    def keys(self) -> list[str]:
        """The keys of the attempts that began, in their order."""
        return [effect.context.key for effect in self.started]

    def _end(self, key: StepKey) -> Finished:
        effect, deed = self._going[key]
        if isinstance(deed, Dies) and not self._is_dead:
            self._is_dead = True
            self._die()
        del self._going[key]
        if self._is_dead or key in self._stopping:
            self._stopping.discard(key)
            return Finished(key, effect.context.attempt, self.late.get(key, stopped()))
        assert not isinstance(deed, Holds | Dies)
        return Finished(key, effect.context.attempt, deed)


# -- the world -------------------------------------------------------------------------------------


class WatchedStore(CrashingStore):
    """A store that notes what is committed together, and lets something happen right before or behind a commit."""

    def __init__(self, store: Store, ambush: Hook, aftermath: Hook) -> None:
        super().__init__(store)
        self._ambush = ambush
        self._aftermath = aftermath
        self.is_lost = False
        self.batches: list[list[str]] = []

    def commit(self, hold: Hold, length: int, entries: Sequence[e.AnyEntry], **options: Any) -> Commit:
        self._ambush(entries, bool(options.get("release")))
        commit = super().commit(hold, length, entries, **options)
        if commit.written:
            self.batches.append([shown(entry) for entry in entries])
            self._aftermath(entries, bool(options.get("release")))
        return commit

    def entries(self, run_id: RunId, *, after: int = 0, limit: int | None = None) -> list[e.AnyEntry]:
        if self.is_lost:
            raise StoreUnavailable("the disk is gone; mount it again")
        return super().entries(run_id, after=after, limit=limit)


@dataclass
class Ambush:
    """Something that happens once, right before the first commit that a condition names."""

    action: Action
    when: Callable[[Sequence[e.AnyEntry], bool], bool]
    done: bool = False

    def __call__(self, entries: Sequence[e.AnyEntry], release: bool) -> None:
        if not self.done and self.when(entries, release):
            self.done = True
            self.action()


def before(name: str, action: Action) -> Ambush:
    """Let something happen right before the first commit with an entry that is shown so."""
    return Ambush(action, lambda entries, _release: any(shown(entry).startswith(name) for entry in entries))


def behind(name: str, action: Action) -> Ambush:
    """Let something happen right behind the first commit with an entry that is shown so."""
    return before(name, action)


def before_release(action: Action) -> Ambush:
    """Let something happen right before the first commit that would give up the hold."""
    return Ambush(action, lambda _entries, release: release)


@dataclass
class World:
    """One run, its store and its clock; each drive is another process."""

    input: JsonValue = None
    clock: FakeClock = field(default_factory=FakeClock)
    fits: Callable[[JsonValue, JsonValue], bool] = lambda _schema, _payload: True
    inline_wait_seconds: float = 60.0
    messages: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=self.clock)
        started = e.RunStarted(
            at=self.clock.now(), workflow_id="w", workflow_name=None, workflow_version="1", definition="d",
            source_path=None, input=self.input, labels={}, actor=None, cwd="/there", host="h",
        )  # fmt: skip
        self.store.create(RUN, [started], holder=None)
        self.executor = self.new_executor({})
        self.batches: list[list[str]] = []

    def new_executor(self, script: Mapping[str, Sequence[Deed]]) -> ScriptedExecutor:
        return ScriptedExecutor(self, self.die, script)

    def drive(
        self,
        function: Callable[[Run], Coroutine[Any, Any, Any]],
        script: Mapping[str, Sequence[Deed]] | None = None,
        *,
        meanwhile: Sequence[Action] = (),
        order: Callable[[list[str]], list[str]] | None = None,
        late: Mapping[str, Ending] | None = None,
        ambush: Hook = lambda _entries, _release: None,
        aftermath: Hook = lambda _entries, _release: None,
        interrupt: Interrupt | None = None,
        **surroundings: Any,
    ) -> DriveOutcome:
        """Let a new process drive the run; a Crash leaves it without anybody alive."""
        self.executor = self.new_executor(script or {})
        self.executor.meanwhile.extend(meanwhile)
        self.executor.order = order or self.executor.order
        self.executor.late.update(late or {})
        self.face = self.store.other_process()
        self._watched = WatchedStore(self.face, ambush, aftermath)
        self.batches = self._watched.batches
        hold = self._watched.acquire(RUN, self._watched.holder(), at=self.clock.now())
        world = self._surroundings(self._watched, interrupt, **surroundings)
        try:
            return drive(Flow(function), hold, world)
        except Crash:
            self.face.die()
            raise

    def die_in(
        self, function: Callable[[Run], Coroutine[Any, Any, Any]], *keys: str, script: Mapping[str, Sequence[Deed]] = {}
    ) -> None:
        """Let a process drive the run and die in these steps."""
        try:
            self.drive(function, {**script, **{key: [Dies()] for key in keys}})
        except Crash:
            return
        raise AssertionError("the process did not die")

    def move(self) -> None:
        """Let the run be taken elsewhere."""
        hold = self.store.acquire(RUN, self.store.holder(), at=self.clock.now())
        moved = e.RunMoved(at=self.clock.now(), actor=None)
        assert self.store.commit(hold, self.store.head(RUN).length, [moved], release=True).written

    def reopen(self) -> None:
        """Reopen the failed run and leave it to the next drive."""
        hold = self.store.acquire(RUN, self.store.holder(), at=self.clock.now())
        try:
            reopen(hold, self._surroundings(self.store, None), "again, please")
        finally:
            assert self.store.commit(hold, self.store.head(RUN).length, [], release=True).written

    def _surroundings(self, store: Store, interrupt: Interrupt | None, **further: Any) -> Surroundings:
        return Surroundings(
            store=store,
            executor=self.executor,
            clock=self.clock,
            fits=self.fits,
            inline_wait_seconds=self.inline_wait_seconds,
            interrupt=interrupt or Interrupt(),
            actor="driver",
            chance=lambda: 0.5,
            **further,
        )

    def die(self) -> None:
        """Let the process that drives die."""
        self._watched.crashed = True
        raise Crash("the process dies in an effect")

    def lose_the_store(self) -> None:
        """Let nothing be read any more by the process that drives."""
        self._watched.is_lost = True

    def let_go(self) -> None:
        """Let the effects that hold succeed."""
        self.executor.let_go()

    # -- what others do ---------------------------------------------------------------------------

    def answer(self, payload: JsonValue = None, *, to: str = "go", at: datetime | None = None) -> Delivery:
        """Answer the open wait for an event, now or at an instant by the sender's clock."""
        (wait,) = [wait for wait in self.waits() if wait.event_name == to]
        message = self._message("event", to, payload, wait)
        return self.store.answer(replace(message, at=at or message.at))

    def send(self, payload: JsonValue = None, *, name: str = "go") -> Delivery:
        """Send an event for which no wait is open yet."""
        return self.store.deliver(self._message("event", name, payload, None))

    def cancel(self, reason: str = "enough") -> Delivery:
        return self.store.deliver(self._message("cancel", "", {"reason": reason}, None))

    def decide(self, key: str, decision: str, output: JsonValue = None) -> Delivery:
        payload: JsonValue = {"decision": decision, "output": output, "reason": "seen"}
        return self.store.deliver(self._message("decide", key, payload, None))

    def misdirected(self, name: str = "nothing") -> None:
        """A decision of a step that is in no doubt, as stores of earlier versions accepted it: nothing comes of it."""
        payload: JsonValue = {"decision": "done", "output": None, "reason": None}
        message = replace(self._message("decide", name, payload, None), state="accepted")
        self.store._insert(self.store._run(RUN), message)

    def _message(self, kind: MessageKind, name: str, payload: JsonValue, wait: OpenWait | None) -> Message:
        self.messages += 1
        return Message(
            run_id=RUN, event_id=EventId(f"e{self.messages}"), kind=kind, name=name, payload=payload, actor="ann",
            at=self.clock.now(), wait_id=None if wait is None else wait.wait_id,
        )  # fmt: skip

    # -- what can be seen -------------------------------------------------------------------------

    def entries(self) -> list[e.AnyEntry]:
        return self.store.entries(RUN)

    def journal(self) -> list[str]:
        """Return the journal behind its first entry, one short text for each."""
        return [shown(entry) for entry in self.entries()[1:]]

    def state(self) -> RunState:
        return fold(self.entries())

    def status(self) -> str:
        return self.store.head(RUN).status

    def waits(self) -> list[OpenWait]:
        return self.store.waits(RUN)

    def result(self) -> JsonValue:
        """Return what the completed run ended with."""
        last = self.entries()[-1]
        assert isinstance(last, e.RunCompleted), self.journal()
        return last.value["result"]

    def is_free(self) -> bool:
        """Tell whether nobody, alive or dead, holds the run."""
        return self.store.holder_of(RUN) is None


def shown(entry: e.AnyEntry) -> str:
    """Return an entry's name, key, and the words that tell it from others of its sort."""
    words = [e.name_of(entry), getattr(entry, "key", None)]
    words += [getattr(entry, name, None) for name in ("cause", "decision", "outcome")]
    if isinstance(entry, e.StepStarted):
        words.append(str(entry.attempt))
    if isinstance(entry, e.StepFailed) and entry.retry_at is not None:
        words.append("retry")
    if isinstance(entry, e.StepInterrupted) and entry.in_doubt:
        words.append("in doubt")
    return " ".join(str(word) for word in words if word is not None)


def local(function: Callable[[], object], identity: str = "here:function") -> LocalEffect:
    return LocalEffect(function=lambda _context: function(), identity=identity)
