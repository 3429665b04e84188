"""From syntax to closures: one small function per node, called with the frame of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checkpointflow.expressions.comprehensions import compile_macro
from checkpointflow.expressions.frame import AbsentError, EvaluationError, Frame, Run, noun
from checkpointflow.expressions.operators import (
    ARITHMETIC,
    compare,
    contains,
    equal,
    invert,
    negate,
)
from checkpointflow.expressions.paths import compile_has, compile_path
from checkpointflow.expressions.syntax import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Default,
    Has,
    ListOf,
    Literal,
    Logic,
    Macro,
    MapOf,
    Node,
    Path,
    Prefix,
)
from checkpointflow.values import JsonValue


def compile_node(node: Node) -> Run:
    """Return the function that computes a node's value."""
    return _COMPILERS[type(node)](node)


def is_reading(node: Node) -> bool:
    """Tell whether a node's value is a part of the context, or a number or boolean that is known to be JSON."""
    if isinstance(node, Path):
        return node.base is None and node.slot is None
    if isinstance(node, Choice):
        return is_reading(node.otherwise) and all(is_reading(value) for _, value in node.branches)
    if isinstance(node, Default):
        return is_reading(node.value) and is_reading(node.otherwise)
    return isinstance(node, Literal | Comparison | Logic | Has)


def _literal(node: Literal) -> Run:
    value = node.value
    return lambda _: value


def _path(node: Path) -> Run:
    return compile_path(node, compile_node)


def _has(node: Has) -> Run:
    return compile_has(node.path, compile_node)


def _macro(node: Macro) -> Run:
    return compile_macro(node, compile_node)


def _list(node: ListOf) -> Run:
    items = [compile_node(item) for item in node.items]
    return lambda frame: [item(frame) for item in items]


def _map(node: MapOf) -> Run:
    pairs = [(compile_node(key), compile_node(value), key.offset) for key, value in node.pairs]

    def run(frame: Frame) -> JsonValue:
        made: dict[str, JsonValue] = {}
        for key_of, value_of, offset in pairs:
            key = key_of(frame)
            if not isinstance(key, str):
                raise EvaluationError(f"the keys of objects are text, not {noun(key)}", offset)
            if key in made:
                raise EvaluationError(f"the key `{key}` stands twice", offset)
            made[key] = value_of(frame)
        return made

    return run


def _prefix(node: Prefix) -> Run:
    operand = compile_node(node.operand)
    steps = [(invert if symbol == "!" else negate, offset) for symbol, offset in node.symbols]
    if len(steps) == 1:
        apply_one, at = steps[0]
        return lambda frame: apply_one(operand(frame), at)

    def run(frame: Frame) -> JsonValue:
        value = operand(frame)
        for apply, offset in steps:
            value = apply(value, offset)
        return value

    return run


def _arithmetic(node: Arithmetic) -> Run:
    first = compile_node(node.first)
    rest = [(ARITHMETIC[symbol], compile_node(operand), at) for symbol, operand, at in node.rest]
    if len(rest) == 1:
        operate, second, offset = rest[0]
        return lambda frame: operate(frame, first(frame), second(frame), offset)

    def run(frame: Frame) -> JsonValue:
        value = first(frame)
        for operate, operand, offset in rest:
            value = operate(frame, value, operand(frame), offset)
        return value

    return run


def _comparison(node: Comparison) -> Run:
    left, right, offset, symbol = compile_node(node.left), compile_node(node.right), node.offset, node.symbol
    if symbol == "==":
        return lambda frame: equal(frame, left(frame), right(frame), offset)
    if symbol == "!=":
        return lambda frame: not equal(frame, left(frame), right(frame), offset)
    if symbol == "in":
        return lambda frame: contains(frame, left(frame), right(frame), offset)
    return lambda frame: compare(symbol, frame, left(frame), right(frame), offset)


def _logic(node: Logic) -> Run:
    operands = [(compile_node(operand), operand.offset) for operand in node.operands]
    symbol, decisive = node.symbol, node.symbol == "||"

    def run(frame: Frame) -> JsonValue:
        problem: EvaluationError | None = None
        for operand, offset in operands:
            try:
                value = operand(frame)
            except EvaluationError as error:
                problem = problem or error
                continue
            if value is decisive:
                return value
            if not isinstance(value, bool) and problem is None:
                problem = EvaluationError(f"`{symbol}` needs booleans, not {noun(value)}", offset)
        if problem is not None:
            raise problem
        return not decisive

    return run


def _choice(node: Choice) -> Run:
    branches = [(compile_node(when), compile_node(value), when.offset) for when, value in node.branches]
    otherwise = compile_node(node.otherwise)

    def run(frame: Frame) -> JsonValue:
        for condition, value, offset in branches:
            decision = condition(frame)
            if decision is True:
                return value(frame)
            if decision is not False:
                raise EvaluationError(f"`?` needs a boolean before it, not {noun(decision)}", offset)
        return otherwise(frame)

    return run


def _call(node: Call) -> Run:
    values, call, offset = [compile_node(value) for value in node.values], node.builtin.call, node.offset
    return lambda frame: call(frame, [value(frame) for value in values], offset)


def _default(node: Default) -> Run:
    value_of, otherwise = compile_node(node.value), compile_node(node.otherwise)

    def run(frame: Frame) -> JsonValue:
        try:
            value = value_of(frame)
        except AbsentError:
            value = None
        return otherwise(frame) if value is None else value

    return run


_COMPILERS: dict[type[Node], Callable[[Any], Run]] = {
    Literal: _literal,
    Path: _path,
    ListOf: _list,
    MapOf: _map,
    Prefix: _prefix,
    Arithmetic: _arithmetic,
    Comparison: _comparison,
    Logic: _logic,
    Choice: _choice,
    Call: _call,
    Has: _has,
    Default: _default,
    Macro: _macro,
}
