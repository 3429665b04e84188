"""`cpf test`: one envelope with what came of each case, an exit code for each outcome, a summary for people."""

from __future__ import annotations

import json

import pytest

from checkpointflow.schemas import check, schema_problems
from cli.documents import GATE
from cli.program import Program

CASES = """\
schema_version: checkpointflow-test/v1
mocks: {first: {stdout: one}}
cases:
- name: it waits
  expect: {status: waiting}
- name: it has ended
  expect: {status: completed, path: []}
"""
"""The first of them holds, the second does not."""


@pytest.fixture
def gate(cpf: Program) -> Program:
    cpf.write("gate.yaml", GATE)
    cpf.write("gate.test.yaml", CASES)
    return cpf


def test_cases_that_hold_exit_with_0_and_leave_no_trace(gate: Program) -> None:
    answer = gate.here("test", "gate.yaml", "--case", "it waits")
    envelope = answer.envelope
    assert (answer.exit_code, envelope["ok"], envelope["workflow_id"]) == (0, True, "gate")
    assert envelope["cases"] == [
        {"name": "it waits", "ok": True, "line": 4, "status": "waiting", "elapsed_seconds": 0.0, "differences": []}
    ]
    assert gate.here(*envelope["next_actions"][0]["argv"][1:]).exit_code == 0
    assert not gate.home.exists()


def test_the_file_of_the_cases_may_be_named_too(gate: Program) -> None:
    one, other = (gate.here("test", name).envelope for name in ("gate.yaml", "gate.test.yaml"))
    assert one["cases"] == other["cases"]


def test_a_case_that_does_not_hold_exits_with_30_and_its_differences(gate: Program) -> None:
    envelope = gate.here("test", "gate.yaml", "-o", "json").envelope
    assert (envelope["exit_code"], envelope["error"]["code"]) == (30, "ERR_CASES_FAILED")
    assert envelope["error"]["details"] == {"failed": ["it has ended"]}
    good, bad = envelope["cases"]
    assert good["ok"]
    assert not bad["ok"]
    assert bad["differences"][0]["about"] == "status"
    assert (bad["differences"][0]["expected"], bad["differences"][0]["actual"]) == ("completed", "waiting")
    assert envelope["next_actions"][0]["argv"] == ["cpf", "test", "gate.yaml", "-o", "json"]


def test_a_broken_file_exits_with_10_and_its_problems(gate: Program) -> None:
    gate.write("gate.test.yaml", CASES.replace("cases", "casse", 1))
    envelope = gate.here("test", "gate.yaml").envelope
    assert envelope["exit_code"] == 10
    (problem,) = [problem for problem in envelope["problems"] if "unknown" in problem["message"]]
    assert (problem["line"], problem["column"], problem["hint"]) == (3, 1, "did you mean `cases`?")
    assert envelope["next_actions"][0]["argv"] == ["cpf", "test", "gate.yaml"]
    gate.write("gate.yaml", "a: 1")
    assert gate.here("test", "gate.yaml").exit_code == 10


def test_what_the_cases_do_not_reach_is_told_and_may_be_too_much(gate: Program) -> None:
    waits = ("test", "gate.yaml", "--case", "it waits")
    coverage = gate.here(*waits).envelope["coverage"]
    assert 0 < coverage["percent"] < 100
    assert coverage["total"] - coverage["reached"] == len(coverage["missed"]) > 0
    assert gate.here(*waits, "--min-coverage", str(coverage["percent"])).exit_code == 0
    refused = gate.here(*waits, "--min-coverage", "100").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (30, "ERR_CASES_FAILED")
    assert refused["cases"][0]["ok"]


@pytest.mark.parametrize(
    "words", [("--case", "it wiats"), ("--min-coverage", "101"), ("--min-coverage", "x"), ("-o", "id")]
)
def test_words_that_mean_nothing_are_refused(words: tuple[str, ...], gate: Program) -> None:
    assert gate.here("test", "gate.yaml", *words).envelope["exit_code"] == 10


def test_the_schema_of_test_files_is_printed_and_takes_the_cases_of_templates(cpf: Program) -> None:
    schema = json.loads(cpf.here("schema", "test").stdout)
    assert schema_problems(schema) == []
    assert (
        check({"schema_version": "checkpointflow-test/v1", "cases": [{"name": "a", "expect": {"result": 1}}]}, schema)
        == []
    )
    assert check({"schema_version": "checkpointflow-test/v1", "cases": [{"name": "a"}]}, schema) != []


def test_a_starter_brings_cases_which_are_never_written_over(cpf: Program) -> None:
    cpf.write("mine.test.yaml", "precious")
    refused = cpf.here("init", "mine.yaml").envelope
    assert (refused["error"]["code"], refused["exit_code"]) == ("ERR_FILE_EXISTS", 10)
    assert [path.name for path in cpf.cwd.iterdir()] == ["mine.test.yaml"]
    assert cpf.here("init", "mine.yaml", "--force").exit_code == 0
    assert cpf.here("test", "mine.yaml", "--min-coverage", "100").exit_code == 0


def test_cases_are_no_workflows(cpf: Program) -> None:
    folder = cpf.cwd / ".checkpointflow"
    folder.mkdir()
    (folder / "gate.yaml").write_text(GATE)
    (folder / "gate.test.yaml").write_text(CASES)
    assert [flow["workflow_id"] for flow in cpf.here("flows").envelope["flows"]] == ["gate"]
