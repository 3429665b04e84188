"""`cpf run`: start a run and drive it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, given, shapes
from checkpointflow.cli.documents import load
from checkpointflow.cli.driving import created, driving
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.definition import Definition

NAME = "run"
SUMMARY = "start a run of a document and drive it until it waits or settles"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_file(parser)
    meaning = "the handlers of a graph: a module, or the file of one"
    parser.add_argument("--handlers", type=arguments.word, metavar="MODULE", help=meaning)
    arguments.add_input(parser, "the run's input")
    arguments.add_set(parser)
    meaning = "an id of your own: the same with the same input attaches to that run"
    parser.add_argument("--run-id", type=arguments.word, metavar="ID", help=meaning)
    meaning = "a label, for lists; may be repeated"
    parser.add_argument("--label", action="append", default=[], type=arguments.pair, metavar="K=V", help=meaning)
    meaning = "return at once, and have a process of its own drive the run"
    parser.add_argument("--detach", action="store_true", help=meaning)
    arguments.add_actor(parser)
    arguments.add_driving(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Start the run, or attach to it.

    Raises:
        DocumentError, InputError: nothing was started.
        RunExistsError: the id belongs to a run with another input or definition.
    """
    loaded = load(door, args.file, strict=args.strict, handlers=args.handlers)
    run_input = given.input_of(args.input, args.set, door.settings.cwd)
    if args.detach:
        return _detached(args, door, loaded, run_input)
    with driving(door, args) as drive:
        view = drive.client.run(loaded, run_input, run_id=args.run_id, labels=dict(args.label))
        return drive.ended(view)


def _detached(args: Namespace, door: Door, loaded: Definition, run_input: JsonValue) -> Envelope:
    from checkpointflow.cli.detaching import handed_over

    client = door.client(on_created=lambda run_id: created(door, run_id))
    view = client.start(loaded, run_input, run_id=args.run_id, labels=dict(args.label))
    if door.engine is not None:  # its workers drive
        return shapes.of_run(view, exit_code=0, ok=True, more={"driven": False})
    return handed_over(door, client, view, args)
