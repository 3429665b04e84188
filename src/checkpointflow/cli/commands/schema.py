"""`cpf schema`: the JSON Schemas of documents, graphs, envelopes and test files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli.envelope import Envelope, schema_text, shown

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "schema"
SUMMARY = "print the JSON Schema of documents, of graphs, of what commands print, or of test files"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    choices = ("workflow", "graph", "envelope", "test")
    parser.add_argument("which", nargs="?", choices=choices, default="workflow", help="which one (workflow)")


def run(args: Namespace, _door: Door) -> Envelope:
    """Print the schema itself, in place of an envelope."""
    if args.which == "envelope":
        return Envelope(text=schema_text())
    if args.which == "test":
        from checkpointflow.testing.case_schema import cases_schema

        return Envelope(text=shown(cases_schema(), indent=2) + "\n")
    if args.which == "graph":
        from checkpointflow.frontends.graph.schema import graph_schema

        return Envelope(text=shown(graph_schema(), indent=2) + "\n")
    from checkpointflow.frontends.document.schema import document_schema

    return Envelope(text=shown(document_schema(), indent=2) + "\n")
