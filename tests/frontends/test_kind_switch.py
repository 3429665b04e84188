"""The promises of `switch`: the first true case leads on."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from frontends.running import run

STEPS = """
- id: s
  kind: switch
  cases: [{when: inputs.n > 5, next: big}, {when: "${inputs.n > 3}", next: middle}]
  default: small
- {id: big, kind: end, result: "${steps.s.outputs}"}
- {id: middle, kind: end, result: "${steps.s.outputs}"}
- {id: small, kind: end, result: "${steps.s.outputs}"}
"""


@pytest.mark.parametrize(("number", "matched"), [(6, "big"), (4, "middle"), (1, "small")])
def test_the_first_true_case_leads_on_and_matched_is_its_target(tmp_path: Path, number: int, matched: str) -> None:
    assert run(tmp_path, STEPS, {"n": number}).result == {"matched": matched}


def test_order_goes_on_from_the_target(tmp_path: Path) -> None:
    steps = """
- {id: s, kind: switch, cases: [{when: true, next: b}]}
- {id: a, kind: set, values: {}}
- {id: b, kind: set, values: {}}
- {id: c, kind: set, values: {}}
- {id: e, kind: end, result: ["${steps.a.status}", "${steps.b.status}", "${steps.c.status}"]}
"""
    assert run(tmp_path, steps).result == ["pending", "completed", "completed"]


def test_no_match_and_no_default_fails_the_step(tmp_path: Path) -> None:
    steps = "- {id: s, kind: switch, cases: [{when: false, next: s}]"
    ran = run(tmp_path / "1", steps + "}")
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "s")
    caught = run(tmp_path / "2", steps + ", on_error: {next: e}}\n- {id: e, kind: end, result: '${steps.s.status}'}")
    assert caught.result == "failed"


def test_a_condition_has_to_be_a_boolean(tmp_path: Path) -> None:
    steps = "- {id: s, kind: switch, cases: [{when: inputs.n, next: s}], default: s}"
    for index, value in enumerate([1, "true", None, []]):
        assert run(tmp_path / str(index), steps, {"n": value}).error["code"] == "ERR_STEP_FAILED"


def test_cases_may_lead_back_and_to_the_end_of_the_list(tmp_path: Path) -> None:
    steps = """
- {id: n, kind: set, values: {i: "${default(steps.n.outputs.i, 0) + 1}"}}
- {id: s, kind: switch, cases: [{when: steps.n.outputs.i < 4, next: n}], default: end}
- {id: never, kind: set, values: {}}
"""
    head = "outputs: {properties: {i: {from: steps.n.outputs.i}, never: {from: steps.never.outputs}}}"
    assert run(tmp_path, steps, head=head).outputs == {"i": 4}


def test_what_was_decided_is_recorded(tmp_path: Path) -> None:
    ran = run(tmp_path, STEPS, {"n": 4})
    assert {"kind": "switch", "value": "middle", "key": "s"}.items() <= ran.entries("value_recorded")[0].items()


def test_outputs_that_do_not_fit_their_schema_fail_the_step(tmp_path: Path) -> None:
    steps = "- {id: s, kind: switch, cases: [{when: true, next: end}], outputs: {properties: {matched: {const: x}}}}"
    assert run(tmp_path, steps).error["code"] == "ERR_STEP_OUTPUT_INVALID"


@pytest.mark.parametrize(
    "field", ["cases: [{when: true, next: nowhere}]", "cases: [{when: true, next: s}], default: no"]
)
def test_unknown_targets_are_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(DocumentError, match="there is no step"):
        run(tmp_path, f"- {{id: s, kind: switch, {field}}}")
