"""Runs of functions in real processes: started here, killed there, listed, answered and gone on with by `cpf`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.cli.envelope import schema_text
from checkpointflow.schemas import check
from cli.terminals import terminal

SCHEMA = json.loads(schema_text())
RESULT = {"text": "2 papers, approve", "found": ["found in arxiv", "found in news"]}
STEPS = ["fetch", "analyse", "search arxiv", "search news", "publish"]
PYTHON = """
import json, sys
from checkpointflow import Client
with Client() as client:
    print(json.dumps(eval(sys.argv[1], {"client": client, **json.loads(sys.argv[2])})))
"""


class Desk:
    """A folder with the workflows, and a state folder, in which processes run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(Path(__file__).with_name("held_flow.py"), folder)
        os.mkfifo(folder / "begun")

    def with_graph(self) -> Desk:
        """Add a graph whose handlers wait for `go`."""
        shutil.copy(Path(__file__).with_name("held_graph.py"), self.folder)
        os.mkfifo(self.folder / "go")
        return self

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("CPF_")}
        own = {"CPF_HOME": str(self.folder / "home"), "CPF_DURABILITY": "process", "HELD_FOLDER": str(self.folder)}
        return inherited | own | {"CPF_WORKFLOWS": "held_flow", "PYTHONPATH": str(self.folder)} | more

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def cpf(self, *words: str, **environment: str) -> dict[str, Any]:
        """Run a command to its end, and return its envelope."""
        process = self.start("-m", "checkpointflow", *words, **environment)
        stdout, stderr = process.communicate(timeout=60)
        envelope: dict[str, Any] = json.loads(stdout)
        assert check(envelope, SCHEMA) == []
        assert envelope["exit_code"] == process.returncode, stderr
        return envelope

    def python(self, expression: str, **given: Any) -> Any:
        """Evaluate an expression of `client` in a process of its own."""
        process = self.start("-c", PYTHON, expression, json.dumps(given))
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        return json.loads(stdout.splitlines()[-1])

    def kill_in(self, victim: str, *words: str) -> None:
        """Run a program, and kill it as soon as it performs a step."""
        process = self.start(*words, VICTIM=victim)
        assert (self.folder / "begun").read_text() == victim
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL

    def performed(self) -> list[str]:
        return (self.folder / "performed").read_text().splitlines()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


START = "client.run('research', 'owls', run_id='run-1').run_id"
APPROVE = "client.resume('run-1', {'approval': 'approve'}).result"


def test_a_run_started_from_python_is_listed_answered_and_completed_by_cpf(desk: Desk) -> None:
    assert desk.python(START) == "run-1"
    (listed,) = desk.cpf("runs")["runs"]
    assert (listed["run_id"], listed["workflow_id"], listed["status"]) == ("run-1", "research", "waiting")
    (wait,) = desk.cpf("waits")["waits"]
    assert (wait["prompt"], wait["input_schema"]["enum"]) == ("Publish?", ["approve", "reject"])
    assert desk.cpf("resume", "--run-id", "run-1", "--event", "approval", "--input", '"maybe"')["exit_code"] == 10
    done = desk.cpf("resume", "--run-id", "run-1", "--event", "approval", "--input", '"approve"')
    assert (done["status"], done["result"]) == ("completed", RESULT)
    assert desk.python("client.get('run-1').status") == "completed"
    entries = desk.cpf("inspect", "--run-id", "run-1")["result"]["entries"]
    assert {"set": {"stage": "approval"}} in [one.get("value") for one in entries]
    assert sorted(desk.performed()) == sorted(STEPS)


def test_the_state_of_a_function_is_shown_as_it_stands(desk: Desk) -> None:
    desk.python(START)
    words = ("inspect", "--run-id", "run-1", "--exit-zero")
    assert desk.cpf(*words)["result"]["state"] == {"stage": "approval", "seen": 2}
    ours, stderr = terminal()
    process = subprocess.Popen(
        [sys.executable, "-m", "checkpointflow", *words],
        env=desk.environment(),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    os.close(stderr)
    assert process.wait(60) == 0
    assert os.read(ours, 10_000).splitlines() == [b'state: stage = "approval"', b"state: seen = 2"]
    os.close(ours)


def test_a_run_started_by_cpf_is_listed_answered_and_completed_from_python(desk: Desk) -> None:
    started = desk.cpf("run", "-f", "held_flow.py:research", "--run-id", "run-1", "--input", '{"topic": "owls"}')
    assert (started["status"], started["exit_code"]) == ("waiting", 40)
    assert desk.python("[one.run_id for one in client.runs(status='waiting', workflow='research')]") == ["run-1"]
    assert desk.python("[one.event_name for one in client.waits(audience='user')]") == ["approval"]
    assert desk.python(APPROVE) == RESULT
    assert desk.cpf("status", "--run-id", "run-1")["result"] == RESULT
    names = desk.python("[event.entry for event in client.stream('run-1', after=2)]")
    assert (len(names) > 5, names[-1]) == (True, "run_completed")
    assert sorted(desk.performed()) == sorted(STEPS)


@pytest.mark.parametrize("victim", STEPS[:4])
@pytest.mark.parametrize("starter", ["cpf", "python"])
def test_a_process_killed_in_a_step_leaves_a_run_that_the_other_door_completes(
    desk: Desk, victim: str, starter: str
) -> None:
    by_cpf = ["-m", "checkpointflow", "run", "-f", "held_flow.py:research", "--input", '"owls"', "--run-id", "run-1"]
    desk.kill_in(victim, *(by_cpf if starter == "cpf" else ["-c", PYTHON, START, "{}"]))
    before = desk.performed()
    assert desk.cpf("status", "--run-id", "run-1")["status"] == "interrupted"
    if starter == "cpf":
        assert desk.python("client.resume('run-1').status") == "waiting"
        assert desk.python(APPROVE) == RESULT
    else:
        assert desk.cpf("resume", "--run-id", "run-1")["exit_code"] == 40
        done = desk.cpf("resume", "--run-id", "run-1", "--event", "approval", "--input", '"approve"')
        assert done["result"] == RESULT
    after = desk.performed()
    assert after[: len(before)] == before
    again = {name for name in STEPS if after.count(name) == 2}
    assert victim in again
    assert again <= ({"search arxiv", "search news"} if victim.startswith("search") else {victim})
    assert set(after) == set(STEPS)


def test_a_step_that_may_run_once_is_decided_by_a_person_after_a_crash(desk: Desk) -> None:
    desk.python(START)
    desk.kill_in("publish", "-c", PYTHON, APPROVE, "{}")
    assert desk.python("[client.resume('run-1').status, client.get('run-1').waits[0].kind]") == ["waiting", "in_doubt"]
    words = ("decide", "--run-id", "run-1", "publish", "done", "--output", '"seen it"', "--reason", "I looked")
    assert desk.cpf(*words)["result"] == {**RESULT, "text": "seen it"}
    assert desk.performed().count("publish") == 1


def test_a_submitted_run_is_driven_by_a_worker(desk: Desk) -> None:
    run_id = desk.python("client.submit('research', {'topic': 'owls'})")
    assert desk.cpf("status", "--run-id", run_id)["status"] == "interrupted"
    worker = desk.start("-m", "checkpointflow", "worker")
    seen = desk.python("client.send(id, 'approval', 'approve').run_id", id=waiting(desk, run_id))
    assert seen == run_id
    assert desk.cpf("resume", "--run-id", run_id)["result"] == RESULT
    worker.send_signal(signal.SIGTERM)
    stdout, stderr = worker.communicate(timeout=60)
    assert worker.returncode == 0, stderr
    assert json.loads(stdout)["ok"]
    assert sorted(desk.performed()) == sorted(STEPS)


def waiting(desk: Desk, run_id: str) -> str:
    """Return a run's id once it waits: `cpf resume` follows whoever drives it."""
    assert desk.cpf("resume", "--run-id", run_id)["status"] == "waiting"
    return run_id


def test_a_run_is_cancelled_from_either_door(desk: Desk) -> None:
    desk.python(START)
    assert desk.cpf("cancel", "--run-id", "run-1", "--reason", "enough")["status"] == "cancelled"
    desk.cpf("run", "-f", "held_flow.py:research", "--run-id", "run-2", "--input", '"owls"')
    assert desk.python("client.cancel('run-2', reason='enough').status") == "cancelled"
    assert desk.cpf("status", "--run-id", "run-2")["status"] == "cancelled"


def test_a_failed_run_goes_on_where_it_failed_from_either_door(desk: Desk) -> None:
    assert desk.python("client.run('fails', run_id='run-1').status") == "failed"
    assert desk.python("client.run('fails', run_id='run-2').error['code']") == "ERR_STEP_FAILED"
    (desk.folder / "later").touch()
    assert desk.cpf("retry", "--run-id", "run-1")["result"] == "later"
    assert desk.python("client.retry('run-2').result") == "later"


def test_what_can_be_seen_of_a_run_is_seen_without_its_code(desk: Desk) -> None:
    desk.python(START)
    (desk.folder / "held_flow.py").unlink()
    assert desk.cpf("status", "--run-id", "run-1")["status"] == "waiting"
    assert desk.cpf("inspect", "--run-id", "run-1", "--exit-zero")["ok"]
    assert desk.cpf("runs")["runs"][0]["run_id"] == "run-1"
    refused = desk.cpf("resume", "--run-id", "run-1", "--event", "approval", "--input", '"approve"')
    assert (refused["exit_code"], refused["error"]["code"]) == (80, "ERR_UNSUPPORTED")
    assert "cannot be had here" in refused["error"]["message"]
    shutil.copy(Path(__file__).with_name("held_flow.py"), desk.folder)
    assert desk.cpf("resume", "--run-id", "run-1")["result"] == RESULT


def test_names_are_found_among_modules_of_the_environment_or_told_apart(desk: Desk) -> None:
    for variable, name, told in [
        ("held_flow", "reserch", "research"),
        ("", "research", "CPF_WORKFLOWS"),
        ("no_such_module_anywhere", "research", "cannot be imported: ModuleNotFoundError"),
    ]:
        process = desk.start("-c", PYTHON, f"client.run('{name}', 'x').status", "{}", CPF_WORKFLOWS=variable)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "UsageError" in stderr
        if variable:
            assert told in stderr or told == "research"


def test_names_are_found_among_entry_points(desk: Desk) -> None:
    info = desk.folder / "flows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[checkpointflow.workflows]\nresearch = held_flow:research\n")
    process = desk.start("-c", PYTHON, "client.run('research', 'owls').status", "{}", CPF_WORKFLOWS="")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout.splitlines()[-1]) == (0, '"waiting"'), stderr
