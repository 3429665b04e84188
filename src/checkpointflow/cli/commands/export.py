"""`cpf export`: write a run as a bundle, to look at or to go on with elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.shapes import run_fields
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "export"
SUMMARY = "write a run as a bundle: one file with all that is needed to go on with it elsewhere"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    meaning = "the bundle that is written, a tar archive"
    parser.add_argument("-o", "--output", dest="file", required=True, type=arguments.word, metavar="FILE", help=meaning)
    meaning = "the run goes on from the bundle alone: here it is `moved`, and nothing takes it up any more"
    parser.add_argument("--move", action="store_true", help=meaning)
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    arguments.add_actor(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Write the bundle, and say what it holds.

    Raises:
        FileExistsAlreadyError: there is such a file.
        RunHeldError: a run that is to be moved is driven.
        RunSettledError: a run that is to be moved has completed or been cancelled.
    """
    from checkpointflow.cli.bundles import bundle_fields, named, taking_over

    path = named(args.file, door)
    client = door.client()
    view = client.export(door.find(args.run_id), path, move=args.move, force=args.force)
    fields: JsonObject = {**run_fields(view), **bundle_fields(path)}
    fields["next_actions"] = [taking_over(fields, "Take it over in another place")]
    said = f"run {view.run_id} is in {Path(path).name}" + (", and goes on from there alone" if args.move else "")
    return Envelope(fields=fields, said=(said,))
