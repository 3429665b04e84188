"""`cpf worker --engine`: serve the workflows and steps of another engine until somebody stops it."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from checkpointflow.cli import streams
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.working import stopping
from checkpointflow.errors import UsageError, said

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

_LONGEST_LINE = 400
_SAME_SECONDS = 60.0


class _Lines(logging.Handler):
    """Tells in one line what the engine's package has to say, and the same again only after a while.

    That a step was ended is nothing to tell.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of a record."""
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__name__ == "CancelledError":
            return
        what = record.getMessage().partition(" (")[0]
        if what.startswith("gRPC call ") and "retried" in what:
            what = "the service does not answer; the worker tries again"
        line = " ".join((what if error is None else f"{what}: {said(error)}").split())[:_LONGEST_LINE]
        if record.created >= self._told.get(line, 0.0) + _SAME_SECONDS:
            self._told[line] = record.created
            streams.say(f"{line}\n")


@contextmanager
def heard(*, debug: bool, quiet: bool) -> Iterator[None]:
    """Have warnings of the engine's package told in lines, and with `--debug` as the package writes them."""
    logger = logging.getLogger("temporalio")
    lines: logging.Handler = _Lines()
    if debug or quiet:
        lines = logging.StreamHandler() if debug else logging.NullHandler()
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)


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
    with stopping(worker), heard(debug=door.debug, quiet=door.quiet):
        worker.work()
    return Envelope(fields={"next_actions": [action("List the runs", ["cpf", "runs"])]}, said=("stopped",))
