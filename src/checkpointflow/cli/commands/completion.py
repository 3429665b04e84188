"""`cpf completion`: a script that completes commands in a shell."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli.envelope import Envelope

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "completion"
SUMMARY = "print a script that completes commands, options, run and wait ids in a shell"
_SHELLS = ("bash", "zsh", "fish", "powershell")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "the shell; the first lines of its script say how to load it"
    parser.add_argument("shell", choices=_SHELLS, help=meaning)


def run(args: Namespace, _door: Door) -> Envelope:
    """Print the script in place of an envelope."""
    from checkpointflow.cli.completion.scripts import script

    return Envelope(text=script(args.shell))
