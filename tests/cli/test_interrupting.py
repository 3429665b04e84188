"""Ctrl-C and SIGTERM pause the run that a command drives; anybody goes on with it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from cli.documents import SLOW
from cli.program import Program, validated

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def started(cpf: Program, *words: str) -> subprocess.Popen[bytes]:
    """Begin a command, and return once its slow step runs: that writes into a pipe that we listen to."""
    pipe = cpf.cwd / "started"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    listening = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    process = cpf.start(*words)
    ready, _, _ = select.select([listening], [], [], 60)
    assert ready
    assert os.read(listening, 1)
    os.close(listening)
    return process


def ended(process: subprocess.Popen[bytes]) -> dict:
    stdout, stderr = process.communicate(timeout=60)
    assert b"Traceback" not in stderr
    return validated(json.loads(stdout), process.returncode)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_pauses_the_run_and_resume_goes_on_where_it_was(cpf: Program, number: signal.Signals) -> None:
    cpf.write("slow.yaml", SLOW)
    process = started(cpf, "run", "-f", "slow.yaml")
    process.send_signal(number)
    paused = ended(process)
    assert (paused["exit_code"], paused["status"], paused["ok"]) == (130, "paused", True)
    resume = paused["next_actions"][0]["argv"]
    assert resume == ["cpf", "resume", "--run-id", paused["run_id"]]
    status = cpf.here("status", "--run-id", paused["run_id"]).envelope
    assert (status["exit_code"], status["status"]) == (0, "paused")
    cpf.write("fast", "")
    assert cpf.here(*resume[1:]).envelope["result"] == "fine"
    assert (cpf.cwd / "marks").read_text() == "x\n"


def test_pressing_ctrl_c_again_and_again_changes_nothing(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = started(cpf, "run", "-f", "slow.yaml")
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
    paused = ended(process)
    assert (paused["exit_code"], paused["status"]) == (130, "paused")


def test_resume_is_paused_as_run_is(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = started(cpf, "run", "-f", "slow.yaml")
    process.send_signal(signal.SIGINT)
    run_id = ended(process)["run_id"]
    again = started(cpf, "resume", "--run-id", run_id)
    again.send_signal(signal.SIGINT)
    assert ended(again)["status"] == "paused"


def test_a_killed_command_leaves_a_run_that_resume_goes_on_with(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = started(cpf, "run", "-f", "slow.yaml", "--run-id", "killed")
    process.kill()
    process.communicate(timeout=60)
    status = cpf.here("status", "--run-id", "killed")
    assert (status.exit_code, status.envelope["status"]) == (20, "interrupted")
    assert status.envelope["next_actions"][0]["argv"] == ["cpf", "resume", "--run-id", "killed"]
    cpf.write("fast", "")
    assert cpf.here("resume", "--run-id", "killed").envelope["status"] == "completed"
    assert (cpf.cwd / "marks").read_text() == "x\n"


def test_a_run_that_another_process_drives_is_running_and_says_who_drives_it(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = started(cpf, "run", "-f", "slow.yaml", "--run-id", "driven")
    running = cpf.here("status", "--run-id", "driven").envelope
    assert (running["exit_code"], running["status"]) == (0, "running")
    assert running["holder"]["pid"] == process.pid
    cancelled = cpf.here("cancel", "--run-id", "driven").envelope
    assert (cancelled["exit_code"], cancelled["status"]) == (0, "cancelled")
    theirs = ended(process)
    assert (theirs["exit_code"], theirs["status"], theirs["ok"]) == (50, "cancelled", False)


def test_ctrl_c_ends_the_following_of_a_run_that_another_process_drives(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    words = ("run", "-f", "slow.yaml", "--run-id", "theirs")
    driving = started(cpf, *words)
    following = cpf.start(*words)
    assert following.stderr is not None
    assert following.stderr.readline() == b"run theirs\n"
    following.send_signal(signal.SIGINT)
    left = ended(following)
    assert (left["exit_code"], left["status"]) == (130, "running")
    driving.send_signal(signal.SIGINT)
    assert ended(driving)["status"] == "paused"


def test_a_step_in_doubt_is_decided_by_the_commands_that_its_wait_shows(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW.replace("id: slow, kind: cli,", "id: slow, kind: cli, effect: once,"))
    process = started(cpf, "run", "-f", "slow.yaml")
    process.send_signal(signal.SIGINT)
    run_id = ended(process)["run_id"]
    asked = cpf.here("resume", "--run-id", run_id).envelope
    wait = asked["wait"]
    assert (asked["exit_code"], wait["kind"], wait["step_key"]) == (40, "in_doubt", "slow")
    assert [action["argv"] for action in asked["next_actions"][1:4]] == [
        wait["decide"][word]["argv"] for word in ("done", "again", "fail")
    ]
    assert wait["decide"]["done"]["argv"] == ["cpf", "decide", "--run-id", run_id, "slow", "done"]
    settled = cpf.here(*wait["decide"]["done"]["argv"][1:], "--reason", "looked").envelope
    assert (settled["status"], settled["result"]) == ("completed", "fine")
    late = cpf.here(*wait["decide"]["done"]["argv"][1:]).envelope
    assert (late["exit_code"], late["error"]["code"]) == (20, "ERR_STEP_NOT_IN_DOUBT")


STRUCK = """
import os, sys
from checkpointflow import cli

class Strike:
    def find_spec(self, name, *_rest):
        if name == os.environ.get("STRUCK_AT"):
            del os.environ["STRUCK_AT"]
            os.kill(os.getpid(), int(os.environ["STRUCK_BY"]))

sys.meta_path.insert(0, Strike())
cli.entry()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["door", "commands.run", "driving", "documents"])
def test_a_signal_before_there_is_a_run_is_answered_too(cpf: Program, number: signal.Signals, module: str) -> None:
    cpf.write("slow.yaml", SLOW)
    struck = {"STRUCK_AT": f"checkpointflow.cli.{module}", "STRUCK_BY": str(int(number))}
    words = [sys.executable, "-c", STRUCK, "run", "-f", "slow.yaml"]
    process = subprocess.Popen(
        words, cwd=cpf.cwd, env=cpf.environment | struck, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told = ended(process)
    assert (told["exit_code"], told["error"]["code"], told["command"]) == (130, "ERR_INTERRUPTED", "run")
    assert told["next_actions"][0]["argv"] == ["cpf", "run", "-f", "slow.yaml"]
    assert cpf.here("runs").envelope["runs"] == []


def test_a_signal_when_all_has_been_said_makes_no_traceback(cpf: Program) -> None:
    late = "from checkpointflow import cli\ndef main(argv): raise KeyboardInterrupt\ncli.main = main\ncli.entry()"
    process = subprocess.run([sys.executable, "-c", late, "runs"], env=cpf.environment, capture_output=True)
    assert (process.returncode, process.stdout, process.stderr) == (130, b"", b"")
