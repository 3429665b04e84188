"""The promises of `set`: values, computed once, each of its own type."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.running import GATE, run


def test_the_outputs_are_the_values_and_a_lone_expression_keeps_its_type(tmp_path: Path) -> None:
    steps = """
- id: s
  kind: set
  values:
    {n: "${inputs.n}", l: " ${inputs.l} ", o: "${inputs.o}", none: "${inputs.none}", no: "${inputs.n > 5}", lit: 7}
- {id: e, kind: end, result: "${steps.s.outputs}"}
"""
    given = {"n": 3, "l": [1, {"a": None}], "o": {"x": 0.5}, "none": None}
    assert run(tmp_path, steps, given).result == {**given, "no": False, "lit": 7}


def test_values_are_interpolated_deeply_and_objects_in_text_are_json(tmp_path: Path) -> None:
    steps = """
- id: s
  kind: set
  values: {deep: [{a: "n=${inputs.n}"}, ["${inputs.n}"]], text: "${inputs.o} and ${inputs.t}", "key ${inputs.n}": 1}
- {id: e, kind: end, result: "${steps.s.outputs}"}
"""
    ran = run(tmp_path, steps, {"n": 3, "o": {"a": [True, None, "é"]}, "t": "x"})
    text = '{"a":[true,null,"é"]} and x'
    assert ran.result == {"deep": [{"a": "n=3"}, [3]], "text": text, "key ${inputs.n}": 1}


def test_a_doubled_dollar_is_the_text_itself(tmp_path: Path) -> None:
    steps = (
        "- {id: s, kind: set, values: {v: '$${inputs.n} $${x'}}\n- {id: e, kind: end, result: '${steps.s.outputs.v}'}"
    )
    assert run(tmp_path, steps, {"n": 1}).result == "${inputs.n} ${x"


@pytest.mark.parametrize("value", ["0", "false", "null", "''", "[]", "{}", "0.0"])
def test_falsy_values_are_kept(tmp_path: Path, value: str) -> None:
    steps = f"- {{id: s, kind: set, values: {{v: {value}}}}}\n- {{id: e, kind: end, result: '${{steps.s.outputs.v}}'}}"
    found = run(tmp_path, steps).result
    assert found == {"0": 0, "false": False, "null": None, "''": "", "[]": [], "{}": {}, "0.0": 0.0}[value]


def test_values_are_recorded_and_computed_once_per_visit(tmp_path: Path) -> None:
    steps = f"""
- {{id: n, kind: set, values: {{i: "${{default(steps.n.outputs.i, 0) + 1}}"}}}}
- {{id: w, {GATE}, event_name: go, transitions: [{{when: event < 3, next: n}}]}}
- {{id: e, kind: end, result: "${{steps.n.outputs.i}}"}}
"""
    ran = run(tmp_path, steps).answer("w", 1).answer("w#2", 2).answer("w#3", 3)
    assert ran.result == 3
    recorded = [(entry["key"], entry["value"]) for entry in ran.entries("value_recorded")]
    assert recorded[:-1] == [("n", {"i": 1}), ("n#2", {"i": 2}), ("n#3", {"i": 3})]


def test_a_recorded_value_stays_as_it_was_while_steps_go_on(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: set, values: {seen: "${steps}", inside: ["${steps}"]}}
- {id: b, kind: set, values: {seen: "${steps.a}"}}
- {id: f, kind: foreach, items: "[steps]", body: [{id: i, kind: set, values: {seen: "${item}"}}]}
- {id: e, kind: end, result: "${steps}"}
"""
    ran = run(tmp_path, steps)
    pending = {"status": "pending", "outputs": None}
    before = dict.fromkeys("abfe", pending)
    a = {"status": "completed", "outputs": {"seen": before, "inside": [before]}}
    b = {"status": "completed", "outputs": {"seen": a}}
    after = {"a": a, "b": b, "f": pending, "e": pending}
    f = {"status": "completed", "outputs": {"iterations": [{"i": {"seen": after}}]}}
    assert ran.result == {"a": a, "b": b, "f": f, "e": pending}


def test_an_expression_without_a_value_fails_the_step_and_names_the_path(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: s, kind: set, values: {v: '${inputs.deep.x.y}'}}", {"deep": {}})
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "s")
    assert "`inputs.deep.x`" in str(ran.error["message"])


def test_values_that_do_not_fit_the_outputs_schema_fail_the_step(tmp_path: Path) -> None:
    fields = "outputs: {properties: {v: {type: integer}}}"
    steps = f"- {{id: s, kind: set, values: {{v: '${{inputs.v}}'}}, {fields}}}"
    assert run(tmp_path / "1", steps, {"v": 1}).status == "completed"
    failed = run(tmp_path / "2", steps, {"v": "1"})
    assert (failed.error["code"], failed.exit_code) == ("ERR_STEP_OUTPUT_INVALID", 30)
