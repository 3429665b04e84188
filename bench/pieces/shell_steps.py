"""Steps that run a command, in a row and in a `foreach`, against a bare loop that spawns and commits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import child
from bench.rounds import Contender, Place, Target, Work

FORMS = {"row": "in a row", "1": "foreach, one at a time", "2": "foreach, two at a time"}
BARE, SPAWNS = "spawn and commit", "spawn"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    count = place.size(1000, 100)
    contenders = [
        prepared(SPAWNS, lambda _round: child("spawns", count)),
        prepared(BARE, lambda _round: child("commits", place.fresh("bare"), count, "power", "SPAWN")),
        *(_ours(place, count, form) for form in FORMS),
    ]
    targets = [
        Target(f"commands {text}, to a bare loop", text, "per_second", 0.8, "at least", BARE) for text in FORMS.values()
    ]
    return Work(f"{count:,} commands", contenders, targets, rounds=3)


def _ours(place: Place, count: int, form: str) -> Contender:
    return prepared(FORMS[form], lambda _round: child("shell_steps", place.fresh("home"), count, form))
