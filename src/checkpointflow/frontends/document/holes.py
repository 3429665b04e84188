"""Commands on their way to the shell room: each expression as a hole; asked at load time and at run time alike."""

from __future__ import annotations

from checkpointflow.expressions import Expression, Template
from checkpointflow.frontends.document.shell import Hole

_NUMBERS = frozenset({"integer", "number"})


def shell_parts(template: Template) -> list[str | Hole]:
    """Return a command's text in which each expression is a hole that knows whether it is a number."""
    return [
        part if isinstance(part, str) else hole_of(part, offset)
        for part, offset in zip(template.parts, template.offsets, strict=True)
    ]


def hole_of(expression: Expression, offset: int) -> Hole:
    """Return the hole for an expression that stands at an offset."""
    return Hole(source=expression.source, numeric=is_numeric(expression), offset=offset)


def is_numeric(expression: Expression) -> bool:
    """Tell whether an expression is a number whenever it is not null.

    Null cannot become syntax: in a command it fails the step, in `env` it is an empty text.
    """
    types = expression.static_type
    return types is not None and types != {"null"} and types <= _NUMBERS | {"null"}
