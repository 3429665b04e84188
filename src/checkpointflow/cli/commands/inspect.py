"""`cpf inspect`: everything that happened in a run, in its order."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, shapes
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.plain import cut, plain
from checkpointflow.records import replace
from checkpointflow.values import JsonObject, dump

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "inspect"
SUMMARY = "show all that happened in a run: input, steps, events, journal"
_CELLS = 120


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    arguments.add_run_id(parser)
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 whatever the run's own exit code is")


def run(args: Namespace, door: Door) -> Envelope:
    """Show the run's history as `result`; the exit code is the run's own."""
    found = door.reader().inspect(door.find(args.run_id))
    exit_code = 0 if args.exit_zero else None
    envelope = shapes.of_run(found.run, exit_code=exit_code, more={"result": shapes.inspection(found)})
    return replace(envelope, said=(*envelope.said, *_state_lines(found.state or {})))


def _state_lines(state: JsonObject) -> list[str]:
    """Return the state of a function for people, a line for each value."""
    lines = [f"state: {key} = {dump(value)}" for key, value in state.items()]
    return [cut(plain(line), _CELLS) for line in lines]
