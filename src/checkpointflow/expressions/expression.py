"""Expressions as others use them: parse a source once, evaluate it often."""

from __future__ import annotations

from collections.abc import Mapping

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.evaluator import compile_node, is_reading
from checkpointflow.expressions.frame import EvaluationError, Frame, LimitError, Run, check_result, noun
from checkpointflow.expressions.lexer import closing_brace
from checkpointflow.expressions.names import Names, Note, Reference, Scope
from checkpointflow.expressions.parser import Parser
from checkpointflow.expressions.places import TypeNames
from checkpointflow.expressions.syntax import Node
from checkpointflow.values import JsonValue

_TOO_DEEP = "the expression or its data is nested too deeply"


class Expression:
    """One parsed expression.

    `source` stands at `offset` of the text it came from. `notes` are warnings about it, `references`
    the paths that it reads, `static_type` the names of the JSON types that its value can have (None:
    not known).
    """

    __slots__ = ("_is_reading", "_run", "_slots", "notes", "offset", "references", "source", "static_type")

    def __init__(self, source: str, node: Node, run: Run, names: Names, *, slots: int, shift: int) -> None:
        self.source = source
        self.static_type: TypeNames = node.types
        self.notes = tuple(Note(note.message, note.remedy, note.offset + shift) for note in names.notes)
        self.references = tuple(Reference(tuple(path), at + shift) for path, at in names.references)
        self._run = run
        self._is_reading = is_reading(node)
        self._slots = slots
        self.offset = shift

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    @property
    def has_loops(self) -> bool:
        """Whether it goes over lists or objects, so that its cost is not that of its length."""
        return self._slots > 0

    def evaluate(self, context: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value in a context, which maps each root to its value and is never changed or copied.

        The value may be a part of the context: treat it as read-only.

        Raises:
            ExpressionError: it has no value, or takes too long or grows too large to have one.
        """
        frame = Frame(context, self._slots)
        try:
            value = self._run(frame)
            if not self._is_reading:
                check_result(frame, value, 0)
        except EvaluationError as problem:
            raise self._error(problem.message, problem.offset, problem.hint) from None
        except LimitError as problem:
            raise self._error(problem.message, problem.offset) from None
        except RecursionError:
            raise self._error(_TOO_DEEP, 0) from None
        return value

    def _error(self, message: str, offset: int, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, offset=offset + self.offset, hint=hint)


def parse(text: str, scope: Scope) -> Expression:
    """Return the expression that a text, without the `${ }` around it, holds.

    Raises:
        ExpressionError: it is no expression, or names what the scope does not have.
    """
    return parse_at(text, scope, 0)


def parse_at(text: str, scope: Scope, shift: int) -> Expression:
    """Return the expression of a text that stands at an offset of a longer one; all offsets are the longer one's.

    Raises:
        ExpressionError: it is no expression, or names what the scope does not have.
    """
    names = Names(scope)
    try:
        parser = Parser(text, names)
        node = parser.parse()
        run = compile_node(node)
    except ExpressionError as problem:
        if not shift:
            raise
        raise ExpressionError(problem.message, offset=problem.offset + shift, hint=problem.hint) from None
    except RecursionError:
        raise ExpressionError(_TOO_DEEP, offset=shift) from None
    return Expression(text, node, run, names, slots=parser.slots, shift=shift)


def parse_bare_or_wrapped(text: str, scope: Scope) -> Expression:
    """Return the expression of a text with or without `${ }` around it.

    Raises:
        ExpressionError: it is no expression, or only a part of it is wrapped.
    """
    start = len(text) - len(text.lstrip())
    if not text.startswith("${", start):
        return parse(text, scope)
    end = closing_brace(text, start + 2)
    if end < 0:
        raise ExpressionError("the `}` that closes `${` is missing", offset=start)
    if text[end + 1 :].strip():
        hint = "Put the whole expression into one `${ }`, or leave it out."
        raise ExpressionError("only a part of the expression is wrapped", offset=end + 1, hint=hint)
    return parse_at(text[start + 2 : end], scope, start + 2)


def parse_condition(text: str, scope: Scope) -> Expression:
    """Return the expression of a condition, with or without `${ }`; its value still has to be checked.

    Raises:
        ExpressionError: it is no expression, or can be seen never to be a boolean.
    """
    expression = parse_bare_or_wrapped(text, scope)
    types = expression.static_type
    if types is not None and "boolean" not in types:
        names = " or ".join(sorted(types))
        offset = len(text) - len(text.lstrip())
        raise ExpressionError(f"the condition is {names}, not a boolean; compare it with something", offset=offset)
    return expression


def as_condition(value: JsonValue, expression: Expression) -> bool:
    """Return the value of a condition.

    Raises:
        ExpressionError: it is no boolean.
    """
    if isinstance(value, bool):
        return value
    hint = "Where it may be missing, write `default(…, false)`." if value is None else None
    message = f"the condition `{expression.source.strip()}` is {noun(value)}, not a boolean"
    raise ExpressionError(message, offset=expression.offset, hint=hint)
