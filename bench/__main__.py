"""`python -m bench`: measure, and write a report as JSON and as Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import cast

from bench import environments, machine, report
from bench.rounds import Place, Result, Work, measure

PIECES = (
    "commands", "lists", "starting", "validating", "durable_steps", "postgres_steps", "shell_steps", "replay", "sizes",
    "fan_out", "crowd", "history", "waiting", "temporal",
)  # fmt: skip

_SWITCHES = {"QUICK=1": "--quick", "PEERS=1": "--peers"}
"""How `just bench` is asked for them."""


def main() -> int:
    """Measure the pieces that were asked for."""
    args = _arguments()
    described, results = machine.described(), list[Result]()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    peers, missing = environments.installed(Path(args.peers_in).absolute()) if args.peers else ({}, {})
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        for name in args.only or PIECES:
            place = Place(Path(folder) / name, args.rounds or (3 if args.quick else 7), args.quick)
            place.folder.mkdir()
            piece = import_module(f"bench.pieces.{name}")
            results.append(measure(cast(Work, piece.work(place, peers)), place))
            _tell(results[-1])
            (out / "report.json").write_text(report.as_json(described, results, missing))
            (out / "report.md").write_text(report.as_markdown(described, results, missing))
    print(f"{out / 'report.json'}\n{out / 'report.md'}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: within two minutes")
    parser.add_argument("--peers", action="store_true", help="install the peers, and have them do the same work")
    parser.add_argument("--peers-in", default="out/bench/peers", metavar="FOLDER", help="where peers are installed")
    parser.add_argument("--rounds", type=int, help="how often each contender runs")
    parser.add_argument("--out", default="out/bench", metavar="FOLDER", help="where the reports are written")
    parser.add_argument("only", nargs="*", metavar="PIECE", help=f"some of {', '.join(PIECES)}")
    words = [_SWITCHES.get(word, word) for word in sys.argv[1:]]
    return parser.parse_args(words)


def _tell(result: Result) -> None:
    print(result.title, file=sys.stderr)
    for verdict in result.verdicts:
        value = "nothing" if verdict.value is None else f"{verdict.value:.4g} {verdict.target.unit}"
        word = "reached" if verdict.is_reached else "NOT REACHED"
        print(
            f"  {word}: {verdict.target.what}: {value} ({verdict.target.sense} {verdict.target.bound:g})",
            file=sys.stderr,
        )
    for name, why in result.failures.items():
        print(f"  FAILED: {name}: {why}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
