"""`cpf resume`: answer a wait, or just go on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, given, revising
from checkpointflow.cli.driving import driving
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import UsageError
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "resume"
SUMMARY = "answer a run's wait, or go on with a run that was paused or interrupted, and follow it"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--event", type=arguments.word, metavar="NAME", help="the event that the run waits for")
    arguments.add_input(parser, "the answer ({})")
    arguments.add_answer(parser)
    arguments.add_revision(parser)
    arguments.add_actor(parser)
    arguments.add_follow(parser)
    arguments.add_driving(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Deliver the answer, if one is given, or revise the run, and drive.

    Raises:
        EventMismatchError, RunNotWaitingError, EventPayloadError: refused; the run is as it was.
    """
    answers = args.event is not None or args.wait is not None
    if revising.is_asked(args):
        if answers or args.input is not None or args.event_id is not None:
            raise UsageError("an answer and a revision do not go together; revise the run first, then answer it")
        return revising.revised(args, door, failed=False)
    if not answers and (args.input is not None or args.event_id is not None):
        raise UsageError("an answer needs `--event`, or `--wait`, to say what it answers")
    with driving(door, args) as drive:
        run_id = door.find(args.run_id)
        payload = given.input_of(args.input, [], door.settings.cwd) if answers else None
        receipt = drive.client.resume(
            run_id,
            event=args.event,
            payload=payload,
            has_payload=answers,
            wait=args.wait,
            event_id=args.event_id,
            follow=not args.no_follow,
        )
        more: JsonObject = {"driven": receipt.driven}
        more |= {"duplicate": True} if receipt.duplicate else {}
        return drive.ended(receipt.run, follow=not args.no_follow, more=more)
