"""The language itself: values, operators, functions and macros, without any schema."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Scope, parse
from checkpointflow.values import JsonValue

CONTEXT: dict[str, JsonValue] = {
    "n": 7,
    "x": 2.5,
    "t": "text",
    "yes": True,
    "none": None,
    "list": [3, 1, 2],
    "map": {"a": 1, "b-c": {"d": [10, 20]}, "if": "word"},
}


def value_of(source: str) -> JsonValue:
    return parse(source, Scope(roots=dict.fromkeys(CONTEXT))).evaluate(CONTEXT)


def error_of(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value_of(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("0x1F + 1u", 32),
        ("-9223372036854775808", -(2**63)),
        ("1 + 2.5", 3.5),
        ("7 / 2 * 2", 6),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("2 + 3 * 4 - 1", 13),
        ("(2 + 3) * 4", 20),
        ("2 * 3 + 4 * 5", 26),
        ("10 - 3 - 2", 5),
        ("'a' + \"b\" + r'\\c'", "ab\\c"),
        ("'''two\nlines'''", "two\nlines"),
        (r"'\x41\u00e9\U0001F600\101\n'", "A\u00e9\U0001f600A\n"),
        ("[1] + [2, 3,]", [1, 2, 3]),
        ("{'a': [1], \"b\": {}}", {"a": [1], "b": {}}),
        ("map['b-c'].d[1]", 20),
        ("map.`b-c`.d[0]", 10),
        ("map.if", "word"),
        ("list[1.0]", 1),
        ("yes ? 1 : 2", 1),
        ("n == 1 ? 'a' : n == 7 ? 'b' : 'c'", "b"),
        ("!yes || n > 5 && t != 'x'", True),
        ("2 in list && 'a' in map && !(9 in list)", True),
        ("n >= 7 && x < 3 && 'a' < 'b' && false < true", True),
        ("1 == 1.0 && [1, {'a': 1.0}] == [1.0, {'a': 1}]", True),
        ("true == 1 || null == 0 || [1] == ['1']", False),
        ("size(t) + list.size() + size(map)", 10),
        ("t.contains('ex') && t.startsWith('te') && t.endsWith('xt')", True),
        ("int('-12') + int(3.9)", -9),
        ("double('1e3') + double(1)", 1001.0),
        ("string(1) + string(2.50) + string(2.0) + string(true)", "12.52true"),
        ("bool('true') && !bool('f')", True),
        ("dyn(n)", 7),
        ("json({'a': [1, null, 'é']})", '{"a":[1,null,"é"]}'),
        ("list.map(i, i * 2)", [6, 2, 4]),
        ("list.map(i, i > 1, i * 2)", [6, 4]),
        ("list.filter(i, i != 1)", [3, 2]),
        ("list.all(i, i > 0) && list.exists(i, i == 3)", True),
        ("list.exists_one(i, i > 2) && list.existsOne(i, i < 2)", True),
        ("map.map(k, k)", ["a", "b-c", "if"]),
        ("list.map(i, list.filter(j, j < i).map(i, i + 1))", [[2, 3], [], [2]]),
        ("list.map(a, list.map(a, list.map(b, a * 10 + b)[0])[1])", [13, 13, 13]),
        ("[[1, 2], [3]].map(l, l.map(i, i + l.size()))", [[3, 4], [4]]),
        ("has(map.a) && !has(map.z) && !has(map.z.y)", True),
        ("has(map['b-c'])", True),
        ("default(map.z, 1) + default(none, 2) + default(n, 3)", 10),
        ("default(list[9], 'end')", "end"),
        ("default(t.x.y, 'no')", "no"),
        ("1 + // a comment\n 1", 2),
    ],
)
def test_an_expression_has_its_value(source: str, value: JsonValue) -> None:
    got = value_of(source)
    assert got == value
    assert type(got) is type(value)


def test_a_false_operand_outweighs_an_error_and_a_true_one_too() -> None:
    assert value_of("1 / 0 == 1 || true") is True
    assert value_of("1 / 0 == 1 && false") is False
    assert value_of("t && false") is False
    assert value_of("[1, 0].exists(i, 4 / i == 4)") is True
    assert value_of("[0, 1].exists(i, 4 / i == 4)") is True
    assert value_of("[0, 1].all(i, 4 / i != 4)") is False


@pytest.mark.parametrize(
    ("source", "offset", "part"),
    [
        ("1 / 0", 2, "division by zero"),
        ("1 % 0", 2, "division by zero"),
        ("9223372036854775807 + 1", 20, "64 bits"),
        ("-(-9223372036854775807 - 1)", 0, "64 bits"),
        ("9223372036854775808", 0, "64 bits"),
        ("1.5 % 2", 4, "`%` does not work on a number and a whole number"),
        ("'a' + 1", 4, "`+` does not work on text and a whole number"),
        ("n < 'a'", 2, "`<` does not work"),
        ("n.foo", 2, "`n` is a whole number"),
        ("map.a.b", 6, "`map.a` is a whole number"),
        ("map.zz", 4, "`map.zz` is missing"),
        ("none.a.b", 5, "`none` is null"),
        ("list[3]", 4, "the list has 3 items"),
        ("list[-1]", 4, "the list has 3 items"),
        ("list['a']", 5, "`list` is a list"),
        ("t[0]", 1, "`t` is text"),
        ("map[n]", 3, "keys are text"),
        ("n ? 1 : 2", 0, "needs a boolean"),
        ("t && true", 0, "`&&` needs booleans"),
        ("-t", 0, "`-` needs a number"),
        ("!n", 0, "`!` needs a boolean"),
        ("1 in t", 2, "`in` needs a list"),
        ("{'a': 1, 'a': 2}", 9, "stands twice"),
        ("{1: 2}", 1, "keys of objects are text"),
        ("{n: 2}", 1, "keys of objects are text"),
        ("none.map(i, i)", 5, "`map` needs a list"),
        ("list.filter(i, i)", 15, "not a boolean"),
        ("list.exists_one(i, i)", 19, "not a boolean"),
        ("int('1.5')", 0, "whole number"),
        ("int('1_000')", 0, "whole number"),
        ("int(1e19)", 0, "64 bits"),
        ("double('1_0')", 0, "no number"),
        ("string(none)", 0, "`string` needs"),
        ("bool('yes')", 0, "`bool` needs"),
        ("size(1)", 0, "`size` needs"),
        ("1.0 / 0.0", 0, "JSON cannot hold"),
        ("[double('NaN')]", 0, "JSON cannot hold"),
        ("has(t.x)", 6, "needs an object"),
        ("t.contains(1)", 2, "two texts"),
    ],
)
def test_a_failure_names_its_place(source: str, offset: int, part: str) -> None:
    error = error_of(source)
    assert part in error.message
    assert error.offset == offset


@pytest.mark.parametrize(
    ("source", "offset", "part"),
    [
        ("", 0, "empty"),
        ("  ", 0, "empty"),
        ("1 +", 3, "too early"),
        ("1 2", 2, "`2` is not expected"),
        ("(1", 2, "`)` is expected"),
        ("[1, 2", 5, "`]` is expected"),
        ("n = 1", 2, "`=` is not expected"),
        ("n & 1", 2, "`&` is not expected"),
        ("'open", 0, "not closed"),
        ("'line\n'", 0, "not closed"),
        (r"'\q'", 1, "no escape"),
        (r"'\ud800'", 1, "no character"),
        (r"'\x4'", 1, "no escape"),
        ("b'bytes'", 0, "bytes"),
        ("1abc", 1, "runs into a word"),
        ("1e999", 0, "too large"),
        ("a.", 0, "not known"),
        ("map.", 4, "name is expected"),
        ("list.0", 5, "a name is expected after `.`, not `0`"),
        ("list.map(1, 2)", 9, "name of a variable"),
        ("list.map(i)", 10, "`,` is expected"),
        ("list.all(i, i, i)", 5, "takes 2 arguments"),
        ("foo(1)", 0, "no function `foo`"),
        ("t.startswith('a')", 2, "no function `startswith`"),
        ("contains(t, 'a')", 0, "called as `value.contains"),
        ("size()", 0, "takes 1 value"),
        ("has(n)", 4, "needs a path"),
        ("default(n)", 0, "takes 2 values"),
        ("n.?a", 2, "name is expected"),
        ("in", 0, "`in` is not expected"),
        ("${n}", 0, "`$` is not expected"),
    ],
)
def test_what_is_no_expression_is_refused_where_it_goes_wrong(source: str, offset: int, part: str) -> None:
    error = error_of(source)
    assert part in error.message
    assert error.offset == offset


def test_a_misspelt_function_is_answered_with_the_right_one() -> None:
    assert error_of("t.startswith('a')").hint == "Did you mean `startsWith`?"


def test_an_operator_in_words_binds_like_one_in_python() -> None:
    assert value_of("not n == 8 and (yes or false)") is True
    assert value_of("not yes or yes") is True
    assert value_of("yes == not false") is True


def test_the_context_is_neither_copied_nor_changed() -> None:
    assert value_of("map") is CONTEXT["map"]
    assert value_of("yes ? list : []") is CONTEXT["list"]
    before = repr(CONTEXT)
    value_of("list + list.map(i, i)")
    assert repr(CONTEXT) == before


def test_matches_asks_for_its_extra_where_re2_is_missing() -> None:
    if find_spec("re2") is not None:
        pytest.skip("RE2 is installed here")
    error = error_of("t.matches('^t')")
    assert 'pip install "checkpointflow[re2]"' in error.message
    assert error.offset == 2


def test_matches_searches_with_re2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("re2") is None:
        (tmp_path / "re2.py").write_text("from re import error, search\n")
        monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert value_of("t.matches('^te') && matches(t, 'x')") is True
        assert value_of("t.matches('^x')") is False
        assert "no regular expression" in error_of("t.matches('(')").message
    finally:
        sys.modules.pop("re2", None)
