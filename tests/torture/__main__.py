"""`python -m torture [N] [STORE=postgres]`: a storm of N minutes, the checks, and the figures.

Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from postgres_server import running
from torture.torment import Figures, torment


def main() -> int:
    """Torture a store, and say what came of it."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="the minutes; STORE=postgres for a database")
    parser.add_argument("--workers", type=int, default=4, help="how many processes act at a time")
    parser.add_argument("--seed", default=None, help="what is done depends on it; when, on the machine")
    parser.add_argument("--folder", default=None, help="where it happens; a fresh one, removed if all is well")
    args = parser.parse_args()
    seed = args.seed or str(random.randrange(1_000_000))
    folder = Path(args.folder or tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    minutes = float(next((word for word in args.words if "=" not in word), "10"))
    with database(folder) if "STORE=postgres" in args.words else nullcontext() as url:
        figures = torment(folder, dict(os.environ), seed=seed, workers=args.workers, seconds=minutes * 60, database=url)
    sys.stdout.write(told(figures, seed, folder))
    return 1 if figures.violations else 0


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Give the URL of a database on a server that goes on as long as this."""
    with running(folder) as server, server.database() as url:
        yield url


def told(figures: Figures, seed: str, folder: Path) -> str:
    """Return the figures as text."""
    lines = [f"seed {seed}, in {folder}"]
    lines += [f"{name:>24}: {count}" for name, count in figures.counts.items()]
    lines += [f"{'violations':>24}: {len(figures.violations)}", *figures.violations[:100]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
