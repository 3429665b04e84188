"""A cursor over one command text: what every reader of it needs, and where holes are taken; no grammar."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

from checkpointflow.frontends.document.shell.reading import (
    MARK,
    Advice,
    Construct,
    Reading,
    Unreadable,
    Word,
    hazard_of,
)

UNQUOTED = '"${%s}"'
IN_DOUBLE = "${%s}"
IN_SINGLE = "'\"${%s}\"'"

BLANKS = " \t"
_DEEPEST = 40
# A backslash-newline vanishes before tokens are formed, so one next to an operator could join two
# characters into another operator; such texts are refused rather than read.
_JOINS_BEFORE = frozenset("$<>&|;(!")
_JOINS_AFTER = frozenset("<>&|;()[=#!+{")


class Cursor:
    """Reads one text from `position` to `end`; what it finds goes into `reading`."""

    def __init__(self, text: str, reading: Reading, *, first_hole: int = 0, base: int | None = None) -> None:
        self.text = text
        self.reading = reading
        self.position = 0
        self.end = len(text)
        self._base = base
        self._marks = [found.start() for found in re.finditer(MARK, text)]
        self._first_hole = first_hole
        self._forbidden: Advice | None = None
        self.depth = 0

    # -- the cursor --------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> str:
        """Return the character at the cursor, or empty text at the end."""
        at = self.position + ahead
        return self.text[at] if at < self.end else ""

    def looks_at(self, text: str) -> bool:
        """Tell whether the text continues with this."""
        return self.text.startswith(text, self.position) and self.position + len(text) <= self.end

    def offset(self, at: int | None = None) -> int:
        """Return where a position stands in the whole text."""
        return self._base if self._base is not None else (self.position if at is None else at)

    def fail(self, message: str, at: int | None = None) -> Unreadable:
        """Return the error for a text that cannot be read alike by all shells."""
        return Unreadable(message, self.offset(at))

    def hazard(self, construct: Construct, at: int, name: str = "") -> None:
        """Note something that may evaluate a variable's text."""
        self.reading.hazards.append(hazard_of(construct, self.offset(at), name))

    @contextmanager
    def nested(self, forbidden: Advice | None = None) -> Iterator[None]:
        """Read one level deeper, where holes are refused for the given reason (the outermost counts)."""
        if self.depth >= _DEEPEST:
            raise self.fail("it nests deeper than is read here")
        before = self._forbidden
        self._forbidden = before or forbidden
        self.depth += 1
        try:
            yield
        finally:
            self._forbidden = before
            self.depth -= 1

    # -- holes -------------------------------------------------------------------------------------

    def place(self, template: str, word: Word | None = None, refused: Advice | None = None) -> None:
        """Take the hole at the cursor, to be replaced by this reference unless its place forbids it."""
        hole = self._first_hole + bisect_left(self._marks, self.position)
        self.position += 1
        self.reading.references[hole] = template
        if reason := self._forbidden or refused:
            self.reading.refuse(hole, reason)
        if word is not None:
            word.holes.append(hole)
            word.add("number", "0") if self.reading.numeric[hole] else word.add("one")

    def holes_between(self, start: int, stop: int) -> list[int]:
        """Return the holes of a stretch of the text."""
        first, last = bisect_left(self._marks, start), bisect_left(self._marks, stop)
        return list(range(self._first_hole + first, self._first_hole + last))

    def refuse_between(self, start: int, stop: int, reason: Advice) -> None:
        """Refuse the holes of a stretch that is not read further."""
        for hole in self.holes_between(start, stop):
            self.reading.refuse(hole, reason)

    # -- between words -----------------------------------------------------------------------------

    def skip_blanks(self) -> None:
        """Skip blanks, continued lines and a comment; the holes of a comment mean nothing."""
        while char := self.peek():
            if char == "\\" and self.peek(1) == "\n":
                self.continuation()
            elif char in BLANKS:
                self.position += 1
            elif char == "#":
                self._comment()
            else:
                return

    def _comment(self) -> None:
        while (char := self.peek()) and char != "\n":
            if char == MARK:
                self.place(UNQUOTED)
            else:
                self.position += 1

    def continuation(self) -> None:
        """Skip a backslash and the newline after it."""
        before = self.text[self.position - 1] if self.position else "\n"
        after = self.peek(2)
        if before not in " \t\n" and (before in _JOINS_BEFORE or (after and after in _JOINS_AFTER)):
            raise self.fail("a line is continued next to an operator (put a blank before the backslash)")
        self.position += 2
