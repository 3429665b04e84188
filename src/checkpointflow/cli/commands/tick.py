"""`cpf tick`: drive what is due, once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.working import driven_fields, said, stopping
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "tick"
SUMMARY = "drive once all runs that are interrupted or due: timers, deadlines, answers, retries"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_pool(parser)
    arguments.add_actor(parser)
    arguments.add_drain(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Drive what is due, one run after the other; those that are paused or in doubt are left to people."""
    client = door.client(inline_wait_seconds=1.0)
    worker = client.worker(pool=args.pool, drain_seconds=args.drain_seconds)
    with stopping(worker):
        found = worker.tick()
    driven: list[JsonValue] = [driven_fields(one) for one in found]
    looks: list[JsonValue] = [action("See all that waits for an answer", ["cpf", "waits"])]
    fields: JsonObject = {"driven_runs": driven, "next_actions": looks}
    return Envelope(fields=fields, said=tuple(said(one) for one in found) or ("nothing is due",))
