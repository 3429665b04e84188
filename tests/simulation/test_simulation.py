"""The whole engine on a fake clock, fake effects and a memory store: any order, any crash, the same outcome."""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import cache

import pytest

from checkpointflow.values import canonical
from simulation.programs import Node, Program, generate
from simulation.revisions import EDITED
from simulation.world import World, outcome

SEEDS = int(os.environ.get("CPF_SEEDS", "2000"))
FIRST = int(os.environ.get("CPF_FIRST_SEED", "0"))
CHUNK = 100
REVISED = (101661,)
"""Seeds that have failed: a step with effect once, stopped a second time, was taken for one of a known outcome."""


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS // 2, CHUNK))
def test_any_order_any_crash_same_outcome(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS // 2)):
        check(seed)


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS // 2, CHUNK))
def test_a_run_that_is_revised_drained_superseded_moved_or_forked_ends_as_its_definition_says(start: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS // 2)):
        seen += check_revised(seed)
    assert min(seen[what] for what in ("revised", "superseded", "put off", "forked", "edited", "moved")) > 0, seen


@pytest.mark.parametrize("seed", REVISED)
def test_a_seed_that_has_failed_ends_as_its_definition_says(seed: int) -> None:
    check_revised(seed)


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS // 10, CHUNK))
def test_a_cancelled_run_is_cancelled_whole(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS // 10)):
        check_cancelled(seed)


def check_cancelled(seed: int) -> None:
    """Cancel a run in the middle of violence and revisions: it ends as cancelled, or as it would have."""
    program, edited = programs(seed)
    world = World(seed + 2_000_003, violence=True, cancels=True, edited=edited if seed % 2 else None)
    ending = world.run(program)
    if world.cancelled:
        assert ending == {"run_cancelled": True}, f"seed {seed}"
    else:
        assert "completed" in ending, f"seed {seed}"


def check(seed: int) -> None:
    """Compare a run through violence with an unbroken one."""
    program = Program(generate(random.Random(seed)))
    unbroken = outcome(program, seed, violence=False)
    assert outcome(program, seed + 1_000_003, violence=True) == unbroken, f"seed {seed}"


def check_revised(seed: int) -> Counter[str]:
    """Compare a run that goes on otherwise, and one that was forked from it, with unbroken ones."""
    program, edited = programs(seed)

    @cache
    def ends(definition: str) -> str:
        return outcome(edited if definition == EDITED else program, seed, violence=False)

    def unbroken(of: World) -> str:
        return ends(of.definition())

    world = World(seed + 3_000_017, violence=True, edited=edited)
    ending = canonical(world.run(program))
    assert ending == unbroken(world), f"seed {seed}"
    for beginning in world.forks:
        fork = World(seed + 4_000_037, violence=True, edited=edited)
        ending = canonical(fork.run(program, beginning))
        assert ending == unbroken(fork), f"seed {seed}, the fork"
        world.seen["forked"] += 1
    world.seen["edited"] += world.definition() == EDITED
    return world.seen


def programs(seed: int) -> tuple[Program, Program]:
    """Return a seed's program, and the same with something behind it."""
    nodes = generate(random.Random(seed))
    return Program(nodes), Program([*nodes, Node("step", "added"), Node("wait", "e")])
