"""`cpf flows`: the workflows that can be run by their id."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, flows
from checkpointflow.cli.actions import action, of_file, with_input
from checkpointflow.cli.envelope import Envelope
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.document.model import Document, Step

NAME = "flows"
SUMMARY = "list the workflows in ./.checkpointflow and in the base folder, which run by their id"
_ASKED = ("event_name", "audience", "prompt", "input_schema")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "one workflow in full: its input, steps and waits"
    parser.add_argument("--detail", type=arguments.word, metavar="FLOW", help=f"{meaning} (an id or a name)")


def run(args: Namespace, door: Door) -> Envelope:
    """List the workflows, those that cannot be run among them.

    Raises:
        FileMissingError: no workflow has the id or name of `--detail`.
    """
    if args.detail is not None:
        return _detail(args.detail, door)
    listed: list[JsonValue] = [flows.summary(flow) for flow in flows.found(door.settings)]
    looks = [one for flow in listed if isinstance(flow, dict) for one in _looks(flow)][:1]
    fields: JsonObject = {"flows": listed, "next_actions": [*looks] or [action("Write a document", ["cpf", "init"])]}
    places = ", ".join(str(folder) for _, folder in flows.folders(door.settings))
    said = tuple(_line(flow) for flow in listed if isinstance(flow, dict)) or (f"no workflows in {places}",)
    return Envelope(fields=fields, said=said)


def _looks(flow: JsonObject) -> list[JsonObject]:
    name = flow.get("workflow_id")
    title = "See all of a workflow" if flow["valid"] else "See what is wrong with a workflow"
    return [action(title, ["cpf", "flows", f"--detail={name}"])] if isinstance(name, str) else []


def _line(flow: JsonObject) -> str:
    name = flow.get("workflow_id") or flow["file"]
    return (
        f"{name}  {flow.get('workflow_name') or ''}" if flow["valid"] else f"{name}  cannot be run: {flow['message']}"
    )


def _detail(name: str, door: Door) -> Envelope:
    flow = flows.named(door.settings, name)
    if flow is None:
        raise flows.missing(door.settings, name)
    shown = flows.summary(flow)
    ask = of_file(str(shown.get("workflow_id") or flow.file))
    if not shown["valid"]:
        steps = [action("Check it again once it is mended", ["cpf", "validate", *ask])]
    else:
        document = flow.load().document
        shown |= _inside(document)
        steps = [
            with_input("See what it would do", ["cpf", "plan", *ask], document.inputs),
            with_input("Run it", ["cpf", "run", *ask], document.inputs),
        ]
    return Envelope(fields={"flows": [shown], "next_actions": [*steps]}, said=(_line(shown),))


def _inside(document: Document) -> JsonObject:
    """What a workflow asks for and does; without what cannot be known before it has input."""
    from checkpointflow.schemas import example

    inputs = document.inputs if isinstance(document.inputs, dict | bool) else {}
    every = list(document.all_steps())
    return {
        "inputs": inputs,
        "example": example(inputs),
        "steps": [_step(step, ("kind", "name")) for step in every],
        "waits": [_step(step, _ASKED) for step in every if step.kind == "await_event"],
    }


def _step(step: Step, fields: tuple[str, ...]) -> JsonObject:
    return {"step_id": step.id} | {name: step.fields[name] for name in fields if name in step.fields}
