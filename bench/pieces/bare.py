"""What commands are measured against: the interpreter of the same environment that does nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.processes import Command, environment, measured
from bench.rounds import Contender, Target

NAME = "python -c pass"
CPF = str(Path(sys.executable).with_name("cpf"))


def bare(python: str = sys.executable) -> Contender:
    """Return the interpreter that does nothing."""
    return Contender(NAME, lambda _round: Command([python, "-c", "pass"], environment()))


def cpf(*words: str, cpf: str = CPF, **more: str) -> Command:
    """Return a command line of ours."""
    return Command([cpf, *words], environment(**more))


def command(name: str, *words: str, **more: str) -> Contender:
    """Return a command line of ours as a contender; it ran once before it is measured."""
    whole = cpf(*words, **more)
    measured(whole)
    return Contender(name, lambda _round: whole)


def prepared(name: str, prepare: Callable[[int], Command]) -> Contender:
    """Return a contender whose command is made anew for each round."""
    return Contender(name, prepare)


def times_bare(name: str, bound: float, figures: tuple[str, ...] = ("cpu", "wall")) -> list[Target]:
    """Return the targets of a command: so many times what the bare interpreter takes."""
    return [Target(f"`{name}`, {figure} to bare python's", name, figure, bound, "at most", NAME) for figure in figures]
