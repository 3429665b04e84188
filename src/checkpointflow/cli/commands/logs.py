"""`cpf logs`: what steps wrote, as they wrote it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, streams
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import StoreUnavailable

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
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


def run(args: Namespace, door: Door) -> Envelope:
    """Print the captured text in place of an envelope.

    Raises:
        UsageError: nothing was captured of such a step.
        StoreUnavailable: the text cannot be read.
    """
    found = door.client().logs(door.find(args.run_id), args.step, stderr=args.stderr)
    named = args.step is None and len(found) > 1
    try:
        exit_code = streams.put_bytes(_text(found, named))
    except OSError as error:
        raise StoreUnavailable(f"the captured output cannot be read: {error.strerror or error}") from None
    return Envelope(text="", exit_code=exit_code)


def _text(found: list[tuple[StepView, Path]], named: bool) -> Iterator[bytes]:
    for step, path in found:
        if named:
            yield f"==> {step.step_key}, attempt {step.attempt} <==\n".encode("utf-8", "backslashreplace")
        if not path.is_file():
            continue
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
