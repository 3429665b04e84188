"""Templates: texts with expressions in them."""

from __future__ import annotations

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Expression, Scope, parse_template, text_of
from checkpointflow.expressions.frame import MAX_SIZE
from checkpointflow.values import JsonValue

SCOPE = Scope(roots={"v": None, "w": None})
CONTEXT: dict[str, JsonValue] = {"v": {"a": [1, None, "é"]}, "w": "text"}


def rendered(text: str) -> JsonValue:
    return parse_template(text, SCOPE).render(CONTEXT)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain $HOME } {", "plain $HOME } {"),
        ("${w}", "text"),
        ("${v}", {"a": [1, None, "é"]}),
        (" ${v.a[0]}\n", 1),
        ("${v.a[1]}", None),
        ("<${v.a[1]}>", "<>"),
        ("v=${v} w=${w} n=${1.5}${true}", 'v={"a":[1,null,"é"]} w=text n=1.5true'),
        ("${w}${w}", "texttext"),
        ("$${w} ${w}", "${w} text"),
        ("$${", "${"),
        ("a$$${w}", "a$${w}"),
        ("${'}' + \"}\" + r'\\' + '''it's }'''}", "}}\\it's }"),
        ("-${ {'a': {'b': w}}.a.b }-", "-text-"),
        ("-${w // a comment with }\n}-", "-text-"),
    ],
)
def test_a_template_renders(text: str, value: JsonValue) -> None:
    assert rendered(text) == value


def test_a_template_tells_its_parts_and_where_they_start() -> None:
    template = parse_template("ab $${c} ${w}-${v.a}", SCOPE)
    literal, first, dash, second = template.parts
    assert (literal, dash) == ("ab ${c} ", "-")
    assert isinstance(first, Expression)
    assert isinstance(second, Expression)
    assert template.offsets == (0, 9, 13, 14)
    assert second.references[0].offset == 16
    assert second.source == "v.a"
    assert template.single is None
    assert not template.is_constant


def test_a_template_is_constant_single_or_mixed() -> None:
    assert parse_template("x $${y}", SCOPE).is_constant
    assert parse_template(" ${w} ", SCOPE).single is not None
    assert parse_template("${w}${w}", SCOPE).single is None
    assert parse_template(".${w}", SCOPE).single is None


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("ab ${w", 3, "`}` that closes"),
        ("ab ${'}", 5, "not closed"),
        ("ab ${}", 5, "empty"),
        ("ab ${w + z}", 9, "`z` is not known"),
        ("ab ${w} ${1 +}", 13, "too early"),
        ("ab ${w w}", 7, "`w` is not expected"),
    ],
)
def test_errors_of_a_template_stand_where_they_are_in_the_text(text: str, offset: int, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text, SCOPE)
    assert part in caught.value.message
    assert caught.value.offset == offset


def test_errors_while_rendering_have_their_place_too() -> None:
    template = parse_template("ab ${w} ${v.b}", SCOPE)
    with pytest.raises(ExpressionError, match=r"`v\.b` is missing") as caught:
        template.render(CONTEXT)
    assert caught.value.offset == 12


def test_a_text_that_grows_too_large_is_refused() -> None:
    template = parse_template("${w}${w}", SCOPE)
    with pytest.raises(ExpressionError, match="more than"):
        template.render({"w": "x" * (MAX_SIZE // 2 + 1)})
    assert parse_template("${w}", SCOPE).render({"w": "x" * (MAX_SIZE + 1)}) == "x" * (MAX_SIZE + 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (None, ""), (True, "true"), (1, "1"), (1.0, "1.0"), ([1, {"é": None}], '[1,{"é":null}]')],
)
def test_a_value_goes_into_text_as_json_unless_it_is_text_or_null(value: JsonValue, text: str) -> None:
    assert text_of(value) == text
