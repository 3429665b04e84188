"""Names: which words a scope knows, how `-` and `.` join them, what may be absent, what is noted."""

from __future__ import annotations

from typing import Any

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Expression, Reference, Scope, StepShape, parse
from checkpointflow.values import JsonValue

INPUTS: dict[str, Any] = {
    "type": "object",
    "required": ["page-id", "who", "items", "maybe"],
    "properties": {
        "page-id": {"type": "string"},
        "page": {"type": "integer"},
        "size-max": {"type": "integer", "default": 3},
        "a.b": {"type": "string"},
        "who": {"$ref": "#/$defs/person"},
        "boss": {"$ref": "#/$defs/person"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/person"}},
        "maybe": {"type": ["object", "null"], "properties": {"x": {"type": "integer"}}, "required": ["x"]},
        "free": {"type": "object"},
    },
    "$defs": {
        "person": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        }
    },
}
OUTPUTS: dict[str, Any] = {
    "type": "object",
    "required": ["summary"],
    "properties": {"summary": {"type": "string"}, "note": {"type": "string"}},
}
SCOPE = Scope(
    roots={"inputs": INPUTS, "item": None, "item_index": {"type": "integer"}},
    steps={
        "plan": StepShape(outputs=OUTPUTS, fields={"exit_code": {"type": "integer"}}),
        "plan-b": StepShape(outputs=None, fields={"error": None}),
        "v1.2": StepShape(outputs=None, fields={}),
        "v1": StepShape(outputs=None, fields={}),
        "2nd": StepShape(outputs=None, fields={}),
        "a+b": StepShape(outputs={"type": "array", "items": {"type": "string"}}, fields={}),
    },
)
CONTEXT: dict[str, JsonValue] = {
    "inputs": {
        "page-id": "p7",
        "page": 5,
        "a.b": "dotted",
        "who": {"name": "Ada"},
        "items": [{"name": "Bo", "age": 3}],
        "maybe": None,
        "free": {"k-l": 1},
    },
    "item": {"x-y": "joined", "x": 9, "y": 2},
    "item_index": 4,
    "steps": {
        "plan": {"status": "completed", "outputs": {"summary": "s"}, "exit_code": 0},
        "plan-b": {"status": "skipped", "outputs": None, "error": None},
        "v1.2": {"status": "completed", "outputs": {"z": 1}},
        "v1": {"status": "completed", "outputs": {"z": 2}},
        "2nd": {"status": "pending", "outputs": None},
        "a+b": {"status": "completed", "outputs": ["q"]},
    },
}


def parsed(source: str) -> Expression:
    return parse(source, SCOPE)


def value_of(source: str) -> JsonValue:
    return parsed(source).evaluate(CONTEXT)


def error_of(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value_of(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("steps.plan.outputs.summary", "s"),
        ("steps.plan-b.status", "skipped"),
        ("steps.v1.2.outputs.z", 1),
        ("steps.v1.outputs.z", 2),
        ("steps.2nd.status", "pending"),
        ("steps.a+b.outputs[0]", "q"),
        ('steps["a+b"].outputs[0]', "q"),
        ("steps['plan'].status", "completed"),
        ("steps . plan . status", "completed"),
        ("steps.plan.exit_code == 0", True),
        ("steps.plan.status=='completed'", True),
        ("steps[inputs.page == 5 ? 'plan' : 'v1'].exit_code", 0),
    ],
)
def test_the_longest_known_step_id_is_the_id(source: str, value: JsonValue) -> None:
    assert value_of(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.page-id", "p7"),
        ("inputs.page - 1", 4),
        ("inputs.page-1", 4),
        ("inputs.page-item_index", 1),
        ("inputs.a.b", "dotted"),
        ("inputs.page-id.size()", 2),
        ("default(inputs.size-max, 3) - 1", 2),
    ],
)
def test_a_declared_name_joins_its_dashes_and_dots_and_any_other_dash_is_a_minus(source: str, value: JsonValue) -> None:
    expression = parsed(source)
    assert expression.evaluate(CONTEXT) == value
    assert expression.notes == ()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("item.x-y", "joined"),
        ("inputs.free.k-l", 1),
        ("item.x - item.y", 7),
        ("item.x-item.y", 7),
        ("item.x -1", 8),
        ("item.x- 1", 8),
        ("item.x-size('ab')", 7),
        ("[1].map(y, item.x-y)", [8]),
    ],
)
def test_without_a_schema_a_dash_joins_unless_a_blank_or_a_known_name_stands_there(
    source: str, value: JsonValue
) -> None:
    assert value_of(source) == value


def test_a_dash_that_joins_without_a_schema_is_noted() -> None:
    (note,) = parsed("item.x-1").notes
    assert note.message == "`x-1` is read as one name"
    assert "blanks around a minus" in note.hint
    assert note.offset == 5
    assert parsed("item.x - 1").notes == ()
    assert error_of("item.x-1").hint == "Put blanks around a minus."


@pytest.mark.parametrize(
    ("source", "offset", "message", "hint"),
    [
        ("steps.plam.outputs", 6, "there is no step `plam`", "Did you mean `plan`?"),
        ("steps.plan-c.outputs", 6, "there is no step `plan-c`", "Did you mean `plan-b`?"),
        ('steps["a+bb"]', 6, "there is no step `a+bb`", "Did you mean `a+b`?"),
        ("steps.plan.output", 11, "`steps.plan` has no `output`", "Did you mean `outputs`?"),
        ("steps.plan.error", 11, "`steps.plan` has no `error`", "There are: `status`, `outputs`, `exit_code`."),
        ("steps.plan.outputs.sumary", 19, "`steps.plan.outputs` has no `sumary`", "Did you mean `summary`?"),
        ("inputs.who.nam", 11, "`inputs.who` has no `nam`", "Did you mean `name`?"),
        ("inputs.items[0].nam", 16, "`inputs.items[0]` has no `nam`", "Did you mean `name`?"),
        ("inputs.items.map(i, i.nam)", 22, "`i` has no `nam`", "Did you mean `name`?"),
        ("inputs.items.map(i, inputs.who['nam'])", 31, "`inputs.who` has no `nam`", "Did you mean `name`?"),
        ("input.page", 0, "`input` is not known here", "Did you mean `inputs`?"),
        ("event.x", 0, "`event` is not known here", 'Text stands in quotes: "event".'),
        ("inputs.page-idd", 12, "`idd` is not known here", 'Text stands in quotes: "idd".'),
        ("inputs.page.x", 12, "`inputs.page` is a number, so `x` cannot be read from it", None),
        (
            "inputs.items.name",
            13,
            "`inputs.items` is a list, so `name` cannot be read from it",
            "Items of a list are read as `[0]`.",
        ),
        ("inputs.who[0]", 10, "`inputs.who` is an object, so `[0]` cannot be read from it", None),
    ],
)
def test_an_unknown_name_is_refused_at_load_time(source: str, offset: int, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parsed(source)
    error = caught.value
    assert (error.message, error.offset, error.hint) == (message, offset, hint)


def test_a_name_that_an_open_schema_does_not_declare_is_noted_and_read() -> None:
    expression = parsed("inputs.pages")
    (note,) = expression.notes
    assert (note.message, note.hint, note.offset) == ("`inputs` does not declare `pages`", "Did you mean `page`?", 7)
    with pytest.raises(ExpressionError, match=r"`inputs\.pages` is missing"):
        expression.evaluate(CONTEXT)
    assert expression.evaluate({"inputs": {"pages": 1}}) == 1


def test_outputs_whose_schema_says_that_there_are_more_may_have_more() -> None:
    open_outputs: Any = {**OUTPUTS, "additionalProperties": True}
    typed_outputs: Any = {**OUTPUTS, "additionalProperties": {"type": "integer"}}
    for outputs, notes, types in ((open_outputs, 1, None), (typed_outputs, 0, {"integer"})):
        scope = Scope(roots={}, steps={"s": StepShape(outputs=outputs, fields={})})
        expression = parse("steps.s.outputs.more", scope)
        assert len(expression.notes) == notes
        assert expression.static_type == types


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"properties": {"a": {}}}, {"$ref": "#/$defs/x"}]},
        {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        {"$ref": "https://example.org/schema"},
        {"properties": {"a": {}}, "patternProperties": {"^z": {}}, "additionalProperties": False},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/allOf/0"}]},
        {"properties": {"a": {}}, "$ref": "#/nowhere"},
        {"properties": {"a": {}}, "if": {}, "then": {"properties": {"z": {}}}},
        True,
        False,
        {"type": "object"},
    ],
)
def test_what_a_schema_leaves_open_is_never_refused(schema: Any) -> None:
    scope = Scope(roots={"r": schema}, steps={"s": StepShape(outputs=schema, fields={})})
    expression = parse("r.z == steps.s.outputs.z", scope)
    assert expression.notes == ()
    context: dict[str, JsonValue] = {"r": {"z": 1}, "steps": {"s": {"outputs": {"z": 1}}}}
    assert expression.evaluate(context) is True


def test_schemas_that_apply_together_are_read_together() -> None:
    schema: Any = {
        "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b-c": {"type": "string"}}, "required": ["a"]}],
        "$defs": {"base": {"type": "object", "properties": {"a": {"type": "integer"}, "o": {"type": "boolean"}}}},
    }
    scope = Scope(roots={"r": schema})
    assert parse("r.a", scope).static_type == {"integer"}
    assert parse("r.b-c", scope).static_type == {"string", "null"}
    assert parse("r.o", scope).evaluate({"r": {}}) is None
    closed = Scope(roots={"r": {**schema, "unevaluatedProperties": False, "additionalProperties": False}})
    with pytest.raises(ExpressionError, match="has no `zz`"):
        parse("r.zz", closed)


def test_a_path_that_its_schema_allows_to_be_absent_is_null() -> None:
    assert value_of("inputs.boss") is None
    assert value_of("inputs.boss.name") is None
    assert value_of("inputs.boss.age") is None
    assert value_of("inputs.who.age") is None
    assert value_of("inputs.maybe.x") is None
    assert value_of("steps.plan.outputs.note == null") is True
    assert value_of("inputs.items.map(i, i.age)") == [3]
    assert value_of("inputs.size-max") is None


def test_a_branch_of_the_schema_may_declare_what_may_be_absent() -> None:
    scope = Scope(roots={"r": {"type": "object", "oneOf": [{"properties": {"a-b": {}}}, {"properties": {"c": {}}}]}})
    assert parse("r.a-b", scope).evaluate({"r": {}}) is None


@pytest.mark.parametrize(
    ("source", "offset", "message"),
    [
        ("steps.plan-b.outputs.x", 21, "`steps.plan-b.outputs.x` is missing because step `plan-b` has not completed"),
        ("inputs.free.zz.y", 12, "`inputs.free.zz` is missing"),
        ("item['p q'].y", 5, '`item["p q"]` is missing'),
        ("steps.plan-b.error.code", 19, "`steps.plan-b.error.code` is missing because `steps.plan-b.error` is null"),
    ],
)
def test_a_path_without_a_schema_that_is_missing_fails_with_its_name(source: str, offset: int, message: str) -> None:
    error = error_of(source)
    assert error.message.startswith(message)
    assert error.offset == offset


def test_outputs_of_a_step_that_has_not_completed_fail_and_say_so() -> None:
    context: dict[str, JsonValue] = {"steps": {"plan": {"status": "failed", "outputs": None}}}
    with pytest.raises(ExpressionError, match=r"step `plan` has not completed \(it is `failed`\)"):
        parsed("steps.plan.outputs.summary").evaluate(context)
    assert parsed("steps.plan.outputs").evaluate(context) is None
    assert parsed("steps.plan.outputs.note").evaluate(context) is None
    assert parsed("has(steps.plan.outputs.summary)").evaluate(context) is False
    assert parsed("default(steps.plan.outputs.summary, 'none yet')").evaluate(context) == "none yet"
    with pytest.raises(ExpressionError, match=r"`steps\.plan` is missing because the step has not run"):
        parsed("steps.plan.outputs.summary").evaluate({"steps": {}})


def test_a_root_without_a_value_fails_with_its_name() -> None:
    with pytest.raises(ExpressionError, match="`item` has no value here"):
        parsed("item.x").evaluate({})
    assert parsed("default(item.x, 1)").evaluate({}) == 1


def test_references_are_the_static_parts_of_paths() -> None:
    source = "steps.plan.outputs.summary + inputs.items[0].name + inputs.items[item_index].name + item.x-y"
    assert parsed(source).references == (
        Reference(("steps", "plan", "outputs", "summary"), 0),
        Reference(("inputs", "items", 0, "name"), 29),
        Reference(("inputs", "items"), 52),
        Reference(("item_index",), 65),
        Reference(("item", "x-y"), 84),
    )
    assert parsed("inputs.items.map(i, i.name + (inputs.who).name)").references == (
        Reference(("inputs", "items"), 0),
        Reference(("inputs", "who", "name"), 30),
    )
    assert parsed("inputs.maybe == approve").references == (Reference(("inputs", "maybe"), 0),)


def test_a_variable_of_a_macro_hides_a_root_of_the_same_name() -> None:
    assert value_of("inputs.items.map(item, item.name)") == ["Bo"]
    assert value_of("item.x") == 9


@pytest.mark.parametrize(
    ("source", "types"),
    [
        ("inputs.page-id", {"string"}),
        ("inputs.page", {"integer", "null"}),
        ("inputs.size-max", {"integer"}),
        ("inputs.boss.name", {"string", "null"}),
        ("inputs.who.name", {"string"}),
        ("inputs.items[0].name", {"string"}),
        ("inputs.items[item_index].age", {"integer", "null"}),
        ("inputs.maybe", {"object", "null"}),
        ("inputs.maybe.x", {"integer", "null"}),
        ("steps.plan.outputs", {"object", "null"}),
        ("steps.plan.outputs.summary", {"string"}),
        ("steps.plan.status", {"string"}),
        ("steps.v1.outputs.z", None),
        ("item.x", None),
        ("1 + 2", {"integer"}),
        ("1 + 2.0", {"number"}),
        ("item.x - 1", {"number"}),
        ("item.x + 1", None),
        ("'a' + inputs.page-id", {"string"}),
        ("-item_index", {"integer"}),
        ("size(inputs.items) % 2", {"integer"}),
        ("default(inputs.page, 'none')", {"integer", "string"}),
        ("item.x == 1 ? 'a' : null", {"string", "null"}),
        ("inputs.items.map(i, i)", {"array"}),
        ("inputs.items.exists(i, true)", {"boolean"}),
        ("!item.x", {"boolean"}),
        ("json(item)", {"string"}),
        ("dyn(item_index)", {"integer"}),
        ("{'a': 1}", {"object"}),
        ("{'a': 1}.a", None),
        ("has(item.x) and true", {"boolean"}),
    ],
)
def test_static_types_are_those_that_the_value_can_have(source: str, types: set[str] | None) -> None:
    assert parsed(source).static_type == types


def test_types_come_from_constants_and_branches_too() -> None:
    scope = Scope(
        roots={
            "e": {"enum": ["a", 1]},
            "c": {"const": 1.5},
            "n": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "u": {"anyOf": [{"type": "string"}, {}]},
            "p": {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        }
    )
    assert parse("e", scope).static_type == {"string", "integer"}
    assert parse("c", scope).static_type == {"number"}
    assert parse("n", scope).static_type == {"string", "null"}
    assert parse("u", scope).static_type is None
    assert parse("p[0]", scope).static_type == {"string"}
