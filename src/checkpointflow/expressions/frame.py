"""What one evaluation carries: its context, the variables of its macros, its budget, and the ways it can fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from checkpointflow.values import JsonValue, dump

MAX_STEPS = 1_000_000
MAX_SIZE = 8 * 1024 * 1024
LONG = 4096  # texts up to here are free to look at; longer ones cost a step per 64 characters

_NO_VARIABLES: list[JsonValue] = []


class EvaluationError(Exception):
    """An expression has no value; `||`, `&&`, `all` and `exists` may do without it."""

    def __init__(self, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


class AbsentError(EvaluationError):
    """What a path leads to is not there; `default` and `has` cope with it."""


class LimitError(Exception):
    """The evaluation would take too long or become too large; nothing copes with that."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Frame:
    """One evaluation under way."""

    __slots__ = ("context", "steps_left", "variables")

    def __init__(self, context: Mapping[str, JsonValue], variables: int) -> None:
        self.context = context
        self.steps_left = MAX_STEPS
        self.variables: list[JsonValue] = [None] * variables if variables else _NO_VARIABLES

    def charge(self, steps: int, offset: int) -> None:
        """Take steps from the budget.

        Raises:
            LimitError: there are not that many left.
        """
        self.steps_left -= steps
        if self.steps_left < 0:
            raise LimitError(f"the expression takes more than {MAX_STEPS:,} steps", offset)

    def charge_size(self, size: int, offset: int) -> None:
        """Take the steps that handling a text or list of this length costs.

        Raises:
            LimitError: it would be larger than 8 MiB, or there are not that many steps left.
        """
        if size > MAX_SIZE:
            raise LimitError(f"the expression makes a value of more than {MAX_SIZE:,} characters", offset)
        if size > 64:
            self.charge(size >> 6, offset)


Run: TypeAlias = Callable[[Frame], JsonValue]


def noun(value: JsonValue) -> str:
    """Return how messages call a value of this type."""
    return _NOUNS[type(value)]


_NOUNS: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def scalar_text(value: JsonValue) -> str:
    """Return the lower-cased text as which a number, boolean or null compares with a text."""
    if value is None:
        return "none"
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return dump(value).lower()


def check_result(frame: Frame, value: JsonValue, offset: int) -> None:
    """See that a value that an expression built is JSON, and not larger than 8 MiB of it.

    Raises:
        EvaluationError: a number is not finite.
        LimitError: it is too large.
    """
    size, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise EvaluationError(f"the result holds {item}, which JSON cannot hold", offset)
        elif isinstance(item, list):
            frame.charge(len(item), offset)
            waiting.extend(item)
        elif isinstance(item, dict):
            frame.charge(len(item), offset)
            size += sum(map(len, item))
            waiting.extend(item.values())
        size += 2
        if size > MAX_SIZE:
            raise LimitError(f"the result has more than {MAX_SIZE:,} characters", offset)
