"""The promises of `parallel`: branches beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from frontends.running import GATE, Running, document, run


def gate(name: str) -> str:
    return f"{{id: {name}, {GATE}, event_name: {name}}}"


def stops(name: str) -> str:
    """Steps of a branch that fails when its wait `name` is answered with 0."""
    return f"[{gate(name)}, {{id: x, kind: end, if: 'steps.{name}.outputs == 0', fail: 'no {name}'}}]"


THREE = f"""
- id: p
  kind: parallel
  branches: [{{id: l, steps: {stops("a")}}}, {{id: m, steps: {stops("b")}}}, {{start_at: s}}]
  on_error: {{next: e}}
- {gate("s")}
- {{id: e, kind: end, result: "${{steps.p}}"}}
"""

# -- branches --------------------------------------------------------------------------------------


def test_outputs_are_those_of_each_branch_by_step_or_branch_id(tmp_path: Path) -> None:
    steps = """
- id: p
  kind: parallel
  branches: [{start_at: a}, {id: l, steps: [{id: b, kind: set, values: {v: 2}}, {id: c, kind: end, result: r}]}]
- id: e
  kind: end
  result: ["${steps.p.outputs}", "${steps.p.outputs.a.v}", "${steps.a.outputs.v}", "${steps.p.outputs.l.b.v}"]
- {id: a, kind: set, values: {v: 1}}
"""
    outputs = {"a": {"v": 1}, "l": {"b": {"v": 2}, "result": "r"}}
    assert run(tmp_path, steps).result == [outputs, 1, 1, 2]


def test_list_order_passes_started_steps_by_and_they_run_once(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: cli, command: "echo a >> log"}
- {id: p, kind: parallel, branches: [{start_at: a}, {start_at: b}]}
- {id: b, kind: cli, command: "echo b >> log"}
- {id: c, kind: cli, command: "echo c >> log"}
"""
    ran = run(tmp_path, steps)
    assert sorted(ran.log) == ["a", "b", "c"]
    assert ran.log[-1] == "c"
    assert sorted(ran.performed) == ["c", 'p["a"]/a', 'p["b"]/b']


def test_start_at_is_exactly_that_one_step(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{start_at: a}]}
- {id: e, kind: end, result: "${steps.b.status}"}
- {id: a, kind: set, values: {}}
- {id: b, kind: set, values: {}}
"""
    assert run(tmp_path, steps).result == "pending"


def test_a_list_whose_rest_is_started_steps_ends_behind_them(tmp_path: Path) -> None:
    steps = "- {id: p, kind: parallel, branches: [{start_at: a}]}\n- {id: a, kind: set, values: {v: 1}}"
    head = "outputs: {properties: {v: {from: steps.a.outputs.v}}}"
    assert run(tmp_path, steps, head=head).outputs == {"v": 1}


def test_a_started_step_may_be_skipped_and_then_has_no_outputs(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{start_at: a}]}
- {id: a, kind: set, if: false, values: {}}
- {id: e, kind: end, result: ["${steps.p.outputs}", "${steps.a}"]}
"""
    assert run(tmp_path, steps).result == [{"a": None}, {"status": "skipped", "outputs": None}]


def test_a_started_step_may_start_others_itself(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{start_at: q}, {start_at: a}]}
- {id: q, kind: parallel, branches: [{start_at: b}, {id: z, steps: [{id: a, kind: set, values: {v: inner}}]}]}
- {id: a, kind: set, values: {v: a}}
- {id: b, kind: set, values: {v: b}}
- {id: e, kind: end, result: ["${steps.p.outputs}", "${steps.a.outputs.v}", "${steps.b.outputs.v}"]}
"""
    q = {"b": {"v": "b"}, "z": {"a": {"v": "inner"}}}
    assert run(tmp_path, steps).result == [{"q": q, "a": {"v": "a"}}, "a", "b"]


def test_each_visit_of_the_parallel_starts_its_branches_anew(tmp_path: Path) -> None:
    steps = f"""
- {{id: p, kind: parallel, branches: [{{start_at: a}}, {{id: l, steps: [{gate("g")}]}}]}}
- {{id: s, kind: switch, cases: [{{when: "steps.a.outputs == 1", next: p}}], default: e}}
- {{id: e, kind: end, result: "${{steps.p.outputs}}"}}
- {gate("a")}
"""
    ran = run(tmp_path, steps).answer("a", 1).answer("g", 2)
    assert ran.open == ['p#2["a"]/a', 'p#2["l"]/g']
    assert ran.answer("g", 3).answer("a", 4).result == {"a": 4, "l": {"g": 3}}


def test_steps_of_a_branch_are_read_afterwards_through_the_parallel_step_alone(tmp_path: Path) -> None:
    steps = """
- {id: b, kind: set, values: {v: outer}}
- id: p
  kind: parallel
  branches:
  - {id: l, steps: [{id: c, kind: set, values: {v: "${steps.b.status}"}}, {id: b, kind: set, values: {v: inner}}]}
- {id: e, kind: end, result: ["${steps.b.outputs.v}", "${steps.p.outputs.l}"]}
"""
    assert run(tmp_path, steps).result == ["outer", {"c": {"v": "pending"}, "b": {"v": "inner"}}]


@pytest.mark.parametrize(
    "steps",
    [
        "[{start_at: s}]}\n- {id: s, kind: switch, cases: [{when: true, next: end}]}",
        "[{start_at: s}]}\n- {id: s, kind: end}",
        "[{start_at: s}]}\n- {id: s, kind: set, values: {}, next: end}",
        "[{start_at: s}, {start_at: s}]}\n- {id: s, kind: set, values: {}}",
        "[{start_at: s}], next: s}\n- {id: s, kind: set, values: {}}",
        "[{start_at: p}]}",
    ],
    ids=["switch", "end", "jumps", "twice", "jumped to", "itself"],
)
def test_what_start_at_cannot_be_is_refused(tmp_path: Path, steps: str) -> None:
    with pytest.raises(DocumentError):
        run(tmp_path, f"- {{id: p, kind: parallel, branches: {steps}")


# -- how many at once ------------------------------------------------------------------------------


def test_all_branches_run_at_once_unless_max_parallel_says_less(tmp_path: Path) -> None:
    assert run(tmp_path / "1", THREE).open == ['p["l"]/a', 'p["m"]/b', 'p["s"]/s']
    limited = THREE.replace("kind: parallel", "kind: parallel\n  max_parallel: 1.0")
    ran = run(tmp_path / "2", limited)
    seen = []
    while ran.status == "waiting":
        seen += ran.open
        ran.answer(ran.open[0], 1)
    assert seen == ['p["l"]/a', 'p["m"]/b', 'p["s"]/s']


def test_a_started_branch_takes_its_place_in_the_order_of_the_branches(tmp_path: Path) -> None:
    steps = f"""
- {{id: p, kind: parallel, max_parallel: 1, branches: [{{id: l, steps: [{gate("a")}]}}, {{start_at: s}}]}}
- {gate("s")}
"""
    assert run(tmp_path, steps).open == ['p["l"]/a']


# -- failures --------------------------------------------------------------------------------------


def waits_closed(ran: Running) -> list[object]:
    return sorted(str(entry["key"]) for entry in ran.entries("wait_closed"))


def test_stop_closes_the_waits_of_siblings_and_finished_records_stay(tmp_path: Path) -> None:
    ran = run(tmp_path, THREE).answer("s", 5).answer("b", 0)
    assert ran.result["error"]["message"] == "no b"  # type: ignore[index,call-overload]
    assert ran.result["outputs"] is None  # type: ignore[index,call-overload]
    assert waits_closed(ran) == ['p["l"]/a']
    assert [entry["payload"] for entry in ran.entries("event_received")] == [5, 0]


def test_nothing_of_stopped_siblings_is_left_when_the_run_goes_on(tmp_path: Path) -> None:
    steps = THREE.replace("next: e}", "next: after}") + f"- {gate('after')}\n"
    ran = run(tmp_path, steps).answer("b", 0)
    assert ran.open == ["after"]
    assert ran.answer("after").status == "completed"


def test_stop_ends_the_effects_of_siblings(tmp_path: Path) -> None:
    slow = "echo begun >> log; sleep 20; echo late >> log"
    fails = "while ! grep -q begun log; do sleep 0.01; done; exit 3"
    steps = f"""
- {{id: p, kind: parallel, on_error: {{next: e}},
    branches: [{{id: l, steps: [{{id: a, kind: cli, command: "{slow}"}}]}}, {{start_at: b}}]}}
- {{id: b, kind: cli, command: "{fails} 2> /dev/null"}}
- {{id: e, kind: end, result: ["${{steps.p.status}}", "${{steps.b.exit_code}}"]}}
"""
    ran = run(tmp_path, steps, files={"log": ""})
    assert ran.result == ["failed", 3]
    assert ran.log == ["begun"]
    assert ran.warnings == ['`p["l"]/a` was stopped while it ran, so nobody knows what it did']
    assert [(entry["key"], entry["cause"]) for entry in ran.entries("step_interrupted")] == [('p["l"]/a', "stopped")]


def test_wait_lets_all_branches_come_to_their_ends_and_fails_then(tmp_path: Path) -> None:
    steps = THREE.replace("on_error:", "on_branch_error: wait\n  on_error:")
    ran = run(tmp_path, steps).answer("b", 0)
    assert ran.open == ['p["l"]/a', 'p["s"]/s']
    ran.answer("a", 0)
    assert ran.open == ['p["s"]/s']
    ran.answer("s", 1)
    assert ran.result["error"]["message"] == "no a"  # type: ignore[index,call-overload]
    assert waits_closed(ran) == []


def test_wait_without_a_failure_is_like_stop(tmp_path: Path) -> None:
    steps = THREE.replace("on_error:", "on_branch_error: wait\n  on_error:")
    for index, text in enumerate((steps, THREE)):
        ran = run(tmp_path / str(index), text).answer("s", 1).answer("b", 2).answer("a", 3)
        assert ran.result["outputs"] == {"l": {"a": 3}, "m": {"b": 2}, "s": 1}  # type: ignore[index,call-overload]


def test_a_failure_that_a_branch_catches_is_none(tmp_path: Path) -> None:
    steps = """
- id: p
  kind: parallel
  branches:
  - id: l
    steps:
    - {id: a, kind: cli, command: exit 3, on_error: {next: c}}
    - {id: b, kind: set, values: {}}
    - {id: c, kind: set, values: {v: "${steps.a.error.code}"}}
- {id: e, kind: end, result: "${steps.p.outputs}"}
"""
    assert run(tmp_path, steps).result == {"l": {"c": {"v": "ERR_STEP_FAILED"}}}


def test_the_state_of_a_failed_started_step_shows_where_it_stands(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{start_at: a}], on_error: {next: e}}
- {id: a, kind: cli, command: exit 3}
- {id: e, kind: end, result: ["${steps.a.status}", "${steps.a.exit_code}", "${steps.p.error.step_key}"]}
"""
    assert run(tmp_path, steps).result == ["failed", 3, 'p["a"]/a']


def test_outputs_that_do_not_fit_their_schema_fail_the_step(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{id: l, steps: [{id: b, kind: set, values: {}}]}], outputs: {required: [other]}}
"""
    assert run(tmp_path, steps).error["code"] == "ERR_STEP_OUTPUT_INVALID"


def test_an_end_in_a_branch_of_a_branch_ends_that_branch(tmp_path: Path) -> None:
    steps = """
- id: p
  kind: parallel
  branches:
  - id: o
    steps:
    - id: q
      kind: parallel
      branches: [{id: i, steps: [{id: e, kind: end, result: inner}, {id: never, kind: set, values: {}}]}]
    - {id: s, kind: set, values: {v: "${steps.q.outputs.i.result}"}}
- {id: e, kind: end, result: "${steps.p.outputs}"}
"""
    assert run(tmp_path, steps).result == {"o": {"q": {"i": {"result": "inner"}}, "s": {"v": "inner"}}}


def test_a_sub_workflow_may_be_a_branch(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, branches: [{start_at: a}, {start_at: b}]}
- {id: a, kind: workflow, workflow_ref: s.yaml, inputs: {n: 1}}
- {id: b, kind: workflow, workflow_ref: s.yaml, inputs: {n: 2}}
- {id: e, kind: end, result: "${steps.p.outputs}"}
"""
    sub = document(f"- {gate('g')}\n- {{id: e, kind: end, result: '${{inputs.n}}${{steps.g.outputs}}'}}", name="sub")
    ran = run(tmp_path, steps, files={"s.yaml": sub}).answer('p["b"]/b/g', "b").answer('p["a"]/a/g', "a")
    assert ran.result == {"a": "1a", "b": "2b"}
