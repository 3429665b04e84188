"""Eight processes that drive their own runs on one store, against one alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import child
from bench.rounds import Contender, Place, Target, Work

ONE, EIGHT = "one process", "eight processes"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    count = place.size(2000, 300)
    contenders = [_drivers(place, ONE, 1, count), _drivers(place, EIGHT, 8, count)]
    targets = [
        Target("eight processes together, to one alone", EIGHT, "per_second", 0.8, "at least", ONE),
        Target("the slowest commit among eight", EIGHT, "slowest_commit_ms", 100.0, "at most", unit="ms"),
    ]
    return Work("Eight processes on one store", contenders, targets, rounds=3)


def _drivers(place: Place, name: str, processes: int, count: int) -> Contender:
    return prepared(name, lambda _round: child("crowd", place.fresh("home"), processes, count))
