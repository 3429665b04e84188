"""Waiting runs that get one event each and are driven by a worker, against one long run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import CPF, prepared
from bench.processes import Command, child, measured
from bench.rounds import Place, Target, Work

MANY, LONG = "runs of one command, by a worker, four at a time", "one run of as many commands"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    count = place.size(5000, 200)

    def many(_round: int) -> Command:
        home = place.fresh("home")
        measured(child("stored_runs", home, count, "waiting"))
        return child("waiting", CPF, home, count, CPF_HOME=str(home))

    contenders = [
        prepared(MANY, many),
        prepared(LONG, lambda _round: child("shell_steps", place.fresh("long"), count, "row")),
    ]
    targets = [Target("commands a second of a worker, to one long run", MANY, "per_second", 0.7, "at least", LONG)]
    return Work(f"{count:,} waiting runs", contenders, targets, rounds=2)
