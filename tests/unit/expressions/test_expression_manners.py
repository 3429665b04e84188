"""The manners of 1.x: words for operators and text, text compared with other values; and conditions."""

from __future__ import annotations

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Note, Scope, as_condition, parse, parse_bare_or_wrapped, parse_condition
from checkpointflow.values import JsonValue

SCOPE = Scope(roots={"v": None, "s": {"type": "string"}, "n": {"type": "integer"}, "b": {"type": "boolean"}})
CONTEXT: dict[str, JsonValue] = {"v": "approve", "s": "5", "n": 5, "b": True}


def value_of(source: str, **changes: JsonValue) -> JsonValue:
    return parse(source, SCOPE).evaluate({**CONTEXT, **changes})


@pytest.mark.parametrize("word", ["approve", "dry-run", "while", "größe"])
def test_an_unknown_word_on_the_right_of_an_equation_is_text_and_noted(word: str) -> None:
    expression = parse(f"v == {word} or v != {word}", SCOPE)
    assert expression.notes[0] == Note(f"`{word}` is read as text", f'Quote it: "{word}".', 5)
    assert parse(f"v == {word}", SCOPE).evaluate({"v": word}) is True
    assert parse(f"v != {word}", SCOPE).evaluate({"v": "x"}) is True


@pytest.mark.parametrize("source", ["approve == v", "v < approve", "v == inputs.x", "v == f(1)", "v == not", "x in v"])
def test_a_word_elsewhere_is_no_text(source: str) -> None:
    with pytest.raises(ExpressionError):
        parse(source, SCOPE)


def test_a_known_word_on_the_right_is_no_text() -> None:
    expression = parse("n == n", SCOPE)
    assert expression.notes == ()
    assert expression.references[1].offset == 5


@pytest.mark.parametrize(
    ("value", "text", "is_equal"),
    [
        (5, "5", True),
        (5, "5.0", False),
        (5.0, "5.0", True),
        (1e21, "1E+21", True),
        (True, "true", True),
        (True, "True", True),
        (False, "false", True),
        (None, "none", True),
        (None, "None", True),
        (None, "null", False),
        (None, "", False),
        ([], "[]", False),
        ({}, "{}", False),
        ("5", "5", True),
        ("A", "a", False),
    ],
)
def test_a_text_equals_the_lower_cased_text_of_a_scalar(value: JsonValue, text: str, is_equal: bool) -> None:
    assert value_of("v == s", v=value, s=text) is is_equal
    assert value_of("s == v", v=value, s=text) is is_equal
    assert value_of("v != s", v=value, s=text) is not is_equal


@pytest.mark.parametrize(
    ("left", "right", "is_equal"), [(None, None, True), (5, 5.0, True), (1, True, False), (0, None, False)]
)
def test_values_without_text_are_equal_as_in_cel(left: JsonValue, right: JsonValue, is_equal: bool) -> None:
    assert value_of("v == s", v=left, s=right) is is_equal


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("n == '5'", "types differ: integer and string; they are compared as lower-cased text"),
        ("s != null", "types differ: string and null; they are compared as lower-cased text"),
        ("s == true", "types differ: string and boolean; they are compared as lower-cased text"),
        ("b == 1", "types differ: boolean and integer; they are never equal"),
        ("b == yes", "`yes` is read as text"),
    ],
)
def test_types_that_differ_are_noted(source: str, message: str) -> None:
    assert message in [note.message for note in parse(source, SCOPE).notes]


@pytest.mark.parametrize("source", ["n == 5.0", "v == '5'", "s == 'a'", "n != n + 1", "v == null"])
def test_types_that_may_agree_are_not_noted(source: str) -> None:
    assert parse(source, SCOPE).notes == ()


@pytest.mark.parametrize("text", ["n == 5", "${n == 5}", "  ${ n == 5 }\n", "b", "${v.all(k, k in {'}': 1})}"])
def test_a_condition_may_be_wrapped_or_bare(text: str) -> None:
    assert parse_condition(text, SCOPE).static_type in ({"boolean"}, None)


@pytest.mark.parametrize("text", ["n", "'yes'", "${n + 1}", "null", "[b]", "size(v)"])
def test_what_can_never_be_a_boolean_is_no_condition(text: str) -> None:
    with pytest.raises(ExpressionError, match="not a boolean"):
        parse_condition(text, SCOPE)


def test_the_value_of_a_condition_is_a_boolean_or_an_error() -> None:
    expression = parse_condition(" ${v}", SCOPE)
    assert as_condition(True, expression) is True
    assert as_condition(False, expression) is False
    for value, hint in ((1, None), ("true", None), (None, "Where it may be missing, write `default(…, false)`.")):
        with pytest.raises(ExpressionError, match="the condition `v` is") as caught:
            as_condition(value, expression)
        assert caught.value.offset == 3
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("${v} == 1", 4, "only a part"),
        (" ${v", 1, "is missing"),
        ("${ w }", 3, "`w` is not known"),
        ("w", 0, "`w` is not known"),
        ("${}", 2, "empty"),
    ],
)
def test_a_wrapper_that_does_not_fit_is_refused_at_its_place(text: str, offset: int, part: str) -> None:
    with pytest.raises(ExpressionError, match=part) as caught:
        parse_bare_or_wrapped(text, SCOPE)
    assert caught.value.offset == offset


def test_offsets_inside_a_wrapper_are_those_of_the_whole_text() -> None:
    expression = parse_bare_or_wrapped("${ v.x == go }", SCOPE)
    assert expression.references[0].offset == 3
    assert expression.notes[0].offset == 10
    with pytest.raises(ExpressionError) as caught:
        expression.evaluate({"v": {}})
    assert caught.value.offset == 5
    assert caught.value.details == {"offset": 5}
