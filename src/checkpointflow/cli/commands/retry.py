"""`cpf retry`: give a failed run another try."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, revising
from checkpointflow.cli.driving import driving
from checkpointflow.cli.envelope import Envelope

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "retry"
SUMMARY = "reopen a failed run, start its failed step anew, and follow it"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why, for the record")
    arguments.add_revision(parser)
    arguments.add_actor(parser)
    arguments.add_follow(parser)
    arguments.add_driving(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Reopen the run and drive it.

    Raises:
        RunNotFailedError: it has not failed.
    """
    if revising.is_asked(args):
        return revising.revised(args, door, failed=True, reason=args.reason)
    with driving(door, args) as drive:
        view = drive.client.retry(door.find(args.run_id), reason=args.reason, follow=not args.no_follow)
        return drive.ended(view, follow=not args.no_follow)
