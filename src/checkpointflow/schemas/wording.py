"""Values and names as they may stand in a message; nothing here knows schemas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from checkpointflow.values import JsonValue, dump

_SHOWN = 120
MOST_LISTED = 12
_LONGEST_GUESSED = 100
_GUESSED_AMONG = 1000
_COMPARED = 200


def show(value: JsonValue) -> str:
    """Return a value as it may stand in a message: JSON, cut after 120 characters."""
    try:
        return cut(dump(value))
    except (ValueError, TypeError, RecursionError):
        return f"a value of type `{type(value).__name__}`"


def describe(value: JsonValue) -> str:
    """Return what a value is, in words: `the text "abc"`, `the number 3`, `an empty list`."""
    if value is None or isinstance(value, bool):
        return show(value)
    if isinstance(value, str):
        return f"the text {show(value)}"
    if isinstance(value, int | float):
        return f"the number {show(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "an object" if value else "an empty object"


def did_you_mean(name: JsonValue, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the known name nearest to a mistyped one, else an empty text."""
    close = closest(name, known) if isinstance(name, str) else None
    return "" if close is None else f"did you mean `{close}`?"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to a mistyped one, None if none is near.

    However many and long the names are, only so many are compared that it takes milliseconds.
    """
    if not 0 < len(name) <= _LONGEST_GUESSED:
        return None
    from difflib import get_close_matches

    least, most = len(name) * 3 // 7, len(name) * 7 // 3 + 1  # others are too short or long to be near
    names = {word.lower(): word for word in islice(known, _GUESSED_AMONG) if least <= len(word) <= most}
    limit = min(_COMPARED, max(20, 2000 // len(name)))
    near = sorted(names, key=lambda word: word[:1] != name[:1].lower()) if len(names) > limit else list(names)
    close = get_close_matches(name.lower(), near[:limit], n=1, cutoff=0.6)
    return names[close[0]] if close else None


def one_of(names: Iterable[str]) -> str:
    """Return the remedy that lists what is known."""
    return "known: " + listed(list(names))


def listed(values: Sequence[JsonValue]) -> str:
    """Return values one after the other, the first dozen of them."""
    shown = [f"`{cut(value, 40)}`" if isinstance(value, str) else show(value) for value in values[:MOST_LISTED]]
    more = len(values) - MOST_LISTED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def cut(text: str, length: int = _SHOWN) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= length else f"{text[:length]}…"
