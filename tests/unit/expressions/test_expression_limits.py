"""Bounds: whatever is written, parsing and evaluating end soon, and in an `ExpressionError` if they must."""

from __future__ import annotations

from typing import Any

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Scope, StepShape, parse
from checkpointflow.expressions.frame import MAX_SIZE, MAX_STEPS
from checkpointflow.expressions.parser import MAX_DEPTH, MAX_LENGTH
from checkpointflow.values import JsonValue

NUMBERS = "[" + ",".join(str(number) for number in range(100)) + "]"
SCOPE = Scope(roots={"v": None, "big": {"type": "string"}}, steps={"s": StepShape(outputs=None, fields={})})


def value_of(source: str, **context: JsonValue) -> JsonValue:
    return parse(source, SCOPE).evaluate(context)


def nested(name: str, depth: int) -> str:
    inner = "1"
    condition = {"map": "", "all": " != 2"}.get(name, " == 2")
    for level in range(depth):
        inner = f"{NUMBERS}.{name}(x{level}, {inner}{condition})"
    return inner


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 8000,
        "{'a':" * 2000,
        "f(" * 3000,
        "!(" * 4000,
        "v[" * 5000,
        "true ? (" * 1000,
        "v" + ".map(x, x)" * 500,
        "v" + ".size()" * 1000,
        "has(" * 2000,
        "default(" * 2000,
        "1 == " * 2000 + "1",
        "1" + " + (1" * 2000,
    ],
)
def test_deep_nesting_is_refused(source: str) -> None:
    assert len(source) <= MAX_LENGTH
    with pytest.raises(ExpressionError):
        parse(source, SCOPE)


@pytest.mark.parametrize(
    "source",
    [
        "not " * 4000 + "true",
        "!" * 10_000 + "true",
        "-" * 10_001 + " v",
        " + ".join(["1"] * 4000),
        " - ".join(["v"] * 4000),
        " && ".join(["true"] * 2000),
        " or ".join(["v == 2"] * 1600),
        "v == 2 ? 2 : " * 1000 + "1",
        "[1,".ljust(4000, "1") + "]",
        "(" * (MAX_DEPTH - 2) + "1" + ")" * (MAX_DEPTH - 2),
        "(" * 30 + " + ".join(["1"] * 100) + ")" * 30,
    ],
)
def test_long_but_flat_expressions_work_or_are_refused(source: str) -> None:
    assert len(source) <= MAX_LENGTH
    try:
        value_of(source, v=1)
    except ExpressionError as error:
        message = error.message
    else:
        message = "nested"
    assert "nested" in message or "64 bits" in message


def test_long_chains_have_values() -> None:
    assert value_of(" + ".join(["1"] * 4000)) == 4000
    assert value_of(" or ".join(["v == 2"] * 1600), v=1) is False
    assert value_of("v == 2 ? 2 : " * 1000 + "1", v=1) == 1
    assert value_of("!" * 10_000 + "true") is True
    deep: Any = 5
    for _ in range(3000):
        deep = {"a": deep}
    assert value_of("v" + ".a" * 3000, v=deep) == 5


def test_a_long_source_is_refused() -> None:
    assert value_of("'" + "x" * (MAX_LENGTH - 2) + "'") == "x" * (MAX_LENGTH - 2)
    with pytest.raises(ExpressionError, match="longer than") as caught:
        parse("'" + "x" * (MAX_LENGTH - 1) + "'", SCOPE)
    assert caught.value.offset == MAX_LENGTH


@pytest.mark.parametrize("name", ["map", "all", "exists", "filter", "exists_one"])
def test_nested_macros_run_out_of_steps(name: str) -> None:
    with pytest.raises(ExpressionError, match="steps") as caught:
        value_of(nested(name, 5) + (" || true" if name in ("all", "exists") else ""))
    assert caught.value.offset > 0


def test_a_limit_is_not_an_error_that_or_and_default_make_up_for() -> None:
    with pytest.raises(ExpressionError, match="steps"):
        value_of(f"default({nested('map', 4)}, 1)")
    with pytest.raises(ExpressionError, match="steps"):
        value_of(f"{nested('exists', 4)} || true")


@pytest.mark.parametrize(
    "source",
    [
        "['a']" + ".map(x, x + x)" * 40 + "[0]",
        "[big].map(x, x + x).map(x, x + x)",
        "[[1]]" + ".map(x, x + x)" * 40,
        "[1]" + ".map(x, [x, x])" * 40,
        "{'a': " + "[1]" + ".map(x, [x, x])" * 40 + "}",
        "json([1]" + ".map(x, [x, x])" * 40 + ")",
        NUMBERS + ".map(x, big)",
        NUMBERS + ".map(x, big + 'a').map(x, 1)",
        NUMBERS + f".map(x, {NUMBERS}.map(y, big == v))",
        NUMBERS + f".map(x, {NUMBERS}.map(y, big < v))",
        NUMBERS + f".map(x, {NUMBERS}.map(y, big.contains('b')))",
        "[1]" + ".map(x, [x, x])" * 30 + " == [1]" + ".map(x, [x, x])" * 30,
    ],
)
def test_a_value_that_grows_too_large_is_refused(source: str) -> None:
    big = "a" * (MAX_SIZE // 4)
    with pytest.raises(ExpressionError, match=r"more than"):
        value_of(source, big=big, v="".join(["a" * (MAX_SIZE // 4)]))


def test_what_stands_in_the_context_may_be_larger_than_what_an_expression_may_build() -> None:
    big = "a" * (MAX_SIZE + 1)
    assert value_of("big", big=big) is big
    assert value_of("big == big && size(big) > 1", big=big) is True
    with pytest.raises(ExpressionError, match="characters"):
        value_of("big + ''", big=big)


def test_ordinary_lists_fit_into_the_budget() -> None:
    numbers: JsonValue = list(range(100_000))
    assert len(value_of("v.filter(x, x % 2 == 0).map(x, x + 1)", v=numbers)) == 50_000  # type: ignore[arg-type]
    assert MAX_STEPS >= 1_000_000


def test_data_that_is_nested_beyond_reason_is_refused() -> None:
    deep: list[Any] = []
    other: list[Any] = []
    for _ in range(5000):
        deep, other = [deep], [other]
    with pytest.raises(ExpressionError, match="nested too deeply"):
        value_of("v == big", v=deep, big=other)  # type: ignore[arg-type]
    with pytest.raises(ExpressionError, match="nested too deeply"):
        value_of("json(v)", v=deep)
