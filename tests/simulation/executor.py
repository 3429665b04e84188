"""Effects of a simulated world: they end in any order, are lost and delayed, and the world acts while a drive waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Effect, Ending, Failed, Finished, Succeeded, Unseen
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import StepCall, StepResult
from checkpointflow.kernel.state import StepRecord
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from simulation.world import World


def output_of(key: str) -> JsonValue:
    """Return what a step gives: a function of its key alone."""
    return {"of": key}


class SimulatedExecutor:
    """Performs the effects of one process of a world; `was_superseded` once another process took its run over."""

    def __init__(self, world: World, face: MemoryStore, interrupt: Interrupt) -> None:
        self.was_superseded = False
        self._world = world
        self._face = face
        self._interrupt = interrupt
        self._going: dict[StepKey, Effect] = {}
        self._stopped: set[StepKey] = set()

    def start(self, effect: Effect) -> None:
        """Check that the intent is durable and the step not done, and begin."""
        key = effect.context.key
        entries = self._world.entries()
        intents = [x for x in entries if isinstance(x, e.StepStarted) and x.key == key]
        assert [x.attempt for x in intents[-1:]] == [effect.context.attempt], (
            f"{key} began before its intent was durable"
        )
        record = self._world.witness.state().records[key]
        assert isinstance(record, StepRecord)
        assert record.position is None, f"{key} ran again"
        assert key not in self._going, f"{key} runs twice at once"
        self._going[key] = effect
        if effect.call.policy.effect == "once":
            self._world.performed[key] += 1

    def stop(self, key: StepKey) -> None:
        """Remember that an effect has to end."""
        self._stopped.add(key)

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        """Let something happen: some effects end, somebody acts, or time passes."""
        world = self._world
        world.count()
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
        rng, world = self._world.rng, self._world
        if rng.random() < 0.1:
            for wait in world.waits():
                world.meet(wait)
        if rng.random() < 0.05:
            world.send_early()
        if world.cancels and rng.random() < 0.05:
            world.cancel()
        if rng.random() < 0.02:
            self._interrupt.ask("somebody")
        if rng.random() < 0.02:
            self._interrupt.drain(rng.choice([0.0, 0.5, 100.0]))
        if rng.random() < 0.02 and not self.was_superseded:
            self._be_superseded()

    def _be_superseded(self) -> None:
        """Everybody takes this process for dead while it only was slow, and another drives its run."""
        self.was_superseded = self._world.supersede(self._face)

    def _end(self, key: StepKey) -> Finished:
        effect = self._going.pop(key)
        stopped = key in self._stopped
        self._stopped.discard(key)
        return Finished(key, effect.context.attempt, self._ending(effect, stopped=stopped))

    def _ending(self, effect: Effect, *, stopped: bool) -> Ending:
        rng, kind = self._world.rng, _kind_of(effect)
        if stopped and rng.random() < 0.5:
            return Unseen("stopped", {"code": "ERR_STEP_FAILED", "message": "stopped", "details": {}})
        if kind == "failing" or (kind == "fatal" and not self._world.was_reopened()):
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
