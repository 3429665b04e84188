"""`cpf worker --engine`: serve the workflows and steps of another engine until somebody stops it."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import streams
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.working import stopping
from checkpointflow.errors import UsageError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door


def serve(args: Namespace, door: Door, url: str) -> Envelope:
    """Serve until a signal comes; what is being performed then ends, or is begun again by another worker.

    Raises:
        UsageError: there is no such engine, or a pool was named.
        MissingExtraError: its package is not installed.
        StoreUnavailable: it cannot be reached.
    """
    from checkpointflow.engines import refuse_unknown
    from checkpointflow.engines.temporal.address import parsed
    from checkpointflow.engines.temporal.worker import CONCURRENCY, Worker

    if args.pool is not None:
        raise UsageError("workers on Temporal are parted by task queues; say `?task_queue=QUEUE` in place of `--pool`")
    refuse_unknown(url)
    address = parsed(url)

    def serving() -> None:
        if not door.quiet:
            streams.say(f"serving `{address.task_queue}` of `{address.target}/{address.namespace}`; Ctrl-C stops\n")

    worker = Worker(
        address,
        door.settings,
        concurrency=args.concurrency or CONCURRENCY,
        drain_seconds=args.drain_seconds,
        serving=serving,
    )
    with stopping(worker):
        worker.work()
    return Envelope(fields={"next_actions": [action("List the runs", ["cpf", "runs"])]}, said=("stopped",))
