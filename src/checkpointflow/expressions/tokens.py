"""Reading tokens one by one, with the sentences for what is missing; what they make together is not known here."""

from __future__ import annotations

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.lexer import Lexer, Token


class TokenReader:
    """Stands at one token of a source; parsers are made from it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lexer = Lexer(source)
        self._token = self._lexer.next()

    def _is_at_end(self) -> bool:
        return self._token.kind == "end"

    def _advance(self) -> Token:
        token = self._token
        self._token = self._lexer.next()
        return token

    def _at(self, symbol: str) -> bool:
        return self._token.kind == "symbol" and self._token.value == symbol

    def _take(self, symbol: str) -> bool:
        found = self._at(symbol)
        if found:
            self._advance()
        return found

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise self._unexpected(f"`{symbol}` is expected here")

    def _unexpected(self, wanted: str = "", hint: str | None = None) -> ExpressionError:
        token = self._token
        if token.kind == "end":
            return ExpressionError(wanted or "the expression ends too early", offset=token.start)
        text = self._source[token.start : token.end]
        found = f"not `{text}`" if wanted else f"`{text}` is not expected here"
        message = f"{wanted}, {found}" if wanted else found
        return ExpressionError(message, offset=token.start, hint=hint)
