"""`cpf status`: how a run stands; drives nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, shapes
from checkpointflow.cli.envelope import Envelope

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "status"
SUMMARY = "show how a run stands, what it waits for and how it goes on"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 whatever the run's own exit code is")


def run(args: Namespace, door: Door) -> Envelope:
    """Show the run; the exit code is the run's own."""
    view = door.reader().get(door.find(args.run_id))
    return shapes.of_run(view, exit_code=0 if args.exit_zero else None)
