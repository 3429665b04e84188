"""Text as it may stand on a terminal: no control characters, cut to the cells that there are."""

from __future__ import annotations

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plain(text: object) -> str:
    """Return a text on one line, without anything that steers a terminal or reorders what it shows."""
    words = "".join(" " if char in "\t\n\r" else char for char in str(text))
    return "".join(char for char in words if unicodedata.category(char) not in _INVISIBLE)


def cut(text: str, cells: int) -> str:
    """Return a plain text that fits into so many cells of a terminal; one that was cut ends in an ellipsis."""
    if sum(map(_cells, text)) <= cells:
        return text
    kept, left = [], cells - 1
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + "…" if cells > 0 else ""


def short(run_id: str) -> str:
    """Return a run's id as people are shown it: its last six characters, which commands accept."""
    return f"…{run_id[-6:]}" if len(run_id) > 6 else run_id


def elapsed(seconds: float) -> str:
    """Return a duration for people: `0.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
