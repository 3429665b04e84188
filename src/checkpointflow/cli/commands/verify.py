"""`cpf verify`: check a bundle, and say what it is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "verify"
SUMMARY = "check a bundle as a whole, and say what it is; needs no store and changes nothing"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("file", type=arguments.word, metavar="FILE", help="the bundle")


def run(args: Namespace, door: Door) -> Envelope:
    """Check the bundle.

    Raises:
        BundleError: it is no sound bundle.
    """
    from checkpointflow.cli.bundles import bundle_fields, named, taking_over

    path = named(args.file, door)
    fields: JsonObject = bundle_fields(path)
    fields["next_actions"] = [taking_over(fields, "Take its run over")]
    bundle = fields["bundle"]
    assert isinstance(bundle, dict)
    return Envelope(fields=fields, said=(f"a sound bundle of run {bundle['run_id']}: {bundle['status']}",))
