"""`cpf cancel`: end a run for good."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, shapes
from checkpointflow.cli.envelope import Envelope

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "cancel"
SUMMARY = "end a run for good, on the record"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why, for the record")
    meaning = "how long to wait for the process that drives the run (30)"
    parser.add_argument("--timeout", type=arguments.seconds, default=30.0, metavar="SECONDS", help=meaning)
    arguments.add_actor(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Cancel the run, and return once that is recorded.

    Raises:
        RunSettledError: it has ended already.
        RunHeldError: the process that drives it has not answered in time.
    """
    run_id = door.find(args.run_id)
    view = door.client().cancel(run_id, reason=args.reason, timeout_seconds=args.timeout)
    return shapes.of_run(view, exit_code=0, ok=True)
