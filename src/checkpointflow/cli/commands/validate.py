"""`cpf validate`: all problems of a document, each with its place."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import of_file, with_input
from checkpointflow.cli.documents import load
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.definition import Definition

NAME = "validate"
SUMMARY = "check a document and every sub-workflow it names, and show all problems with their places"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_file(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Check the document.

    Raises:
        FileMissingError, YamlError, DocumentError, UnknownKindError: it cannot be used.
    """
    loaded = load(door, args.file, strict=args.strict)
    return Envelope(fields=_fields(args.file, loaded, door.strict), said=_said(args.file, loaded))


def _fields(file: str, loaded: Definition, strict: list[str]) -> JsonObject:
    fields: JsonObject = {"file": file, "problems": [*loaded.problems], "workflow_id": loaded.id}
    kind = loaded.stored["kind"]
    handlers = ["--handlers", "<MODULE>"] if kind == "graph" else []
    run = with_input("Run it", ["cpf", "run", *of_file(file), *handlers, *strict], loaded.inputs)
    plan = with_input("See what it would do", ["cpf", "plan", *of_file(file), *strict], loaded.inputs)
    fields["next_actions"] = [plan, run] if kind == "document" else [run]
    more = {"workflow_name": loaded.name, "workflow_version": loaded.version}
    return fields | {name: value for name, value in more.items() if value is not None}


def _said(file: str, loaded: Definition) -> tuple[str, ...]:
    from checkpointflow.cli.summary import problem_line

    return (*map(problem_line, loaded.problems), f"{file} can be run")
