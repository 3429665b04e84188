"""The promises of `end`, and of what a run ends with."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.running import NOTHING, run

OUTPUTS = "outputs: {properties: {a: {from: steps.a.outputs.v}, b: {from: '${steps.b.outputs.v}'}}}"
STEPS = """
- {id: a, kind: set, values: {v: "${inputs.v}"}}
- {id: b, kind: set, if: inputs.b, values: {v: 2}}
"""


@pytest.mark.parametrize("value", [0, False, None, "", [], {}, "x", {"deep": [None]}, 1.5])
def test_the_result_is_any_json_and_falsy_results_are_kept(tmp_path: Path, value: object) -> None:
    assert run(tmp_path, "- {id: e, kind: end, result: '${inputs.v}'}", {"v": value}).value == {"result": value}  # type: ignore[dict-item]


@pytest.mark.parametrize(("written", "value"), [("null", None), ("0", 0), ("false", False), ("''", ""), ("[]", [])])
def test_a_falsy_literal_is_a_result(tmp_path: Path, written: str, value: object) -> None:
    assert run(tmp_path, f"- {{id: e, kind: end, result: {written}}}").value == {"result": value}


def test_the_result_is_interpolated_deeply(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: e, kind: end, result: {a: ['${inputs.v}', 'v=${inputs.v}']}}", {"v": [1]})
    assert ran.result == {"a": [[1], "v=[1]"]}


def test_an_end_without_a_result_gives_none(tmp_path: Path) -> None:
    assert run(tmp_path / "1", "- {id: e, kind: end}").value == {}
    assert run(tmp_path / "2", STEPS + "- {id: e, kind: end}", {"v": 1, "b": True}, head=OUTPUTS).result == NOTHING


def test_nothing_runs_after_an_end(tmp_path: Path) -> None:
    assert run(tmp_path, "- {id: e, kind: end, result: 1}\n- {id: f, kind: end, result: 2}").result == 1


def test_fail_fails_the_run_with_its_message(tmp_path: Path) -> None:
    ran = run(tmp_path / "1", "- {id: e, kind: end, fail: 'nothing for ${inputs.v}'}", {"v": "me"})
    assert (ran.error["message"], ran.error["code"], ran.exit_code) == ("nothing for me", "ERR_STEP_FAILED", 30)
    assert ran.error["step_key"] == "e"
    assert run(tmp_path / "2", "- {id: e, kind: end, fail: '${inputs.v}'}", {"v": None}).error["message"]


def test_a_fail_is_a_failure_like_any_other(tmp_path: Path) -> None:
    steps = """
- {id: e, kind: end, fail: "no", on_error: {next: f}}
- {id: never, kind: end}
- {id: f, kind: end, result: "${steps.e.error.message}"}
"""
    assert run(tmp_path, steps).result == "no"


# -- the envelope's `outputs` and `result` ---------------------------------------------------------


def test_outputs_are_the_paths_evaluated_without_those_of_steps_that_did_not_complete(tmp_path: Path) -> None:
    end = "- {id: e, kind: end, result: r}"
    ran = run(tmp_path / "1", STEPS + end, {"v": [1], "b": True}, head=OUTPUTS)
    assert ran.value == {"outputs": {"a": [1], "b": 2}, "result": "r"}
    ran = run(tmp_path / "2", STEPS + end, {"v": None, "b": False}, head=OUTPUTS)
    assert ran.value == {"outputs": {"a": None}, "result": "r"}


def test_without_an_end_the_result_is_the_outputs_if_declared_else_absent(tmp_path: Path) -> None:
    ran = run(tmp_path / "1", STEPS, {"v": 1, "b": True}, head=OUTPUTS)
    assert ran.value == {"outputs": {"a": 1, "b": 2}, "result": {"a": 1, "b": 2}}
    assert run(tmp_path / "2", STEPS, {"v": 1, "b": True}).value == {}
    assert run(tmp_path / "3", STEPS.replace("values: {v: \"${inputs.v}\"}", "values: {v: 1}, next: end"), {"b": True},
               head=OUTPUTS).value == {"outputs": {"a": 1}, "result": {"a": 1}}  # fmt: skip


def test_outputs_without_from_are_left_out_and_none_is_an_empty_object(tmp_path: Path) -> None:
    head = "outputs: {type: object, properties: {x: {type: integer}}}"
    assert run(tmp_path, STEPS, {"v": 1, "b": True}, head=head).outputs == {}


def test_a_step_that_completed_once_counts_as_completed(tmp_path: Path) -> None:
    steps = """
- {id: n, kind: set, values: {i: "${default(steps.n.outputs.i, 0) + 1}"}}
- {id: a, kind: set, if: steps.n.outputs.i == 1, values: {v: "${steps.n.outputs.i}"}}
- {id: b, kind: switch, cases: [{when: steps.n.outputs.i < 3, next: n}], default: end}
"""
    head = "outputs: {properties: {a: {from: steps.a.outputs.v}, n: {from: steps.n.outputs.i}}}"
    assert run(tmp_path, steps, head=head).outputs == {"a": 1, "n": 3}


def test_an_output_may_be_computed_and_may_read_all_steps_and_the_inputs(tmp_path: Path) -> None:
    head = "outputs: {properties: {all: {from: steps}, n: {from: 'inputs.v + 1'}, p: {from: steps.a}}}"
    state = {"status": "completed", "outputs": {"v": 1}}
    ran = run(tmp_path, "- {id: a, kind: set, values: {v: '${inputs.v}'}}", {"v": 1}, head=head)
    assert ran.outputs == {"all": {"a": state}, "n": 2, "p": state}


def test_an_output_without_a_value_fails_the_run_and_names_the_path(tmp_path: Path) -> None:
    head = "outputs: {properties: {x: {from: inputs.deep.x.y}}}"
    ran = run(tmp_path, "- {id: a, kind: set, values: {}}", {"deep": {}}, head=head)
    assert (ran.error["code"], ran.exit_code) == ("ERR_STEP_FAILED", 30)
    assert "`x`" in str(ran.error["message"])
    assert "`inputs.deep.x`" in str(ran.error["message"])


def test_the_run_is_known_to_expressions(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: e, kind: end, result: '${run}'}")
    assert ran.result == {"id": "a-run", "workflow_id": "main", "started_at": "2030-01-01T00:00:00.000000Z"}
