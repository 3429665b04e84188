"""Ten effects of 0.2 seconds beside each other, in a document, a graph and a function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import prepared
from bench.processes import child
from bench.rounds import Contender, Place, Target, Work

FORMS = ("document", "graph", "function")


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    contenders = [_ours(place, form) for form in FORMS]
    targets = [Target(f"10 x 0.2 s, {form}", form, "wall", 0.25, "at most", unit="s") for form in FORMS]
    return Work("Ten effects of 0.2 seconds at once", contenders, targets)


def _ours(place: Place, form: str) -> Contender:
    return prepared(form, lambda _round: child("fan_out", place.fresh("home"), form))
