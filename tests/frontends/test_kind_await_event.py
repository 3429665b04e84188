"""The promises of `await_event`: what is asked, where answers lead, and what happens without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.running import GATE, Running, run

END = "\n- {id: e, kind: end, result: '${steps.w}'}"


def waiting(folder: Path, more: str = "", run_input: object = None, head: str = "") -> Running:
    return run(folder, f"- {{id: w, {GATE}, event_name: go{more}}}" + END, run_input, head=head)  # type: ignore[arg-type]


def test_the_wait_shows_what_is_asked_texts_rendered(tmp_path: Path) -> None:
    steps = """
- {id: w, kind: await_event, audience: agent, event_name: go, input_schema: {type: object, title: "${x}"},
   prompt: "Take ${inputs.n}?", summary: "${inputs.o}", risk_level: high}
"""
    ran = run(tmp_path, steps, {"n": 3, "o": {"a": 1}})
    assert ran.request("w") == {
        "event_name": "go", "audience": "agent", "input_schema": {"type": "object", "title": "${x}"},
        "prompt": "Take 3?", "summary": '{"a":1}', "risk_level": "high",
    }  # fmt: skip


@pytest.mark.parametrize("payload", [{"a": [1]}, "text", 0, False, None, [], {}])
def test_the_payload_is_the_output_whatever_json_it_is(tmp_path: Path, payload: object) -> None:
    ran = waiting(tmp_path).answer("go", payload)  # type: ignore[arg-type]
    assert ran.result == {"status": "completed", "outputs": payload}


def test_the_first_transition_that_is_true_leads_on_and_none_means_next(tmp_path: Path) -> None:
    steps = f"""
- id: w
  {GATE.replace(", ", chr(10) + "  ")}
  event_name: go
  transitions: [{{when: "event.d == 'yes'", next: yes}}, {{when: "${{event.d in ['yes', 'no']}}", next: no}}]
- {{id: fell, kind: end, result: fell}}
- {{id: yes, kind: end, result: yes}}
- {{id: no, kind: end, result: no}}
"""
    for decision, result in (("yes", "yes"), ("no", "no"), ("perhaps", "fell")):
        assert run(tmp_path / decision, steps).answer("w", {"d": decision}).result == result


def test_without_a_true_transition_the_steps_own_next_leads_on(tmp_path: Path) -> None:
    steps = f"""
- {{id: w, {GATE}, event_name: go, transitions: [{{when: event == 1, next: one}}], next: other}}
- {{id: one, kind: end, result: one}}
- {{id: other, kind: end, result: other}}
"""
    assert run(tmp_path / "1", steps).answer("w", 1).result == "one"
    assert run(tmp_path / "2", steps).answer("w", 2).result == "other"


def test_event_is_seen_in_transitions_and_the_answer_as_outputs_afterwards(tmp_path: Path) -> None:
    steps = f"""
- {{id: w, {GATE}, event_name: go, transitions: [{{when: event.n > inputs.n, next: big}}]}}
- {{id: small, kind: end, result: "small ${{steps.w.outputs.n}}"}}
- {{id: big, kind: end, result: "big ${{steps.w.outputs.n}}"}}
"""
    assert run(tmp_path / "1", steps, {"n": 5}).answer("w", {"n": 6}).result == "big 6"
    assert run(tmp_path / "2", steps, {"n": 5}).answer("w", {"n": 5}).result == "small 5"


def test_a_transition_without_a_value_fails_the_step(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", transitions: [{when: event.d == 'x', next: e}]").answer("go", "text")
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "w")


def test_a_prompt_that_cannot_be_rendered_fails_the_step_when_the_wait_would_open(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", prompt: '${inputs.deep.x.y}'", {"deep": {}})
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "w")
    assert ran.entries("wait_opened") == []


def test_each_visit_is_a_wait_of_its_own(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", transitions: [{when: event != 'enough', next: w}]")
    assert ran.answer("w", 1).open == ["w#2"]
    assert ran.answer("w#2", 2).open == ["w#3"]
    assert ran.answer("go", "enough").result == {"status": "completed", "outputs": "enough"}
    assert [entry["payload"] for entry in ran.entries("event_received")] == [1, 2, "enough"]


def test_a_payload_that_does_not_fit_the_outputs_schema_fails_the_step(tmp_path: Path) -> None:
    assert waiting(tmp_path / "1", ", outputs: {type: string}").answer("go", "x").status == "completed"
    ran = waiting(tmp_path / "2", ", outputs: {type: string}").answer("go", 1)
    assert ran.error["code"] == "ERR_STEP_OUTPUT_INVALID"


# -- time ------------------------------------------------------------------------------------------


def test_without_on_timeout_expiry_fails_the_step(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", timeout_seconds: 60")
    assert ran.pass_time(59).open == ["w"]
    ran.pass_time(1)
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_TIMEOUT", 30, "w")


def test_expiry_that_fails_can_be_caught(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", timeout_seconds: 60, on_error: {next: e}").pass_time(60)
    assert ran.result["error"]["code"] == "ERR_TIMEOUT"  # type: ignore[index,call-overload]


def test_on_timeout_leads_elsewhere_with_outputs_that_stand_in_for_an_answer(tmp_path: Path) -> None:
    steps = f"""
- {{id: w, {GATE}, event_name: go, timeout_seconds: 60, transitions: [{{when: event.ok, next: no}}], next: no,
    on_timeout: {{next: late, outputs: {{ok: "${{inputs.ok}}", n: 1}}}}}}
- {{id: no, kind: end, result: no}}
- {{id: late, kind: end, result: "${{steps.w}}"}}
"""
    ran = run(tmp_path, steps, {"ok": True}).pass_time(60)
    assert ran.result == {"status": "completed", "outputs": {"ok": True, "n": 1}}


@pytest.mark.parametrize(
    ("instead", "outputs"), [("{next: e}", None), ("{outputs: 0}", 0), ("{outputs: null}", None), ("{}", None)]
)
def test_on_timeout_may_leave_out_next_and_outputs(tmp_path: Path, instead: str, outputs: object) -> None:
    ran = waiting(tmp_path, f", timeout_seconds: 60, on_timeout: {instead}").pass_time(60)
    assert ran.result == {"status": "completed", "outputs": outputs}


def test_outputs_of_an_expiry_are_what_they_were_then(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", timeout_seconds: 60, on_timeout: {outputs: ['${steps}']}").pass_time(60)
    pending = {"status": "pending", "outputs": None}
    assert ran.result == {"status": "completed", "outputs": [{"w": pending, "e": pending}]}


def test_after_expiry_without_next_the_steps_own_next_is_taken(tmp_path: Path) -> None:
    steps = f"""
- {{id: w, {GATE}, event_name: go, timeout_seconds: 60, on_timeout: {{outputs: 1}}, next: other}}
- {{id: fell, kind: end, result: fell}}
- {{id: other, kind: end, result: other}}
"""
    assert run(tmp_path, steps).pass_time(60).result == "other"


def test_outputs_of_an_expiry_are_checked_too(tmp_path: Path) -> None:
    more = ", timeout_seconds: 60, on_timeout: {outputs: {a: 1}}, outputs: {type: string}"
    assert waiting(tmp_path, more).pass_time(60).error["code"] == "ERR_STEP_OUTPUT_INVALID"


def test_an_answer_in_time_wins_even_when_nobody_drives_before_the_deadline_has_passed(tmp_path: Path) -> None:
    ran = waiting(tmp_path, ", timeout_seconds: 60, on_timeout: {outputs: late}")
    ran.accept("go", "in time")
    assert ran.pass_time(100).result == {"status": "completed", "outputs": "in time"}


@pytest.mark.parametrize("seconds", ["1e10", "1e12", "1e300"])
def test_a_deadline_beyond_all_calendars_is_no_hindrance(tmp_path: Path, seconds: str) -> None:
    ran = waiting(tmp_path, f", timeout_seconds: {seconds}")
    assert ran.pass_time(1e9).answer("go", 1).result == {"status": "completed", "outputs": 1}


@pytest.mark.parametrize(("more", "head"), [(", timeout_seconds: 0", ""), ("", "defaults: {timeout_seconds: 5}")])
def test_0_and_the_default_of_effects_set_no_deadline(tmp_path: Path, more: str, head: str) -> None:
    assert waiting(tmp_path, more, head=head).pass_time(10_000_000).open == ["w"]
