"""What a plan knows before a run: which steps run, for which input, and what they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.plan import plan

INPUTS = "{n: {type: number}, l: {type: array}, s: {type: string}}"
HEAD = f"schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {{type: object, properties: {INPUTS}}}\n"
ASK = "kind: await_event, audience: user, event_name: go"
CHOICE = "input_schema: {type: object, required: [d], properties: {d: {enum: [y, n]}}}"


def planned(*steps: str, inputs: Any = None, header: str = "", cwd: Path | str = "/nowhere") -> dict[str, Any]:
    text = HEAD + header + "  steps:\n" + "".join(f"  - {step}\n" for step in steps)
    document = load_text(text, source_path=None, cwd=cwd).document
    return dict(plan(document, inputs or {}, path="/nowhere", missing_secrets=[]))


def runs(*steps: str, inputs: Any = None, **more: Any) -> dict[str, str]:
    return {step["step_key"]: step["runs"] for step in planned(*steps, inputs=inputs, **more)["steps"]}


@pytest.mark.parametrize(("n", "big", "small"), [(5, "yes", "no"), (1, "no", "yes")])
def test_a_switch_on_inputs_alone_is_decided(n: int, big: str, small: str) -> None:
    found = runs(
        "{id: s, kind: switch, cases: [{when: inputs.n > 3, next: big}], default: small}",
        "{id: big, kind: end}",
        "{id: small, kind: set, values: {}}",
        "{id: after, kind: end}",
        inputs={"n": n},
    )
    assert found == {"s": "yes", "big": big, "small": small, "after": small}


def test_a_switch_on_what_only_the_run_will_know_is_left_open() -> None:
    found = runs(
        "{id: a, kind: cli, command: a}",
        "{id: s, kind: switch, default: z,"
        " cases: [{when: steps.a.exit_code == 0, next: x}, {when: inputs.n > 3, next: y}]}",
        "{id: x, kind: end}",
        "{id: y, kind: end}",
        "{id: z, kind: end}",
        inputs={"n": 5},
    )
    assert found == {"a": "yes", "s": "yes", "x": "depends", "y": "depends", "z": "no"}


def test_steps_behind_every_way_run_and_those_on_one_way_depend() -> None:
    found = runs(
        f"{{id: w, {ASK}, {CHOICE},"
        " transitions: [{when: event.d == 'y', next: a}, {when: event.d == 'n', next: b}]}",
        "{id: a, kind: set, values: {}, next: both}",
        "{id: b, kind: set, values: {}}",
        "{id: both, kind: set, values: {}}",
        "{id: skipped, kind: set, values: {}, if: inputs.n > 3}",
        "{id: last, kind: end}",
        "{id: never, kind: end}",
        inputs={"n": 1},
    )
    assert found == {
        "w": "yes", "a": "depends", "b": "depends", "both": "yes", "skipped": "no", "last": "yes", "never": "no",
    }  # fmt: skip


def test_what_only_a_failure_or_a_deadline_leads_to_depends() -> None:
    found = runs(
        "{id: a, kind: cli, command: a, on_error: {next: caught}}",
        f"{{id: w, {ASK}, input_schema: {{type: object}}, timeout_seconds: 9, on_timeout: {{next: late}}}}",
        "{id: done, kind: end}",
        "{id: caught, kind: end}",
        "{id: late, kind: end}",
        "{id: rescue, kind: end}",
        header="  on_error: {next: rescue}\n",
    )
    assert found == dict.fromkeys(("a", "w", "done"), "yes") | dict.fromkeys(("caught", "late", "rescue"), "depends")


def test_an_end_on_one_way_makes_what_follows_depend() -> None:
    found = runs(
        "{id: s, kind: switch, cases: [{when: run.id == 'x', next: stop}], default: on}",
        "{id: stop, kind: end}",
        "{id: 'on', kind: cli, command: a}",
    )
    assert found == {"s": "yes", "stop": "depends", "on": "depends"}


def test_steps_inside_have_the_keys_of_the_run_and_the_key_of_what_holds_them() -> None:
    steps = (
        "{id: p, kind: parallel, branches: [{start_at: c}, {id: m, steps: [{id: x, kind: cli, command: a}]}]}",
        "{id: f, kind: foreach, items: inputs.l, body: [{id: i, kind: cli, command: a}]}",
        "{id: c, kind: cli, command: a}",
    )
    shown = planned(*steps, inputs={"l": [1]})["steps"]
    parents = {step["step_key"]: step.get("parent") for step in shown}
    assert parents == {"p": None, 'p["m"]/x': "p", "f": None, "f[*]/i": "f", 'p["c"]/c': "p"}
    assert {step["runs"] for step in shown} == {"yes"}
    assert runs(*steps, inputs={"l": []})["f[*]/i"] == "no"


def test_a_sub_workflow_is_planned_for_the_input_that_it_gets(tmp_path: Path) -> None:
    inner = (
        HEAD + f"  steps: [{{id: w, if: inputs.n > 3, {ASK}, prompt: 'Is it ${{inputs.n}}?', input_schema: true}}]\n"
    )
    (tmp_path / "sub.yaml").write_text(inner)
    step = "{id: sub, kind: workflow, workflow_ref: sub.yaml, inputs: {n: '${inputs.n + 1}'}}"
    found = planned(step, inputs={"n": 3}, cwd=tmp_path)
    assert [(step["step_key"], step["runs"]) for step in found["steps"]] == [("sub", "yes"), ("sub/w", "yes")]
    assert found["waits"][0]["prompt"] == "Is it 4?"
    assert runs(step, inputs={"n": 2}, cwd=tmp_path)["sub/w"] == "no"


def test_prompts_are_filled_where_the_input_alone_fills_them() -> None:
    found = planned(
        "{id: a, kind: cli, command: a}",
        f"{{id: w, {ASK}, input_schema: true,"
        " prompt: 'Ship ${inputs.s}?', summary: '${inputs.s} ${steps.a.stdout}'}",
        inputs={"s": "it"},
    )
    (wait,) = found["waits"]
    assert (wait["prompt"], wait["summary"], wait["step_key"]) == ("Ship it?", "${inputs.s} ${steps.a.stdout}", "w")


def test_programs_are_those_of_each_command_and_never_the_inside_of_an_expression() -> None:
    script = "sleep ${inputs.n}\\nif true; then python3 -c 'import os'; fi\\n"
    script += 'cp \\"$(where ${inputs.s})\\" x | sort\\nf() { make; }\\nf'
    found = planned(f'{{id: a, kind: cli, command: "{script}"}}', "{id: b, kind: cli, argv: ['${inputs.s}', x]}")
    assert set(found["missing_programs"]) == {"sh", "sleep", "python3", "where", "cp", "sort", "make"}
