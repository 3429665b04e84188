"""`cpf plan`: what a run would do; performs nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, given
from checkpointflow.cli.actions import action
from checkpointflow.cli.documents import load_document
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "plan"
SUMMARY = "show what a run would do, what it would wait for and what is missing here; perform nothing"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_file(parser)
    arguments.add_input(parser, "the run's input")
    arguments.add_set(parser)


def run(args: Namespace, door: Door) -> Envelope:
    """Plan the run.

    Raises:
        InputError: the input does not fit the document.
        DocumentError: the document cannot be used.
    """
    loaded = load_document(door, args.file, strict=args.strict)
    run_input = given.input_of(args.input, args.set, door.settings.cwd)
    plan = door.client().plan(loaded, run_input)
    fields: JsonObject = {"file": args.file, "workflow_id": loaded.document.id, "plan": plan}
    more = {"workflow_name": loaded.document.name, "workflow_version": loaded.document.version}
    fields |= {name: value for name, value in more.items() if value is not None}
    fields["problems"] = [*loaded.problems]
    missing = {**_missing(plan, "missing_secrets"), **_missing(plan, "missing_programs")}
    if missing:
        fields["warnings"] = [*missing.values()]
    fields["next_actions"] = _next(door, list(missing))
    return Envelope(fields=fields)


def _missing(plan: JsonObject, name: str) -> dict[str, str]:
    """Return what a run would lack here, by what has to be set or installed, and what to say of each."""
    missing = plan[name]
    found: dict[str, str] = {}
    for one in missing if isinstance(missing, list) else []:
        if isinstance(one, dict):
            found[str(one.get("env") or one.get("file"))] = (
                f"the secret `{one['secret']}` is missing here, so no run starts: {one['reason']}"
            )
        else:
            found[str(one)] = f"the program `{one}` is not found on the PATH here"
    return found


def _next(door: Door, missing: list[str]) -> list[JsonValue]:
    run = ["cpf", "run", *door.words[1:]]
    if not missing:
        return [action("Run it", run)]
    shown = ", ".join(f"`{one}`" for one in missing)
    return [
        action(f"Provide {shown}, then see that nothing is missing", door.again()),
        action("Run it once nothing is missing", run),
    ]
