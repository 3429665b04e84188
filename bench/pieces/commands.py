"""`cpf --version`, which does nothing but begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import bare, command, times_bare
from bench.rounds import Place, Work


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    contenders = [bare(), command("cpf --version", "--version")]
    return Work("Beginning and ending", contenders, times_bare("cpf --version", 1.5), rounds=3 * place.rounds)
