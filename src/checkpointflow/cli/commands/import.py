"""`cpf import`: take over the run of a bundle."""
# ruff: noqa: N999 - the name is the command's word

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, shapes
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "import"
SUMMARY = "take over the run of a bundle, as it stood; nobody drives it yet"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("file", type=arguments.word, metavar="FILE", help="the bundle")
    meaning = "give the run a new id, so that nothing is performed under the keys of the one it comes from"
    parser.add_argument("--copy", action="store_true", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """Check the bundle, keep its run, and show how that stands.

    Raises:
        BundleError: it is no sound bundle, or no copy was asked for and the run was not moved.
        RunExistsError: the run is here.
    """
    from checkpointflow.cli.bundles import named
    from checkpointflow.client.bundles.reading import Bundle, shown

    path = named(args.file, door)
    with Bundle(path) as bundle:
        view, found = door.client().take_over(bundle, copy=args.copy)
        door.run_id = view.run_id
        more: JsonObject = {"driven": False, "bundle": {"file": str(path), **shown(bundle.contents)}}
    if found.copied_from is not None:
        more["copied_from"] = found.copied_from
    envelope = shapes.of_run(view, exit_code=0, ok=True, more=more)
    envelope.fields.pop("error", None)
    return Envelope(fields=envelope.fields, said=(f"run {view.run_id} is here: {view.status}",))
