"""The promises of order in a list: conditions, jumps, failures and where they lead, and loops that must end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from frontends.running import GATE, Running, document, run


def log(name: str, more: str = "") -> str:
    """A step that logs its id."""
    return f"- {{id: {name}, kind: cli, command: 'echo {name} >> log'{more}}}\n"


def fails(name: str, more: str = "") -> str:
    """A step that logs its id and fails with exit code 3."""
    return f"- {{id: {name}, kind: cli, command: 'echo {name} >> log; exit 3'{more}}}\n"


COUNT = '- {id: n, kind: set, values: {i: "${default(steps.n.outputs.i, 0) + 1}"}}\n'

# -- order and jumps -------------------------------------------------------------------------------


def test_steps_run_in_list_order(tmp_path: Path) -> None:
    assert run(tmp_path, log("a") + log("b") + log("c")).log == ["a", "b", "c"]


def test_next_moves_the_pointer_and_order_goes_on_from_there(tmp_path: Path) -> None:
    assert run(tmp_path, log("a", ", next: c") + log("b") + log("c") + log("d")).log == ["a", "c", "d"]


def test_next_may_lead_back(tmp_path: Path) -> None:
    steps = COUNT + log("a", ", if: steps.n.outputs.i < 3, next: n") + log("b")
    assert run(tmp_path, steps).log == ["a", "a", "b"]


def test_next_end_ends_the_list_and_a_step_whose_id_is_end_wins(tmp_path: Path) -> None:
    assert run(tmp_path / "1", log("a", ", next: end") + log("b")).log == ["a"]
    assert run(tmp_path / "2", log("a", ", next: end") + log("b") + log("end") + log("c")).log == ["a", "end", "c"]


def test_a_step_skipped_by_if_does_not_take_its_next(tmp_path: Path) -> None:
    assert run(tmp_path, log("a", ", if: inputs.x, next: c") + log("b") + log("c"), {"x": False}).log == ["b", "c"]


@pytest.mark.parametrize("target", ["next: x", "on_error: {next: x}"])
def test_jumps_out_of_the_list_and_to_unknown_steps_are_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(DocumentError):
        run(tmp_path / "1", log("a", f", {target}"))
    inner = f"- {{id: f, kind: foreach, items: '[1]', body: [{{id: a, kind: set, values: {{}}, {target}}}]}}\n"
    with pytest.raises(DocumentError):
        run(tmp_path / "2", inner + log("x"))


# -- if --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["inputs.x", "${inputs.x}", "${ inputs.x and true }", "inputs.x == true"])
def test_conditions_stand_with_or_without_the_wrapper(tmp_path: Path, condition: str) -> None:
    for value, expected in ((True, ["a"]), (False, [])):
        assert run(tmp_path / str(value), log("a", f", if: '{condition}'"), {"x": value}).log == expected


@pytest.mark.parametrize("value", [None, 0, 1, "", "true", [], {}])
def test_conditions_must_be_booleans(tmp_path: Path, value: object) -> None:
    ran = run(tmp_path, log("a", ", if: inputs.x"), {"x": value})  # type: ignore[dict-item]
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"], ran.log) == ("ERR_STEP_FAILED", 30, "a", [])


def test_a_condition_that_fails_leads_where_the_step_says(tmp_path: Path) -> None:
    steps = log("a", ", if: inputs.x, on_error: {next: c}") + log("b") + log("c")
    assert run(tmp_path, steps, {"x": 1}).log == ["c"]


@pytest.mark.parametrize(
    "fields",
    [
        "kind: cli, command: exit 9",
        "kind: set, values: {v: '${inputs.no.no}'}",
        "kind: sleep, seconds: 99999",
        f"{GATE}, event_name: go",
        "kind: switch, cases: [{when: true, next: end}]",
        "kind: foreach, items: inputs.no.no, body: [{id: s, kind: set, values: {}}]",
        "kind: parallel, branches: [{id: l, steps: [{id: s, kind: cli, command: exit 9}]}]",
        "kind: workflow, workflow_ref: sub.yaml",
        "kind: end, fail: no",
    ],
)
def test_every_kind_can_be_skipped_and_then_nothing_of_it_happens(tmp_path: Path, fields: str) -> None:
    steps = f"- {{id: s, if: inputs.x, {fields}}}\n- {{id: e, kind: end, result: '${{steps.s}}'}}"
    sub = document("- {id: s, kind: cli, command: exit 9}")
    ran = run(tmp_path, steps, {"x": False, "no": 1}, files={"sub.yaml": sub})
    assert ran.result == {"status": "skipped", "outputs": None}
    assert [entry["key"] for entry in ran.entries("step_skipped")] == ["s"]
    assert ran.entries("scope_opened") == []


# -- `steps.<id>` ----------------------------------------------------------------------------------


def test_steps_have_a_status_and_outputs_that_are_null_until_they_completed(tmp_path: Path) -> None:
    steps = f"""
- {{id: a, kind: set, values: {{v: 1}}}}
- {{id: b, kind: set, if: false, values: {{v: 2}}}}
- {{id: c, kind: cli, command: exit 3, on_error: {{next: e}}}}
- {{id: d, {GATE}, event_name: go}}
- {{id: e, kind: end, result: "${{steps}}"}}
"""
    error = {
        "code": "ERR_STEP_FAILED", "message": "step `c` exited with code 3",
        "details": {"exit_code": 3, "stderr_tail": ""}, "step_key": "c",
    }  # fmt: skip
    assert run(tmp_path, steps).result == {
        "a": {"status": "completed", "outputs": {"v": 1}},
        "b": {"status": "skipped", "outputs": None},
        "c": {"status": "failed", "outputs": None, "exit_code": 3, "error": error},
        "d": {"status": "pending", "outputs": None},
        "e": {"status": "pending", "outputs": None},
    }


def test_after_several_visits_the_outputs_are_those_of_the_last_completion(tmp_path: Path) -> None:
    steps = """
- {id: n, kind: set, values: {i: "${default(steps.n.outputs.i, 0) + 1}"}}
- id: a
  kind: cli
  if: steps.n.outputs.i != 3
  command: '[ ${steps.n.outputs.i} != 4 ] && printf %s ${steps.n.outputs.i}'
  on_error: {next: note}
- {id: note, kind: cli, argv: [sh, -c, 'cat >> log; echo >> log'], stdin: "${steps.a}"}
- {id: s, kind: switch, cases: [{when: steps.n.outputs.i < 5, next: n}], default: end}
"""
    states = [json.loads(line) for line in run(tmp_path, steps).log]
    completed = [{"status": "completed", "outputs": {}, "exit_code": 0, "stdout": str(n)} for n in range(6)]
    assert states[:3] == [completed[1], completed[2], completed[2] | {"status": "skipped"}]
    assert {"status": "failed", "outputs": {}, "exit_code": 1}.items() <= states[3].items()
    assert states[3]["error"]["step_key"] == "a#4"
    assert states[4] == completed[5]


# -- failures --------------------------------------------------------------------------------------


def test_a_failure_without_on_error_fails_the_run(tmp_path: Path) -> None:
    ran = run(tmp_path, log("a") + fails("b") + log("c"))
    assert (ran.status, ran.error["step_key"], ran.exit_code, ran.log) == ("failed", "b", 30, ["a", "b"])


def test_on_error_leads_on_in_place_of_next_and_shows_the_error(tmp_path: Path) -> None:
    steps = fails("a", ", next: b, on_error: {next: c}") + log("b") + log("c", ", env: {X: '${steps.a.error.message}'}")
    ran = run(tmp_path, steps + "- {id: e, kind: end, result: '${steps.a.error.details.exit_code}'}")
    assert (ran.log, ran.result) == (["a", "c"], 3)


def test_an_error_is_gone_once_the_step_completes(tmp_path: Path) -> None:
    steps = COUNT + "- {id: a, kind: cli, command: '[ ${steps.n.outputs.i} = 2 ]', on_error: {next: n}}\n"
    ran = run(tmp_path, steps + "- {id: e, kind: end, result: ['${has(steps.a.error)}', '${steps.a.status}']}")
    assert ran.result == [False, "completed"]


def test_on_error_may_lead_to_the_end(tmp_path: Path) -> None:
    ran = run(tmp_path, fails("a", ", on_error: {next: end}") + log("b"))
    assert (ran.value, ran.log) == ({}, ["a"])


def test_retry_comes_before_on_error(tmp_path: Path) -> None:
    more = ", retry: {max_attempts: 3, backoff_seconds: 5}, on_error: {next: c}"
    ran = run(tmp_path, fails("a", more) + log("b") + log("c"))
    ran.pass_time(5)
    assert ran.log == ["a", "a"]
    assert ran.pass_time(5).log == ["a", "a", "a", "c"]


def test_a_retried_step_that_succeeds_has_not_failed(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: cli, command: '[ $CPF_ATTEMPT = 2 ]', retry: {max_attempts: 2, backoff_seconds: 0}, on_error: {next: b}}
- {id: e, kind: end, result: "${steps.a.status}"}
- {id: b, kind: end, result: caught}
"""
    assert run(tmp_path, steps).result == "completed"


@pytest.mark.parametrize(
    "step",
    [
        "kind: set, values: {}",
        "kind: sleep, seconds: 1",
        f"{GATE}, event_name: go",
        "kind: switch, cases: [{when: true, next: end}]",
        "kind: foreach, items: '[]', body: [{id: s, kind: set, values: {}}]",
        "kind: parallel, branches: [{id: l, steps: [{id: s, kind: set, values: {}}]}]",
        "kind: workflow, workflow_ref: x.yaml",
        "kind: end",
    ],
)
def test_retry_and_effect_on_other_kinds_than_effects_are_refused(tmp_path: Path, step: str) -> None:
    for field in ("retry: {max_attempts: 2}", "effect: once"):
        with pytest.raises(DocumentError, match=field.partition(":")[0]):
            run(tmp_path / field[:3], f"- {{id: a, {step}, {field}}}", files={"x.yaml": document(log("a"))})


EVERY_KIND = {
    "cli": "command: 'true'",
    "set": "values: {}",
    "sleep": "seconds: 0",
    "await_event": "audience: user, event_name: go, input_schema: {}",
    "switch": "cases: [{when: true, next: end}]",
    "foreach": "items: '[]', body: [{id: s, kind: set, values: {}}]",
    "parallel": "branches: [{id: l, steps: [{id: s, kind: set, values: {}}]}]",
    "workflow": "workflow_ref: x.yaml",
    "end": "",
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_takes_the_common_fields(tmp_path: Path, kind: str) -> None:
    common = "name: N, description: D, if: 'true', on_error: {next: end}, risk_level: high, tags: [a, b], inputs: {}"
    step = f"- {{id: a, kind: {kind}, {common}, {EVERY_KIND[kind]}}}"
    ran = run(tmp_path, step, files={"x.yaml": document("- {id: a, kind: set, values: {}}")})
    assert (ran.answer("go") if kind == "await_event" else ran).status == "completed"


@pytest.mark.parametrize("kind", ["set", "sleep", "switch", "foreach", "parallel", "workflow", "end"])
def test_a_timeout_is_refused_where_nothing_can_time_out(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DocumentError, match="timeout_seconds"):
        run(tmp_path, f"- {{id: a, kind: {kind}, timeout_seconds: 1, {EVERY_KIND[kind]}}}", files={"x.yaml": ""})


@pytest.mark.parametrize("step_id", ["a.b-c", "ü:%41", "%now", "a|b&c;(d)", "item", "-1", "a" * 300])
def test_ids_are_any_text_without_blanks_and_the_named_characters(tmp_path: Path, step_id: str) -> None:
    steps = f"""
- {{id: "{step_id}", kind: cli, command: 'printf %s "$CPF_STEP_KEY"'}}
- id: p
  kind: parallel
  branches: [{{start_at: "{step_id}x"}}, {{id: "{step_id}", steps: [{{id: g, {GATE}, event_name: go}}]}}]
- {{id: "{step_id}x", kind: set, values: {{v: 1}}}}
- {{id: e, kind: end, result: ['${{steps["{step_id}"].stdout}}', '${{steps.p.outputs}}']}}
"""
    ran = run(tmp_path, steps).answer("go", 2)
    key = step_id.replace("%", "%25")
    assert ran.result == [key, {f"{step_id}x": {"v": 1}, step_id: {"g": 2}}]


# -- the document's on_error -----------------------------------------------------------------------

RECOVER = "on_error: {next: h}"


def test_the_documents_on_error_takes_the_first_failure_and_says_so(tmp_path: Path) -> None:
    ran = run(tmp_path, fails("a") + log("b", ", next: end") + log("h") + log("i"), head=RECOVER)
    assert ran.log == ["a", "h", "i"]
    assert ran.value["recovered_error"] == {
        "code": "ERR_STEP_FAILED", "message": "step `a` exited with code 3",
        "details": {"exit_code": 3, "stderr_tail": ""}, "step_key": "a",
    }  # fmt: skip


def test_a_later_failure_fails_the_run(tmp_path: Path) -> None:
    ran = run(tmp_path / "1", fails("a") + fails("h"), head=RECOVER)
    assert (ran.error["step_key"], ran.log) == ("h", ["a", "h"])
    back = run(tmp_path / "2", fails("a") + log("h", ", next: a"), head=RECOVER)
    assert (back.error["step_key"], back.log) == ("a#2", ["a", "h", "a"])


def test_a_failure_that_a_step_catches_leaves_it_unused(tmp_path: Path) -> None:
    steps = fails("a", ", on_error: {next: b}") + fails("b") + log("c") + log("h")
    ran = run(tmp_path, steps, head=RECOVER)
    assert ran.log == ["a", "b", "h"]
    assert ran.value["recovered_error"]["step_key"] == "b"  # type: ignore[index,call-overload]


def test_it_may_lead_to_the_end_of_the_list(tmp_path: Path) -> None:
    ran = run(tmp_path, fails("a") + log("b"), head="on_error: {next: end}")
    assert (ran.log, list(ran.value)) == (["a"], ["recovered_error"])


def test_it_is_for_the_main_list_and_takes_failures_from_inside_once_they_reach_it(tmp_path: Path) -> None:
    inner = fails("a").strip("- \n")
    steps = f"- {{id: f, kind: foreach, items: '[1, 2]', body: [{inner}, {log('b').strip('- ' + chr(10))}]}}\n"
    ran = run(tmp_path, steps + log("c") + log("h"), head=RECOVER)
    assert ran.log == ["a", "h"]
    assert ran.value["recovered_error"]["step_key"] == "f[0]/a"  # type: ignore[index,call-overload]


def test_after_it_the_outputs_are_those_of_all_steps_that_completed(tmp_path: Path) -> None:
    steps = "- {id: a, kind: set, values: {v: 1}}\n" + fails("b") + "- {id: h, kind: set, values: {v: 2}}\n"
    declared = ", ".join(f"{name}: {{from: steps.{name}.outputs}}" for name in "abh")
    head = f"{RECOVER}\noutputs: {{properties: {{{declared}}}}}"
    assert run(tmp_path, steps, head=head).outputs == {"a": {"v": 1}, "h": {"v": 2}}


def test_what_it_recovered_from_is_known_in_every_later_process(tmp_path: Path) -> None:
    steps = fails("a") + f"- {{id: h, {GATE}, event_name: go, prompt: '${{steps.a.error.code}}'}}\n" + log("i")
    ran = run(tmp_path, steps, head=RECOVER)
    assert ran.request("h")["prompt"] == "ERR_STEP_FAILED"
    ran.answer("go")
    assert ran.log == ["a", "i"]
    assert ran.value["recovered_error"]["step_key"] == "a"  # type: ignore[index,call-overload]


def test_a_failed_run_that_is_retried_tries_the_failed_step_alone(tmp_path: Path) -> None:
    steps = (
        log("a") + fails("b", ", on_error: {next: c}") + "- {id: c, kind: cli, command: 'echo c >> log; test -e ok'}\n"
    )
    ran = run(tmp_path, steps + log("d"))
    assert (ran.status, ran.log) == ("failed", ["a", "b", "c"])
    (ran.folder / "ok").touch()
    ran.retry()
    assert (ran.status, ran.log) == ("completed", ["a", "b", "c", "c", "d"])


def test_a_retried_run_tries_all_branches_that_failed_and_none_that_completed(tmp_path: Path) -> None:
    steps = """
- {id: p, kind: parallel, on_branch_error: wait, branches: [{start_at: a}, {start_at: b}, {start_at: c}]}
- {id: a, kind: cli, command: 'echo a >> log; test -e ok'}
- {id: b, kind: cli, command: 'echo b >> log; test -e ok'}
- {id: c, kind: cli, command: 'echo c >> log'}
"""
    ran = run(tmp_path, steps)
    (ran.folder / "ok").touch()
    assert ran.retry().status == "completed"
    assert sorted(ran.log) == ["a", "a", "b", "b", "c"]


# -- loops that must end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        "kind: set, values: {}, next: a",
        "kind: cli, command: 'echo ${inputs.no.no}', on_error: {next: a}",
        "kind: cli, command: exit 3, on_error: {next: a}",
        "kind: set, if: 1 / inputs.zero == 1, values: {}, on_error: {next: a}",
        "kind: end, fail: no, on_error: {next: a}",
        "kind: foreach, items: inputs.zero, body: [{id: s, kind: set, values: {}}], on_error: {next: a}",
        "kind: switch, cases: [{when: false, next: a}], on_error: {next: a}",
        "kind: switch, cases: [{when: true, next: a}]",
        "kind: workflow, workflow_ref: sub.yaml, inputs: {n: '${inputs.zero == 0}'}, on_error: {next: a}",
        f"{GATE}, event_name: go, prompt: '${{inputs.no.no}}', on_error: {{next: a}}",
        "kind: sleep, seconds: '${inputs.zero - 1}', on_error: {next: a}",
        "kind: sleep, seconds: 0, next: a",
        "kind: parallel, branches: [{id: l, steps: [{id: s, kind: set, values: {}}]}], next: a",
    ],
)
def test_a_loop_without_end_is_an_error_and_not_a_hang(tmp_path: Path, step: str) -> None:
    sub = document(log("a"), inputs="{properties: {n: {type: integer}}}")
    given = {"zero": 0, "no": {}}
    ran = run(tmp_path, f"- {{id: a, {step}}}", given, head="limits: {max_visits: 3}", files={"sub.yaml": sub})
    assert (ran.error["code"], ran.exit_code) == ("ERR_VISIT_LIMIT", 20)
    assert "3 times" in str(ran.error["message"])


def test_as_many_visits_as_the_limit_are_allowed(tmp_path: Path) -> None:
    steps = COUNT + "- {id: s, kind: switch, cases: [{when: 'steps.n.outputs.i < inputs.n', next: n}], default: end}"
    assert run(tmp_path / "1", steps, {"n": 3}, head="limits: {max_visits: 3}").status == "completed"
    assert run(tmp_path / "2", steps, {"n": 4}, head="limits: {max_visits: 3}").status == "failed"
    assert run(tmp_path / "3", steps, {"n": 1000}).status == "completed"
    assert run(tmp_path / "4", steps, {"n": 1001}).error["code"] == "ERR_VISIT_LIMIT"


def test_visits_count_per_scope(tmp_path: Path) -> None:
    sub = document(COUNT + "- {id: s, kind: switch, cases: [{when: steps.n.outputs.i < 3, next: n}], default: end}")
    steps = """
- {id: f, kind: foreach, items: "[1, 2, 3, 4]", body: [{id: s, kind: set, values: {}}]}
- {id: g, kind: foreach, items: "[1, 2]", workflow_ref: sub.yaml}
"""
    assert run(tmp_path, steps, head="limits: {max_visits: 1}", files={"sub.yaml": sub}).status == "completed"


def test_neither_on_error_of_steps_nor_of_the_document_catches_the_limit(tmp_path: Path) -> None:
    ran = run(
        tmp_path, log("a", ", next: a, on_error: {next: h}") + log("h"), head=RECOVER + "\nlimits: {max_visits: 2}"
    )
    assert (ran.error["code"], ran.log) == ("ERR_VISIT_LIMIT", ["a", "a"])


def test_the_key_of_a_failure_is_that_of_the_visit_that_failed(tmp_path: Path) -> None:
    steps = COUNT + "- {id: a, kind: set, values: {v: '${1 / (2 - steps.n.outputs.i)}'}, next: n}\n"
    assert run(tmp_path, steps).error["step_key"] == "a#2"


# -- where 1.x documents change meaning ------------------------------------------------------------


def test_branch_targets_of_parallel_run_once(tmp_path: Path) -> None:
    steps = "- {id: p, kind: parallel, branches: [{start_at: a}, {start_at: b}]}\n"
    assert sorted(run(tmp_path, steps + log("a") + log("b") + log("c")).log) == ["a", "b", "c"]


def test_input_defaults_apply(tmp_path: Path) -> None:
    inputs = "{type: object, properties: {x: {type: integer, default: 5}}}"
    assert run(tmp_path, "- {id: e, kind: end, result: '${inputs.x}'}", {}, inputs=inputs).result == 5


def test_objects_in_text_are_json_and_not_the_repr_of_python(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: e, kind: end, result: 'v ${inputs.x}'}", {"x": {"a": [True, None, "é'"]}})
    assert ran.result == """v {"a":[true,null,"é'"]}"""


def test_stdin_of_commands_is_empty(tmp_path: Path) -> None:
    steps = "- {id: a, kind: cli, command: 'cat; echo done'}\n- {id: e, kind: end, result: '${steps.a.stdout}'}"
    assert run(tmp_path, steps).result == "done\n"


def test_booleans_of_yaml_1_1_and_dates_are_text(tmp_path: Path) -> None:
    steps = "- {id: e, kind: end, result: [yes, no, on, off, 2024-01-31, true]}"
    assert run(tmp_path, steps).result == ["yes", "no", "on", "off", "2024-01-31", True]


def test_interpolated_values_are_not_split_globbed_expanded_or_run(tmp_path: Path) -> None:
    steps = (
        "- {id: a, kind: cli, command: 'printf [%s] ${inputs.x}'}\n- {id: e, kind: end, result: '${steps.a.stdout}'}"
    )
    for index, value in enumerate(["a  b", "*", "~", "$HOME", "a;b", ""]):
        assert run(tmp_path / str(index), steps, {"x": value}).result == f"[{value}]"
    whole = run(tmp_path / "whole", "- {id: a, kind: cli, command: '${inputs.x}'}", {"x": "echo ran >> log"})
    assert whole.error["details"]["exit_code"] == 127  # type: ignore[index,call-overload]
    assert whole.log == []


@pytest.mark.parametrize("shell", ["pwsh", "powershell", "cmd", "cmd.exe"])
def test_interpolation_in_powershell_and_cmd_is_refused(tmp_path: Path, shell: str) -> None:
    with pytest.raises(DocumentError):
        run(tmp_path, f"- {{id: a, kind: cli, shell: {shell}, command: 'echo ${{inputs.x}}'}}", {"x": 1})


def test_a_bare_word_on_the_right_is_text_and_a_text_meets_a_number_as_text(tmp_path: Path) -> None:
    steps = (
        log("a", ", if: inputs.m == fast") + log("b", ', if: inputs.n == "5"') + log("c", ", if: not inputs.m != fast")
    )
    ran: Running = run(tmp_path, steps, {"m": "fast", "n": 5})
    assert ran.log == ["a", "b", "c"]


def test_the_error_of_a_step_that_has_not_failed_is_null(tmp_path: Path) -> None:
    steps = (
        "- {id: fine, kind: set, values: {}}\n- {id: skipped, kind: set, values: {}, if: 1 == 2}\n"
        "- {id: bad, kind: cli, command: 'false', on_error: {next: e}}\n"
        "- {id: e, kind: end, result: ['${steps.fine.error}', '${steps.skipped.error}', '${steps.later.error}',"
        " '${steps.bad.error == null}']}\n- {id: later, kind: set, values: {}}"
    )
    assert run(tmp_path, steps).result == [None, None, None, False]
