"""`cpf init`: a document to begin with, and the cases that test it."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action, of_file
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import FileExistsAlreadyError, FileMissingError
from checkpointflow.testing.beside import case_file_of

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "init"
SUMMARY = "write a document to begin with, which runs at once, and cases that test it: an approval, or another template"

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
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def run(args: Namespace, door: Door) -> Envelope:
    """Write the template.

    Raises:
        FileExistsAlreadyError: one of the files is there, and nobody said `--force`.
        FileMissingError: they cannot be written there.
    """
    cases, folder = str(case_file_of(Path(args.file))), Path(door.settings.cwd)
    if not args.force and os.path.lexists(folder / cases):
        raise _exists(cases)
    for name, template in ((args.file, f"{args.template}.yaml"), (cases, f"{args.template}.test.yaml")):
        text = (Path(__file__).parent.parent / "templates" / template).read_text(encoding="utf-8")
        _write(folder / name, name, text, "w" if args.force else "x")
    start = ["cpf", "run", *of_file(args.file), *TEMPLATES[args.template]]
    steps = [
        action("Check it", ["cpf", "validate", *of_file(args.file)]),
        action("Run it", start),
        action("Test it", ["cpf", "test", *(["--"] if args.file.startswith("-") else []), args.file]),
    ]
    said = (f"wrote {args.file} and {cases}", f"next: {' '.join(start)}")
    return Envelope(fields={"file": args.file, "next_actions": [*steps]}, said=said)


def _exists(name: str) -> FileExistsAlreadyError:
    return FileExistsAlreadyError(f"`{name}` exists already; choose another name or say `--force`")


def _write(path: Path, name: str, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(name) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise FileMissingError(f"`{name}` cannot be written: {reason}", hint="choose another place") from None
