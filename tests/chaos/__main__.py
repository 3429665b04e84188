"""`python -m chaos [RUNS=60] [ON=postgres|temporal]`: the example of a team on both, and the figures.

Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from chaos.rounds import Figures, chaos
from chaos.teams import TEAMS

PAUSE = (3.0, 7.0)
"""How many seconds lie between two kills, at least and at most."""


def main() -> int:
    """Let the chaos reign, and tell what became of the runs."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="RUNS=60; ON=postgres or ON=temporal for one of them")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="who is killed depends on it")
    args = parser.parse_args()
    chosen = dict(word.split("=", 1) for word in args.words)
    if unknown := chosen.keys() - {"RUNS", "ON"}:
        parser.error(f"`{min(unknown)}` is no word; take `RUNS=n` and `ON=postgres` or `ON=temporal`")
    teams = [chosen["ON"]] if "ON" in chosen else list(TEAMS)
    all_figures = [on(name, int(chosen.get("RUNS", "60")), args.seed) for name in teams]
    return 1 if any(figures.violations for figures in all_figures) else 0


def on(name: str, runs: int, seed: int) -> Figures:
    """Have a round on one of them, and say what came of it."""
    with (
        tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder,
        TEAMS[name](Path(folder), 0.3) as team,
    ):
        figures = chaos(team, runs, seed=seed, pause=PAUSE)
    sys.stdout.write(told(name, figures, seed))
    sys.stdout.flush()
    return figures


def told(name: str, figures: Figures, seed: int) -> str:
    """Return the figures as text."""
    line = (
        f"{name:>8}: {figures.runs} runs, {figures.unattended} answered while no worker lived; "
        f"{figures.kills} workers killed, {figures.repeated} attempts repeated, "
        f"{figures.doubts} doubts decided, "
        f"{len(figures.violations)} violations, {figures.seconds:.0f} s (seed {seed})"
    )
    return "\n".join([line, *figures.violations[:100]]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
