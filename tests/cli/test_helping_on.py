"""What envelopes say so that their reader gets on: commands that work, the whole of what happened, no false words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from checkpointflow.cli import refusals, shapes
from checkpointflow.cli.door import Door
from checkpointflow.client import Client
from checkpointflow.config import Settings, load_settings
from checkpointflow.errors import RunNotWaitingError
from checkpointflow.frontends.definition import StepTraits
from checkpointflow.frontends.document.loader import Loaded, load_text
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from checkpointflow.testing.clock import FakeClock
from checkpointflow.views import RunView
from cli.documents import GATE, TWINS
from cli.program import Program

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {type: object}\n  steps:\n"
ASK = "kind: await_event, audience: user, input_schema: {type: object}"
NEEDY = """\
schema_version: checkpointflow/v1
workflow:
  id: needy
  inputs: {type: object, properties: {page: {type: string}, size: {type: integer}}, required: [page, size]}
  steps: [{id: a, kind: end, result: "${inputs}"}]
"""
PAY = HEAD + (
    "  - {id: pay, kind: cli, command: sleep 9, timeout_seconds: 0.05, effect: once,\n"
    "     outputs: {type: object, required: [receipt], properties: {receipt: {type: integer}}}}\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


def loaded(*steps: str) -> Loaded:
    return load_text(HEAD + "".join(f"  - {step}\n" for step in steps), source_path="/w.yaml", cwd="/nowhere")


def argvs(envelope: dict) -> list[list[str]]:
    return [action["argv"] for action in envelope["next_actions"]]


# -- steps in doubt --------------------------------------------------------------------------------


def test_a_step_in_doubt_that_must_take_effect_once_is_told_as_that_and_done_shows_the_output_it_needs(
    cpf: Program,
) -> None:
    cpf.write("pay.yaml", PAY)
    envelope = cpf.here("run", "-f", "pay.yaml", "--run-id", "pay-1").envelope
    wait = envelope["wait"]
    assert (wait["kind"], wait["audience"], wait["output_schema"]["required"]) == ("in_doubt", "user", ["receipt"])
    assert wait["prompt"] == "Did step `pay` take effect? Nobody saw how attempt 1 ended."
    assert "must take effect once" in wait["instructions"][0]
    assert wait["decide"]["done"]["argv"][-2:] == ["--output", '{"receipt":"<integer>"}']
    assert cpf.here("waits").envelope["waits"][0]["decide"] == wait["decide"]
    refused = cpf.here("decide", "--run-id", "pay-1", "pay", "done").envelope
    assert "`--output`" in refused["error"]["message"]
    assert refused["next_actions"][1]["argv"] == wait["decide"]["done"]["argv"]
    assert cpf.here(*wait["decide"]["done"]["argv"][1:]).exit_code == 10
    assert cpf.here(*wait["decide"]["done"]["argv"][1:-1], '{"receipt": 7}').exit_code == 0


def test_of_a_step_in_doubt_the_first_thing_to_do_is_to_look(cpf: Program) -> None:
    cpf.write("pay.yaml", PAY.replace("id: pay", "id: -pay"))
    envelope = cpf.here("run", "-f", "pay.yaml", "--run-id", "pay-1").envelope
    first, *ways = argvs(envelope)
    assert first == ["cpf", "inspect", "--run-id", "pay-1", "--exit-zero"]
    assert [way[1] for way in ways] == ["decide", "decide", "decide", "inspect"]
    assert ways[0][-3:] == ["--", "-pay", "done"]
    assert cpf.here(*ways[2][1:]).exit_code == 30


def test_of_contradicting_decisions_one_is_accepted_and_the_others_are_told_who_decided_what(cpf: Program) -> None:
    cpf.write("pay.yaml", PAY)
    cpf.here("run", "-f", "pay.yaml", "--run-id", "pay-1")
    first = cpf.here("decide", "--run-id", "pay-1", "pay", "fail", "--no-follow", "--actor", "ann")
    assert (first.exit_code, first.envelope["wait"]["answered"]) == (0, True)
    assert argvs(first.envelope)[0] == ["cpf", "resume", "--run-id", "pay-1"]
    second = cpf.here("decide", "--run-id", "pay-1", "pay", "again")
    assert second.exit_code == 20
    error = second.envelope["error"]
    assert error["code"] == "ERR_STEP_NOT_IN_DOUBT"
    assert "ann decided `fail` at " in error["message"]
    assert error["details"]["decided_by"] == "ann"
    assert cpf.here("resume", "--run-id", "pay-1").envelope["status"] == "failed"
    third = cpf.here("decide", "--run-id", "pay-1", "pay", "done", "--output", '{"receipt": 7}').envelope["error"]
    assert (third["code"], "ann decided `fail` at " in third["message"]) == ("ERR_STEP_NOT_IN_DOUBT", True)


def test_a_step_that_may_be_repeated_is_not_said_to_take_effect_once(cpf: Program) -> None:
    cpf.write("pay.yaml", PAY)
    cpf.here("run", "-f", "pay.yaml", "--run-id", "pay-1")
    with Client(load_settings()) as client:
        (wait,) = client.get("pay-1").waits
    for effect, said in (("once", True), ("idempotent", False)):
        doubtful = StepTraits(effect=effect, output_schema=None)  # type: ignore[arg-type]
        told = " ".join(map(str, shapes.wait_fields(replace(wait, doubtful=doubtful), by_id=False)["instructions"]))  # type: ignore[arg-type]
        assert ("must take effect once" in told) is said
        assert ("its driver died three times in a row" in told) is not said


# -- input -----------------------------------------------------------------------------------------


def test_commands_that_need_input_show_its_shape_and_keep_strict(cpf: Program) -> None:
    cpf.write("needy.yaml", NEEDY)
    shape = ["--input", '{"page":"<text>","size":"<integer>"}']
    valid = cpf.here("validate", "-f", "needy.yaml", "--strict").envelope
    assert argvs(valid) == [["cpf", word, "-f", "needy.yaml", "--strict", *shape] for word in ("plan", "run")]
    lacking = cpf.here("plan", "-f", "needy.yaml").envelope
    assert argvs(lacking)[0] == ["cpf", "plan", "-f", "needy.yaml", *shape]
    assert argvs(cpf.here("run", "-f", "needy.yaml").envelope)[0] == ["cpf", "run", "-f", "needy.yaml", *shape]
    assert cpf.here(*argvs(valid)[1][1:]).exit_code == 10  # placeholders are never taken for values
    cpf.write("broken.yaml", NEEDY.replace("end", "ending"))
    broken = cpf.here("validate", "-f", "broken.yaml", "--strict").envelope
    assert argvs(broken)[0] == ["cpf", "validate", "-f", "broken.yaml", "--strict"]


def test_a_shape_of_texts_alone_cannot_be_sent_by_mistake_either(cpf: Program) -> None:
    cpf.write("texts.yaml", NEEDY.replace(", size]", "]"))
    shown = argvs(cpf.here("validate", "-f", "texts.yaml").envelope)[1]
    assert "<text>" in shown[-1]
    assert cpf.here(*shown[1:]).exit_code == 10


def test_a_document_that_needs_no_input_is_planned_and_run_without(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    valid = cpf.here("validate", "-f", "gate.yaml").envelope
    assert argvs(valid) == [["cpf", "plan", "-f", "gate.yaml"], ["cpf", "run", "-f", "gate.yaml"]]


def test_what_does_not_fit_names_its_field(cpf: Program) -> None:
    cpf.write("needy.yaml", NEEDY)
    error = cpf.here("run", "-f", "needy.yaml", "--input", '{"page": [1], "size": "x"}').envelope["error"]
    assert "`page` must be text, but is a list of 1" in error["message"]
    assert "`size` must be an integer" in error["message"]


@pytest.mark.parametrize(("words", "first"), [(("status",), "runs"), (("run",), "flows"), (("validate",), "flows")])
def test_a_command_that_lacks_its_run_or_document_says_what_lists_them(
    cpf: Program, words: tuple[str, ...], first: str
) -> None:
    assert argvs(cpf.here(*words).envelope)[0] == ["cpf", first]


# -- deadlines -------------------------------------------------------------------------------------


def test_a_wait_whose_deadline_has_passed_is_gone_on_with_and_not_answered(settings: Settings) -> None:
    clock = FakeClock()
    steps = [
        "{id: p, kind: parallel, branches: [{start_at: a}, {start_at: b}]}",
        f"{{id: a, {ASK}, event_name: first}}",
        f"{{id: b, {ASK}, event_name: q, timeout_seconds: 60}}",
    ]
    with Client(settings, clock=clock) as client:
        run_id = client.run(loaded(*steps), {}, run_id="late").run_id
        assert "--event" in shapes.of_run(client.get(run_id)).fields["next_actions"][0]["argv"]  # type: ignore[index,call-overload]
        clock.advance(61)
        fields = shapes.of_run(client.get(run_id)).fields
    late = next(wait for wait in fields["waits"] if wait["overdue"])  # type: ignore[union-attr,index,call-overload]
    assert fields["next_actions"][0]["argv"] == ["cpf", "resume", "--run-id", "late"]  # type: ignore[index,call-overload]
    assert late["resume"]["argv"] == ["cpf", "resume", "--run-id", "late"]  # type: ignore[index,call-overload]
    assert "refused" in late["instructions"][0]  # type: ignore[index,call-overload,operator]


def test_a_late_answer_tells_also_what_became_of_the_run(settings: Settings) -> None:
    clock = FakeClock()
    with Client(settings, clock=clock) as client:
        run_id = client.run(loaded(f"{{id: a, {ASK}, event_name: q, timeout_seconds: 60}}"), {}).run_id
        clock.advance(61)
        with pytest.raises(
            RunNotWaitingError, match=r"too late; the run went on without it and is failed: .*within 60"
        ):
            client.resume(run_id, event="q")
        door = Door(["resume"])
        door._place = client._place
        envelope = refusals.refusal(RunNotWaitingError("late", run_id=run_id), door)
    error = envelope.fields["error"]
    assert isinstance(error, dict)
    assert (envelope.fields["status"], error["code"]) == ("failed", "ERR_RUN_NOT_WAITING")
    assert error["details"]["run_error"]["code"] == "ERR_TIMEOUT"  # type: ignore[index,call-overload]


# -- branches --------------------------------------------------------------------------------------


WAITING = [
    "{id: p, kind: parallel, on_branch_error: wait, on_error: {next: e}, branches: [{id: machine, steps: ["
    "{id: bad, kind: cli, command: exit 3}]}, {id: human, steps: [{id: ask, " + ASK + ", event_name: go}]}]}",
    "{id: e, kind: end}",
]
EACH = [
    '{id: f, kind: foreach, items: "[1, 2]", max_parallel: 2, on_item_error: continue, body: ['
    '{id: bad, kind: end, fail: "no ${item}", if: item == 1}, {id: ask, ' + ASK + ", event_name: go}]}"
]


@pytest.mark.parametrize(("steps", "member"), [(WAITING, 'p["machine"]'), (EACH, "f[0]")])
def test_a_member_that_failed_is_told_while_the_run_waits_for_the_others(
    settings: Settings, steps: list[str], member: str
) -> None:
    with Client(settings) as client:
        run = client.run(loaded(*steps), {})
        for view in (run, client.get(run.run_id), client.inspect(run.run_id).run, client.resume(run.run_id).run):
            assert (view.status, len(view.warnings)) == ("waiting", 1)
            assert view.warnings[0].startswith(f"`{member}` has failed, and the run waits")
        ended = client.resume(run.run_id, event="go", payload={}, has_payload=True).run
    assert (ended.status, ended.warnings) == ("completed", ())


def test_a_member_whose_failure_was_caught_is_not_told(settings: Settings) -> None:
    caught = (
        "{id: p, kind: parallel, on_branch_error: wait, branches: [{id: m, steps: ["
        "{id: bad, kind: cli, command: exit 3, on_error: {next: end}}]}, {id: h, steps: [{id: ask, "
        + ASK + ", event_name: go}]}]}"
    )  # fmt: skip
    with Client(settings) as client:
        assert client.run(loaded(caught), {}).warnings == ()


def test_inspect_shows_the_error_of_an_iteration_that_failed(settings: Settings) -> None:
    body = '[{id: bad, kind: end, fail: "no", if: item == 1}, {id: v, kind: set, values: {n: 1}}]'
    steps = f'{{id: f, kind: foreach, items: "[1, 2]", on_item_error: continue, body: {body}}}'
    with Client(settings) as client:
        run = client.run(loaded(steps), {})
        found = client.inspect(run.run_id)
    error = {"code": "ERR_STEP_FAILED", "message": "no", "details": {}}
    assert found.step_outputs["f"] == {"iterations": [{"error": error}, {"v": {"n": 1}}]}


# -- retry -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        ["{id: a, kind: end, fail: on purpose}"],
        ["{id: a, kind: cli, command: exit 1, on_error: {next: b}}", "{id: b, kind: end, fail: caught}"],
        ["{id: a, kind: set, values: {n: '${int(\"x\")}'}}"],
    ],
)
def test_a_retry_that_would_end_the_same_way_is_not_offered(settings: Settings, steps: list[str]) -> None:
    with Client(settings) as client:
        run = client.run(loaded(*steps), {})
    envelope = shapes.of_run(run).fields
    assert argvs(envelope)[0] == ["cpf", "validate", "-f", "/w.yaml"]
    assert all("--with" in argv for argv in argvs(envelope) if argv[1] == "retry")
    assert "retry alone would end in the same way" in envelope["error"]["hint"]  # type: ignore[index,call-overload,operator]


def test_a_retry_that_may_help_comes_first(settings: Settings) -> None:
    with Client(settings) as client:
        run = client.run(loaded("{id: a, kind: cli, command: exit 1}"), {})
    assert argvs(shapes.of_run(run).fields)[0][:2] == ["cpf", "retry"]


# -- which wait ------------------------------------------------------------------------------------


def test_an_event_that_several_waits_have_is_refused_with_the_commands_that_answer_each(cpf: Program) -> None:
    cpf.write("twins.yaml", TWINS)
    waits = cpf.here("run", "-f", "twins.yaml", "--run-id", "twins").envelope["waits"]
    refused = cpf.here("resume", "--run-id", "twins", "--event", "go", "--input", "{}").envelope
    assert argvs(refused) == [wait["resume"]["argv"] for wait in waits]
    titles = [action["title"] for action in refused["next_actions"]]
    assert titles[:2] == ['Answer `go` (`fan["a"]/a`)', 'Answer `go` (`fan["b"]/b`)']
    files = [wait["resume"]["argv"][7] for wait in waits]
    assert files == ["@response-w1.json", "@response-w2.json", "@response.json"]
    assert "response-w1.json" in waits[0]["instructions"][1]


def test_a_run_that_is_driven_and_waits_offers_the_answer_as_well(settings: Settings) -> None:
    with Client(settings) as client:
        run = client.run(loaded(f"{{id: a, {ASK}, event_name: q}}"), {})
    driven: RunView = replace(run, status="running")
    assert [argv[1] for argv in argvs(shapes.of_run(driven).fields)] == ["resume", "resume", "status"]
    assert "--event" in argvs(shapes.of_run(driven).fields)[1]


# -- logs ------------------------------------------------------------------------------------------

TRIES = HEAD + (
    "  - {id: t, kind: cli, command: 'printf try-$CPF_ATTEMPT; exit 1', on_error: {next: u},"
    " retry: {max_attempts: 3, backoff_seconds: 0}}\n"
    "  - {id: u, kind: cli, command: echo last}\n"
)


def test_logs_show_every_attempt_of_a_step_that_is_named_each_under_a_heading_of_its_own(cpf: Program) -> None:
    cpf.write("tries.yaml", TRIES)
    cpf.here("run", "-f", "tries.yaml", "--run-id", "tries")
    heads = [f"==> t, attempt {n} <==\ntry-{n}" for n in (1, 2, 3)]
    assert cpf.here("logs", "--run-id", "tries", "t").stdout == "\n".join(heads)
    assert cpf.here("logs", "--run-id", "tries", "t", "-F").stdout == "\n".join(heads)
    assert cpf.here("logs", "--run-id", "tries", "t", "--attempt", "2").stdout == "try-2"
    assert cpf.here("logs", "--run-id", "tries").stdout == f"{heads[2]}\n==> u, attempt 1 <==\nlast\n"


def test_a_step_without_output_is_refused_with_those_that_have_some(cpf: Program) -> None:
    cpf.write("tries.yaml", TRIES)
    cpf.here("run", "-f", "tries.yaml", "--run-id", "tries")
    message = cpf.here("logs", "--run-id", "tries", "nope").envelope["error"]["message"]
    assert "`t` (3), `u` (1)" in message
    assert "(attempt 4)" in cpf.here("logs", "--run-id", "tries", "t", "--attempt", "4").envelope["error"]["message"]


def test_journals_from_before_members_were_told_are_still_read() -> None:
    entry = e.ScopeClosed(at=FakeClock().now(), key=StepKey("f"), outcome="completed", error=None)
    body = json.dumps({"key": "f", "outcome": "completed", "error": None})
    assert e.decode("scope_closed", e.encode(entry).at, body, lambda _digest: "") == entry


def test_a_file_for_an_answer_that_is_not_there_leads_back_to_the_wait(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    for command in ("resume", "send"):
        refused = cpf.here(command, "--run-id", "gate-1", "--event", "go", "--input", "@response.json").envelope
        assert (refused["exit_code"], refused["wait"]["wait_id"]) == (10, "w1")
        assert refused["next_actions"][0]["argv"] == refused["wait"]["resume"]["argv"]


def test_a_word_that_stands_alone_is_told_its_option(cpf: Program) -> None:
    for command, meant in (("run", "-f a.yaml"), ("status", "--run-id a.yaml")):
        assert cpf.here(command, "a.yaml").envelope["error"]["hint"] == f"did you mean `{meant}`?"


def test_an_empty_input_and_a_key_that_stands_twice_are_refused_as_that(cpf: Program) -> None:
    cpf.write("needy.yaml", NEEDY)
    told = {" ": "`--input` is empty", '{"a": {"b": 1, "b": 2}}': "`--input` has the key `b` twice in one object"}
    for text, says in told.items():
        refused = cpf.here("run", "-f", "needy.yaml", "--input", text)
        assert refused.exit_code == 10
        assert refused.envelope["error"]["message"].startswith(says)


def test_a_picture_for_a_file_whose_end_tells_no_format_is_refused(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    refused = cpf.here("graph", "-f", "gate.yaml", "-o", "p.xyz")
    assert (refused.exit_code, "p.xyz" in refused.envelope["error"]["message"]) == (10, True)
    assert cpf.here("graph", "-f", "gate.yaml", "-o", "p.xyz", "--format", "svg").exit_code == 0


def test_logs_say_when_what_was_captured_is_gone(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    assert cpf.here("logs", "--run-id", "gate-1").stderr == ""
    for path in (cpf.home / "runs" / "gate-1").rglob("*"):
        if path.is_file():
            path.unlink()
    gone = cpf.here("logs", "--run-id", "gate-1")
    assert (gone.stdout, gone.exit_code) == ("", 0)
    assert "the output of `first` is gone" in gone.stderr
