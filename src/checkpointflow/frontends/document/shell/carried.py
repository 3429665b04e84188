"""Which variables of a command text carry a value, as far as plain assignments tell; nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from checkpointflow.frontends.document.shell.reading import Command, Word

Origin: TypeAlias = "int | str"
"""Where a value comes from: the number of a hole, or the name of a variable that had it before the text began."""

_ASSIGNING = frozenset({"export", "declare", "typeset", "local", "readonly"})
_PASSES = 2
"""In a loop a value may be handed on before the line that got it."""

_POSITIONAL = (*"123456789", "@", "*")


def carried_names(commands: Sequence[Command], known: Iterable[str]) -> Mapping[str, Origin]:
    """Return the variables that carry a value, each with its first origin; `known` carry one from the beginning."""
    found: dict[str, Origin] = {name: name for name in known}
    for _ in range(_PASSES):
        for command in commands:
            for name, word in _assignments(command):
                for origin in origins_of(word, found):
                    found.setdefault(name, origin)
    return found


def origins_of(word: Word, carried: Mapping[str, Origin]) -> Iterator[Origin]:
    """Yield where the values in a word come from."""
    yield from word.holes
    yield from (carried[name] for name in word.names if name in carried)


def _assignments(command: Command) -> Iterator[tuple[str, Word]]:
    operands = command.operands
    name = operands[0].text if operands and operands[0].is_literal else ""
    for word in [*command.assignments, *(operands[1:] if name in _ASSIGNING else ())]:
        if word.assigned_name is not None:
            yield word.assigned_name, word
    if name == "set":
        yield from ((place, word) for word in operands[1:] for place in _POSITIONAL)
