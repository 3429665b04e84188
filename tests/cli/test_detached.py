"""Runs that a process of their own drives, and output that is followed while it comes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.documents import FAILING, GATE, SLEEPING
from cli.program import Program

STEPWISE = """\
schema_version: checkpointflow/v1
workflow:
  id: stepwise
  inputs: {type: object}
  steps:
    - id: first
      kind: cli
      command: echo one; until test -e go; do sleep 0.02; done; echo two; echo noise >&2
    - {id: second, kind: cli, command: echo three}
    - {id: last, kind: end, result: fine}
"""


@pytest.fixture
def detached(cpf: Program) -> Callable[..., dict]:
    """Start a run that a process of its own drives, and return the envelope."""

    def start(text: str, *words: str) -> dict:
        answer = cpf("run", "-f", cpf.write("flow.yaml", text), "--detach", *words)
        assert answer.exit_code == 0, answer.stdout
        envelope = answer.envelope
        assert answer.stderr == f"run {envelope['run_id']}\n"
        assert envelope["driven"] is False
        return envelope

    return start


def until(is_so: Callable[[], bool]) -> None:
    """Wait, at most half a minute, until something is so."""
    pause = threading.Event()
    for _ in range(1500):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError("it never became so")


def settled(cpf: Program, run_id: str) -> dict:
    """The envelope of a run that somebody else drives, once it has settled."""
    until(lambda: cpf.here("status", "--run-id", run_id).envelope["status"] in ("completed", "failed"))
    return cpf.here("status", "--run-id", run_id).envelope


def test_a_detached_run_is_accepted_and_driven_by_another_process(cpf: Program, detached: Callable[..., dict]) -> None:
    envelope = detached(STEPWISE, "--label", "team=blue")
    run_id = envelope["run_id"]
    assert (envelope["status"], envelope["labels"]) == ("running", {"team": "blue"})
    assert envelope["holder"]["pid"] != os.getpid()
    for action in envelope["next_actions"]:
        assert action["argv"][2:4] == ["--run-id", run_id]
    cpf.write("go", "")
    ended = settled(cpf, run_id)
    assert (ended["status"], ended["result"]) == ("completed", "fine")


def test_what_the_driving_process_prints_lies_in_the_folder_of_the_run(
    cpf: Program, detached: Callable[..., dict]
) -> None:
    cpf.write("go", "")
    envelope = detached(STEPWISE)
    settled(cpf, envelope["run_id"])
    output = Path(envelope["output_file"])
    assert output.is_relative_to(cpf.home / "runs" / envelope["run_id"])
    if sys.platform != "win32":
        folders = [folder for folder in output.parents if folder.is_relative_to(cpf.home)]
        assert (output.stat().st_mode & 0o777, {one.stat().st_mode & 0o777 for one in folders}) == (0o600, {0o700})
    until(lambda: '"command":"resume"' in output.read_text())
    *facts, last = map(json.loads, output.read_text().splitlines())
    assert facts[-1]["entry"] == "run_completed"
    assert (last["status"], last["exit_code"]) == ("completed", 0)


def test_the_driving_process_has_a_session_of_its_own(cpf: Program, detached: Callable[..., dict]) -> None:
    if not hasattr(os, "getsid"):
        pytest.skip("this system has no sessions")
    envelope = detached(STEPWISE)
    driver = envelope["holder"]["pid"]
    assert os.getsid(driver) == driver != os.getsid(0)
    os.kill(driver, signal.SIGTERM)
    until(lambda: cpf.here("status", "--run-id", envelope["run_id"]).envelope["status"] == "paused")
    cpf.write("go", "")
    assert cpf("resume", "--run-id", envelope["run_id"]).envelope["status"] == "completed"


def test_output_format_id_prints_the_id_alone(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    answer = cpf("run", "-f", "gate.yaml", "--detach", "--run-id", "gate-1", "-o", "id", "--quiet")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "gate-1\n", "")


def test_accepted_is_exit_code_0_however_the_run_ends(cpf: Program, detached: Callable[..., dict]) -> None:
    run_id = detached(FAILING)["run_id"]
    assert settled(cpf, run_id)["status"] == "failed"


def test_the_same_id_attaches_and_starts_no_second_process(cpf: Program, detached: Callable[..., dict]) -> None:
    first = detached(STEPWISE, "--run-id", "mine-1")
    again = detached(STEPWISE, "--run-id", "mine-1")
    assert again["holder"] == first["holder"]
    refused = cpf("run", "-f", "flow.yaml", "--detach", "--run-id", "mine-1", "--set", "n=1").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (70, "ERR_RUN_EXISTS")
    cpf.write("go", "")
    assert settled(cpf, "mine-1")["exit_code"] == 0
    assert detached(STEPWISE, "--run-id", "mine-1")["result"] == "fine"


def test_input_that_does_not_fit_starts_nothing(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    assert cpf("run", "-f", "gate.yaml", "--detach", "--set", "n=many").envelope["exit_code"] == 10
    assert cpf.here("runs").envelope["runs"] == []


def test_a_run_that_sleeps_long_is_parked_by_its_process(cpf: Program, detached: Callable[..., dict]) -> None:
    run_id = detached(SLEEPING, "--inline-wait", "0.01", "--actor", "ada")["run_id"]
    until(lambda: cpf.here("status", "--run-id", run_id).envelope["status"] == "waiting")
    assert cpf.here("status", "--run-id", run_id).envelope["wait"]["kind"] == "timer"
    entries = cpf.here("inspect", "--run-id", run_id).envelope["result"]["entries"]
    assert entries[0]["actor"] == "ada"


def test_a_module_of_the_working_folder_is_not_taken_for_one_of_ours(
    cpf: Program, detached: Callable[..., dict]
) -> None:
    cpf.write("yaml.py", "raise SystemExit(99)")
    cpf.write("checkpointflow.py", "raise SystemExit(99)")
    cpf.write("gate.yaml", GATE)
    started = cpf.start("run", "-f", "gate.yaml", "--detach", env=cpf.environment | {"PYTHONSAFEPATH": "1"})
    started.communicate(timeout=60)
    assert started.returncode == 0


def test_a_step_may_detach_a_run_that_outlives_it(cpf: Program) -> None:
    cpf.write("stepwise.yaml", STEPWISE)
    outer = FAILING.replace(
        "echo to-stdout; echo to-stderr >&2",
        f"{sys.executable} -m checkpointflow run -f stepwise.yaml --detach --run-id inner-1 -o id --quiet",
    ).replace("test -e mended", "true")
    assert cpf("run", "-f", cpf.write("outer.yaml", outer)).exit_code == 0
    inner = cpf.here("status", "--run-id", "inner-1").envelope
    assert inner["status"] == "running"
    environ = Path(f"/proc/{inner['holder']['pid']}/environ")
    if environ.exists():
        names = {line.partition(b"=")[0] for line in environ.read_bytes().split(b"\0")}
        assert not names & {b"CPF_RUN_ID", b"CPF_STEP_KEY", b"CPF_ATTEMPT"}
    cpf.write("go", "")
    assert settled(cpf, "inner-1")["exit_code"] == 0


@pytest.mark.parametrize(
    ("executable", "said"), [("no-python", "no process could be started"), ("false", "ended with 1")]
)
def test_a_process_that_cannot_drive_is_told_of_and_the_run_is_there(
    cpf: Program, monkeypatch: pytest.MonkeyPatch, executable: str, said: str
) -> None:
    cpf.write("gate.yaml", GATE)
    monkeypatch.setattr(sys, "executable", shutil.which(executable) or executable)
    refused = cpf.here("run", "-f", "gate.yaml", "--detach", "--run-id", "gate-1").envelope
    assert (refused["exit_code"], refused["status"]) == (20, "interrupted")
    assert said in refused["error"]["message"]
    assert refused["next_actions"][0]["argv"] == ["cpf", "resume", "--run-id", "gate-1"]
    monkeypatch.undo()
    monkeypatch.setenv("CPF_HOME", str(cpf.home))
    monkeypatch.chdir(cpf.cwd)
    assert cpf("resume", "--run-id", "gate-1").exit_code == 40


# -- logs -F ---------------------------------------------------------------------------------------


def test_output_is_followed_while_the_run_is_driven(cpf: Program, detached: Callable[..., dict]) -> None:
    run_id = detached(STEPWISE)["run_id"]
    following = cpf.start("logs", "--run-id", run_id, "-F")
    assert following.stdout
    assert [following.stdout.readline() for _ in range(2)] == [b"==> first, attempt 1 <==\n", b"one\n"]
    cpf.write("go", "")
    rest, _ = following.communicate(timeout=60)
    assert rest == b"two\n==> second, attempt 1 <==\nthree\n"
    assert following.returncode == 0


def test_one_step_is_followed_without_headings(cpf: Program, detached: Callable[..., dict]) -> None:
    run_id = detached(STEPWISE)["run_id"]
    following = cpf.start("logs", "--run-id", run_id, "first", "--follow")
    errors = cpf.start("logs", "--run-id", run_id, "-F", "--stderr")
    assert following.stdout
    assert following.stdout.readline() == b"one\n"
    cpf.write("go", "")
    assert following.communicate(timeout=60)[0] == b"two\n"
    assert errors.communicate(timeout=60)[0] == b"==> first, attempt 1 <==\nnoise\n"


def test_following_a_run_that_nobody_drives_prints_what_is_there_and_ends(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    answer = cpf.here("logs", "--run-id", "gate-1", "-F")
    assert (answer.exit_code, answer.stdout) == (0, "==> first, attempt 1 <==\none\n")
    refused = cpf.here("logs", "--run-id", "gate-1", "nowhere", "-F").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")


def test_ctrl_c_ends_following_and_leaves_the_run_alone(cpf: Program, detached: Callable[..., dict]) -> None:
    run_id = detached(STEPWISE)["run_id"]
    following = cpf.start("logs", "--run-id", run_id, "-F")
    assert following.stdout
    assert following.stdout.readline() == b"==> first, attempt 1 <==\n"
    following.send_signal(signal.SIGINT)
    rest, stderr = following.communicate(timeout=60)
    assert (following.returncode, b"Traceback" in stderr, b"{" in rest) == (130, False, False)
    assert cpf.here("status", "--run-id", run_id).envelope["status"] == "running"
    cpf.write("go", "")
    assert settled(cpf, run_id)["exit_code"] == 0


def test_a_reader_that_goes_away_ends_following(cpf: Program, detached: Callable[..., dict]) -> None:
    loud = STEPWISE.replace("do sleep 0.02", "do sleep 0.02; echo more")
    run_id = detached(loud)["run_id"]
    following = cpf.start("logs", "--run-id", run_id, "-F")
    assert following.stdout
    following.stdout.readline()
    following.stdout.close()
    assert following.wait(timeout=60) == 0
    assert following.stderr
    following.stderr.close()
    cpf.write("go", "")
    assert settled(cpf, run_id)["exit_code"] == 0
