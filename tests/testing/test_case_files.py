"""Files of cases: found beside their document, refused with place and remedy, and what they reach of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpointflow.errors import DocumentError, FileMissingError, UsageError, YamlError
from checkpointflow.testing import run_cases
from checkpointflow.testing.beside import case_file_of, document_of, is_case_file
from checkpointflow.testing.coverage import told
from frontends.running import document

STEPS = """
- {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {}}
- {id: apply, kind: cli, command: x}
- {id: sum, kind: set, values: {}}
"""
HEAD = "schema_version: checkpointflow-test/v1\n"


@pytest.fixture
def beside(tmp_path: Path) -> Any:
    """Write a document and its cases, and return the file of the cases."""

    def written(cases: str, steps: str = STEPS, head: str = "") -> Path:
        (tmp_path / "main.yaml").write_text(document(steps, head=head), encoding="utf-8")
        file = tmp_path / "main.test.yaml"
        file.write_text(cases, encoding="utf-8")
        return file

    return written


def problems(file: Path) -> list[tuple[int, int, str, str]]:
    with pytest.raises(DocumentError) as refused:
        run_cases(file)
    assert {problem["file"] for problem in refused.value.problems} == {str(file)}
    return [(one["line"], one["column"], one["message"], one["hint"]) for one in refused.value.problems]  # type: ignore[misc]


# -- where they are --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cases"),
    [("a.yaml", "a.test.yaml"), ("a.yml", "a.test.yml"), ("a.json", "a.test.yaml"), ("a.b", "a.b.test.yaml")],
)
def test_cases_are_kept_beside_their_document(name: str, cases: str, tmp_path: Path) -> None:
    assert case_file_of(tmp_path / name) == tmp_path / cases
    assert is_case_file(tmp_path / cases)
    assert not is_case_file(tmp_path / name)
    (tmp_path / name).touch()
    assert document_of(tmp_path / cases) == tmp_path / (name if name != "a.b" else "a.b.yaml")


def test_document_and_cases_name_each_other(beside: Any, tmp_path: Path) -> None:
    beside(f"{HEAD}cases: [{{name: one, expect: {{status: waiting}}}}]")
    for name in ("main.yaml", "main.test.yaml", tmp_path / "main.yaml"):
        assert run_cases(name, cwd=tmp_path).ok
    (tmp_path / "sub").mkdir()
    other = tmp_path / "sub" / "more.test.yaml"
    other.write_text(f"{HEAD}document: ../main.yaml\ncases: [{{name: one, expect: {{status: waiting}}}}]")
    assert run_cases(other).ok


def test_a_file_that_is_not_there_is_told(beside: Any, tmp_path: Path) -> None:
    file = beside(f"{HEAD}cases: [{{name: one, expect: {{status: waiting}}}}]")
    file.rename(tmp_path / "alone.test.yaml")
    for name, fact in [
        ("main.yaml", r"`main.yaml` has no cases: there is no `main.test.yaml` beside it"),
        ("gone.yaml", r"gone.yaml` cannot be read: no such file"),
        ("gone.test.yaml", r"gone.test.yaml` cannot be read: no such file"),
        ("alone.test.yaml", r"alone.yaml` cannot be read: no such file"),
    ]:
        with pytest.raises(FileMissingError, match=fact):
            run_cases(name, cwd=tmp_path)


def test_only_the_named_cases_are_played_and_unknown_names_are_refused(beside: Any) -> None:
    waits = "expect: {status: waiting}"
    file = beside(f"{HEAD}cases: [{{name: one, {waits}}}, {{name: two, {waits}}}]")
    assert [result.name for result in run_cases(file, names=["two"]).results] == ["two"]
    with pytest.raises(UsageError, match="has no case `tow`") as refused:
        run_cases(file, names=["tow"])
    assert refused.value.hint == "did you mean `two`?"


# -- what is refused -------------------------------------------------------------------------------


def test_unknown_fields_are_refused_with_place_and_the_name_that_was_meant(beside: Any) -> None:
    file = beside(f"{HEAD}cases:\n  - name: one\n    anwsers: []\n    expect: {{statsu: waiting}}\n")
    assert problems(file) == [
        (4, 5, "unknown field `anwsers`", "did you mean `answers`?"),
        (5, 14, "unknown field `statsu`", "did you mean `status`?"),
    ]


@pytest.mark.parametrize(
    ("case", "at", "message", "hint"),
    [
        ("expect: {}", "{}", "`expect` has 0 fields; the least is 1", "write `expect"),
        ("expect: {status: done}", "done", '"done" is not one of `completed`', ""),
        ("mocks: {aply: {}}, expect: {result: 1}", "aply", "there is no step `aply`", "did you mean `apply`?"),
        ("mocks: {sum: {}}, expect: {result: 1}", "sum", "`sum` is a step of kind `set`, which has no effect", ""),
        ("mocks: {apply: {stdut: x}}, expect: {result: 1}", "stdut", "unknown field `stdut`", "did you mean `stdout`?"),
        (
            "mocks: {apply: [{body: x}]}, expect: {result: 1}",
            "body",
            "`body` does not belong to a step of kind `cli`",
            "",
        ),
        (
            "mocks: {apply: {lost: true, exit_code: 1}}, expect: {result: 1}",
            "{lost",
            "exclude each other",
            "keep `lost`",
        ),
        ("real: ['x[0]/aply'], expect: {result: 1}", "'x", "there is no step `aply`", "did you mean `apply`?"),
        ("answers: [{event: og}], expect: {result: 1}", "og", "no step waits for the event `og`", "there are `go`"),
        ("answers: [{wait: apply}], expect: {result: 1}", "apply", "which has no wait", ""),
        ("answers: [{payload: 1}], expect: {result: 1}", "{payload", "needs either `event` or `wait`", ""),
        ("events: [{event: og}], expect: {result: 1}", "og", "no step waits for the event `og`", ""),
        ("cancel: {wait: asc}, expect: {result: 1}", "asc", "there is no step `asc`", "did you mean `ask`?"),
        ("expect: {path: [ask, summ]}", "summ", "there is no step `summ`", "did you mean `sum`?"),
        ("expect: {path: {in_order: [summ]}}", "summ", "there is no step `summ`", ""),
        ("expect: {calls: {ask: 1}}", "ask", "which has no effect", ""),
        ("expect: {calls: {apply: {comand: x}}}", "comand", "unknown field `comand`", "did you mean `command`?"),
        ("expect: {waits: {aks: 1}}", "aks", "there is no step `aks`", "did you mean `ask`?"),
        ("expect: {error: {step: aply}}", "aply", "there is no step `aply`", ""),
        ("starts_at: yesterday, expect: {result: 1}", "yesterday", "is not a valid `date-time`", ""),
    ],
)
def test_what_no_case_can_say_is_refused_with_its_place(
    case: str, at: str, message: str, hint: str, beside: Any
) -> None:
    line = f"- {{{case}, name: a case}}"
    (found,) = problems(beside(f"{HEAD}cases:\n{line}\n"))
    assert found[:2] == (3, line.index(at) + 1)
    assert message in found[2]
    assert hint in found[3]


def test_names_of_cases_and_keys_stand_once(beside: Any) -> None:
    case = "{name: a, expect: {status: waiting}}"
    assert problems(beside(f"{HEAD}cases: [{case}, {case}]"))[0][2] == "two cases are named `a`"
    twice = problems(beside(f"{HEAD}cases: [{case}]\ncases: [{case}]\n"))
    assert [(line, column) for line, column, *_ in twice] == [(3, 1)]


def test_what_is_no_file_of_cases_is_refused(beside: Any) -> None:
    assert {message for *_, message, _ in problems(beside("a: 1"))} >= {
        "`schema_version` is missing",
        "`cases` is missing",
    }
    with pytest.raises(YamlError) as refused:
        run_cases(beside("- a"))
    assert refused.value.hint == "it begins with `schema_version: checkpointflow-test/v1`"


# -- coverage --------------------------------------------------------------------------------------

WAYS = """
- {id: work, kind: cli, command: x, if: inputs.work, on_error: {next: bad}}
- id: ask
  kind: await_event
  audience: user
  event_name: go
  input_schema: {}
  timeout_seconds: 60
  on_timeout: {next: bad}
  transitions:
  - {when: event.n == 1, next: which}
  - {when: event.n == 2, next: which}
- {id: on, kind: set, values: {}, next: which}
- id: which
  kind: switch
  cases: [{when: event_is_one, next: e}, {when: "true", next: e}]
  default: e
- {id: fan, kind: parallel, branches: [{start_at: member}, {id: own, steps: [{id: inner, kind: set, values: {}}]}]}
- {id: member, kind: set, values: {}}
- {id: e, kind: end}
- {id: bad, kind: end}
""".replace("event_is_one", "steps.ask.outputs.n == 1")
HEADER = "on_error: {next: bad}"


def missed(beside: Any, *cases: str) -> list[str]:
    listed = "\n".join(f"- {{name: '{number}', {case}}}" for number, case in enumerate(cases))
    report = run_cases(beside(f"{HEAD}cases:\n{listed}\n", WAYS, HEADER))
    assert [line for result in report.results for line in result.lines] == []
    shown = report.coverage.as_json()
    assert shown["total"] - shown["reached"] == len(shown["missed"])  # type: ignore[operator,arg-type]
    assert (shown["percent"] == 100) == (shown["missed"] == [])
    return [f"{line}: {told(place)}" for line, place in report.coverage.lines()]


def test_steps_and_transitions_that_no_case_reached_are_listed_with_their_lines(beside: Any) -> None:
    asked = "input: {work: false}, answers: [{event: go, payload: {n: 1}}], expect: {path: [ask, which, e]}"
    assert missed(beside, asked) == [
        "5: `main` never leads by `on_error` to `bad`",
        "7: `work` is never reached",
        "7: `work` never leads by `on_error` to `bad`",
        "7: `work` never leads to `ask`",
        "8: `ask` never leads to `on`",
        "14: `ask` never leads by `on_timeout` to `bad`",
        "17: `ask` never leads by `transitions[1]` to `which`",
        "18: `on` is never reached",
        "18: `on` never leads by `next` to `which`",
        "21: `which` never leads by `cases[1]` to `e`",
        "22: `which` never leads by `default` to `e`",
        "23: `fan` is never reached",
        "23: `fan` never leads to `e`",
        "23: `inner` is never reached",
        "23: `inner` never leads to the end of the list",
        "24: `member` is never reached",
        "26: `bad` is never reached",
    ]


def test_what_any_case_reached_counts_and_two_ways_to_one_step_are_told_apart(beside: Any) -> None:
    works, skips = "input: {work: true}", "input: {work: false}"
    assert missed(
        beside,
        f"{works}, mocks: {{work: {{exit_code: 1}}}}, expect: {{path: [work, bad]}}",
        f"{works}, mocks: {{work: {{}}}}, expect: {{path: [work, ask, bad], elapsed_seconds: 60}}",
        f"{skips}, answers: [{{event: go, payload: {{n: 2}}}}], expect: {{path: [ask, which, e]}}",
        f"{skips}, answers: [{{event: go, payload: {{n: 3}}}}], expect: {{path: [ask, on, which, e]}}",
        f"{skips}, answers: [{{event: go, payload: {{}}}}], expect: {{path: [ask, bad]}}",
    ) == [
        "16: `ask` never leads by `transitions[0]` to `which`",
        "21: `which` never leads by `cases[0]` to `e`",
        "22: `which` never leads by `default` to `e`",
        "23: `fan` is never reached",
        "23: `fan` never leads to `e`",
        "23: `inner` is never reached",
        "23: `inner` never leads to the end of the list",
        "24: `member` is never reached",
    ]
