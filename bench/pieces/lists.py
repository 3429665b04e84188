"""Looking at runs, in a store that has 1,000 of them waiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces.bare import bare, command, times_bare
from bench.processes import child, measured
from bench.rounds import Place, Work


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    home = place.fresh("home")
    measured(child("stored_runs", home, 1000, "waiting"))
    run_id = first_run(home)
    words = {
        "cpf status": ("status", "--run-id", run_id, "--exit-zero"),
        "cpf runs": ("runs",),
        "cpf waits": ("waits",),
    }
    contenders = [bare(), *(command(name, *line, CPF_HOME=str(home)) for name, line in words.items())]
    targets = [target for name in words for target in times_bare(name, 3.0)]
    return Work("Looking at 1,000 runs", contenders, targets)


def first_run(home: Path) -> str:
    """Return the id of a run in a store."""
    from checkpointflow import Store

    with Store(home) as store:
        return store.port.heads(limit=1)[0].run_id
