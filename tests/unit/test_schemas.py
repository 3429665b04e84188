"""The promises of `checkpointflow.schemas`."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from checkpointflow.schemas import check, example, is_valid, schema_problems, sentence, with_defaults

ANSWER = {
    "type": "object",
    "required": ["decision"],
    "properties": {"decision": {"type": "string", "enum": ["approve", "reject"]}, "comment": {"type": "string"}},
    "additionalProperties": False,
}


def test_a_value_that_fits_has_no_problems() -> None:
    assert check({"decision": "approve"}, ANSWER) == []
    assert is_valid({"decision": "approve"}, ANSWER)


@pytest.mark.parametrize(
    ("value", "path", "says", "hint"),
    [
        ({}, (), "`decision` is missing", ""),
        (
            {"decision": "aprove"},
            ("decision",),
            '"aprove" is not one of `approve`, `reject`',
            "did you mean `approve`?",
        ),
        ({"decision": "reject", "coment": "x"}, ("coment",), "unknown field `coment`", "did you mean `comment`?"),
        ({"decision": "reject", "comment": 3}, ("comment",), "must be text, but is the number 3", "write it in quotes"),
        ([], (), "must be an object, but is an empty list", ""),
    ],
)
def test_a_problem_says_where_what_and_how_to_mend_it(value: object, path: tuple, says: str, hint: str) -> None:
    (problem,) = check(value, ANSWER)
    assert (problem.path, problem.message, problem.hint) == (path, says, hint)


def test_all_problems_come_at_once() -> None:
    assert len(check({"decision": 1, "comment": 2, "x": 3, "y": 4}, ANSWER)) == 5  # `decision` has two


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "nobody"),
        ("date", "2024-13-01"),
        ("date-time", "yesterday"),
        ("uri", "not a uri"),
        ("uuid", "1234"),
        ("ipv4", "300.1.1.1"),
    ],
)
def test_formats_are_asserted(name: str, value: str) -> None:
    (problem,) = check(value, {"type": "string", "format": name})
    assert problem.message == f'"{value}" is not a valid `{name}`'


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"maxLength": 3},
        {"pattern": "^b+$"},
        {"format": "email"},
        {"const": "b"},
        {"enum": ["b"]},
        {"not": {"type": "string"}},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    ],
)
def test_messages_never_hold_more_than_the_beginning_of_a_value(schema: dict) -> None:
    (problem,) = check("a" * 100_000, schema)
    assert "a" * 200 not in problem.message
    assert len(problem.message) < 400


def test_long_names_are_cut_too() -> None:
    for problem in check({"a" * 5000: 1}, {"additionalProperties": False, "propertyNames": {"maxLength": 3}}):
        assert len(problem.message) < 400


def test_values_beyond_64_bits_and_text_that_is_no_unicode_are_judged_without_a_crash() -> None:
    assert is_valid(10**40, {"type": "integer", "minimum": 10**39})
    assert not is_valid("\ud800", {"type": "string"})
    assert "not Unicode" in check("\ud800", {"type": "string"})[0].message


def test_alternatives_that_only_name_fields_are_explained_by_the_fields() -> None:
    schema = {"oneOf": [{"required": ["command"]}, {"required": ["argv"]}]}
    assert check({}, schema)[0].message == "needs either `command` or `argv`"
    assert check({"command": 1, "argv": 2}, schema)[0].message == "has `command` and `argv`, which exclude each other"


@pytest.mark.parametrize(
    ("schema", "path", "hint"),
    [
        ({"type": "int"}, ("type",), "did you mean `integer`?"),
        ({"properties": {"a": {"type": "sting"}}}, ("properties", "a", "type"), "did you mean `string`?"),
        ({"properties": {"a": {"required": True}}}, ("properties", "a", "required"), ""),
        ({"items": {"$ref": "https://example.com/s.json"}}, ("items", "$ref"), "copy that schema under `$defs`"),
        ({"$ref": "other.json"}, ("$ref",), "copy that schema under `$defs`"),
        ({"$ref": "#/$defs/none"}, (), ""),
        ({"pattern": "("}, ("pattern",), ""),
        ({"minLength": -1}, ("minLength",), ""),
        (["type"], (), ""),
        (None, (), ""),
    ],
)
def test_an_invalid_schema_is_found_out_with_the_place_inside_it(schema: object, path: tuple, hint: str) -> None:
    problems = schema_problems(schema)
    assert [problem.path for problem in problems] == [path]
    assert hint in problems[0].hint


def test_a_schema_that_can_be_used_has_no_problems() -> None:
    assert schema_problems(True) == []
    assert schema_problems(ANSWER) == []
    assert schema_problems({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}) == []
    assert schema_problems({"$ref": "https://json-schema.org/draft/2020-12/schema"}) == []
    assert schema_problems({"const": {"type": "int"}, "default": {"$ref": "https://example.com"}}) == []


def test_checking_against_an_invalid_schema_is_an_error() -> None:
    with pytest.raises(ValueError, match="schema cannot be used"):
        check(1, {"type": "int"})
    with pytest.raises(ValueError, match="never fetched"):
        is_valid(1, {"$ref": "https://example.com/s.json"})


def test_defaults_are_filled_in_deeply_and_nothing_is_changed() -> None:
    schema = {
        "properties": {
            "mode": {"default": "fast"},
            "site": {"properties": {"url": {"default": ["x"]}}},
            "pages": {"items": {"$ref": "#/$defs/page"}},
            "made": {"default": {}, "properties": {"deep": {"default": 1}}},
        },
        "allOf": [{"properties": {"extra": {"default": False}}}],
        "$defs": {"page": {"properties": {"lang": {"default": "en"}}}},
    }
    value = {"site": {}, "pages": [{}, {"lang": "de"}]}
    before = copy.deepcopy((value, schema))
    filled = with_defaults(value, schema)
    assert filled == {
        "site": {"url": ["x"]},
        "pages": [{"lang": "en"}, {"lang": "de"}],
        "mode": "fast",
        "made": {"deep": 1},
        "extra": False,
    }
    filled["site"]["url"].append("y")
    assert (value, schema) == before


def test_a_value_that_is_there_is_never_replaced_by_a_default() -> None:
    schema = {"properties": {"a": {"default": 1}}}
    assert with_defaults({"a": None}, schema) == {"a": None}
    assert with_defaults(None, schema) is None
    assert with_defaults({"a": 2}, True) == {"a": 2}


def test_defaults_that_hold_themselves_come_to_an_end() -> None:
    schema = {"properties": {"next": {"$ref": "#", "default": {}}}}
    assert with_defaults({}, schema) == {"next": {"next": {}}}


def test_an_example_is_made_of_placeholders_for_what_is_required() -> None:
    assert example(ANSWER) == {"decision": "<approve|reject>"}
    assert example({"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}}) == {
        "n": "<integer>",
        "ok": "<true|false>",
    }


@pytest.mark.parametrize(
    "schema",
    [
        ANSWER,
        {"type": "object"},
        {"type": "object", "properties": {"comment": {"type": "string"}}},
        {"type": "object", "required": ["comment"], "properties": {"comment": {"type": "string"}}},
        {"type": "array"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "boolean"},
        {"enum": ["yes", "no"]},
        {"const": "go"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"const": True}}},
    ],
)
def test_an_example_is_never_an_answer_that_passes(schema: dict) -> None:
    assert not is_valid(example(schema), schema)


def test_an_example_of_a_schema_that_holds_itself_comes_to_an_end() -> None:
    assert example({"type": "object", "properties": {"a": {"$ref": "#"}}})


def test_the_library_is_imported_only_when_something_is_checked() -> None:
    code = "import sys, checkpointflow.schemas; sys.exit('jsonschema_rs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"l": "x"}, '`l` must be a list, but is the text "x"'),
        ({"l": [{"n": "x"}]}, '`l[0].n` must be an integer, but is the text "x"'),
        ({"l": [{}]}, "`n` is missing in `l[0]`"),
        ({"l": [{"n": 1, "m": 2}]}, "unknown field `m` in `l[0]`"),
        ({"l": [{"n": -1}]}, "`l[0].n`: -1 is less than 0"),
        ({"m": 1}, "unknown field `m`"),
        ([], "must be an object, but is an empty list"),
    ],
)
def test_a_sentence_names_the_field_that_it_is_about(value, said):
    item = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 0}},
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "items": item}},
        "additionalProperties": False,
    }
    assert [sentence(problem) for problem in check(value, schema)] == [said]
