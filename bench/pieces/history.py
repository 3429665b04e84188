"""Commands on a store of 100,000 settled runs, against a store of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.pieces import documents
from bench.pieces.bare import command
from bench.pieces.lists import first_run
from bench.processes import child, measured
from bench.rounds import Contender, Place, Target, Work


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work."""
    del peers
    count = place.size(100_000, 10_000)
    full, empty = place.fresh("full"), place.fresh("empty")
    measured(child("stored_runs", full, count, "completed"))
    measured(child("stored_runs", empty, 1, "completed"))
    document = str(documents.in_a_row(place.folder / "one.yaml", 1))
    contenders, targets = list[Contender](), list[Target]()
    for name in ("runs", "waits", "status", "run"):
        for home in (full, empty):
            title = f"{name}, {'full' if home == full else 'empty'}"
            contenders.append(command(title, *_words(name, home, document), CPF_HOME=str(home)))
        targets += [
            Target(
                f"`{name}` with {count:,} settled runs, {figure}",
                f"{name}, full",
                figure,
                1.5,
                "at most",
                f"{name}, empty",
            )
            for figure in ("cpu", "wall")
        ]
    return Work(f"A store of {count:,} settled runs", contenders, targets)


def _words(name: str, home: Path, document: str) -> list[str]:
    if name == "status":
        return [name, "--run-id", first_run(home)]
    return [name, "-f", document] if name == "run" else [name]
