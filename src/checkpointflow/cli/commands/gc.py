"""`cpf gc`: forget old runs, and remove what belongs to no run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client.sweeping import Collected

NAME = "gc"
SUMMARY = "forget runs that settled long ago, remove what belongs to no run, and give the space back"
_LISTED = 100


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "forget runs that settled so long ago: a number and d, h, m or s (30d)"
    parser.add_argument("--older-than", type=arguments.age, default="30d", metavar="AGE", help=meaning)
    meaning = "forget runs of this status; may be repeated (completed, cancelled: nothing can be done with those)"
    known = ("completed", "cancelled", "failed", "moved")
    parser.add_argument("--status", action="append", choices=known, help=meaning)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(args: Namespace, door: Door) -> Envelope:
    """Remove what may go, and say how much that was; what could still go on is never touched."""
    found = door.client().collect(args.older_than, statuses=args.status, dry_run=args.dry_run)
    fields: JsonObject = {"collected": {"dry_run": args.dry_run, **_figures(found)}}
    if found.warnings:
        fields["warnings"] = list(found.warnings)
    again: list[JsonValue] = [action("See what is left", ["cpf", "runs"])]
    if args.dry_run:
        given = [word for status in args.status or () for word in ("--status", status)]
        again = [action("Remove it", ["cpf", "gc", "--older-than", f"{args.older_than:.0f}s", *given])]
    fields["next_actions"] = again
    return Envelope(fields=fields, said=(_said(found, dry_run=args.dry_run),))


def _figures(found: Collected) -> JsonObject:
    listed: list[JsonValue] = [*found.runs[:_LISTED]]
    left: JsonObject = {**dict(sorted(found.left.items()))}
    return {
        "runs": len(found.runs),
        "run_ids": listed,
        "folders": len(found.folders),
        "files_bytes": found.files_bytes,
        "definitions": found.swept.definitions,
        "values": found.swept.values,
        "store_bytes": found.swept.size_bytes,
        "store_bytes_freed": found.swept.freed_bytes,
        "left": left,
    }


def _said(found: Collected, *, dry_run: bool) -> str:
    verb = "would go" if dry_run else "are gone"
    freed = (found.files_bytes + found.swept.freed_bytes) // 1024
    return f"{len(found.runs)} runs and {len(found.folders)} folders of no run {verb}: {freed:,} KiB"
