"""`cpf delete`: forget a run that has settled."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.shapes import run_fields
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "delete"
SUMMARY = "forget a run that has settled: its journal, its messages and its files"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Delete the run, and show it as it was.

    Raises:
        RunNotSettledError: it could still go on.
        RunHeldError: another process is at it.
    """
    view = door.client().delete(door.find(args.run_id))
    again = action("List the runs that are left", ["cpf", "runs"])
    fields: JsonObject = {**run_fields(view), "deleted": True, "next_actions": [again]}
    return Envelope(fields=fields, said=(f"run {view.run_id} is gone",))
