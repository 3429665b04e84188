"""`cpf decide`: say what became of a step in doubt."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, given
from checkpointflow.cli.actions import DECISIONS
from checkpointflow.cli.driving import driving
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import UsageError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "decide"
SUMMARY = "say what became of a step in doubt, on the record, and follow the run"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("step", metavar="STEP", type=arguments.word, help="the step's key")
    meaning = "it took effect, it did not and is performed again, or it counts as failed"
    parser.add_argument("decision", choices=tuple(DECISIONS), help=meaning)
    parser.add_argument("--output", metavar="JSON", help="with `done`: what the step gave: JSON, @FILE, or -")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the record")
    arguments.add_actor(parser)
    arguments.add_follow(parser)
    arguments.add_driving(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Record the decision and drive the run.

    Raises:
        StepNotInDoubtError: nothing has to be decided about the step.
    """
    if args.output is not None and args.decision != "done":
        raise UsageError("`--output` goes with `done` alone, for no other decision gives the step an output")
    output = None if args.output is None else given.json_of(args.output, "--output", door.settings.cwd)
    follow = not args.no_follow
    with driving(door, args) as drive:
        run_id = door.find(args.run_id)
        view = drive.client.decide(run_id, args.step, args.decision, output=output, reason=args.reason, follow=follow)
        return drive.ended(view, follow=follow)
