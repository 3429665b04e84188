"""Function workflows through any order and any crash: no result is swapped, lost or performed again."""

from __future__ import annotations

import gc
import os
import random

import pytest

from checkpointflow.kernel.store import Store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.crashing import CrashingStore
from checkpointflow.values import canonical
from simulation.functions import FunctionProgram, generate
from simulation.world import World, outcome

SEEDS = int(os.environ.get("CPF_SEEDS", "1000"))
FIRST = int(os.environ.get("CPF_FIRST_SEED", "0"))
CHUNK = 50


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS, CHUNK))
def test_branches_in_any_order_through_any_crash_come_out_the_same(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS)):
        program = FunctionProgram(generate(random.Random(seed)))
        unbroken = whole(program, seed)
        assert outcome(program, seed + 1_000_003, violence=True) == unbroken, f"seed {seed}"
    gc.collect()  # so that a coroutine that nobody awaited complains here


@pytest.mark.parametrize("dies", [{"after": 3}, {"before": 4}, {"after": 4}], ids=["after 3", "before 4", "after 4"])
def test_processes_that_all_die_after_a_few_commits_come_to_the_same_end(dies: dict[str, int]) -> None:
    processes, seeds = 0, range(FIRST, FIRST + max(5, SEEDS // 100))
    for seed in seeds:
        program = FunctionProgram(generate(random.Random(seed)))
        world = ShortLived(seed, dies)
        assert canonical(world.run(program)) == whole(program, seed), f"seed {seed}"
        processes += world.processes
    assert processes > 3 * len(seeds)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_process_that_dies_beside_any_commit_changes_nothing_about_the_end(side: str) -> None:
    deaths, seeds = 0, range(FIRST, FIRST + max(5, SEEDS // 200))
    for seed in seeds:
        program = FunctionProgram(generate(random.Random(seed)))
        ending, at = whole(program, seed), 0
        while True:
            at += 1
            world = DiesOnce(seed, side, at)
            assert canonical(world.run(program)) == ending, f"seed {seed}, {side} commit {at}"
            world.note()
            if not world.has_died:
                break
        deaths += at - 1
    assert deaths > 10 * len(seeds)


def whole(program: FunctionProgram, seed: int) -> str:
    """Return how a run ends that nothing disturbs."""
    ending = World(seed, violence=False).run(program)
    assert "completed" in ending, f"seed {seed}"
    return canonical(ending)


class DiesOnce(World):
    """A world in which one process dies, before or after the n-th write of all."""

    def __init__(self, seed: int, side: str, at: int) -> None:
        super().__init__(seed + 5_000_003, violence=False)
        self._side = side
        self._left = at
        self._last: CrashingStore | None = None
        self.has_died = False

    def _doomed(self, face: MemoryStore) -> Store:
        self.note()
        if self.has_died:
            return face
        before, after = (self._left, None) if self._side == "before" else (None, self._left)
        self._last = CrashingStore(face, before=before, after=after)
        return self._last

    def note(self) -> None:
        """Take note of the writes of the process before."""
        if self._last is not None:
            self._left -= self._last.writes
            self.has_died = self._last.crashed
            self._last = None


class ShortLived(World):
    """A world in which every process dies at its n-th write: the first takes the run's hold, the others commit."""

    def __init__(self, seed: int, dies: dict[str, int]) -> None:
        super().__init__(seed + 4_000_003, violence=False)
        self.dies = dies
        self.processes = 0

    def _doomed(self, face: MemoryStore) -> Store:
        self.processes += 1
        return CrashingStore(face, **self.dies)
