"""`cpf graph`: the picture of a document, with the state of a run on it if one is named."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments
from checkpointflow.cli.actions import action, for_run, of_file
from checkpointflow.cli.documents import load
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import FileMissingError, UsageError
from checkpointflow.pictures import FORMATS, SUFFIXES, rendered
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.definition import Definition
    from checkpointflow.pictures.picture import Picture

NAME = "graph"
SUMMARY = "print the picture of a document, with the state of a run on it if one is named"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "the workflow document, or the id or name of one that `cpf flows` lists; not needed with --run-id"
    parser.add_argument("-f", "--file", type=arguments.word, metavar="FILE", help=meaning)
    meaning = "the run whose state is shown: its id, or four or more characters of its beginning or end"
    parser.add_argument("--run-id", metavar="RUN", help=f"{meaning}; without -f the document that it goes by")
    meaning = "mermaid, svg, html or text; without it the end of -o's file tells, else it is mermaid"
    parser.add_argument("--format", choices=FORMATS, help=meaning)
    meaning = "write the picture here, over what is there, and print an envelope in its place"
    parser.add_argument("-o", "--output-file", dest="into", type=arguments.word, metavar="FILE", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """Print the picture in place of an envelope, or write it.

    Raises:
        UsageError: neither a document nor a run is named, the run is one of another workflow, or the picture would be
            written over a document that it shows.
        FileMissingError: the document cannot be read, or the picture not be written.
        DocumentError: the document cannot be used.
        RunNotFoundError: there is no such run.
    """
    if args.format is None and args.into is not None and Path(args.into).suffix.lower() not in ("", *SUFFIXES):
        endings = ", ".join(f"`{ending}`" for ending in SUFFIXES)
        raise UsageError(f"the end of `{args.into}` tells no format", hint=f"end it with {endings}, or say `--format`")
    if args.file is None and args.run_id is None:
        raise UsageError("`cpf graph` needs a document or a run", hint="name one with `-f` or `--run-id`")
    loaded = None if args.file is None else load(door, args.file)
    if args.run_id is not None:
        picture, shown, fields = _of_run(door, door.find(args.run_id), loaded)
    else:
        assert loaded is not None
        picture, shown = loaded.picture(), loaded
        fields = {"next_actions": [action("Check it", ["cpf", "validate", *of_file(args.file)])]}
    text = rendered(picture, args.format or _format_of(args.into))
    if args.into is None:
        return Envelope(text=text)
    _write(Path(door.settings.cwd) / args.into, args.into, text, shown)
    fields |= {"workflow_id": shown.id, "output_file": args.into}
    fields |= {"file": args.file, "problems": [*loaded.problems]} if loaded is not None else {}
    return Envelope(fields=fields, said=(f"wrote {args.into}",))


def _format_of(into: str | None) -> str:
    return SUFFIXES.get(Path(into or "").suffix.lower(), FORMATS[0])


def _of_run(door: Door, run_id: str, loaded: Definition | None) -> tuple[Picture, Definition, JsonObject]:
    """Return the picture with the run's state, the workflow that it shows, and what an envelope tells of the run."""
    from checkpointflow.client.states import with_states

    found, definition = door.client().inspect(run_id), door.client().definition(run_id)
    fields: JsonObject = {"run_id": run_id, "status": found.run.status, "next_actions": for_run(found.run)}
    shown, remark = definition, ""
    if loaded is not None:
        if loaded.id != definition.id:
            message = f"run `{run_id}` is one of workflow `{definition.id}`, not of `{loaded.id}`"
            raise UsageError(message, hint="leave `-f` out to see the document that the run was started with")
        shown = loaded
        if loaded.digest != definition.digest:
            remark = "it goes by another text of this document"
            fields["warnings"] = [f"run `{run_id}`: {remark}, which is shown without `-f`"]
    return with_states(shown.picture(), found, remark=remark), shown, fields


def _write(path: Path, name: str, text: str, shown: Definition) -> None:
    try:
        if path.resolve() in [Path(source).resolve() for source in shown.sources()]:
            raise UsageError(f"`{name}` is a document that the picture shows; write it somewhere else")
        path.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FileMissingError(f"`{name}` cannot be written: {reason.lower()}", hint="choose another place") from None
