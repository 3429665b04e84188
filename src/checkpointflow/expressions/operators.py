"""What the operators do with JSON values: CEL's meaning, 64-bit integers, and 1.x's text comparison."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from checkpointflow.expressions.frame import LONG, EvaluationError, Frame, noun, scalar_text
from checkpointflow.values import JsonValue

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

_SCALARS = frozenset((int, float, bool, type(None)))
_NUMBERS = frozenset((int, float))
_ORDERED = frozenset((int, float, str, bool))
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def equal(frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> bool:
    """Tell whether two values are equal; a text equals a scalar if their lower-cased texts do."""
    kind, other = type(left), type(right)
    if kind is other:
        return left == right if kind in _SCALARS else same(frame, left, right, offset)
    if isinstance(left, str):
        return other in _SCALARS and left.lower() == scalar_text(right)
    if isinstance(right, str):
        return kind in _SCALARS and right.lower() == scalar_text(left)
    return kind in _NUMBERS and other in _NUMBERS and _mixed("==", left, right)


def same(frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> bool:
    """Tell whether two values are equal as CEL says it: numbers by value, all else by type and content."""
    if isinstance(left, str) and isinstance(right, str):
        if len(left) > LONG:
            frame.charge(len(left) >> 6, offset)
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return False
        frame.charge(len(left), offset)
        return all(same(frame, a, b, offset) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        if len(left) != len(right):
            return False
        frame.charge(len(left), offset)
        return all(key in right and same(frame, value, right[key], offset) for key, value in left.items())
    if type(left) is type(right):
        return left == right
    return type(left) in _NUMBERS and type(right) in _NUMBERS and _mixed("==", left, right)


def compare(symbol: str, frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> bool:
    """Order two numbers, two texts or two booleans.

    Raises:
        EvaluationError: the two have no order.
    """
    kind, other = type(left), type(right)
    if kind is other and kind in _ORDERED:
        if isinstance(left, str) and len(left) > LONG:
            frame.charge(len(left) >> 6, offset)
        return _COMPARISONS[symbol](left, right)
    if kind in _NUMBERS and other in _NUMBERS:
        return _mixed(symbol, left, right)
    raise _refused(symbol, left, right, offset)


def contains(frame: Frame, value: JsonValue, container: JsonValue, offset: int) -> bool:
    """Tell whether a list has an item, or an object a key.

    Raises:
        EvaluationError: the right side is neither.
    """
    if isinstance(container, dict):
        return isinstance(value, str) and value in container
    if isinstance(container, list):
        frame.charge(len(container), offset)
        return any(same(frame, value, item, offset) for item in container)
    hint = "Write `text.contains(part)`." if isinstance(container, str) else None
    raise EvaluationError(f"`in` needs a list or an object on its right, not {noun(container)}", offset, hint)


def add(frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> JsonValue:
    """Add numbers, or join texts or lists."""
    if type(left) is int and type(right) is int:
        return integer(left + right, offset)
    if isinstance(left, str) and isinstance(right, str):
        frame.charge_size(len(left) + len(right), offset)
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        frame.charge(len(left) + len(right), offset)
        return left + right
    a, b = _doubles("+", left, right, offset)
    return a + b


def subtract(_frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> JsonValue:
    """Subtract numbers."""
    if type(left) is int and type(right) is int:
        return integer(left - right, offset)
    a, b = _doubles("-", left, right, offset)
    return a - b


def multiply(_frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> JsonValue:
    """Multiply numbers."""
    if type(left) is int and type(right) is int:
        return integer(left * right, offset)
    a, b = _doubles("*", left, right, offset)
    return a * b


def divide(_frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> JsonValue:
    """Divide numbers; whole numbers are cut toward zero."""
    if type(left) is int and type(right) is int:
        if right == 0:
            raise EvaluationError("division by zero", offset)
        quotient = abs(left) // abs(right)
        return integer(quotient if (left < 0) == (right < 0) else -quotient, offset)
    a, b = _doubles("/", left, right, offset)
    if b:
        return a / b
    if not a or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def remainder(_frame: Frame, left: JsonValue, right: JsonValue, offset: int) -> JsonValue:
    """Return what division of whole numbers leaves, with the sign of the left one."""
    if type(left) is not int or type(right) is not int:
        raise _refused("%", left, right, offset)
    if right == 0:
        raise EvaluationError("division by zero", offset)
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


ARITHMETIC: dict[str, Callable[[Frame, JsonValue, JsonValue, int], JsonValue]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}


def negate(value: JsonValue, offset: int) -> JsonValue:
    """Return a number with the other sign."""
    if type(value) is int:
        return integer(-value, offset)
    if isinstance(value, float):
        return -value
    raise EvaluationError(f"`-` needs a number, not {noun(value)}", offset)


def invert(value: JsonValue, offset: int) -> JsonValue:
    """Return the other boolean."""
    if isinstance(value, bool):
        return not value
    raise EvaluationError(f"`!` needs a boolean, not {noun(value)}", offset)


def integer(value: int, offset: int) -> int:
    """Return a whole number if it fits into 64 bits."""
    if MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    raise EvaluationError("the whole number does not fit into 64 bits", offset)


def _mixed(symbol: str, left: Any, right: Any) -> bool:
    """Compare a whole number with a double as CEL does: as doubles, even where that loses digits."""
    try:
        return _COMPARISONS[symbol](float(left), float(right))
    except OverflowError:
        return _COMPARISONS[symbol](left, right)


def _doubles(symbol: str, left: JsonValue, right: JsonValue, offset: int) -> tuple[float, float]:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        assert isinstance(left, int | float)
        assert isinstance(right, int | float)
        try:
            return float(left), float(right)
        except OverflowError:
            raise EvaluationError("the whole number is too large for a double", offset) from None
    raise _refused(symbol, left, right, offset)


def _refused(symbol: str, left: JsonValue, right: JsonValue, offset: int) -> EvaluationError:
    hint = None
    if symbol == "+" and isinstance(left, str) != isinstance(right, str):
        hint = "Turn a number or boolean into text with `string(…)`, anything else with `json(…)`."
    elif isinstance(left, str) != isinstance(right, str):
        hint = "Turn text into a number with `int(…)` or `double(…)`."
    elif left is None or right is None:
        hint = "Where a value may be missing, write `default(…, …)`."
    return EvaluationError(f"`{symbol}` does not work on {noun(left)} and {noun(right)}", offset, hint)
