"""`cpf send`: deliver an event, now or before its wait opens; drives nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, given, shapes
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "send"
SUMMARY = "deliver an event to a run, even before it waits for it; somebody else goes on with the run"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--event", required=True, type=arguments.word, metavar="NAME", help="the event's name")
    arguments.add_input(parser, "what the event says ({})")
    arguments.add_answer(parser)
    arguments.add_actor(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Deliver the event.

    Raises:
        RunNotWaitingError, EventPayloadError, RunSettledError: refused; the run is as it was.
    """
    run_id = door.find(args.run_id)
    payload = given.input_of(args.input, [], door.settings.cwd)
    receipt = door.client().send(run_id, event=args.event, payload=payload, wait=args.wait, event_id=args.event_id)
    facts: JsonObject = {"driven": False}
    facts |= {"duplicate": True} if receipt.duplicate else {}
    facts |= {"kept": True} if receipt.kept else {}
    return shapes.of_run(receipt.run, exit_code=0, ok=True, more=facts)
