"""How many bytes a step of 1 KB takes in the store, few and many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import child
from bench.rounds import Contender, Place, Target, Work


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    few, many = place.size(1000, 1000), place.size(10_000, 3000)
    contenders = [_ours(place, count) for count in (100, few, many)]
    what = "bytes a step in the store"
    targets = [
        Target(f"{what}, {many:,} to {few:,}", _name(many), "bytes_per_step", bound, sense, _name(few))  # type: ignore[arg-type]
        for bound, sense in ((1.1, "at most"), (0.9, "at least"))
    ]
    return Work("Bytes a step of 1 KB", contenders, targets, rounds=1)


def _name(count: int) -> str:
    return f"{count:,} steps"


def _ours(place: Place, count: int) -> Contender:
    def ours(_round: int) -> object:
        return child("durable_steps", place.fresh("home"), count, 1024, CPF_DURABILITY="process")

    return prepared(_name(count), ours)  # type: ignore[arg-type]
