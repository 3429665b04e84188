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
from checkpointflow.errors import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client import Reader
    from checkpointflow.views import StepView

NAME = "logs"
SUMMARY = "print what a run's steps wrote to stdout, or to stderr"
_CHUNK = 1 << 16


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    meaning = "one step, by its key or id, with all its attempts; without it the last attempt of each step"
    parser.add_argument("step", nargs="?", metavar="STEP", type=arguments.word, help=meaning)
    parser.add_argument("--attempt", type=arguments.count, metavar="N", help="this attempt alone")
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
    if not door.quiet:
        _say_what_is_gone(door.reader(), run_id, args)
    pieces = _followed(door.reader(), run_id, args) if args.follow else _whole(door.reader(), run_id, args)
    try:
        exit_code = streams.put_bytes(pieces)
    except OSError as error:
        raise StoreUnavailable(f"the captured output cannot be read: {error.strerror or error}") from None
    except KeyboardInterrupt:
        if not args.follow:
            raise
        exit_code = INTERRUPTED  # the usual end of following: there is nothing to say about it
    return Envelope(text="", exit_code=exit_code)


def _say_what_is_gone(reader: Reader, run_id: str, args: Namespace) -> None:
    """Say on stderr of which steps, whose output was captured, the files are not there any more."""
    steps = reader.inspect(run_id).step_results
    kept = reader.kept_outputs(run_id)
    ended = [one for one in steps if one.step_kind == "cli" and one.status in ("completed", "failed")]
    wanted = [one for one in ended if args.step in (None, one.step_id, one.step_key)]
    gone = [
        f"`{one.step_key}`"
        for one in wanted
        if one.stdout_path is None and one.stderr_path is None and one.step_key not in kept
    ]
    if gone:
        shown = ", ".join(gone[:10]) + (" …" if len(gone) > 10 else "")
        streams.say(f"cpf logs: the output of {shown} is gone: its files are not in the state folder any more\n")


def _whole(reader: Reader, run_id: str, args: Namespace) -> Iterator[bytes]:
    found = reader.logs(run_id, args.step, stderr=args.stderr, attempt=args.attempt)
    end = b"\n"
    for step, path in found:
        if len(found) > 1:
            yield _heading(step, end)
        for piece in _rest(path, 0):
            end = piece[-1:]
            yield piece


def _followed(reader: Reader, run_id: str, args: Namespace) -> Iterator[bytes]:
    """Yield what is there, then what is added, until nobody drives the run any more."""
    sources: dict[Path, StepView] = {}
    read: dict[Path, int] = {}
    last: Path | None = None
    end = b"\n"
    for view in reader.watch(run_id):
        for step, path in _sources(reader, run_id, args):
            sources.setdefault(path, step)
        for path, step in sources.items():
            for piece in _rest(path, read.get(path, 0)):
                if path != last and (args.step is None or len(sources) > 1):
                    yield _heading(step, end)
                last, end = path, piece[-1:]
                read[path] = read.get(path, 0) + len(piece)
                yield piece
        if view.status == "running":
            yield FLUSH
    if args.step is not None and not sources:
        reader.logs(run_id, args.step, stderr=args.stderr, attempt=args.attempt)  # which says that there is nothing


def _sources(reader: Reader, run_id: str, args: Namespace) -> list[tuple[StepView, Path]]:
    """Return what there is so far, which may be nothing."""
    try:
        return reader.logs(run_id, args.step, stderr=args.stderr, attempt=args.attempt)
    except UsageError:
        return []


def _heading(step: StepView, end: bytes) -> bytes:
    """Return a line of its own, whatever the text before it ended with."""
    before = "" if end == b"\n" else "\n"
    return f"{before}==> {step.step_key}, attempt {step.attempt} <==\n".encode("utf-8", "backslashreplace")


def _rest(path: Path, offset: int) -> Iterator[bytes]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            yield chunk
