"""Splitting the source of an expression into tokens, on demand; what the tokens mean is not known here."""

from __future__ import annotations

import re
from typing import Literal

from checkpointflow.errors import ExpressionError

TokenKind = Literal["name", "quoted", "number", "text", "symbol", "end"]

_BLANK = re.compile(r"(?:[ \t\r\n\f]|//[^\n]*)+")
_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?"
)
_SYMBOLS = frozenset("+-*/%<>!?:.,()[]{}")
_CLOSING = frozenset(")]}")
_PAIRS = frozenset(("==", "!=", "<=", ">=", "&&", "||"))
_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "?": "?", '"': '"', "'": "'", "`": "`",
}  # fmt: skip
_HEX_LENGTHS = {"x": 2, "X": 2, "u": 4, "U": 8}
_PREFIXES = frozenset(("r", "b", "rb", "br"))
_MAX_DIGITS = 400
_INSTEAD = {
    "=": "Compare with `==`.",
    "&": "Write `&&` or `and`.",
    "|": "Write `||` or `or`.",
    "$": "Inside an expression names stand without `${ }`.",
}


class Token:
    """One word, number, text or symbol, with the place where it stands."""

    __slots__ = ("end", "kind", "start", "value")

    def __init__(self, kind: TokenKind, value: str | int | float, start: int, end: int) -> None:
        self.kind = kind
        self.value = value
        self.start = start
        self.end = end


class Lexer:
    """Reads one token after the other; `position` is where the next one is looked for."""

    __slots__ = ("_follows_operand", "position", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self._follows_operand = False

    def next(self) -> Token:
        """Return the next token, at last one of kind `end`.

        Raises:
            ExpressionError: no token can begin here, or a text is not closed.
        """
        start = self.skip_blanks()
        if start >= len(self.source):
            return Token("end", "", start, start)
        token = self._word(start) or self._number(start) or self._symbol(start)
        self.position = token.end
        self._follows_operand = token.value in _CLOSING if token.kind == "symbol" else True
        return token

    def skip_blanks(self) -> int:
        """Move behind blanks and comments and return the position."""
        blank = _BLANK.match(self.source, self.position)
        if blank:
            self.position = blank.end()
        return self.position

    def _word(self, start: int) -> Token | None:
        char = self.source[start]
        if char in "'\"":
            return self._text(start, start, is_raw=False)
        if char == "`":
            return self._quoted(start)
        name = _NAME.match(self.source, start)
        if name is None:
            return None
        end, prefix = name.end(), name.group().lower()
        if prefix in _PREFIXES and self.source[end : end + 1] in ("'", '"'):
            if "b" in prefix:
                raise ExpressionError("bytes are no JSON; write a text without the `b`", offset=start)
            return self._text(start, end, is_raw=True)
        return Token("name", name.group(), start, end)

    def _text(self, start: int, opening: int, *, is_raw: bool) -> Token:
        body, closing, end = text_span(self.source, opening, is_raw=is_raw)
        raw = self.source[body:closing]
        return Token("text", raw if is_raw or "\\" not in raw else _unescaped(raw, body), start, end)

    def _quoted(self, start: int) -> Token:
        closing = self.source.find("`", start + 1)
        if closing < 0:
            raise ExpressionError("the name in backticks is not closed", offset=start)
        return Token("quoted", self.source[start + 1 : closing], start, closing + 1)

    def _number(self, start: int) -> Token | None:
        found = _NUMBER.match(self.source, start)
        # Behind an operand, `.5` is no number but the selection of something that is called 5.
        if found is None or (self._follows_operand and self.source[start] == "."):
            return None
        end = found.end()
        if end < len(self.source) and (self.source[end].isalnum() or self.source[end] == "_"):
            raise ExpressionError("a number runs into a word; put a blank or quotes", offset=end)
        return Token("number", _number_value(found.group(), start), start, end)

    def _symbol(self, start: int) -> Token:
        pair = self.source[start : start + 2]
        if pair in _PAIRS:
            return Token("symbol", pair, start, start + 2)
        char = self.source[start]
        if char not in _SYMBOLS:
            raise ExpressionError(f"`{char}` is not expected here", offset=start, hint=_INSTEAD.get(char))
        return Token("symbol", char, start, start + 1)


def text_span(source: str, opening: int, *, is_raw: bool) -> tuple[int, int, int]:
    """Return where the body of a quoted text starts and ends, and where what follows starts.

    Raises:
        ExpressionError: the text is not closed.
    """
    quote = source[opening]
    if source.startswith(quote * 3, opening):
        quote *= 3
    body = position = opening + len(quote)
    while position < len(source):
        char = source[position]
        if char == "\\" and not is_raw:
            position += 2
        elif source.startswith(quote, position):
            return body, position, position + len(quote)
        elif char in "\r\n" and len(quote) == 1:
            break
        else:
            position += 1
    raise ExpressionError("the text is not closed; its second quote is missing", offset=opening)


def closing_brace(source: str, start: int) -> int:
    """Return where the `}` stands that ends an expression that starts at `start`, or -1.

    Raises:
        ExpressionError: a text inside is not closed.
    """
    depth, position = 0, start
    while position < len(source):
        char = source[position]
        if char == "}" and depth == 0:
            return position
        if char in "{}":
            depth += 1 if char == "{" else -1
        position = _behind(source, position)
    return -1


def _behind(source: str, position: int) -> int:
    char = source[position]
    if char in "'\"":
        return text_span(source, position, is_raw=False)[2]
    comment = _BLANK.match(source, position)
    if comment:
        return comment.end()
    word = _NAME.match(source, position)
    if word is None:
        return position + 1
    if word.group().lower() in _PREFIXES and source[word.end() : word.end() + 1] in ("'", '"'):
        return text_span(source, word.end(), is_raw="r" in word.group().lower())[2]
    return word.end()


def _number_value(text: str, start: int) -> int | float:
    digits = text.rstrip("uU")
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    if digits.isdigit():
        if len(digits) > _MAX_DIGITS:
            raise ExpressionError("the number does not fit into 64 bits", offset=start)
        return int(digits)
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ExpressionError("the number is too large", offset=start)
    return value


def _unescaped(raw: str, offset: int) -> str:
    pieces: list[str] = []
    position = 0
    while True:
        found = raw.find("\\", position)
        if found < 0:
            return "".join((*pieces, raw[position:]))
        pieces.append(raw[position:found])
        char, position = _escape(raw, found, offset)
        pieces.append(char)


def _escape(raw: str, at: int, offset: int) -> tuple[str, int]:
    letter = raw[at + 1 : at + 2]
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 2
    if letter in _HEX_LENGTHS:
        length = _HEX_LENGTHS[letter]
        return _code_point(raw, at, raw[at + 2 : at + 2 + length], 16, length, offset), at + 2 + length
    if letter and letter in "0123":
        return _code_point(raw, at, raw[at + 1 : at + 4], 8, 3, offset), at + 4
    raise _no_escape(raw[at : at + 2], offset + at)


def _code_point(raw: str, at: int, digits: str, base: int, length: int, offset: int) -> str:
    allowed = "0123456789abcdefABCDEF" if base == 16 else "01234567"
    if len(digits) < length or any(digit not in allowed for digit in digits):
        raise _no_escape(raw[at : at + 2], offset + at)
    value = int(digits, base)
    if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
        raise ExpressionError("the escape names no character", offset=offset + at)
    return chr(value)


def _no_escape(escape: str, offset: int) -> ExpressionError:
    return ExpressionError(
        f"`{escape}` is no escape", offset=offset, hint="Write `\\\\` for a backslash, or a raw text r'…'."
    )
