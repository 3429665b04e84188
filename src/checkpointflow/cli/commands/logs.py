"""`cpf logs`: what steps wrote, as they wrote it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, streams
from checkpointflow.cli.driving import INTERRUPTED
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.streams import FLUSH
from checkpointflow.errors import StoreUnavailable

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client import Client
    from checkpointflow.views import StepView

NAME = "logs"
SUMMARY = "print what a run's steps wrote to stdout, or to stderr"
_CHUNK = 1 << 16


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    meaning = "the key of one step; without it all are printed, each under its name"
    parser.add_argument("step", nargs="?", metavar="STEP", type=arguments.word, help=meaning)
    parser.add_argument("--stderr", action="store_true", help="what they wrote to stderr")
    meaning = "go on as more is written, while somebody drives the run"
    parser.add_argument("-F", "--follow", action="store_true", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """Print the captured text in place of an envelope.

    Raises:
        UsageError: nothing was captured of such a step.
        StoreUnavailable: the text cannot be read.
    """
    run_id = door.find(args.run_id)
    pieces = _followed(door.client(), run_id, args) if args.follow else _whole(door.client(), run_id, args)
    try:
        exit_code = streams.put_bytes(pieces)
    except OSError as error:
        raise StoreUnavailable(f"the captured output cannot be read: {error.strerror or error}") from None
    except KeyboardInterrupt:
        if not args.follow:
            raise
        exit_code = INTERRUPTED  # the usual end of following: there is nothing to say about it
    return Envelope(text="", exit_code=exit_code)


def _whole(client: Client, run_id: str, args: Namespace) -> Iterator[bytes]:
    found = client.logs(run_id, args.step, stderr=args.stderr)
    for step, path in found:
        if args.step is None and len(found) > 1:
            yield _heading(step)
        yield from _rest(path, 0)


def _followed(client: Client, run_id: str, args: Namespace) -> Iterator[bytes]:
    """Yield what is there, then what is added, until nobody drives the run any more."""
    sources: dict[Path, StepView] = {}
    read: dict[Path, int] = {}
    last: Path | None = None
    for view in client.watch(run_id):
        for step, path in client.logs(run_id, None, stderr=args.stderr):
            if args.step in (None, step.step_id, step.step_key):
                sources.setdefault(path, step)
        for path, step in sources.items():
            for piece in _rest(path, read.get(path, 0)):
                if args.step is None and path != last:
                    yield _heading(step)
                last = path
                read[path] = read.get(path, 0) + len(piece)
                yield piece
        if view.status == "running":
            yield FLUSH
    if args.step is not None and not sources:
        client.logs(run_id, args.step, stderr=args.stderr)  # which says that there is nothing


def _heading(step: StepView) -> bytes:
    return f"==> {step.step_key}, attempt {step.attempt} <==\n".encode("utf-8", "backslashreplace")


def _rest(path: Path, offset: int) -> Iterator[bytes]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            yield chunk
