"""The promises of `workflow`: another document as a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import CheckpointflowError
from frontends.running import GATE, Running, document, run

CALL = "- {id: w, kind: workflow, workflow_ref: sub.yaml%s}\n- {id: e, kind: end, result: '${steps.w}'}"


def call(folder: Path, sub: str, more: str = "", run_input: object = None, **files: str) -> Running:
    return run(folder, CALL.replace("%s", more), run_input, files={"sub.yaml": sub, **files})  # type: ignore[arg-type]


def value(ran: Running) -> object:
    assert isinstance(ran.result, dict)
    return ran.result["outputs"]


# -- its value -------------------------------------------------------------------------------------

A = "- {id: a, kind: set, values: {v: 1}}\n- {id: s, kind: set, if: false, values: {}}\n"
OUT = "outputs: {properties: {o: {from: steps.a.outputs.v}, s: {from: steps.s.outputs}}}"


def test_its_value_is_its_result_else_its_outputs_else_the_outputs_of_its_steps(tmp_path: Path) -> None:
    result = A + "- {id: e, kind: end, result: 5}"
    assert value(call(tmp_path / "1", document(result, head=OUT))) == 5
    assert value(call(tmp_path / "2", document(A + "- {id: e, kind: end}", head=OUT))) == {"o": 1}
    assert value(call(tmp_path / "3", document(A, head=OUT))) == {"o": 1}
    assert value(call(tmp_path / "4", document(A))) == {"a": {"v": 1}}
    assert value(call(tmp_path / "5", document(A + "- {id: e, kind: end}"))) == {"a": {"v": 1}}
    assert value(call(tmp_path / "6", document(A.replace("{v: 1}}", "{v: 1}, next: end}")))) == {"a": {"v": 1}}


@pytest.mark.parametrize("written", ["0", "false", "null", "''", "[]"])
def test_a_falsy_result_is_its_value(tmp_path: Path, written: str) -> None:
    expected = {"0": 0, "false": False, "null": None, "''": "", "[]": []}[written]
    assert value(call(tmp_path, document(A + f"- {{id: e, kind: end, result: {written}}}", head=OUT))) == expected


def test_an_end_or_a_fail_ends_the_sub_workflow_alone(tmp_path: Path) -> None:
    assert (
        value(call(tmp_path / "1", document("- {id: e, kind: end, result: 1}\n- {id: f, kind: end, result: 2}"))) == 1
    )
    ran = call(tmp_path / "2", document("- {id: e, kind: end, fail: sorry}"), ", on_error: {next: e}")
    assert ran.result["error"]["message"] == "sorry"  # type: ignore[index,call-overload]


# -- its input -------------------------------------------------------------------------------------

TYPED = document(
    "- {id: e, kind: end, result: '${inputs}'}",
    inputs="{required: [n], properties: {n: {type: integer}, d: {default: [1]}}, additionalProperties: false}",
)


def test_inputs_keep_their_types_and_defaults_apply(tmp_path: Path) -> None:
    assert value(call(tmp_path, TYPED, ", inputs: {n: '${inputs.n}'}", {"n": 3})) == {"n": 3, "d": [1]}


@pytest.mark.parametrize("inputs", ["{n: 'n${inputs.n}'}", "{n: '${inputs.none}'}"])
def test_input_that_it_refuses_fails_the_step(tmp_path: Path, inputs: str) -> None:
    ran = call(tmp_path / "1", TYPED, f", inputs: {inputs}", {"n": 1, "none": None})
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "w")
    caught = call(tmp_path / "2", TYPED, f", inputs: {inputs}, on_error: {{next: e}}", {"n": 1, "none": None})
    assert caught.result["status"] == "failed"  # type: ignore[index,call-overload]


def test_without_inputs_its_input_is_an_empty_object(tmp_path: Path) -> None:
    assert value(call(tmp_path, document("- {id: e, kind: end, result: '${inputs}'}"), run_input={"n": 1})) == {}


def test_its_steps_are_its_own_and_run_is_the_callers_with_its_id(tmp_path: Path) -> None:
    sub = document("- {id: w, kind: end, result: ['${steps.w.status}', '${run.id}', '${run.workflow_id}']}", name="sub")
    assert value(call(tmp_path, sub)) == ["pending", "a-run", "sub"]


# -- failures and waits inside it ------------------------------------------------------------------


def test_an_error_inside_is_the_error_of_the_step_and_can_be_caught_outside(tmp_path: Path) -> None:
    sub = document("- {id: a, kind: cli, command: exit 3}")
    ran = call(tmp_path / "1", sub)
    assert (ran.error["step_key"], ran.error["details"]["exit_code"]) == ("w/a", 3)  # type: ignore[index,call-overload]
    ran = call(tmp_path / "2", sub, ", on_error: {next: e}")
    assert sorted(ran.result) == ["error", "outputs", "status"]  # type: ignore[arg-type]
    assert ran.result["error"]["step_key"] == "w/a"  # type: ignore[index,call-overload]


def test_an_error_that_it_catches_itself_is_none_outside(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: cli, command: exit 3}
- {id: b, kind: set, values: {}}
- {id: h, kind: end, result: '${steps.a.error.code}'}
"""
    ran = call(tmp_path, document(steps, head="on_error: {next: h}"))
    assert value(ran) == "ERR_STEP_FAILED"
    assert "recovered_error" not in ran.value


def test_an_output_without_a_value_is_an_error_inside(tmp_path: Path) -> None:
    sub = document(A, head="outputs: {properties: {o: {from: inputs.n.x}}}")
    ran = call(tmp_path, sub, ", inputs: {n: {}}, on_error: {next: e}")
    assert {"code": "ERR_STEP_FAILED", "step_key": "w"}.items() <= ran.result["error"].items()  # type: ignore[index,call-overload,union-attr]


@pytest.mark.parametrize("inputs", ["true", "{}", "{type: object, additionalProperties: false}"])
def test_any_schema_of_inputs_will_do(tmp_path: Path, inputs: str) -> None:
    assert value(call(tmp_path, document("- {id: e, kind: end, result: '${inputs}'}", inputs=inputs))) == {}


def test_it_waits_across_processes(tmp_path: Path) -> None:
    sub = document(f"- {{id: g, {GATE}, event_name: go}}\n- {{id: b, kind: cli, command: 'echo b >> log'}}")
    ran = call(tmp_path, sub)
    assert ran.open == ["w/g"]
    assert value(ran.answer("go", "x")) == {"g": "x", "b": {}}
    assert ran.log == ["b"]


def test_each_visit_is_a_scope_of_its_own(tmp_path: Path) -> None:
    steps = """
- {id: w, kind: workflow, workflow_ref: sub.yaml}
- {id: s, kind: switch, cases: [{when: "steps.w.outputs == 1", next: w}], default: e}
- {id: e, kind: end, result: "${steps.w.outputs}"}
"""
    sub = document(f"- {{id: g, {GATE}, event_name: go}}\n- {{id: e, kind: end, result: '${{steps.g.outputs}}'}}")
    ran = run(tmp_path, steps, files={"sub.yaml": sub}).answer("w/g", 1)
    assert ran.open == ["w#2/g"]
    assert ran.answer("w#2/g", 2).result == 2


def test_its_value_is_checked_against_the_outputs_schema_of_the_step(tmp_path: Path) -> None:
    sub = document("- {id: e, kind: end, result: 5}")
    assert value(call(tmp_path / "1", sub, ", outputs: {type: integer}")) == 5
    assert call(tmp_path / "2", sub, ", outputs: {type: string}").error["code"] == "ERR_STEP_OUTPUT_INVALID"


def test_its_defaults_are_its_own(tmp_path: Path) -> None:
    sub = document(
        "- {id: a, kind: cli, command: 'echo $V-$W'}\n- {id: e, kind: end, result: '${steps.a.stdout}'}",
        head="defaults: {env: {W: sub}}",
    )
    ran = run(tmp_path, CALL.replace("%s", ""), files={"sub.yaml": sub}, head="defaults: {env: {V: main}}")
    assert value(ran) == "-sub\n"


# -- which document --------------------------------------------------------------------------------


def test_paths_start_from_the_referring_file_else_from_the_working_folder(tmp_path: Path) -> None:
    leaf = document("- {id: e, kind: end, result: '%s'}")
    ran = call(
        tmp_path,
        document(
            "- {id: w, kind: workflow, workflow_ref: in/mid.yaml}\n- {id: e, kind: end, result: '${steps.w.outputs}'}"
        ),
        **{
            "in/mid.yaml": document(
                "- {id: x, kind: workflow, workflow_ref: leaf.yaml}\n"
                "- {id: y, kind: workflow, workflow_ref: only.yaml}\n"
                "- {id: e, kind: end, result: ['${steps.x.outputs}', '${steps.y.outputs}']}"
            ),
            "in/leaf.yaml": leaf % "beside",
            "leaf.yaml": leaf % "cwd",
            "only.yaml": leaf % "cwd",
        },
    )
    assert value(ran) == ["beside", "cwd"]


def test_a_missing_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointflowError, match=r"there is no file `sub\.yaml`"):
        run(tmp_path, CALL.replace("%s", ""))


COUNTING = document(
    """
- {id: s, kind: switch, cases: [{when: inputs.n == 0, next: bottom}], default: w}
- {id: w, kind: workflow, workflow_ref: sub.yaml, inputs: {n: "${inputs.n - 1}"}}
- {id: e, kind: end, result: "${steps.w.outputs + 1}"}
- {id: bottom, kind: end, result: 0}
""",
    inputs="{properties: {n: {type: integer}}}",
)


def test_sub_workflows_nest_to_depth_32_at_run_time(tmp_path: Path) -> None:
    assert value(call(tmp_path / "1", COUNTING, ", inputs: {n: 31}")) == 31
    ran = call(tmp_path / "2", COUNTING, ", inputs: {n: 32}")
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "/".join(["w"] * 33))
