"""`cpf validate` of a document of 1,000 steps, against 1.10.0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces import documents
from bench.pieces.bare import bare, command, cpf, prepared
from bench.rounds import Place, Target, Work

OURS, OLD = "cpf validate, 1,000 steps", "checkpointflow 1.10.0"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    path = documents.in_a_row(place.folder / "long.yaml", 1000)
    contenders = [bare(), command(OURS, "validate", "-f", str(path), CPF_HOME=str(place.fresh("home")))]
    targets = []
    if "checkpointflow-1.10.0" in peers:
        whole = cpf("validate", "-f", str(path), cpf=str(peers["checkpointflow-1.10.0"] / "cpf"))
        contenders.append(prepared(OLD, lambda _round: whole))
        targets.append(Target("`cpf validate` of 1,000 steps, against 1.10.0", OLD, "cpu", 10.0, "at least", OURS))
    return Work("Validating 1,000 steps", contenders, targets)
