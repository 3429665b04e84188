"""The whole engine on a fake clock, fake effects and a memory store: any order, any crash, the same outcome."""

from __future__ import annotations

import os
import random

import pytest

from simulation.programs import Program, generate
from simulation.world import World, outcome

SEEDS = int(os.environ.get("CPF_SEEDS", "2000"))
FIRST = int(os.environ.get("CPF_FIRST_SEED", "0"))
CHUNK = 100


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS, CHUNK))
def test_any_order_any_crash_same_outcome(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS)):
        check(seed)


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS // 10, CHUNK))
def test_a_cancelled_run_is_cancelled_whole(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + SEEDS // 10)):
        check_cancelled(seed)


def check_cancelled(seed: int) -> None:
    """Cancel a run in the middle of violence: it ends as cancelled, or as it would have."""
    program = Program(generate(random.Random(seed)))
    world = World(seed + 2_000_003, violence=True, cancels=True)
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
