"""Every command's options and places, read from its parser, and what may stand there; nothing about shells."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import cast

from checkpointflow.cli.arguments import Asking, parser_of
from checkpointflow.cli.door import COMMANDS
from checkpointflow.records import dataclass

EVERYWHERE = {"--quiet": "say nothing on stderr", "--debug": "print tracebacks on stderr"}

_SORTS = {
    "file": "documents",
    "input": "json",
    "output": "json",
    "event": "events",
    "wait": "waits",
    "step": "steps",
    "workflow": "workflows",
    "detail": "flows",
    "into": "files",
}
"""What stands behind a word of a parser, by the name that it has there: a sort of candidate, or files."""
_RUNS = {
    "resume": "unsettled-runs",
    "send": "unsettled-runs",
    "cancel": "unsettled-runs",
    "decide": "unsettled-runs",
    "retry": "failed-runs",
    "delete": "settled-runs",
    "export": "runs",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a word: one of `choices`, or what its `sort` says; with neither, only its author knows."""

    sort: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """An option under all its names; `slot` is where its value stands, None if it has none."""

    flags: tuple[str, ...]
    meaning: str
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class Words:
    """All that may be said to one command."""

    name: str
    summary: str
    options: tuple[Option, ...]
    places: tuple[Slot, ...]


def table() -> list[Words]:
    """Return the words of all commands, in the order of the help."""
    return [_words(cast(Asking, import_module(f"checkpointflow.cli.commands.{name}"))) for name in COMMANDS]


def valued(commands: list[Words]) -> list[str]:
    """Return the options that a value follows, whichever command they belong to.

    Raises:
        ValueError: one takes a value in one command and none in another, so that words could not be told apart.
    """
    taking, alone = set[str](), set[str]()
    for option in (option for words in commands for option in words.options):
        (alone if option.slot is None else taking).update(option.flags)
    if taking & alone:
        raise ValueError(f"these options take a value in some commands only: {sorted(taking & alone)}")
    return sorted(taking)


def _words(command: Asking) -> Words:
    options, places = list[Option](), list[Slot]()
    for action in parser_of(command)._actions:
        slot = _slot(command.NAME, action)
        if not action.option_strings:
            places.append(slot)
        else:
            takes = action.nargs != 0
            options.append(Option(tuple(action.option_strings), str(action.help or ""), slot if takes else None))
    options += [Option((flag,), meaning, None) for flag, meaning in EVERYWHERE.items()]
    options.append(Option(("--engine",), "act on the runs of another engine", Slot()))
    return Words(command.NAME, command.SUMMARY, tuple(options), tuple(places))


def _slot(command: str, action: argparse.Action) -> Slot:
    if action.choices is not None:
        return Slot(choices=tuple(map(str, action.choices)))
    if action.metavar == "RUN":
        return Slot(_RUNS.get(command, "runs"))
    if command == "decide" and action.dest == "step":
        return Slot("doubts")
    if action.dest == "file" and command in ("init", "export", "import", "verify"):
        return Slot("files")
    return Slot(_SORTS.get(action.dest, ""))


def slots(words: Words) -> Iterator[tuple[tuple[str, ...], Slot]]:
    """Yield the options of a command that take a value, with what may stand there."""
    for option in words.options:
        if option.slot is not None:
            yield option.flags, option.slot
