"""Texts of strangers as any format may hold them: cleaned, cut, measured and wrapped; no format is known here."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Format characters that letters and emoji need; all others reorder or hide what is shown."""
_NARROW = frozenset("iljtfrI.,:;'!|()[]{}/\\-` \"")
_WIDE = frozenset("mwMW@%&—…")
MONO = 0.62
"""The width of a character of a monospaced font, in its size."""


def one_line(text: object) -> str:
    """Return a text on one line, blanks run together, without characters that steer, hide or reorder."""
    return " ".join(_kept(str(text), "").split())


def lines(text: object) -> str:
    """Return a text with its lines, without characters that steer, hide or reorder."""
    return _kept(str(text).replace("\r\n", "\n").replace("\r", "\n"), "\n")


def _kept(text: str, also: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown if not also else _shown_line, text))


def _shown(char: str) -> str:
    if char in "\t\n\r\v\f\u2028\u2029\x85":
        return " "
    return "" if unicodedata.category(char) in _DROPPED and char not in _JOINERS else char


def _shown_line(char: str) -> str:
    return char if char in "\n\t" else _shown(char)


def cut(text: str, most: float, measure: Callable[[str], float] = len) -> str:
    """Return a text of at most a measure; one that was cut ends in an ellipsis, and no character is torn apart."""
    if len(text) > 4 * most + 40:
        text = text[: int(4 * most) + 40]  # so that measuring stays cheap; far more than ever fits
    if measure(text) <= most:
        return text
    short, long = 0, len(text)
    while short < long:
        middle = (short + long + 1) // 2
        short, long = (middle, long) if measure(text[:middle] + "…") <= most else (short, middle - 1)
    while short and _joins(text, short):
        short -= 1
    return text[:short].rstrip() + "…"


def _joins(text: str, index: int) -> bool:
    """Tell whether the character at an index belongs to the one before it."""
    char = text[index]
    return unicodedata.category(char)[0] == "M" or char in _JOINERS or text[index - 1] in _JOINERS


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 2 if _is_broad(char) else 1 for char in text)


def sans(text: str, size: float) -> float:
    """Return about how wide a text is in a proportional font; rather more than less."""
    return size * sum(map(_em, text))


def mono(text: str, size: float) -> float:
    """Return about how wide a text is in a monospaced font; rather more than less."""
    return size * (MONO * cells(text) if text.isascii() else sum(1.2 if _is_broad(char) else MONO for char in text))


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.42
    if char in _WIDE or char.isupper():
        return 1.0 if char in _WIDE else 0.75
    return 1.2 if not char.isascii() and _is_broad(char) else 0.63


def _is_broad(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF" or unicodedata.category(char) == "So"


def wrapped(text: str, most: float, rows: int, measure: Callable[[str], float]) -> tuple[str, ...]:
    """Return a text on at most so many rows of at most a measure, broken at blanks; the last row may be cut."""
    found: list[str] = []
    words = text[:2000].split(" ")
    while words and len(found) < rows - 1:
        row = words.pop(0)
        torn = measure(row) > most
        if torn:  # a word that fits on no row goes on in the next
            row, rest = _torn(row, most, measure)
            words.insert(0, rest)
        while words and measure(f"{row} {words[0]}") <= most and not torn:
            row += f" {words.pop(0)}"
        found.append(cut(row, most, measure))
    if words:
        found.append(cut(" ".join(words), most, measure))
    return tuple(found)


def _torn(word: str, most: float, measure: Callable[[str], float]) -> tuple[str, str]:
    """Return a word's beginning that fits, and its rest; broken behind a sign if one is near the end."""
    at = max(1, len(cut(word, most, measure)) - 1)
    sign = max((word.rfind(char, at // 2, at) for char in ".,(=&|/"), default=-1)
    at = sign + 1 if sign > 0 else at
    return word[:at], word[at:]


def escaped(text: str) -> str:
    """Return a cleaned text for XML and HTML, in content and in quoted attributes."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(char, entity)
    return text
