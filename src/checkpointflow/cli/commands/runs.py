"""`cpf runs`: the list of runs, newest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.shapes import run_fields
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "runs"
SUMMARY = "list the runs, newest first"
_STATUSES = ("running", "interrupted", "waiting", "paused", "moved", "completed", "failed", "cancelled")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("--status", choices=_STATUSES, help="only runs in this status")
    parser.add_argument("--workflow", type=arguments.word, metavar="ID", help="only runs of this workflow")
    meaning = "only runs with this label; may be repeated"
    parser.add_argument("--label", action="append", default=[], type=arguments.pair, metavar="K=V", help=meaning)
    parser.add_argument("--limit", type=arguments.count, default=20, metavar="N", help="at most so many (20)")
    meaning = "go on after `next_cursor` of the page before"
    parser.add_argument("--after", type=arguments.word, metavar="CURSOR", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """List runs."""
    found, cursor = door.reader().runs(
        status=args.status, workflow=args.workflow, labels=dict(args.label), limit=args.limit, after=args.after
    )
    runs: list[JsonValue] = [run_fields(view) for view in found]
    fields: JsonObject = {"runs": runs}
    looks: list[JsonValue] = [action("See this run", ["cpf", "status", "--run-id", view.run_id]) for view in found[:1]]
    if cursor is not None:
        fields["next_cursor"] = cursor
        looks.append(action("See the next page", ["cpf", "runs", *_without_cursor(args), "--after", cursor]))
    fields["next_actions"] = looks or [action("Write a document to run", ["cpf", "init"])]
    return Envelope(fields=fields)


def _without_cursor(args: Namespace) -> list[str]:
    words = [f"--status={args.status}"] if args.status else []
    words += [f"--workflow={args.workflow}"] if args.workflow else []
    words += [f"--label={key}={value}" for key, value in args.label]
    return [*words, "--limit", str(args.limit)]
