"""The built-in functions: what each takes and gives, and what is said of a call that does not fit."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Final

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.frame import EvaluationError, Frame, check_result, noun
from checkpointflow.expressions.names import did_you_mean
from checkpointflow.expressions.operators import integer
from checkpointflow.values import JsonValue, dump

Arguments = list[JsonValue]

_TRUE = frozenset(("true", "True", "TRUE", "t", "1"))
_FALSE = frozenset(("false", "False", "FALSE", "f", "0"))
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")
_SPECIAL_NUMBERS = frozenset(("nan", "inf", "infinity"))
_MAX_DIGITS = 20


class Builtin:
    """One function: how many values it takes (the receiver counts), its call forms, and its result's types."""

    __slots__ = ("arity", "call", "is_function", "is_method", "types")

    def __init__(
        self,
        call: Callable[[Frame, Arguments, int], JsonValue],
        arity: int,
        types: str | None,
        *,
        is_function: bool = True,
        is_method: bool = False,
    ) -> None:
        self.call = call
        self.arity = arity
        self.types = frozenset((types,)) if types else None
        self.is_function = is_function
        self.is_method = is_method


def _size(_frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """The number of characters of a text, of items of a list, or of keys of an object."""
    value = values[0]
    if isinstance(value, str | list | dict):
        return len(value)
    raise EvaluationError(f"`size` needs text, a list or an object, not {noun(value)}", offset)


def _texts(name: str, frame: Frame, values: Arguments, offset: int) -> tuple[str, str]:
    text, part = values
    if isinstance(text, str) and isinstance(part, str):
        frame.charge((len(text) + len(part)) >> 6, offset)
        return text, part
    raise EvaluationError(f"`{name}` needs two texts, not {noun(text)} and {noun(part)}", offset)


def _contains(frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """Whether a text holds another."""
    text, part = _texts("contains", frame, values, offset)
    return part in text


def _starts_with(frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """Whether a text begins with another."""
    text, part = _texts("startsWith", frame, values, offset)
    return text.startswith(part)


def _ends_with(frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """Whether a text ends with another."""
    text, part = _texts("endsWith", frame, values, offset)
    return text.endswith(part)


def _matches(frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """Whether a part of a text fits a regular expression of RE2; needs the Python package `google-re2`."""
    text, pattern = _texts("matches", frame, values, offset)
    re2 = importlib.import_module("re2")
    try:
        return re2.search(pattern, text) is not None
    except re2.error as problem:
        raise EvaluationError(f"`{pattern}` is no regular expression of RE2: {problem}", offset) from None


def _int(_frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """A whole number from a number, cut toward zero, or from text."""
    value = values[0]
    if type(value) is int:
        return integer(value, offset)
    if isinstance(value, float):
        if not math.isfinite(value) or not -(2.0**63) < value < 2.0**63:
            raise EvaluationError("the number does not fit into 64 bits", offset)
        return int(value)
    if isinstance(value, str):
        digits = value[1:] if value[:1] in ("+", "-") else value
        if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS:
            return integer(int(value), offset)
        raise EvaluationError("the text is no whole number of 64 bits", offset)
    raise EvaluationError(f"`int` needs a number or text, not {noun(value)}", offset)


def _double(_frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """A number with a fraction from a number or text."""
    value = values[0]
    try:
        if type(value) in (int, float) or (isinstance(value, str) and _looks_like_a_number(value)):
            assert isinstance(value, int | float | str)
            return float(value)
    except (ValueError, OverflowError):
        pass
    if isinstance(value, str | int):
        raise EvaluationError("the value is no number that a double can hold", offset)
    raise EvaluationError(f"`double` needs a number or text, not {noun(value)}", offset)


def _looks_like_a_number(text: str) -> bool:
    return len(text) <= 1000 and (_NUMBER_CHARACTERS.issuperset(text) or text.lstrip("+-").lower() in _SPECIAL_NUMBERS)


def _string(_frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """The text of a number, boolean or text."""
    value = values[0]
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0") if math.isfinite(value) else _special(value)
    hint = 'Write `json(…)` for the JSON text of any value, `default(…, "")` where it may be missing.'
    raise EvaluationError(f"`string` needs a number, boolean or text, not {noun(value)}", offset, hint)


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _bool(_frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """A boolean from a boolean, or from `true`, `false` and the other spellings of CEL."""
    value = values[0]
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (value in _TRUE or value in _FALSE):
        return value in _TRUE
    raise EvaluationError(f"`bool` needs a boolean or one of `true` and `false`, not {noun(value)}", offset)


def _dyn(_frame: Frame, values: Arguments, _offset: int) -> JsonValue:
    """The value itself, as in CEL."""
    return values[0]


def _json(frame: Frame, values: Arguments, offset: int) -> JsonValue:
    """The JSON text of any value."""
    check_result(frame, values[0], offset)
    text = dump(values[0])
    frame.charge_size(len(text), offset)
    return text


BUILTINS: Final[dict[str, Builtin]] = {
    "size": Builtin(_size, 1, "integer", is_method=True),
    "contains": Builtin(_contains, 2, "boolean", is_function=False, is_method=True),
    "startsWith": Builtin(_starts_with, 2, "boolean", is_function=False, is_method=True),
    "endsWith": Builtin(_ends_with, 2, "boolean", is_function=False, is_method=True),
    "matches": Builtin(_matches, 2, "boolean", is_method=True),
    "int": Builtin(_int, 1, "integer"),
    "double": Builtin(_double, 1, "number"),
    "string": Builtin(_string, 1, "string"),
    "bool": Builtin(_bool, 1, "boolean"),
    "dyn": Builtin(_dyn, 1, None),
    "json": Builtin(_json, 1, "string"),
}
MACROS: Final[dict[str, tuple[int, ...]]] = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "existsOne": (2,),
    "map": (2, 3),
    "filter": (2,),
}
SPECIAL_FORMS: Final[dict[str, int]] = {"has": 1, "default": 2}


def can_match() -> bool:
    """Tell whether the engine for regular expressions is installed."""
    from importlib.util import find_spec

    return find_spec("re2") is not None


def check_count(name: str, count: int, wanted: int, offset: int) -> None:
    """Do nothing if a function is called with as many values as it takes.

    Raises:
        ExpressionError: it is called with more or fewer.
    """
    if count != wanted:
        values = "value" if wanted == 1 else "values"
        message = f"`{name}` takes {wanted} {values} (the one before the `.` counts), not {count}"
        raise ExpressionError(message, offset=offset)


def no_function(name: str, offset: int, *, is_method: bool) -> ExpressionError:
    """Return the error for a call of what there is not, or not in this form."""
    if name in BUILTINS:
        form = f"value.{name}(…)" if not is_method else f"{name}(value)"
        return ExpressionError(f"`{name}` is called as `{form}`", offset=offset)
    hint = did_you_mean(name, [*BUILTINS, *(MACROS if is_method else SPECIAL_FORMS)])
    return ExpressionError(f"there is no function `{name}`", offset=offset, hint=hint)
