"""Texts with `${…}` in them: taken apart once, rendered often."""

from __future__ import annotations

from collections.abc import Mapping

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.expression import Expression, parse_at
from checkpointflow.expressions.frame import MAX_SIZE
from checkpointflow.expressions.lexer import closing_brace
from checkpointflow.expressions.names import Scope
from checkpointflow.expressions.secret_text import joined
from checkpointflow.values import JsonValue, dump


class Template:
    """A text with zero or more expressions.

    `parts` are its pieces, in which `$${` has become `${`; `offsets` is where each piece starts in the
    text; `single` is the expression if the text, outer blanks aside, is nothing else.
    """

    __slots__ = ("is_constant", "offsets", "parts", "single")

    def __init__(self, parts: tuple[str | Expression, ...], offsets: tuple[int, ...]) -> None:
        expressions = [part for part in parts if isinstance(part, Expression)]
        is_alone = all(isinstance(part, Expression) or not part.strip() for part in parts)
        self.parts = parts
        self.offsets = offsets
        self.is_constant = not expressions
        self.single = expressions[0] if len(expressions) == 1 and is_alone else None

    def render(self, context: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value of a single expression as it is, else the text, a SecretText if there are secrets in it.

        Raises:
            ExpressionError: an expression has no value, or the text grows too large.
        """
        if self.single is not None:
            return self.single.evaluate(context)
        pieces: list[str] = []
        size = 0
        for part, offset in zip(self.parts, self.offsets, strict=True):
            piece = part if isinstance(part, str) else text_of(part.evaluate(context))
            size += len(piece)
            if size > MAX_SIZE and not self.is_constant:
                raise ExpressionError(f"the text has more than {MAX_SIZE:,} characters", offset=offset)
            pieces.append(piece)
        return joined(pieces)


def text_of(value: JsonValue) -> str:
    """Return how a value goes into text: a text as it is, null as nothing, all else as compact JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else dump(value)


def parse_template(text: str, scope: Scope) -> Template:
    """Return the template of a text; offsets in errors are those of the whole text.

    Raises:
        ExpressionError: an expression is not closed, is none, or names what the scope does not have.
    """
    parts: list[str | Expression] = []
    offsets: list[int] = []
    literal, literal_start, position = "", 0, 0
    while (found := text.find("${", position)) >= 0:
        if found > position and text[found - 1] == "$":
            literal += text[position : found - 1] + "${"
            position = found + 2
            continue
        end = closing_brace(text, found + 2)
        if end < 0:
            hint = "Write `$${` where `${` itself is meant."
            raise ExpressionError("the `}` that closes `${` is missing", offset=found, hint=hint)
        literal += text[position:found]
        if literal:
            parts.append(literal)
            offsets.append(literal_start)
        parts.append(parse_at(text[found + 2 : end], scope, found + 2))
        offsets.append(found)
        literal, literal_start, position = "", end + 1, end + 1
    literal += text[position:]
    if literal:
        parts.append(literal)
        offsets.append(literal_start)
    return Template(tuple(parts), tuple(offsets))
