"""The promises of `foreach`: a body, or a sub-workflow, for each item."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.running import GATE, document, run

END = "\n- {id: e, kind: end, result: '${steps.f.outputs}'}"
NUMBERS = {"l": [1, 2, 3, 4]}


def body(steps: str, more: str = "", items: str = "inputs.l") -> str:
    return f"- {{id: f, kind: foreach, items: '{items}'{more}, body: [{steps}]}}" + END


def gates(more: str = "") -> str:
    return body(f"{{id: w, {GATE}, event_name: go}}", more)


# -- items -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", ["inputs.l", "${inputs.l}", " ${ inputs.l } ", "[1, 2, 3, 4]", "inputs.l.map(x, x)"])
def test_items_may_stand_with_or_without_the_wrapper(tmp_path: Path, items: str) -> None:
    ran = run(tmp_path, body("{id: s, kind: set, values: {v: '${item}', i: '${item_index}'}}", items=items), NUMBERS)
    assert ran.result == {"iterations": [{"s": {"v": n, "i": n - 1}} for n in (1, 2, 3, 4)]}


def test_no_items_give_no_iterations(tmp_path: Path) -> None:
    assert run(tmp_path, body("{id: s, kind: set, values: {}}"), {"l": []}).result == {"iterations": []}


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, 3, True])
def test_items_that_are_no_list_fail_the_step(tmp_path: Path, value: object) -> None:
    ran = run(tmp_path, body("{id: s, kind: set, values: {}}"), {"l": value})  # type: ignore[dict-item]
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "f")


def test_the_item_is_seen_everywhere_in_the_body_and_as_in_1_x_below_inputs(tmp_path: Path) -> None:
    steps = """
- id: f
  kind: foreach
  items: inputs.l
  body:
  - id: s
    kind: set
    if: item.n > 1
    values: {a: "${inputs._foreach_item.n}", i: "${inputs._foreach_index}", k: "${inputs.k}"}
  - {id: c, kind: cli, command: "echo '{\\"n\\":${item.n},\\"i\\":${inputs._foreach_index}}'"}
- {id: e, kind: end, result: "${steps.f.outputs.iterations}"}
"""
    ran = run(tmp_path, steps, {"l": [{"n": 1}, {"n": 2}], "k": "k"})
    assert ran.result == [{"c": {"n": 1, "i": 0}}, {"s": {"a": 2, "i": 1, "k": "k"}, "c": {"n": 2, "i": 1}}]


def test_items_stay_what_they_were_while_other_steps_go_on(tmp_path: Path) -> None:
    steps = f"""
- {{id: p, kind: parallel, branches: [{{start_at: f}}, {{start_at: s}}]}}
- {{id: e, kind: end, result: "${{steps.f.outputs.iterations[0].v.s}}"}}
- {{id: s, {GATE}, event_name: s}}
- id: f
  kind: foreach
  items: "[steps]"
  body:
  - {{id: g, {GATE}, event_name: g}}
  - {{id: v, kind: set, values: {{s: "${{item.s.status}}"}}}}
"""
    assert run(tmp_path, steps).answer("s").answer("g").result == "pending"


def test_inner_items_hide_outer_ones_and_outer_ones_come_back(tmp_path: Path) -> None:
    steps = """
- id: f
  kind: foreach
  items: inputs.l
  body:
  - id: g
    kind: foreach
    items: item
    body: [{id: s, kind: set, values: {v: "${item}/${item_index}/${inputs._foreach_item}"}}]
  - {id: t, kind: set, values: {v: "${item}/${item_index}"}}
- {id: e, kind: end, result: "${steps.f.outputs.iterations}"}
"""
    assert run(tmp_path, steps, {"l": [["a"], ["b", "c"]]}).result == [
        {"g": {"iterations": [{"s": {"v": "a/0/a"}}]}, "t": {"v": '["a"]/0'}},
        {"g": {"iterations": [{"s": {"v": "b/0/b"}}, {"s": {"v": "c/1/c"}}]}, "t": {"v": '["b","c"]/1'}},
    ]


# -- iterations ------------------------------------------------------------------------------------


def test_steps_of_the_same_iteration_shadow_outer_ones_and_do_not_show_outside(tmp_path: Path) -> None:
    steps = """
- {id: s, kind: set, values: {v: outer}}
- {id: o, kind: set, values: {v: other}}
- id: f
  kind: foreach
  items: "[1, 2]"
  body:
  - {id: t, kind: set, values: {v: "${steps.s.status} ${steps.o.outputs.v}"}}
  - {id: s, kind: set, values: {v: "inner ${item}"}}
  - {id: u, kind: set, values: {v: "${steps.s.outputs.v}"}}
- {id: e, kind: end, result: ["${steps.s.outputs.v}", "${steps.f.outputs.iterations}"]}
"""
    iterations = [{"t": {"v": "pending other"}, "s": {"v": f"inner {n}"}, "u": {"v": f"inner {n}"}} for n in (1, 2)]
    assert run(tmp_path, steps).result == ["outer", iterations]


def test_iterations_stand_in_item_order_whoever_ends_first(tmp_path: Path) -> None:
    ran = run(tmp_path, gates(", max_parallel: 4"), NUMBERS)
    for index in (2, 0, 3, 1):
        ran.answer(f"f[{index}]/w", index)
    assert ran.result == {"iterations": [{"w": index} for index in range(4)]}


def test_one_iteration_runs_at_a_time_unless_max_parallel_says_more(tmp_path: Path) -> None:
    ran = run(tmp_path / "1", gates(), NUMBERS)
    assert ran.open == ["f[0]/w"]
    assert ran.answer("f[0]/w").open == ["f[1]/w"]
    ran = run(tmp_path / "2", gates(", max_parallel: 2.0"), NUMBERS)
    assert ran.open == ["f[0]/w", "f[1]/w"]
    assert ran.answer("f[1]/w").open == ["f[0]/w", "f[2]/w"]


def test_no_more_than_max_parallel_effects_run_at_once_and_so_many_do(tmp_path: Path) -> None:
    command = "echo + >> log; while [ $(grep -c + log) -lt 2 ]; do sleep 0.01; done; echo - >> log"
    ran = run(tmp_path, body(f"{{id: s, kind: cli, command: '{command}'}}", ", max_parallel: 2"), NUMBERS)
    assert ran.status == "completed"
    balance = [ran.log[: at + 1].count("+") - ran.log[: at + 1].count("-") for at in range(len(ran.log))]
    assert max(balance) == 2


def test_an_end_gives_the_iteration_its_result_and_ends_only_that(tmp_path: Path) -> None:
    steps = """{id: a, kind: set, values: {v: "${item}"}}, {id: x, kind: end, if: item > 2, result: "${item * 10}"},
      {id: b, kind: set, values: {}}"""
    assert run(tmp_path, body(steps), NUMBERS).result == {
        "iterations": [
            {"a": {"v": 1}, "b": {}}, {"a": {"v": 2}, "b": {}},
            {"a": {"v": 3}, "result": 30}, {"a": {"v": 4}, "result": 40},
        ]
    }  # fmt: skip


@pytest.mark.parametrize("value", ["0", "null", "false", "''"])
def test_falsy_results_of_iterations_are_kept(tmp_path: Path, value: str) -> None:
    ran = run(tmp_path, body(f"{{id: x, kind: end, result: {value}}}"), {"l": [1]})
    assert ran.result == {"iterations": [{"result": {"0": 0, "null": None, "false": False, "''": ""}[value]}]}


def test_jumps_and_conditions_work_in_bodies(tmp_path: Path) -> None:
    steps = """{id: s, kind: switch, cases: [{when: item == 1, next: c}, {when: item == 2, next: end}], default: b},
      {id: b, kind: set, values: {}, next: end}, {id: c, kind: set, if: item_index > 5, values: {}},
      {id: d, kind: set, values: {}}"""
    matched = [{"s": {"matched": m}} for m in ("c", "end", "b", "b")]
    assert run(tmp_path, body(steps), NUMBERS).result == {
        "iterations": [matched[0] | {"d": {}}, matched[1], matched[2] | {"b": {}}, matched[3] | {"b": {}}]
    }


# -- failures --------------------------------------------------------------------------------------

FAILING = "{id: a, kind: set, values: {v: '${item}'}}, {id: x, kind: end, if: item % 2 == 0, fail: 'no ${item}'}"


def test_stop_fails_the_step_with_the_first_error_and_begins_no_more(tmp_path: Path) -> None:
    ran = run(tmp_path, body(FAILING), NUMBERS)
    assert (ran.error["message"], ran.error["step_key"]) == ("no 2", "f[1]/x")
    assert [entry["key"] for entry in ran.entries("value_recorded")] == ["f[0]/a", "f[1]/a"]


def test_stop_closes_the_waits_of_the_others_and_keeps_finished_records(tmp_path: Path) -> None:
    fails = "{id: x, kind: end, if: 'steps.w.outputs == 0', fail: stop}"
    steps = f"{{id: w, {GATE}, event_name: go}}, {fails}, {{id: z, {GATE}, event_name: z}}"
    text = body(steps, ", max_parallel: 3, on_error: {next: e}").replace("${steps.f.outputs}", "${steps.f}")
    ran = run(tmp_path, text, {"l": [1, 2, 3]}).answer("f[2]/w", 1)
    assert ran.open == ["f[0]/w", "f[1]/w", "f[2]/z"]
    ran.answer("f[1]/w", 0)
    assert ran.result["status"] == "failed"  # type: ignore[index,call-overload]
    closed = sorted((entry["key"], entry["cause"]) for entry in ran.entries("wait_closed"))
    assert closed == [("f[0]/w", "cancelled"), ("f[2]/z", "cancelled")]
    assert sorted(entry["key"] for entry in ran.entries("event_received")) == ["f[1]/w", "f[2]/w"]


def test_nothing_of_stopped_iterations_is_left_when_the_run_goes_on(tmp_path: Path) -> None:
    fails = "{id: x, kind: end, if: 'steps.w.outputs == 0', fail: stop}"
    steps = body(f"{{id: w, {GATE}, event_name: go}}, {fails}", ", max_parallel: 3, on_error: {next: after}")
    ran = run(tmp_path, steps + f"\n- {{id: after, {GATE}, event_name: after}}", NUMBERS).answer("f[1]/w", 0)
    assert ran.open == ["after"]


def test_continue_keeps_going_and_shows_the_error_beside_what_completed(tmp_path: Path) -> None:
    ran = run(tmp_path, body(FAILING, ", on_item_error: continue"), NUMBERS)
    errors = [{"code": "ERR_STEP_FAILED", "message": f"no {n}", "details": {}} for n in range(5)]
    assert ran.result == {
        "iterations": [
            {"a": {"v": 1}}, {"a": {"v": 2}, "error": errors[2]}, {"a": {"v": 3}}, {"a": {"v": 4}, "error": errors[4]},
        ]
    }  # fmt: skip


def test_a_loop_without_end_in_an_iteration_fails_the_run_even_under_continue(tmp_path: Path) -> None:
    steps = body("{id: s, kind: set, values: {}, next: s}", ", on_item_error: continue, on_error: {next: e}")
    ran = run(tmp_path, steps, NUMBERS, head="limits: {max_visits: 3}")
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_VISIT_LIMIT", "f[0]/s#3")


# -- item_key --------------------------------------------------------------------------------------


def test_item_key_names_the_iterations(tmp_path: Path) -> None:
    ran = run(
        tmp_path, gates(", max_parallel: 9, item_key: 'k-${item.id}/${item_index}'"), {"l": [{"id": "ü#"}, {"id": 2}]}
    )
    assert ran.open == ['f["k-2%2F1"]/w', 'f["k-ü%23%2F0"]/w']
    ran.answer('f["k-2%2F1"]/w', "b").answer("go", "a")
    assert ran.result == {"iterations": [{"w": "a"}, {"w": "b"}]}


@pytest.mark.parametrize("items", [["a", "b", "a"], [1, "1"], ["a", ""], ["a", None]])
def test_keys_that_are_not_unique_or_empty_fail_the_step_before_anything_runs(tmp_path: Path, items: list[str]) -> None:
    ran = run(tmp_path, gates(", item_key: '${item}'"), {"l": items})  # type: ignore[dict-item]
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "f")
    assert ran.entries("scope_opened") == []


# -- workflow_ref ----------------------------------------------------------------------------------

SUB = document(
    "- {id: x, kind: end, if: inputs.n == 2, fail: 'no ${inputs.n}'}\n"
    "- {id: v, kind: end, result: ['${inputs.n}', '${inputs.d}']}",
    inputs="{required: [n], properties: {n: {type: integer}, d: {default: dd}}, additionalProperties: false}",
    name="sub",
)
CALL = "- {id: f, kind: foreach, items: inputs.l, workflow_ref: sub.yaml, inputs: {n: '${item}'}"


def test_with_workflow_ref_an_iteration_is_the_value_of_the_sub_workflow(tmp_path: Path) -> None:
    ran = run(tmp_path, CALL + "}" + END, {"l": [1, 3]}, files={"sub.yaml": SUB})
    assert ran.result == {"iterations": [[1, "dd"], [3, "dd"]]}


def test_a_failing_sub_workflow_is_the_failure_of_its_item(tmp_path: Path) -> None:
    ran = run(tmp_path / "1", CALL + "}" + END, NUMBERS, files={"sub.yaml": SUB})
    assert (ran.error["message"], ran.error["step_key"]) == ("no 2", "f[1]/x")
    ran = run(tmp_path / "2", CALL + ", on_item_error: continue}" + END, NUMBERS, files={"sub.yaml": SUB})
    error = {"code": "ERR_STEP_FAILED", "message": "no 2", "details": {}}
    assert ran.result == {"iterations": [[1, "dd"], {"error": error}, [3, "dd"], [4, "dd"]]}


def test_input_that_the_sub_workflow_refuses_is_the_failure_of_its_item(tmp_path: Path) -> None:
    given = {"l": [1, "two", None]}
    ran = run(tmp_path / "1", CALL + "}" + END, given, files={"sub.yaml": SUB})
    assert (ran.error["code"], ran.exit_code) == ("ERR_STEP_FAILED", 30)
    ran = run(tmp_path / "2", CALL + ", on_item_error: continue}" + END, given, files={"sub.yaml": SUB})
    assert [sorted(one) if isinstance(one, dict) else one for one in ran.result["iterations"]] == [  # type: ignore[index,call-overload,union-attr]
        [1, "dd"], ["error"], ["error"],
    ]  # fmt: skip


def test_an_output_of_a_sub_workflow_without_a_value_is_the_failure_of_its_item(tmp_path: Path) -> None:
    sub = document(
        "- {id: a, kind: set, values: {}}", head="outputs: {properties: {o: {from: inputs.n.x}}}", name="sub"
    )
    ran = run(tmp_path, CALL + ", on_item_error: continue}" + END, {"l": [{"x": 1}, {}]}, files={"sub.yaml": sub})
    good, bad = ran.result["iterations"]  # type: ignore[index,call-overload,misc]
    assert good == {"o": 1}
    assert bad["error"]["code"] == "ERR_STEP_FAILED"  # type: ignore[index,call-overload]


def test_steps_of_the_sub_workflow_see_neither_items_nor_steps_of_the_caller(tmp_path: Path) -> None:
    sub = document("- {id: a, kind: end, result: ['${steps}', '${inputs}']}", name="sub")
    ran = run(tmp_path, CALL + "}" + END, {"l": [1]}, files={"sub.yaml": sub})
    assert ran.result == {"iterations": [[{"a": {"status": "pending", "outputs": None}}, {"n": 1}]]}


@pytest.mark.parametrize(
    ("schema", "seen"),
    [
        ("{type: object}", {"_foreach_item": "x", "_foreach_index": 0}),
        ("{properties: {_foreach_item: {type: string}}, additionalProperties: false}", {"_foreach_item": "x"}),
        ("{properties: {n: {default: 1}}, additionalProperties: false}", {"n": 1}),
    ],
)
def test_without_inputs_a_sub_workflow_gets_the_item_as_in_1_x_unless_its_input_is_closed(
    tmp_path: Path, schema: str, seen: dict[str, object]
) -> None:
    sub = document("- {id: a, kind: end, result: '${inputs}'}", inputs=schema, name="sub")
    steps = "- {id: f, kind: foreach, items: inputs.l, workflow_ref: sub.yaml}" + END
    assert run(tmp_path, steps, {"l": ["x"]}, files={"sub.yaml": sub}).result == {"iterations": [seen]}


def test_outputs_that_do_not_fit_their_schema_fail_the_step(tmp_path: Path) -> None:
    steps = body("{id: s, kind: set, values: {}}", ", outputs: {properties: {iterations: {maxItems: 3}}}")
    assert run(tmp_path, steps, NUMBERS).error["code"] == "ERR_STEP_OUTPUT_INVALID"
