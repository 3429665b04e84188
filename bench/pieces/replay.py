"""Going on with a run of many recorded steps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import Command, child, measured
from bench.rounds import Contender, Place, Target, Work

MICROSECONDS, BYTES = 30.0, 1536.0


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    contenders, targets = list[Contender](), list[Target]()
    sizes = (1000, 5000) if place.quick else (1000, 10_000, 100_000)
    for form in ("function", "document"):
        for count in sizes:
            name = f"{form}, {count:,} steps"
            contenders.append(_replay(place, form, count, name))
            targets.append(Target(f"replay, {name}, CPU", name, "cpu_us_per_step", MICROSECONDS, "at most", unit="µs"))
            if count > 1000:
                targets.append(Target(f"replay, {name}, memory", name, "bytes", BYTES, "at most", unit="bytes a step"))
    return Work("Replay", contenders, targets, rounds=3)


def _replay(place: Place, form: str, count: int, name: str) -> Contender:
    built = place.fresh("built") / "home"
    measured(child("replaying", "build", built, form, count, CPF_DURABILITY="process"))

    def replay(_round: int) -> Command:
        home = place.fresh("home") / "copy"
        shutil.copytree(built, home)
        return child("replaying", "replay", home, form, count)

    return prepared(name, replay)
