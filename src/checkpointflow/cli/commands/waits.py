"""`cpf waits`: the inbox of open waits."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import actions
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.shapes import wait_fields
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.views import WaitView

NAME = "waits"
SUMMARY = "list what runs wait for, each with the command that answers it"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "only what this audience has to answer"
    parser.add_argument("--audience", choices=("user", "agent", "system"), help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """List the open waits that nobody has answered."""
    waits = door.reader().waits(audience=args.audience)
    shared = actions.crowded(waits)
    blocks: list[JsonValue] = [
        _fields(wait, by_id=args.audience is not None or (wait.run_id, wait.event_name) in shared) for wait in waits
    ]
    runs = dict.fromkeys(wait.run_id for wait in waits)
    looks: list[JsonValue] = [
        actions.action("See this run and its waits", ["cpf", "status", "--run-id", run_id]) for run_id in [*runs][:5]
    ]
    return Envelope(
        fields={"waits": blocks, "next_actions": looks or [actions.action("List the runs", ["cpf", "runs"])]}
    )


def _fields(wait: WaitView, *, by_id: bool) -> JsonObject:
    whose: JsonObject = {
        "run_id": wait.run_id,
        "workflow_id": wait.workflow_id,
        "workflow_name": wait.workflow_name,
    }
    return {name: value for name, value in whose.items() if value is not None} | wait_fields(wait, by_id=by_id)
