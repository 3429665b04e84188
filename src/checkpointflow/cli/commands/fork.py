"""`cpf fork`: begin a run that shares the beginning of another."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, revising
from checkpointflow.cli.driving import driving
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "fork"
SUMMARY = "begin a new run that shares what another recorded before a step, and follow it"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    meaning = "the step from which the new run goes its own way: its id or key"
    parser.add_argument("--at", required=True, type=arguments.word, metavar="STEP", help=meaning)
    meaning = "the new run goes on under this edited document"
    parser.add_argument("--with", dest="edited", type=arguments.word, metavar="FILE", help=meaning)
    parser.add_argument("--new-run-id", type=arguments.word, metavar="ID", help="the id of the new run")
    meaning = "a label of the new run, beside those of the other; may be repeated"
    parser.add_argument("--label", action="append", default=[], type=arguments.pair, metavar="K=V", help=meaning)
    arguments.add_actor(parser)
    arguments.add_follow(parser)
    arguments.add_driving(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Fork the run and drive the new one; the other stays as it is.

    Raises:
        DefinitionChangedError: the edited document means something else by a step that would be shared.
        RunExistsError: the new id is taken.
    """
    loaded = revising.edited(args, door)
    with driving(door, args) as drive:
        source = door.find(args.run_id)
        view = drive.client.fork(
            source,
            at=args.at,
            definition=loaded,
            new_id=args.new_run_id,
            labels=dict(args.label),
            follow=not args.no_follow,
        )
        more: JsonObject = {"forked_from": source, "driven": not args.no_follow}
        return drive.ended(view, follow=not args.no_follow, more=more)
