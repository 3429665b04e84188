"""`cpf worker`: drive what is due, until somebody stops it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, streams
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope, shown
from checkpointflow.cli.working import driven_fields, said, stopping
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client.working import Driven
    from checkpointflow.errors import PersistenceError

NAME = "worker"
SUMMARY = "keep driving all runs that are interrupted or due; Ctrl-C or SIGTERM lets what goes on end"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "drive so many runs at a time (1); with `--engine`, perform so many steps at a time (100)"
    parser.add_argument("--concurrency", type=arguments.count, metavar="N", help=meaning)
    arguments.add_pool(parser)
    arguments.add_actor(parser)
    arguments.add_drain(parser)
    meaning = "json: one envelope at the end; ndjson: a line for each drive that ended, then the envelope"
    parser.add_argument("-o", "--output-format", dest="form", choices=("json", "ndjson"), default="json", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """Drive until a signal comes; what is going on then ends, or is left to whoever drives next."""
    if door.engine is not None:
        from checkpointflow.cli.serving import serve

        return serve(args, door, door.engine)
    from checkpointflow.frontends.edited import Edits

    client = door.client(inline_wait_seconds=1.0)
    count = 0

    def told(driven: Driven) -> None:
        nonlocal count
        count += 1
        if door.form == "ndjson":
            streams.put(shown(driven_fields(driven), indent=None) + "\n")
        if not door.quiet:
            streams.say(said(driven) + "\n")

    def troubled(error: PersistenceError) -> None:
        if not door.quiet:
            streams.say(f"{error.message}; the worker tries again\n")

    worker = client.worker(
        pool=args.pool,
        concurrency=args.concurrency or 1,
        drain_seconds=args.drain_seconds,
        edits=Edits(),
        told=told,
        troubled=troubled,
    )
    with stopping(worker):
        if not door.quiet:
            pool = args.pool or door.settings.own_pool
            streams.say(f"driving what is due in `{door.place.shown}` (pool `{pool}`); Ctrl-C stops\n")
        worker.work()
    fields: JsonObject = {"drives": count, "next_actions": [action("List the runs", ["cpf", "runs"])]}
    return Envelope(fields=fields, said=(f"stopped after {count} {'drive' if count == 1 else 'drives'}",))
