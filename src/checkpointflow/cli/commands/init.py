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
SUMMARY = "write a document to begin with, which runs at once: an approval, or another template"

TEMPLATES = {
    "approval": ("--set", "name=Ada"),
    "fan-out": (),
    "api": ("--set", "url=http://localhost:8000/"),
    "hand-off": (),
}
"""The templates by name, each with the input that its first run is shown with."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("file", nargs="?", default="workflow.yaml", type=arguments.word, help="where to write it")
    meaning = "approval: a wait for somebody; fan-out: steps per item; api: a request; hand-off: an agent and a user"
    parser.add_argument("--template", choices=tuple(TEMPLATES), default="approval", help=f"{meaning} (approval)")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(args: Namespace, door: Door) -> Envelope:
    """Write the template.

    Raises:
        FileExistsAlreadyError: the file is there, and nobody said `--force`.
        FileMissingError: it cannot be written there.
    """
    text = (Path(__file__).parent.parent / "templates" / f"{args.template}.yaml").read_text(encoding="utf-8")
    _write(Path(door.settings.cwd) / args.file, args.file, text, "w" if args.force else "x")
    start = ["cpf", "run", *of_file(args.file), *TEMPLATES[args.template]]
    steps = [action("Check it", ["cpf", "validate", *of_file(args.file)]), action("Run it", start)]
    said = (f"wrote {args.file}", f"next: {' '.join(start)}")
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
