"""Runs of 20 trivial steps and one wait on Temporal, against the same as its authors write it by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import child
from bench.rounds import Place, Target, Work

OURS, HAND = "a function of ours", "a workflow written for Temporal"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    runs = place.size(40, 10)
    contenders = [
        prepared(HAND, lambda _round: child("temporal_steps", "hand", place.fresh("hand"), runs)),
        prepared(OURS, lambda _round: child("temporal_steps", "ours", place.fresh("ours"), runs)),
    ]
    what = "a run of 20 steps and one wait on Temporal, to one written by hand"
    targets = [Target(what, OURS, "ms_per_run", 1.3, "at most", HAND)]
    return Work(f"{runs} runs of 20 steps and a wait on Temporal", contenders, targets, rounds=3)
