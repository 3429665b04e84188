"""`cpf run` of a document of one `cli` step: one that no store has seen, one that is known, and 1.10.0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces import documents
from bench.pieces.bare import bare, command, cpf, prepared, times_bare
from bench.processes import Command
from bench.rounds import Contender, Place, Target, Work

NEW, KNOWN, OLD = "cpf run, new document", "cpf run, known document", "checkpointflow 1.10.0"


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    home, path = place.fresh("home"), documents.in_a_row(place.folder / "one.yaml", 1)

    def new(number: int) -> Command:
        return cpf("run", "-f", str(documents.changed(place.folder / "new.yaml", number)), CPF_HOME=str(home))

    known = command(KNOWN, "run", "-f", str(path), CPF_HOME=str(home))
    contenders = [bare(), prepared(NEW, new), known, *_old(place, path, peers)]
    targets = [*times_bare(NEW, 10.0), *times_bare(KNOWN, 6.0)]
    if "checkpointflow-1.10.0" in peers:
        targets.append(Target("`cpf run`, known, against 1.10.0", OLD, "cpu", 8.0, "at least", KNOWN))
    return Work("Starting a run of one command", contenders, targets)


def _old(place: Place, path: Path, peers: Mapping[str, Path]) -> list[Contender]:
    if "checkpointflow-1.10.0" not in peers:
        return []
    tool, home = str(peers["checkpointflow-1.10.0"] / "cpf"), str(place.fresh("old"))
    whole = cpf("run", "-f", str(path), cpf=tool, CHECKPOINTFLOW_BASE_DIR=home)
    return [prepared(OLD, lambda _round: whole)]
