"""Random expressions: the same value as another CEL, and never anything but an `ExpressionError`."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Scope, StepShape, parse

BINDINGS: dict[str, Any] = {
    "i": 7, "j": -3, "d": 2.5, "s": "abc", "t": "é b", "b": True, "l": [3, -1, 4], "w": ["a", "b"],
    "m": {"a": 1, "k": -2}, "y": {"x": {"z": [1, "two", None]}},
}  # fmt: skip
SCOPE = Scope(roots=dict.fromkeys(BINDINGS))
SAMPLE_SCOPE = Scope(
    roots={"inputs": {"properties": {"a-b": {}}}, "item": None}, steps={"p": StepShape(outputs=None, fields={})}
)


class Maker:
    """Makes expressions of one static type, which both languages read alike."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.variables: list[str] = []

    def of(self, kind: str, depth: int) -> str:
        leaves: dict[str, list[str]] = {
            "int": ["i", "j", "0", "1", "-2", "0x1f", "9223372036854775807", "m.a", "m['k']", "m.none", "l[0]", "l[5]"],
            "double": ["d", "0.5", "-1e3", "2.0", ".25"],
            "string": ["s", "t", "''", '"x"', r"'\u00e9\n'", "r'\\d'", "w[1]"],
            "bool": ["b", "true", "false"],
            "ints": ["l", "[]", "[1, 2, 2]"],
            "strings": ["w", "['x', 'abc']"],
            "dyn": ["y.x.z[0]", "y.x.z[1]", "y.x.q", "y.x.z[2]"],
        }
        if kind == "int" and self.variables and self.random.random() < 0.4:
            return self.random.choice(self.variables)
        if depth <= 0 or self.random.random() < 0.15:
            return self.random.choice(leaves[kind])
        return self.random.choice(self.branches(kind))(depth - 1)

    def branches(self, kind: str) -> list[Callable[[int], str]]:
        of = self.of
        every: list[Callable[[int], str]] = [
            lambda n: f"({of('bool', n)} ? {of(kind, n)} : {of(kind, n)})",
            lambda n: f"({of(kind, n)})",
        ]
        return (
            every
            + {
                "int": self.ints(),
                "double": [
                    lambda n: self.joined("double", ("+", "-", "*", "/"), n),
                    lambda n: f"double({of(self.pick('int', 'double'), n)})",
                    lambda n: f"-({of('double', n)})",
                ],
                "string": [
                    lambda n: self.joined("string", ("+",), n),
                    lambda n: f"string({of(self.pick('int', 'bool', 'string'), n)})",
                ],
                "bool": self.bools(),
                "ints": [
                    lambda n: self.joined("ints", ("+",), n),
                    lambda n: f"[{of('int', n)}, {of('int', n)}]",
                    lambda n: self.macro(n, "map", "int"),
                    lambda n: self.macro(n, "filter", "bool"),
                ],
                "strings": [
                    lambda n: self.joined("strings", ("+",), n),
                    lambda n: f"[{of('string', n)}]",
                    lambda n: self.macro(n, "map", "string"),
                ],
                "dyn": [lambda n: f"dyn({of(self.pick('int', 'string', 'bool', 'ints'), n)})"],
            }[kind]
        )

    def ints(self) -> list[Callable[[int], str]]:
        of = self.of
        return [
            lambda n: self.joined("int", ("+", "-", "*", "/", "%"), n),
            lambda n: f"-({of('int', n)})",
            lambda n: f"size({of(self.pick('string', 'ints', 'strings'), n)})",
            lambda n: f"({of('ints', n)})[{of('int', n)}]",
            lambda n: f"int({of(self.pick('int', 'double', 'string'), n)})",
        ]

    def bools(self) -> list[Callable[[int], str]]:
        of, pick = self.of, self.pick
        return [
            lambda n: self.joined("bool", ("&&", "||"), n),
            lambda n: self.joined("bool", ("&&", "||"), n),
            lambda n: f"!({of('bool', n)})",
            lambda n: self.joined(pick("int", "double", "string", "bool"), ("<", "<=", ">", ">=", "==", "!="), n),
            lambda n: self.joined(pick("ints", "strings"), ("==", "!="), n),
            lambda n: f"({of('int', n)} in {of('ints', n)})",
            lambda n: f"({of('string', n)} in {self.pick('m', of('strings', n))})",
            lambda n: f"({of('string', n)}).{pick('contains', 'startsWith', 'endsWith')}({of('string', n)})",
            lambda n: self.macro(n, pick("all", "exists", "exists_one"), "bool"),
            lambda n: f"has({pick('m.a', 'm.zz', 'y.x.z', 'y.x.q')})",
            lambda n: f"bool({of('bool', n)})",
            lambda n: f"({of('dyn', n)} == [{of('dyn', n)}])",
        ]

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def joined(self, kind: str, symbols: tuple[str, ...], depth: int) -> str:
        return f"({self.of(kind, depth)} {self.pick(*symbols)} {self.of(kind, depth)})"

    def macro(self, depth: int, name: str, result: str) -> str:
        target = self.of("ints", depth)
        variable = self.pick("v", "w1", "v2")
        self.variables.append(variable)
        body = self.of(result, depth)
        self.variables.pop()
        return f"({target}).{name}({variable}, {body})"


def ours(source: str) -> Any:
    try:
        return parse(source, SCOPE).evaluate(BINDINGS)
    except ExpressionError:
        return ExpressionError


def oracle() -> Callable[[str], Any]:
    cel = pytest.importorskip("cel_expr_python.cel", reason="the reference CEL has no wheel for this platform")
    kind = cel.Type
    kinds = {
        "i": kind.INT, "j": kind.INT, "d": kind.DOUBLE, "s": kind.STRING, "t": kind.STRING, "b": kind.BOOL,
        "l": kind.List(kind.INT), "w": kind.List(kind.STRING), "m": kind.Map(kind.STRING, kind.INT), "y": kind.DYN,
    }  # fmt: skip
    environment = cel.NewEnv(variables=kinds)

    def evaluate(source: str) -> Any:
        value = environment.compile(source, disable_check=True).eval(data=BINDINGS)
        return ExpressionError if value.type() == kind.ERROR else value.plain_value()

    return evaluate


def is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def test_random_expressions_have_the_value_that_the_reference_cel_gives() -> None:
    theirs = oracle()
    maker = Maker(20240611)
    values = errors = 0
    for number in range(2000):
        source = maker.of(("bool", "int", "double", "string", "ints", "strings")[number % 6], 4)
        expected = theirs(source)
        if not is_finite(expected):
            continue
        got = ours(source)
        if expected is ExpressionError:
            errors += 1
            assert got is ExpressionError, source
        else:
            values += 1
            assert got is not ExpressionError, source
            assert json.dumps(got) == json.dumps(expected), source
    assert values > 800
    assert errors > 100


SAMPLES = (
    "inputs.a-b == 'x' && steps.p.outputs.y[0] > 1 ? {'k': [1, 2.5e3]} : default(item.z, null)",
    "item.list.map(x, x > 0, x * 2).exists(y, y in [1, 'a']) || not has(item.q) and r'\\' != \"\\u00e9\"",
    "size(json(item)) + -int('7') % 3 // comment\n - 0x1F",
    "steps['p'].outputs.`a b` == approve or '''long\ntext'''.contains(string(1.5))",
)
PIECES = [
    *"+-*/%<>=!&|?:.,()[]{}'\"\\`$#@~^; \n\t",
    "0",
    "9" * 30,
    "1e9",
    "inputs",
    "steps.",
    "not ",
    "é",
    "\x00",
    "\ud800",
]


def mutated(rng: random.Random) -> str:
    text = rng.choice(SAMPLES)
    for _ in range(rng.randint(1, 6)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice((0, 0, 1, 2, 9)))
        piece = rng.choice((rng.choice(PIECES), rng.choice(SAMPLES)[start : start + rng.randint(0, 12)]))
        text = text[:start] + piece + text[end:]
    return text


def failure_of(text: str, context: dict[str, Any]) -> str | None:
    """Return the message of the error that a text leads to, None if it has a value, which then is JSON."""
    try:
        json.dumps(parse(text, SAMPLE_SCOPE).evaluate(context), allow_nan=False)
    except ExpressionError as error:
        return error.message if 0 <= error.offset <= len(text) else pytest.fail(f"wrong offset: {text!r}")
    return None


def test_random_texts_are_expressions_or_expression_errors() -> None:
    rng = random.Random(99)
    context: dict[str, Any] = {
        "inputs": {"a-b": "x"},
        "item": {"list": [1, 2], "q": None},
        "steps": {"p": {"status": "completed", "outputs": {"y": [3]}}},
    }
    failures = [failure_of(mutated(rng), context) for _ in range(5000)]
    assert failures.count(None) > 50
