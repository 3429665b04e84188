"""Text of any kind as text that PostgreSQL holds, and back; no statements here."""

from __future__ import annotations

import re

_MARK = "\ue000"
"""Begins an escape: a character of the private use area, so hardly any text has it."""
_UNFIT = re.compile("[\0\ud800-\udfff\ue000]")
_ESCAPE = re.compile("\ue000(.{4})", re.DOTALL)


def escaped(text: str) -> str:
    """Return a text without NUL and lone surrogates, of which UTF-8 in PostgreSQL has none; no two give the same."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNFIT.sub(lambda found: f"{_MARK}{ord(found.group()):04x}", text)


def unescaped(text: str) -> str:
    """Return the text of an escaped one."""
    if _MARK not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
