"""`cpf init`: a document to begin with."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action, of_file
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import FileExistsAlreadyError, FileMissingError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "init"
SUMMARY = "write a starter document that runs at once and has a wait"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("file", nargs="?", default="workflow.yaml", type=arguments.word, help="where to write it")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(args: Namespace, door: Door) -> Envelope:
    """Write the starter.

    Raises:
        FileExistsAlreadyError: the file is there, and nobody said `--force`.
        FileMissingError: it cannot be written there.
    """
    text = (Path(__file__).parent.parent / "starter.yaml").read_text(encoding="utf-8")
    _write(Path(door.settings.cwd) / args.file, args.file, text, "w" if args.force else "x")
    steps = [
        action("Check it", ["cpf", "validate", *of_file(args.file)]),
        action("Run it to its wait", ["cpf", "run", *of_file(args.file), "--set", "name=Ada"]),
    ]
    said = (f"wrote {args.file}", f"next: cpf run -f {args.file} --set name=Ada")
    return Envelope(fields={"file": args.file, "next_actions": [*steps]}, said=said)


def _write(path: Path, name: str, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise FileExistsAlreadyError(f"`{name}` exists already; choose another name or say `--force`") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise FileMissingError(f"`{name}` cannot be written: {reason}", hint="choose another place") from None
