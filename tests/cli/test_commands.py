"""What each command does and prints, from the first document to the last answer."""

from __future__ import annotations

import json
import shlex

import pytest

from cli.documents import BROKEN, FAILING, GATE, SLEEPING, TWINS, WARNED
from cli.program import Program


@pytest.fixture
def waiting(cpf: Program) -> str:
    """The id of a run that waits for `go`."""
    cpf.write("gate.yaml", GATE)
    return str(cpf.here("run", "-f", "gate.yaml").envelope["run_id"])


# -- before a run ----------------------------------------------------------------------------------


def test_version_is_one_line(cpf: Program) -> None:
    answer = cpf("--version")
    assert (answer.exit_code, answer.stdout.split()[0], answer.stderr) == (0, "checkpointflow", "")


def test_the_starter_validates_without_warnings_and_runs_to_its_wait_and_to_its_end(cpf: Program) -> None:
    made = cpf.here("init").envelope
    assert made["file"] == "workflow.yaml"
    assert (cpf.cwd / "workflow.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert cpf.here("validate", "-f", "workflow.yaml", "--strict").envelope["problems"] == []
    check, run, test = (action["argv"] for action in made["next_actions"])
    assert cpf.here(*check[1:]).exit_code == cpf.here(*test[1:]).exit_code == 0
    waits = cpf.here(*run[1:]).envelope
    assert (waits["status"], waits["wait"]["summary"]) == ("waiting", "Hello, Ada!\n")
    cpf.write("response.json", '{"decision": "approve"}')
    ended = cpf.here(*waits["wait"]["resume"]["argv"][1:]).envelope
    assert (ended["status"], ended["result"]) == ("completed", {"greeting": "Hello, Ada!\n"})


def test_init_writes_over_a_file_only_when_forced(cpf: Program) -> None:
    cpf.write("mine.yaml", "precious")
    refused = cpf.here("init", "mine.yaml").envelope
    assert (refused["error"]["code"], refused["exit_code"]) == ("ERR_FILE_EXISTS", 10)
    assert (cpf.cwd / "mine.yaml").read_text() == "precious"
    assert cpf.here(*refused["next_actions"][0]["argv"][1:]).exit_code == 0
    assert "precious" not in (cpf.cwd / "mine.yaml").read_text()


def test_schema_prints_the_schemas_themselves(cpf: Program) -> None:
    workflow = json.loads(cpf.here("schema").stdout)
    assert workflow == json.loads(cpf.here("schema", "workflow").stdout)
    assert "workflow" in workflow["properties"]
    envelope = json.loads(cpf.here("schema", "envelope").stdout)
    assert envelope["properties"]["schema_version"]["const"] == "checkpointflow-run/v1"


def test_validate_shows_all_problems_with_their_places(cpf: Program) -> None:
    answer = cpf.here("validate", "-f", cpf.write("broken.yaml", BROKEN))
    envelope = answer.envelope
    assert (answer.exit_code, envelope["error"]["code"]) == (10, "ERR_VALIDATION_WORKFLOW")
    lines = {problem["line"] for problem in envelope["problems"]}
    assert {6, 7} <= lines
    assert any("`command`" in problem["hint"] for problem in envelope["problems"])
    assert envelope["next_actions"][0]["argv"] == ["cpf", "validate", "-f", "broken.yaml"]


def test_strict_turns_warnings_into_a_refusal(cpf: Program) -> None:
    cpf.write("warned.yaml", WARNED)
    kind = cpf.here("validate", "-f", "warned.yaml").envelope
    assert (kind["ok"], [problem["severity"] for problem in kind["problems"]]) == (True, ["warning"])
    strict = cpf.here("validate", "-f", "warned.yaml", "--strict").envelope
    assert (strict["exit_code"], strict["problems"]) == (10, kind["problems"])


@pytest.mark.parametrize("command", ["validate", "run", "plan"])
def test_a_document_that_is_not_there_is_said_to_be_missing(cpf: Program, command: str) -> None:
    envelope = cpf.here(command, "-f", "nowhere.yaml").envelope
    assert (envelope["exit_code"], envelope["error"]["code"]) == (10, "ERR_FILE_NOT_FOUND")


@pytest.mark.parametrize(
    ("text", "code"), [("a: [", "ERR_YAML_PARSE"), (FAILING.replace("bad", "first"), "ERR_DUPLICATE_STEP_ID")]
)
def test_the_error_of_a_document_is_as_precise_as_it_can_be(cpf: Program, text: str, code: str) -> None:
    assert code in cpf.here("run", "-f", cpf.write("bad.yaml", text)).envelope["error"]["code"]


def test_plan_shows_what_would_happen_and_performs_nothing(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING.replace("test -e mended", "touch performed"))
    cpf.write("gate.yaml", GATE)
    assert cpf.here("plan", "-f", "failing.yaml").envelope["plan"]["steps"][0]["step_id"] == "first"
    planned = cpf.here("plan", "-f", "gate.yaml", "--set", "n=3").envelope
    assert planned["plan"]["waits"][0]["event_name"] == "go"
    assert planned["next_actions"][0]["argv"] == ["cpf", "run", "-f", "gate.yaml", "--set", "n=3"]
    assert not (cpf.cwd / "performed").exists()
    assert cpf.here("runs").envelope["runs"] == []


# -- input -----------------------------------------------------------------------------------------

ECHO = """\
schema_version: checkpointflow/v1
workflow:
  id: echo
  inputs: {type: object}
  steps:
    - {id: last, kind: end, result: "${inputs}"}
"""


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ((), {}),
        (("--input", '{"a": 1}'), {"a": 1}),
        (("--input", "@given.json"), {"from": "file", "ü": True}),
        (("--input", '{"a": 1, "b": 2}', "--set", "b=3", "--set", "c=text", "--set", 'd={"e":[null]}'), None),
        (("--set", "a=1=2", "--set", "n=NaN", "--set", "s=", "--set", "x=1e999"), None),
    ],
)
def test_input_comes_inline_from_a_file_and_by_set(cpf: Program, words: tuple[str, ...], result: object) -> None:
    cpf.write("echo.yaml", ECHO)
    (cpf.cwd / "given.json").write_bytes('\ufeff{"from": "file", "ü": true}'.encode())
    expected = result if result is not None else _merged(words)
    assert cpf.here("run", "-f", "echo.yaml", *words).envelope["result"] == expected


def _merged(words: tuple[str, ...]) -> dict:
    if "n=NaN" in words:
        return {"a": "1=2", "n": "NaN", "s": "", "x": "1e999"}
    return {"a": 1, "b": 3, "c": "text", "d": {"e": [None]}}


def test_input_comes_from_stdin(cpf: Program) -> None:
    cpf.write("echo.yaml", ECHO)
    answer = cpf("run", "-f", "echo.yaml", "--input", "-", stdin=b'{"text": "\xc3\xbc"}')
    assert answer.envelope["result"] == {"text": "ü"}
    assert cpf("run", "-f", "echo.yaml", "--input", "-", stdin=b'"\xff"').envelope["exit_code"] == 10


def test_input_that_does_not_fit_starts_nothing_and_says_what_is_wrong(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    envelope = cpf.here("run", "-f", "gate.yaml", "--set", "n=many").envelope
    assert envelope["error"]["code"] == "ERR_VALIDATION_INPUT"
    assert envelope["error"]["details"]["problems"][0]["path"] == ["n"]
    assert cpf.here("runs").envelope["runs"] == []


# -- a run with a wait -----------------------------------------------------------------------------


def test_a_wait_carries_all_that_is_needed_to_answer_it(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    answer = cpf.here("run", "-f", "gate.yaml", "--label", "team=blue")
    envelope = answer.envelope
    run_id = envelope["run_id"]
    assert (answer.exit_code, envelope["ok"], envelope["status"]) == (40, True, "waiting")
    assert answer.stderr == f"run {run_id}\n"
    assert (envelope["workflow_name"], envelope["workflow_version"]) == ("A gate", "1.2.0")
    assert (envelope["current_step_id"], envelope["labels"]) == ("ask", {"team": "blue"})
    wait = envelope["wait"]
    assert wait["example"] == {"decision": "<approve|reject>"}
    assert len(wait["instructions"]) == 3
    assert wait["resume"]["argv"] == ["cpf", "resume", "--run-id", run_id, "--event", "go", "--input", "@response.json"]
    assert shlex.split(wait["resume"]["command"]) == wait["resume"]["argv"]
    assert envelope["next_actions"][0]["argv"] == wait["resume"]["argv"]
    assert (wait["due_at"], wait["overdue"], wait["answered"], wait["risk_level"]) == (None, False, False, "high")
    assert (wait["prompt"], wait["summary"], wait["audience"]) == ("May it go on?", "It printed one\n", "user")


def test_an_answer_goes_on_with_the_run(cpf: Program, waiting: str) -> None:
    answer = cpf.here("resume", "--run-id", waiting, "--event", "go", "--input", '{"decision": "approve"}')
    assert (answer.exit_code, answer.envelope["result"]) == (0, "approve")
    assert answer.stderr == ""


@pytest.mark.parametrize("part", [slice(None, 14), slice(-6, None), slice(-4, None), slice(None)])
def test_a_run_is_found_by_the_beginning_or_the_end_of_its_id(cpf: Program, waiting: str, part: slice) -> None:
    assert cpf.here("status", "--run-id", waiting[part]).envelope["run_id"] == waiting


def test_an_id_that_fits_several_runs_names_them(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    for run_id in ("same-1", "same-2"):
        cpf.here("run", "-f", "gate.yaml", "--run-id", run_id)
    message = cpf.here("status", "--run-id", "same").envelope["error"]["message"]
    assert "`same-1`" in message
    assert "`same-2`" in message


def test_a_refused_resume_leaves_the_status_as_it_was(cpf: Program, waiting: str) -> None:
    wrong = cpf.here("resume", "--run-id", waiting, "--event", "stop", "--input", "{}").envelope
    assert (wrong["ok"], wrong["status"], wrong["run_id"]) == (False, "waiting", waiting)
    assert (wrong["exit_code"], wrong["error"]["code"]) == (20, "ERR_RESUME_EVENT_MISMATCH")
    unfit = cpf.here("resume", "--run-id", waiting, "--event", "go", "--input", '{"decision": "maybe"}').envelope
    assert (unfit["exit_code"], unfit["error"]["code"]) == (10, "ERR_VALIDATION_EVENT_INPUT")
    assert unfit["next_actions"][0]["argv"] == unfit["wait"]["resume"]["argv"]
    assert cpf.here("status", "--run-id", waiting).envelope["status"] == "waiting"


def test_a_second_answer_is_refused_and_the_run_shows_how_it_ended(cpf: Program, waiting: str) -> None:
    words = ("resume", "--run-id", waiting, "--event", "go", "--input", '{"decision": "reject"}')
    cpf.here(*words)
    late = cpf.here(*words).envelope
    assert (late["ok"], late["status"], late["exit_code"]) == (False, "completed", 20)
    assert late["error"]["code"] == "ERR_RUN_NOT_WAITING"
    assert "tester" in late["error"]["message"]


def test_the_same_event_id_counts_once(cpf: Program, waiting: str) -> None:
    words = ("--run-id", waiting, "--event", "go", "--event-id", "once", "--input", '{"decision": "reject"}')
    assert "duplicate" not in cpf.here("resume", *words).envelope
    again = cpf.here("resume", *words).envelope
    assert (again["ok"], again["duplicate"], again["driven"], again["status"]) == (True, True, False, "completed")
    assert cpf.here("send", *words).envelope["duplicate"] is True


def test_send_delivers_and_drives_nothing(cpf: Program, waiting: str) -> None:
    sent = cpf.here("send", "--run-id", waiting, "--event", "go", "--input", '{"decision": "approve"}').envelope
    assert (sent["exit_code"], sent["ok"], sent["status"], sent["driven"]) == (0, True, "waiting", False)
    assert sent["wait"]["answered"] is True
    assert sent["next_actions"][0]["argv"] == ["cpf", "resume", "--run-id", waiting]
    assert cpf.here("waits").envelope["waits"] == []
    assert cpf.here("resume", "--run-id", waiting).envelope["result"] == "approve"


TWO_EVENTS = """\
schema_version: checkpointflow/v1
workflow:
  id: two
  inputs: {type: object}
  steps:
    - {id: ask, kind: await_event, event_name: go, audience: user, input_schema: {type: object}}
    - {id: more, kind: await_event, event_name: proceed, audience: user, input_schema: {type: object}}
"""


def test_an_event_may_come_before_its_wait(cpf: Program) -> None:
    cpf.write("two.yaml", TWO_EVENTS)
    cpf.here("run", "-f", "two.yaml", "--run-id", "two-1")
    early = cpf.here("send", "--run-id", "two-1", "--event", "proceed", "--input", "{}").envelope
    assert (early["exit_code"], early["kept"], early["wait"]["answered"]) == (0, True, False)
    settled = cpf.here("resume", "--run-id", "two-1", "--event", "go").envelope
    assert (settled["status"], "warnings" in settled) == ("completed", False)


def test_an_event_that_no_step_can_ever_take_is_refused_with_the_names_of_those_that_can(cpf: Program) -> None:
    cpf.write("two.yaml", TWO_EVENTS)
    outer = "{id: sub, kind: workflow, workflow_ref: two.yaml}"
    cpf.write("outer.yaml", TWO_EVENTS.split("  steps:")[0].replace("two", "outer") + f"  steps: [{outer}]\n")
    for file in ("two", "outer"):
        cpf.here("run", "-f", f"{file}.yaml", "--run-id", f"{file}-1")
        refused = cpf.here("send", "--run-id", f"{file}-1", "--event", "procede", "--input", "{}")
        assert refused.exit_code == 10
        assert refused.envelope["error"]["message"] == (
            f"workflow `{file}` never waits for `procede`, but for `go`, `proceed`"
        )
        assert refused.envelope["error"]["hint"] == "did you mean `proceed`?"
        assert refused.envelope["next_actions"][0]["argv"][1:3] == ["resume", "--run-id"]
        assert cpf.here("send", "--run-id", f"{file}-1", "--event", "proceed").exit_code == 0


def test_a_settled_run_tells_of_events_that_were_never_taken_up(cpf: Program) -> None:
    cpf.write("two.yaml", TWO_EVENTS)
    cpf.here("run", "-f", "two.yaml", "--run-id", "two-1")
    for number in (1, 2):
        cpf.here("send", "--run-id", "two-1", "--event", "proceed", "--event-id", f"e{number}")
    settled = cpf.here("resume", "--run-id", "two-1", "--event", "go").envelope
    told = ["the early event `proceed` (`e2`) was never taken up: no wait for it came"]
    assert (settled["status"], settled["warnings"]) == ("completed", told)
    assert cpf.here("inspect", "--run-id", "two-1").envelope["warnings"] == told


def test_an_event_id_that_comes_again_with_something_else_is_said_to_be_dropped(cpf: Program, waiting: str) -> None:
    words = ("--run-id", waiting, "--event", "go", "--event-id", "once", "--input")
    cpf.here("send", *words, '{"decision": "approve"}')
    assert "warnings" not in cpf.here("send", *words, '{"decision": "approve"}').envelope
    for command in ("send", "resume"):
        again = cpf.here(command, *words, '{"decision": "reject"}').envelope
        assert (again["ok"], again["duplicate"]) == (True, True)
        assert "said something else" in again["warnings"][0]
    assert cpf.here("resume", "--run-id", waiting).envelope["result"] == "approve"


def test_no_follow_records_the_answer_and_exits_with_0(cpf: Program, waiting: str) -> None:
    words = ("--run-id", waiting, "--event", "go", "--input", '{"decision": "approve"}', "--no-follow")
    taken = cpf.here("resume", *words).envelope
    assert (taken["exit_code"], taken["status"], taken["driven"]) == (0, "waiting", False)


def test_several_waits_for_one_event_are_told_apart_by_their_ids(cpf: Program) -> None:
    cpf.write("twins.yaml", TWINS)
    envelope = cpf.here("run", "-f", "twins.yaml").envelope
    waits = envelope["waits"]
    assert (envelope["wait"], len(waits)) == (waits[0], 3)
    assert [wait["resume"]["argv"][-2:] for wait in waits] == [
        ["--wait", waits[0]["wait_id"]],
        ["--wait", waits[1]["wait_id"]],
        ["--input", "@response.json"],
    ]
    assert shlex.split(waits[2]["resume"]["command"]) == waits[2]["resume"]["argv"]
    for wait in waits:
        cpf.write(wait["resume"]["argv"][7].removeprefix("@"), "{}")
    unsaid = cpf.here("resume", "--run-id", envelope["run_id"], "--event", "go", "--input", "{}").envelope
    assert (unsaid["exit_code"], unsaid["status"]) == (10, "waiting")
    statuses = [cpf.here(*wait["resume"]["argv"][1:]).envelope["status"] for wait in waits]
    assert statuses == ["waiting", "waiting", "completed"]


def test_the_inbox_lists_open_waits_each_with_its_command(cpf: Program, waiting: str) -> None:
    cpf.write("twins.yaml", TWINS)
    twins = cpf.here("run", "-f", "twins.yaml").envelope["run_id"]
    waits = cpf.here("waits").envelope["waits"]
    assert [wait["run_id"] for wait in waits] == [waiting, twins, twins, twins]
    agents = cpf.here("waits", "--audience", "agent").envelope["waits"]
    assert [wait["step_key"] for wait in agents] == [waits[2]["step_key"]]
    cpf.write(agents[0]["resume"]["argv"][7].removeprefix("@"), "{}")
    answered = cpf.here(*agents[0]["resume"]["argv"][1:]).envelope
    assert [wait["audience"] for wait in answered["waits"]] == ["user", "system"]


def test_a_timer_is_resumed_without_an_event(cpf: Program) -> None:
    cpf.write("sleeping.yaml", SLEEPING)
    envelope = cpf.here("run", "-f", "sleeping.yaml").envelope
    wait = envelope["wait"]
    assert (envelope["exit_code"], wait["kind"], wait["overdue"]) == (40, "timer", False)
    assert wait["due_at"] > envelope["started_at"]
    assert wait["resume"]["argv"] == ["cpf", "resume", "--run-id", envelope["run_id"]]
    assert cpf.here(*wait["resume"]["argv"][1:]).envelope["status"] == "waiting"


def test_the_same_run_id_attaches_and_another_input_is_refused(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    words = ("run", "-f", "gate.yaml", "--run-id", "mine-1")
    assert cpf.here(*words).envelope["run_id"] == "mine-1"
    assert cpf.here(*words).envelope["status"] == "waiting"
    other = cpf.here(*words, "--set", "n=2").envelope
    assert (other["exit_code"], other["run_id"], other["status"]) == (70, "mine-1", "waiting")


# -- after a run -----------------------------------------------------------------------------------


def test_a_failed_run_says_what_failed_and_retry_mends_it(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    answer = cpf.here("run", "-f", "failing.yaml")
    failed = answer.envelope
    run_id = failed["run_id"]
    assert (answer.exit_code, failed["ok"], failed["status"]) == (30, False, "failed")
    assert (failed["error"]["code"], failed["error"]["step_id"]) == ("ERR_STEP_FAILED", "bad")
    offered = [action["argv"][1] for action in failed["next_actions"]]
    assert offered == ["retry", "inspect", "logs"]
    status = cpf.here("status", "--run-id", run_id)
    assert (status.exit_code, status.envelope["error"]) == (30, failed["error"])
    assert cpf.here("status", "--run-id", run_id, "--exit-zero").exit_code == 0
    assert cpf.here(*failed["next_actions"][0]["argv"][1:]).exit_code == 30
    cpf.write("mended", "")
    assert cpf.here(*failed["next_actions"][0]["argv"][1:]).envelope["result"] == "fine"
    assert cpf.here("retry", "--run-id", run_id).envelope["error"]["code"] == "ERR_RUN_NOT_FAILED"


def test_a_cancelled_run_is_cancelled_for_good(cpf: Program, waiting: str) -> None:
    done = cpf.here("cancel", "--run-id", waiting, "--reason", "no need", "--actor", "ann").envelope
    assert (done["exit_code"], done["ok"], done["status"]) == (0, True, "cancelled")
    status = cpf.here("status", "--run-id", waiting)
    assert (status.exit_code, status.envelope["ok"]) == (50, False)
    entry = cpf.here("inspect", "--run-id", waiting).envelope["result"]["entries"][-1]
    assert (entry["entry"], entry["actor"], entry["reason"]) == ("run_cancelled", "ann", "no need")
    refused = cpf.here("resume", "--run-id", waiting).envelope
    assert (refused["exit_code"], refused["status"]) == (20, "cancelled")


def test_inspect_shows_everything_in_the_order_in_which_it_happened(cpf: Program, waiting: str) -> None:
    cpf.here("resume", "--run-id", waiting, "--event", "go", "--input", '{"decision": "approve"}')
    result = cpf.here("inspect", "--run-id", waiting).envelope["result"]
    assert list(result) == ["inputs", "step_outputs", "step_results", "events", "entries"]
    assert [(step["step_id"], step["step_kind"]) for step in result["step_results"]] == [
        ("first", "cli"),
        ("ask", "await_event"),
        ("last", "end"),
    ]
    assert result["step_outputs"]["ask"] == {"decision": "approve"}
    assert [event["payload"] for event in result["events"]] == [{"decision": "approve"}]
    assert [entry["position"] for entry in result["entries"]] == list(range(1, len(result["entries"]) + 1))


LATE = "timeout_seconds: 0.001\n      on_timeout: {outputs: {decision: reject}}\n      risk_level"


@pytest.mark.parametrize(
    ("instead", "shown"),
    [
        (LATE, [("first", "completed", None), ("ask", "expired", None), ("last", "completed", None)]),
        ("timeout_seconds: 0.001\n      on_error: {next: last}\n      risk_level", None),
        ("timeout_seconds: 0.001\n      risk_level", [("first", "completed", None), ("ask", "failed", "ERR_TIMEOUT")]),
    ],
    ids=["it leads on", "its failure leads on", "it fails the run"],
)
def test_a_wait_that_nobody_answered_in_time_is_shown_as_expired_unless_that_failed_the_run(
    cpf: Program, instead: str, shown: list[object] | None
) -> None:
    cpf.write("late.yaml", GATE.replace("risk_level", instead).replace("${steps.ask.outputs.decision}", "over"))
    cpf.here("run", "-f", "late.yaml", "--run-id", "late-1")
    cpf.here("resume", "--run-id", "late-1")
    envelope = cpf.here("inspect", "--run-id", "late-1").envelope
    steps = envelope["result"]["step_results"]
    found = [(step["step_id"], step["status"], step["error_code"]) for step in steps]
    assert found == (shown or [("first", "completed", None), ("ask", "expired", None), ("last", "completed", None)])


def test_a_wait_that_nobody_answered_in_time_is_shown_as_failed_where_it_failed_its_item(cpf: Program) -> None:
    ask = "{id: ask, kind: await_event, audience: user, event_name: go, input_schema: {}, timeout_seconds: 0.001}"
    each = f"{{id: each, kind: foreach, items: '[1]', on_item_error: continue, body: [{ask}]}}"
    head = "schema_version: checkpointflow/v1\nworkflow: {id: late, inputs: {type: object}, steps: "
    cpf.write("late.yaml", f"{head}[{each}]}}\n")
    cpf.here("run", "-f", "late.yaml", "--run-id", "late-1")
    assert cpf.here("resume", "--run-id", "late-1").envelope["status"] == "completed"
    steps = cpf.here("inspect", "--run-id", "late-1").envelope["result"]["step_results"]
    assert [(step["step_id"], step["status"]) for step in steps] == [("each", "completed"), ("ask", "failed")]


def test_logs_print_what_steps_wrote_and_nothing_else(cpf: Program, waiting: str) -> None:
    assert cpf.here("logs", "--run-id", waiting).stdout == "one\n"
    assert cpf.here("logs", "--run-id", waiting, "first", "--stderr").stdout == "two\n"
    assert cpf.here("logs", "--run-id", waiting, "ask").envelope["error"]["code"] == "ERR_USAGE"


def test_logs_of_several_steps_stand_under_their_names(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    run_id = cpf.here("run", "-f", "failing.yaml").envelope["run_id"]
    text = cpf.here("logs", "--run-id", run_id).stdout
    assert text == "==> first, attempt 1 <==\nto-stdout\n==> bad, attempt 1 <==\n"


def test_runs_are_listed_newest_first_page_by_page(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.write("failing.yaml", FAILING)
    ids = [cpf.here("run", "-f", "gate.yaml", "--label", f"n={n}").envelope["run_id"] for n in range(3)]
    failed = cpf.here("run", "-f", "failing.yaml").envelope["run_id"]
    first = cpf.here("runs", "--limit", "3").envelope
    assert [run["run_id"] for run in first["runs"]] == [failed, ids[2], ids[1]]
    second = cpf.here(*first["next_actions"][-1]["argv"][1:]).envelope
    assert [run["run_id"] for run in second["runs"]] == [ids[0]]
    assert "next_cursor" not in second
    for words, expected in [
        (("--status", "failed"), [failed]),
        (("--workflow", "gate"), ids[::-1]),
        (("--label", "n=1"), [ids[1]]),
        (("--status", "paused"), []),
    ]:
        assert [run["run_id"] for run in cpf.here("runs", *words).envelope["runs"]] == expected


def test_every_next_action_is_a_command_that_can_be_said(cpf: Program, waiting: str) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.write("response.json", '{"decision": "approve"}')
    envelopes = [
        cpf.here("run", "-f", "failing.yaml").envelope,
        cpf.here("status", "--run-id", waiting).envelope,
        cpf.here("runs").envelope,
        cpf.here("validate", "-f", "nowhere.yaml").envelope,
        cpf.here("run").envelope,
    ]
    for argv in (action["argv"] for envelope in envelopes for action in envelope["next_actions"]):
        answer = cpf.here(*argv[1:])
        if answer.stdout.startswith("{"):
            assert answer.envelope.get("error", {}).get("code") != "ERR_USAGE", argv
