"""Trivial durable steps of a function in a row, against a bare loop of commits and against the peers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import CHILDREN, Command, child, environment
from bench.rounds import Contender, Place, Target, Work

PEERS = {"dbos": ("power", 5.0), "agent-framework": ("process", 10.0), "langgraph": ("process", 1.0)}
"""How many times faster than each we want to be, at 1,000 steps, and the level at which it writes: two do not sync."""


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    count = place.size(10_000, 2000)
    contenders, targets = list[Contender](), list[Target]()
    for level in ("power", "process"):
        contenders += [_bare(place, count, level), _ours(place, count, level)]
        what = f"durable steps at `{level}`, to the bare commit loop"
        targets.append(Target(what, f"steps, {level}", "per_second", 0.6, "at least", f"commits, {level}"))
    for name, (level, bound) in PEERS.items():
        if name in peers:
            contenders.append(_peer(place, name, peers[name]))
            what = f"durable steps at `{level}`, to {name}"
            targets.append(Target(what, f"steps, {level}", "per_second", bound, "at least", name))
    return Work(f"{count:,} durable steps of a function", contenders, targets, rounds=3)


def _bare(place: Place, count: int, level: str) -> Contender:
    return prepared(f"commits, {level}", lambda _round: child("commits", place.fresh("bare"), count, level))


def _ours(place: Place, count: int, level: str) -> Contender:
    def ours(_round: int) -> Command:
        return child("durable_steps", place.fresh("home"), count, CPF_DURABILITY=level)

    return prepared(f"steps, {level}", ours)


def _peer(place: Place, name: str, folder: Path) -> Contender:
    script = CHILDREN.with_name("peers") / f"{name.replace('-', '_')}_steps.py"

    def peer(_round: int) -> Command:
        return Command([str(folder / "python"), str(script), str(place.fresh("peer")), "1000"], environment())

    return prepared(name, peer)
