"""Runs in a PostgreSQL store through the doors: begun on one machine, answered, read and driven on others."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpointflow.cli.upkeep import lines
from checkpointflow.client import Client, place
from checkpointflow.config import load_settings
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.python.store import Store
from checkpointflow.records import replace
from cli.program import Program

FLOW = """
schema_version: checkpointflow/v1
workflow:
  id: shared
  inputs: {type: object}
  steps:
    - {id: greet, kind: cli, command: 'echo "Hello from $CPF_STEP_KEY"; echo careful >&2; test -n "$CPF_STORE"'}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: after, kind: cli, command: head -c 600000 /dev/zero | tr '\\0' x}
    - {id: end, kind: end, result: "${steps.ask.outputs.who}"}
"""
BROKEN = FLOW.replace('test -n "$CPF_STORE"', "echo half; exit 3")
PLAIN = (
    "schema_version: checkpointflow/v1\nworkflow:\n  id: plain\n  inputs: {type: object}\n"
    "  steps: [{id: last, kind: end, result: done}]\n"
)


@pytest.fixture
def url(postgres_url: str, cpf: Program, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL with a password; the machines of a test have it in their environment."""
    url = postgres_url.replace("postgres@", "postgres:hunter2@")
    monkeypatch.setenv("CPF_STORE", url)
    return url


Say = Callable[..., dict]


def test_a_run_begun_on_one_machine_is_answered_read_and_ended_on_another(
    url: str, cpf: Program, there: Program, at: Say
) -> None:
    begun = at(cpf, "run", "-f", cpf.write("flow.yaml", FLOW), "--run-id", "shared-1")
    assert (begun["status"], begun["exit_code"]) == ("waiting", 40)
    assert at(there, "waits")["waits"][0]["run_id"] == "shared-1"
    assert there.here("logs", "--run-id", "shared-1").stdout == "Hello from greet\n"
    answered = at(there, "resume", "--run-id", "shared-1", "--event", "go", "--input", '{"who": "ann"}')
    assert (answered["status"], answered["result"]) == ("completed", "ann")
    seen = at(cpf, "status", "--run-id", "shared-1")
    assert (seen["status"], seen["result"]) == ("completed", "ann")
    assert cpf.here("logs", "--run-id", "shared-1", "after").stdout == "x" * 600_000
    assert cpf.here("logs", "--run-id", "shared-1", "greet", "--stderr").stdout == "careful\n"
    assert not (cpf.home / "runs.db").exists()


def test_what_a_failed_attempt_printed_is_read_on_another_machine(
    url: str, cpf: Program, there: Program, at: Say
) -> None:
    assert at(cpf, "run", "-f", cpf.write("flow.yaml", BROKEN), "--run-id", "shared-1")["exit_code"] == 30
    logs = Program(home=there.home, cwd=there.cwd)
    at(logs, "status", "--run-id", "shared-1")
    answer = logs.here("logs", "--run-id", "shared-1")
    assert answer.stdout == "Hello from greet\nhalf\n"
    assert "gone" not in answer.stderr


def test_a_fork_and_a_bundle_take_what_steps_printed_along(
    url: str, cpf: Program, there: Program, at: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(cpf, "run", "-f", cpf.write("flow.yaml", FLOW), "--run-id", "shared-1")
    fork = at(there, "fork", "--run-id", "shared-1", "--at", "ask", "--new-run-id", "shared-2")
    assert fork["status"] == "waiting", fork
    assert cpf.here("logs", "--run-id", "shared-2").stdout == "Hello from greet\n"
    elsewhere = Program(home=tmp_path / "elsewhere", cwd=cpf.cwd)
    at(elsewhere, "export", "--run-id", "shared-1", "--move", "-o", "shared.tar")
    monkeypatch.delenv("CPF_STORE")
    folder = Program(home=tmp_path / "folder", cwd=cpf.cwd)
    at(folder, "import", "shared.tar")
    assert folder.here("logs", "--run-id", "shared-1").stdout == "Hello from greet\n"
    at(folder, "export", "--run-id", "shared-1", "--move", "-o", "back.tar")
    monkeypatch.setenv("CPF_STORE", url)
    assert at(cpf, "import", "back.tar")["status"] == "waiting"
    third = Program(home=tmp_path / "third", cwd=cpf.cwd)
    at(third, "status", "--run-id", "shared-1")
    assert third.here("logs", "--run-id", "shared-1").stdout == "Hello from greet\n"


def test_no_answer_of_any_door_tells_the_password(url: str, cpf: Program, at: Say) -> None:
    at(cpf, "run", "-f", cpf.write("flow.yaml", FLOW), "--run-id", "shared-1")
    words = [
        ("doctor",), ("status", "--run-id", "shared-1"), ("inspect", "--run-id", "shared-1"), ("runs",), ("waits",),
        ("plan", "-f", "flow.yaml"), ("gc", "--older-than", "1d", "--dry-run"), ("tick",),
        ("resume", "--run-id", "nowhere-1"), ("status", "--run-id", "shared-1", "--debug"),
    ]  # fmt: skip
    for command in words:
        answer = cpf.here(*command)
        assert "hunter2" not in answer.stdout + answer.stderr, command


def test_a_store_that_cannot_be_reached_is_told_without_the_password(
    cpf: Program, at: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPF_STORE", "postgresql://ann:hunter2@127.0.0.1:1/db")
    for command in (("runs",), ("doctor",), ("runs", "--debug")):
        answer = cpf.here(*command)
        assert "postgresql://127.0.0.1:1/db" in answer.stdout
        assert "hunter2" not in answer.stdout + answer.stderr
    assert cpf.here("runs").envelope["error"]["code"] == "ERR_STORE_UNAVAILABLE"


@pytest.mark.parametrize("value", ["/some/folder", "mysql://ann:hunter2@host/db", "hunter2"])
def test_a_store_that_is_no_database_is_refused_without_repeating_it(
    cpf: Program, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CPF_STORE", value)
    answer = cpf.here("runs")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (10, "ERR_USAGE")
    assert "CPF_STORE" in answer.envelope["error"]["message"]
    assert value not in answer.stdout + answer.stderr


def test_the_doctor_looks_at_the_server(url: str, cpf: Program, at: Say) -> None:
    found = {check["name"]: check for check in at(cpf, "doctor")["checks"]}
    assert "PostgreSQL 1" in found["store"]["message"]
    assert "fsync = off" in found["durability"]["message"]  # as the server of these tests runs
    assert load_settings().host in found["pool"]["message"]
    assert found["retention"]["message"].startswith("settled runs: 0")


def test_what_is_to_be_installed_names_the_store_without_its_password(url: str, cpf: Program) -> None:
    settings = replace(load_settings(), pool="red")
    for windows in (False, True):
        for text in lines(settings, sys.executable, windows=windows).values():
            assert "CPF_STORE" in text
            assert "CPF_POOL" in text
            assert "hunter2" not in text
            assert "password" not in text


def test_a_worker_drives_the_runs_of_its_pool_alone(
    url: str, cpf: Program, there: Program, at: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pool in ("red", "blue"):
        monkeypatch.setenv("CPF_POOL", pool)
        with Client(load_settings()) as client:
            client.start(load_text(PLAIN, source_path=cpf.cwd / "plain.yaml", cwd=cpf.cwd), {}, run_id=f"run-{pool}")
    at(there, "tick", "--pool", "red")
    stands = {view["run_id"]: view["status"] for view in at(there, "runs")["runs"]}
    assert stands == {"run-red": "completed", "run-blue": "interrupted"}
    at(there, "tick")  # in the pool that `CPF_POOL` names, which is blue by now
    assert at(there, "status", "--run-id", "run-blue")["status"] == "completed"


def test_without_a_word_a_pool_is_the_host(url: str, cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.own_pool == settings.host
    monkeypatch.delenv("CPF_STORE")
    assert load_settings().own_pool == "default"


def test_a_worker_hears_of_an_answer_without_looking(url: str, cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an hour between two looks, only what the server tells makes the worker look in time."""
    monkeypatch.setattr(place, "LISTENING_SECONDS", 3600.0)
    driven: list[str] = []
    heard = threading.Event()
    with Client(load_settings()) as client, Client(load_settings()) as other:
        loaded = load_text(FLOW, source_path=cpf.cwd / "flow.yaml", cwd=cpf.cwd)
        worker = client.worker(told=lambda one: (driven.append(one.run.status), heard.set()))
        thread = threading.Thread(target=worker.work)
        thread.start()
        for status, act in (
            ("waiting", lambda: other.start(loaded, {}, run_id="shared-1")),
            ("completed", lambda: other.send("shared-1", event="go", payload={"who": "ann"})),
        ):
            heard.clear()
            act()
            assert heard.wait(30)
            assert driven[-1] == status
        worker.stop()
        thread.join()
    assert driven == ["waiting", "completed"]


def test_whoever_follows_a_run_hears_of_its_end(url: str, cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "FOLLOWING_SECONDS", 3600.0)
    with Client(load_settings()) as driver, Client(load_settings()) as follower:
        loaded = load_text(FLOW, source_path=cpf.cwd / "flow.yaml", cwd=cpf.cwd)
        driver.start(loaded, {}, run_id="shared-1")
        hold = driver._driver.acquire("shared-1")
        ended: list[str] = []
        thread = threading.Thread(target=lambda: ended.append(follower.resume("shared-1").run.status))
        thread.start()
        driver._driver.go_on(hold)
        thread.join(30)
        assert not thread.is_alive()
    assert ended == ["waiting"]


def test_a_program_opens_the_store_by_its_url(url: str, cpf: Program, at: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    at(cpf, "run", "-f", cpf.write("flow.yaml", FLOW), "--run-id", "shared-1")
    monkeypatch.delenv("CPF_STORE")
    with Store(url) as store:
        runs = store.runs()
        assert runs.get("shared-1").status == "waiting"
        assert json.loads(json.dumps(runs.get("shared-1").run_id)) == "shared-1"
    with Store(cpf.home) as store:
        assert not store.runs().has("shared-1")
