"""Workflows that are found by their id: the list, one in full, and what `-f` makes of a name."""

from __future__ import annotations

import pytest

from cli.documents import GATE, WARNED
from cli.program import Program
from local_server import Reply, local_server

ECHO = """\
schema_version: checkpointflow/v1
workflow:
  id: ID
  name: An echo
  inputs: {type: object, properties: {n: {type: integer}}, required: [n]}
  steps: [{id: last, kind: end, result: {from: FROM, n: "${inputs.n}"}}]
"""


def put(cpf: Program, place: str, text: str) -> str:
    """Write a workflow into `project/…` or `user/…`."""
    root, _, name = place.partition("/")
    file = (cpf.cwd / ".checkpointflow" if root == "project" else cpf.home) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def echo(name: str, source: str) -> str:
    return ECHO.replace("ID", name).replace("FROM", source)


def test_the_project_comes_before_the_base_folder_and_each_before_its_workflows(cpf: Program) -> None:
    files = [
        put(cpf, "project/b.yaml", echo("one", "project")),
        put(cpf, "project/workflows/a.yml", echo("two", "project")),
        put(cpf, "user/z.json", '{"schema_version": "checkpointflow/v1", "workflow": {"id": "three", "inputs": true, '
            '"steps": [{"id": "last", "kind": "end"}]}}'),
        put(cpf, "user/workflows/a.yaml", echo("one", "user")),
    ]  # fmt: skip
    flows = cpf.here("flows").envelope["flows"]
    assert [flow["file"] for flow in flows] == files
    assert [flow["workflow_id"] for flow in flows] == ["one", "two", "three", "one"]
    assert [flow["place"] for flow in flows] == ["project", "project", "user", "user"]
    assert all(flow["valid"] and flow["problems"] == [] for flow in flows)


def test_files_that_are_no_workflows_are_left_out(cpf: Program) -> None:
    put(cpf, "project/checkpointflow.schema.json", cpf.here("schema").stdout)
    put(cpf, "project/response.json", '{"decision": "approve"}')
    put(cpf, "project/notes.md", "# notes")
    put(cpf, "project/settings.yaml", "workflow: none")
    put(cpf, "project/deep/er/hidden.yaml", echo("hidden", "nowhere"))
    envelope = cpf.here("flows").envelope
    assert envelope["flows"] == []
    assert envelope["next_actions"][0]["argv"] == ["cpf", "init"]


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "schema_version: checkpointflow/v1\n",
        echo("bad", "x").replace("kind: end", "kind: edn"),
        echo("bad", "x").replace("steps:", "stesp:"),
    ],
)
def test_one_bad_file_does_not_break_the_list(cpf: Program, text: str) -> None:
    bad = put(cpf, "project/a.yaml", text)
    put(cpf, "project/b.yaml", echo("good", "project"))
    answer = cpf.here("flows")
    assert answer.exit_code == 0
    first, second = answer.envelope["flows"]
    assert (first["file"], first["valid"], second["workflow_id"]) == (bad, False, "good")
    assert first["problems"]
    assert all(problem["line"] >= 1 for problem in first["problems"])
    assert cpf.here("run", "-f", "good", "--set", "n=1").envelope["result"]["n"] == 1


def test_warnings_of_a_workflow_are_listed_with_it(cpf: Program) -> None:
    put(cpf, "project/warned.yaml", WARNED)
    (flow,) = cpf.here("flows").envelope["flows"]
    assert flow["valid"]
    assert [problem["severity"] for problem in flow["problems"]] == ["warning"]


def test_one_workflow_is_shown_in_full_by_its_id_or_name(cpf: Program) -> None:
    put(cpf, "project/gate.yaml", GATE)
    shown = cpf.here("flows", "--detail", "gate").envelope
    assert shown == cpf.here("flows", "--detail", "A gate").envelope
    (flow,) = shown["flows"]
    assert flow["steps"][0] == {"step_id": "first", "kind": "cli"}
    assert flow["waits"][0]["event_name"] == "go"
    assert flow["inputs"]["properties"] == {"n": {"type": "integer"}}
    assert flow["example"] == {"n": "<integer>"}
    check, run = (action["argv"] for action in shown["next_actions"])
    assert cpf.here(*check[1:]).exit_code == 0
    assert cpf.here(*run[1:]).exit_code == 40


def test_a_workflow_that_cannot_be_run_is_shown_with_what_is_wrong(cpf: Program) -> None:
    put(cpf, "project/bad.yaml", echo("bad", "x").replace("kind: end", "kind: edn"))
    shown = cpf.here("flows", "--detail", "bad").envelope
    assert not shown["flows"][0]["valid"]
    assert cpf.here(*shown["next_actions"][0]["argv"][1:]).exit_code in (10, 80)


# -- running by id ---------------------------------------------------------------------------------


def ran(cpf: Program, target: str) -> str:
    envelope = cpf.here("run", "-f", target, "--set", "n=1").envelope
    assert envelope["ok"], envelope["error"]
    return str(envelope["result"]["from"])


def test_a_file_wins_then_the_projects_workflow_then_the_users(cpf: Program) -> None:
    put(cpf, "user/workflows/one.yaml", echo("one", "user"))
    assert ran(cpf, "one") == "user"
    put(cpf, "project/one.yaml", echo("one", "project"))
    assert ran(cpf, "one") == "project"
    cpf.write("one", echo("one", "file"))
    assert ran(cpf, "one") == "file"


def test_an_id_wins_over_a_name_in_the_same_place(cpf: Program) -> None:
    put(cpf, "project/a.yaml", echo("first", "name").replace("An echo", "one"))
    assert ran(cpf, "one") == "name"
    put(cpf, "project/b.yaml", echo("one", "id"))
    assert ran(cpf, "one") == "id"


def test_a_sub_workflow_is_looked_up_from_the_workflows_own_folder(cpf: Program) -> None:
    put(cpf, "user/workflows/inner.yaml", echo("inner", "beside"))
    outer = echo("outer", "x").replace(
        "steps: [", "steps: [{id: sub, kind: workflow, workflow_ref: inner.yaml, inputs: {n: 5}}, "
    )
    put(cpf, "user/workflows/outer.yaml", outer.replace('"${inputs.n}"', '"${steps.sub.outputs.n}"'))
    assert cpf.here("run", "-f", "outer", "--set", "n=1").envelope["result"]["n"] == 5


def test_two_files_with_one_id_in_one_place_are_told_apart_by_nobody_else_but_the_user(cpf: Program) -> None:
    files = [put(cpf, f"project/{name}.yaml", echo("one", name)) for name in ("a", "b")]
    refused = cpf.here("run", "-f", "one", "--set", "n=1").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")
    assert all(file in refused["error"]["message"] for file in files)


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_name_that_nothing_has_is_said_to_be_missing_with_the_one_that_was_meant(cpf: Program, command: str) -> None:
    put(cpf, "project/gate.yaml", GATE)
    refused = cpf.here(command, "-f", "gaet").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_FILE_NOT_FOUND")
    assert refused["error"]["hint"] == "did you mean `gate`?"
    other = cpf.here(command, "-f", "something-else").envelope
    assert "cpf flows" in other["error"]["hint"]


@pytest.mark.parametrize("target", ["x" * 5000, "no/such.yaml", ".", "..", "missing.json"])
def test_a_path_that_leads_nowhere_is_refused_as_a_path(cpf: Program, target: str) -> None:
    assert cpf.here("validate", "-f", target).envelope["error"]["code"] == "ERR_FILE_NOT_FOUND"


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_strict_lets_no_warning_pass(cpf: Program, command: str) -> None:
    cpf.write("warned.yaml", WARNED)
    assert cpf.here(command, "-f", "warned.yaml").exit_code == 0
    before = cpf.here("runs").envelope["runs"]
    refused = cpf.here(command, "-f", "warned.yaml", "--strict").envelope
    assert (refused["exit_code"], [problem["severity"] for problem in refused["problems"]]) == (10, ["warning"])
    assert cpf.here("runs").envelope["runs"] == before


# -- templates -------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["approval", "fan-out", "api", "hand-off"])
def test_a_template_validates_without_warnings(cpf: Program, template: str) -> None:
    made = cpf.here("init", f"{template}.yaml", "--template", template).envelope
    assert (cpf.cwd / f"{template}.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert made["next_actions"][0]["argv"] == ["cpf", "validate", "-f", f"{template}.yaml"]
    assert cpf.here("validate", "-f", f"{template}.yaml", "--strict").envelope["problems"] == []


def started(cpf: Program, template: str) -> dict:
    _, run, _ = (action["argv"] for action in cpf.here("init", "--template", template).envelope["next_actions"])
    return cpf.here(*run[1:]).envelope


def test_the_fan_out_runs_offline_and_an_item_that_fails_does_not_stop_the_others(cpf: Program) -> None:
    ended = started(cpf, "fan-out")
    counted = [{"text": "one two three", "words": 3}, {"text": "four five", "words": 2}]
    assert (ended["status"], ended["result"]) == ("completed", {"counted": counted, "failed": 1})


def test_the_hand_off_goes_from_agent_to_user_and_back_until_the_user_agrees(cpf: Program) -> None:
    run_id = started(cpf, "hand-off")["run_id"]

    def answered(audience: str, answer: str) -> dict:
        (wait,) = cpf.here("waits", "--audience", audience).envelope["waits"]
        cpf.write(next(word[1:] for word in wait["resume"]["argv"] if word.startswith("@")), answer)
        return cpf.here(*wait["resume"]["argv"][1:]).envelope

    assert answered("agent", '{"text": "first"}')["wait"]["summary"] == "first"
    again = answered("user", '{"decision": "change", "comment": "make it shorter"}')
    assert "make it shorter" in again["wait"]["prompt"]
    answered("agent", '{"text": "second"}')
    ended = answered("user", '{"decision": "accept"}')
    assert (ended["run_id"], ended["status"], ended["result"]) == (run_id, "completed", {"text": "second"})


def test_the_request_runs_offline_whether_somebody_answers_or_not(cpf: Program) -> None:
    cpf.here("init", "--template", "api")
    cpf.write(
        "workflow.yaml", (cpf.cwd / "workflow.yaml").read_text().replace("backoff_seconds: 1", "backoff_seconds: 0")
    )
    ended = cpf.here("run", "-f", "workflow.yaml", "--set", "url=http://127.0.0.1:9/").envelope
    assert (ended["status"], ended["result"]["reachable"]) == ("completed", False)


def test_the_request_is_tried_again_until_a_service_is_there(cpf: Program) -> None:
    cpf.here("init", "--template", "api")
    text = (cpf.cwd / "workflow.yaml").read_text()
    cpf.write("workflow.yaml", text.replace("backoff_seconds: 1", "backoff_seconds: 0"))
    with local_server({"/health": [Reply(status=503), Reply(body=b'{"healthy": true}')]}) as server:
        ended = cpf.here("run", "-f", "workflow.yaml", "--set", f"url={server.url}/health").envelope
    assert (ended["status"], ended["result"]) == ("completed", {"reachable": True, "answer": {"healthy": True}})
    assert [(one.method, one.headers["accept"]) for one in server.seen] == [("GET", "application/json")] * 2
