"""`cpf tick` and `cpf worker`: what they take up, what they leave alone, how they stop; nothing here sleeps."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checkpointflow import clock
from checkpointflow.client import Client
from checkpointflow.client.working import POLL_SECONDS
from checkpointflow.config import load_settings
from checkpointflow.frontends.document.loader import load_file
from cli.documents import GATE, SLEEPING, SLOW
from cli.program import Program, validated
from cli.test_detached import until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and named pipes")

HELD = """\
schema_version: checkpointflow/v1
workflow:
  id: held
  inputs: {type: object}
  steps:
    - {id: held, kind: cli, command: "echo begun >> $CPF_RUN_ID.told; read line < go", effect: EFFECT}
    - {id: after, kind: cli, command: "echo after >> $CPF_RUN_ID.told"}
    - {id: last, kind: end, result: fine}
"""
DEADLINE = """\
schema_version: checkpointflow/v1
workflow:
  id: deadline
  inputs: {type: object}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: true, timeout_seconds: 0.05,
       on_timeout: {next: late}}
    - {id: asked, kind: end, result: in time}
    - {id: late, kind: end, result: too late}
"""
DOUBTFUL = """\
schema_version: checkpointflow/v1
workflow:
  id: doubtful
  inputs: {type: object}
  steps:
    - {id: send, kind: cli, command: "exec sleep 60", effect: once, timeout_seconds: 0.05}
"""
SECRET = """\
schema_version: checkpointflow/v1
workflow:
  id: secret
  secrets: {token: {env: MY_TOKEN}}
  inputs: {type: object}
  steps:
    - {id: night, kind: sleep, seconds: 0.05}
    - {id: use, kind: cli, command: "test -n \\"$T\\"", env: {T: "${secrets.token}"}}
    - {id: last, kind: end, result: fine}
"""


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are ended with the test, whatever becomes of it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def work(cpf: Program, workers: list[subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a worker that tells of each drive on its stdout."""

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = cpf.start("worker", "-o", "ndjson", "--quiet", *words)
        workers.append(process)
        return process

    return start


@pytest.fixture
def go(cpf: Program) -> Path:
    """The pipe for whose first line held steps wait."""
    os.mkfifo(cpf.cwd / "go")
    return cpf.cwd / "go"


def begun(cpf: Program, text: str, *run_ids: str) -> None:
    """Start runs that nobody drives."""
    path = cpf.cwd / cpf.write("flow.yaml", text)
    with Client(load_settings()) as client:
        for run_id in run_ids:
            client.start(load_file(path, cwd=cpf.cwd), {}, run_id=run_id)


def ticked(cpf: Program, *words: str) -> list[tuple[str, str]]:
    """What a tick drove: each run, and how it stands or why it could not be driven."""
    envelope = cpf.here("tick", *words).envelope
    assert (envelope["exit_code"], envelope["ok"]) == (0, True)
    return [(one["run_id"], one.get("status") or one["error"]["code"]) for one in envelope["driven_runs"]]


def status(cpf: Program, run_id: str) -> str:
    return str(cpf.here("status", "--run-id", run_id).envelope["status"])


def told(cpf: Program, run_id: str) -> list[str]:
    """What the steps of a run noted."""
    path = cpf.cwd / f"{run_id}.told"
    return path.read_text().split() if path.exists() else []


def drive_of(process: subprocess.Popen[bytes]) -> dict:
    """The next drive that a worker tells of."""
    assert process.stdout
    return dict(json.loads(process.stdout.readline()))


def ended(process: subprocess.Popen[bytes]) -> dict:
    """The envelope of a worker that was told to stop."""
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return validated(json.loads(stdout.splitlines()[-1]), 0)


# -- tick ------------------------------------------------------------------------------------------


def test_a_tick_drives_times_that_have_come_and_leaves_those_that_have_not(cpf: Program) -> None:
    for name, text in (("short", SLEEPING.replace("86400", "0.05")), ("long", SLEEPING), ("late", DEADLINE)):
        words = ("-f", cpf.write("flow.yaml", text), "--run-id", f"{name}-1", "--inline-wait", "0")
        assert cpf.here("run", *words).exit_code == 40
    until(lambda: {wait["step_key"] for wait in due(cpf)} == {"night", "ask"})
    assert sorted(ticked(cpf)) == [("late-1", "completed"), ("short-1", "completed")]
    assert cpf.here("status", "--run-id", "late-1").envelope["result"] == "too late"
    assert (status(cpf, "long-1"), ticked(cpf)) == ("waiting", [])


def due(cpf: Program) -> list[dict]:
    with Client(load_settings()) as client:
        return [{"step_key": wait.step_key} for wait in client.due()]


def test_a_tick_takes_up_answers_that_nobody_drove(cpf: Program) -> None:
    for number in (1, 2, 3):
        cpf.here("run", "-f", cpf.write("gate.yaml", GATE), "--run-id", f"gate-{number}")
    answer = ("--event", "go", "--input", '{"decision": "approve"}')
    cpf.here("send", "--run-id", "gate-1", *answer)
    cpf.here("resume", "--run-id", "gate-2", *answer, "--no-follow")
    assert sorted(ticked(cpf)) == [("gate-1", "completed"), ("gate-2", "completed")]
    assert status(cpf, "gate-3") == "waiting"


def test_a_tick_goes_on_with_what_a_killed_process_left(cpf: Program) -> None:
    process = cpf.start("run", "-f", cpf.write("slow.yaml", SLOW), "--run-id", "slow-1")
    until(lambda: (cpf.cwd / "started").exists())
    assert ticked(cpf) == []
    process.kill()
    process.communicate()
    cpf.write("fast", "")
    assert ticked(cpf) == [("slow-1", "completed")]
    assert (cpf.cwd / "marks").read_text() == "x\n"


def test_paused_and_doubtful_and_failed_runs_are_left_to_people(cpf: Program) -> None:
    process = cpf.start("run", "-f", cpf.write("slow.yaml", SLOW), "--run-id", "slow-1")
    until(lambda: (cpf.cwd / "started").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    cpf.here("run", "-f", cpf.write("doubtful.yaml", DOUBTFUL), "--run-id", "doubtful-1")
    failing = DOUBTFUL.replace("exec sleep 60", "false").replace(", timeout_seconds: 0.05", "")
    cpf.here("run", "-f", cpf.write("bad.yaml", failing), "--run-id", "bad-1")
    before = [status(cpf, run_id) for run_id in ("slow-1", "doubtful-1", "bad-1")]
    assert before == ["paused", "waiting", "failed"]
    assert ticked(cpf) == []
    assert [status(cpf, run_id) for run_id in ("slow-1", "doubtful-1", "bad-1")] == before


def test_what_cannot_be_driven_here_is_put_off_for_its_pool_and_others_go_on(
    cpf: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "swordfish-9")
    cpf.here("run", "-f", cpf.write("secret.yaml", SECRET), "--run-id", "secret-1", "--inline-wait", "0")
    monkeypatch.delenv("MY_TOKEN")
    until(lambda: due(cpf) != [])
    begun(cpf, SLEEPING.replace("86400", "0"), "other-1")
    first = cpf("tick").envelope["driven_runs"]
    assert [(one["run_id"], "error" in one) for one in first] == [("secret-1", True), ("other-1", False)]
    assert first[0]["error"]["code"] == "ERR_SECRET_UNAVAILABLE"
    assert first[0]["next_try_at"]
    again = cpf("tick").envelope["driven_runs"]
    assert again == [] or datetime.now(UTC) >= clock.from_text(first[0]["next_try_at"])
    shown = cpf.here("status", "--run-id", "secret-1").envelope
    until_then = (again or first)[0]["next_try_at"][:19]
    assert any(until_then in warning for warning in shown["warnings"]), shown["warnings"]
    assert ticked(cpf, "--pool", "other") == [("secret-1", "ERR_SECRET_UNAVAILABLE")]
    monkeypatch.setenv("MY_TOKEN", "swordfish-9")
    assert ticked(cpf, "--pool", "third") == [("secret-1", "completed")]
    assert "warnings" not in cpf.here("status", "--run-id", "secret-1").envelope


def test_a_tick_that_is_told_to_stop_lets_its_step_end_and_takes_nothing_more_up(cpf: Program, go: Path) -> None:
    begun(cpf, HELD.replace("EFFECT", "idempotent"), "held-1", "held-2")
    process = cpf.start("tick")
    until(lambda: told(cpf, "held-1") == ["begun"])
    process.send_signal(signal.SIGTERM)
    go.write_text("on\n")
    stdout, _ = process.communicate(timeout=60)
    envelope = validated(json.loads(stdout), process.returncode)
    assert process.returncode == 0
    assert [one["run_id"] for one in envelope["driven_runs"]] == ["held-1"]
    assert (told(cpf, "held-2"), status(cpf, "held-2")) == ([], "interrupted")


# -- worker ----------------------------------------------------------------------------------------


def test_a_worker_takes_up_an_answer_within_a_fifth_of_a_second(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]]
) -> None:
    assert POLL_SECONDS <= 0.1, "an answer is seen at the next look, and taken up before the one after that"
    worker = work()
    cpf.here("run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    assert cpf.here("send", "--run-id", "gate-1", "--event", "go", "--input", '{"decision": "reject"}').exit_code == 0
    driven = drive_of(worker)
    assert (driven["run_id"], driven["status"]) == ("gate-1", "completed")
    worker.send_signal(signal.SIGTERM)
    assert ended(worker)["drives"] == 1


def test_a_worker_lets_times_come(cpf: Program, work: Callable[..., subprocess.Popen[bytes]]) -> None:
    worker = work()
    cpf.here("run", "-f", cpf.write("late.yaml", DEADLINE), "--run-id", "late-1")
    assert (drive_of(worker)["status"], status(cpf, "late-1")) == ("completed", "completed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_is_told_to_stop_lets_steps_end(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], go: Path, number: signal.Signals
) -> None:
    begun(cpf, HELD.replace("EFFECT", "once"), "held-1")
    worker = work()
    until(lambda: told(cpf, "held-1") == ["begun"])
    worker.send_signal(number)
    go.write_text("on\n")
    envelope = ended(worker)
    assert (envelope["command"], envelope["drives"]) == ("worker", 1)
    assert told(cpf, "held-1") in (["begun"], ["begun", "after"])
    assert status(cpf, "held-1") in ("interrupted", "completed")
    ticked(cpf)
    assert (told(cpf, "held-1"), status(cpf, "held-1")) == (["begun", "after"], "completed")


@pytest.mark.parametrize("words", [("--drain-seconds", "0"), ()], ids=["no time to drain", "told twice"])
def test_what_does_not_end_in_time_is_ended_and_begins_again_elsewhere(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], go: Path, words: tuple[str, ...]
) -> None:
    begun(cpf, HELD.replace("EFFECT", "idempotent"), "held-1")
    worker = work(*words)
    until(lambda: told(cpf, "held-1") == ["begun"])
    worker.send_signal(signal.SIGTERM)
    if not words:
        assert status(cpf, "held-1") == "running"
        worker.send_signal(signal.SIGINT)
    assert ended(worker)["drives"] == 1
    assert status(cpf, "held-1") == "interrupted"
    other = work()
    until(lambda: told(cpf, "held-1") == ["begun", "begun"])
    go.write_text("on\n")
    assert drive_of(other)["status"] == "completed"
    steps = cpf.here("inspect", "--run-id", "held-1").envelope["result"]["step_results"]
    assert [step["attempt"] for step in steps if step["step_id"] == "held"][-1:] == [2]


def test_a_step_once_that_a_stopping_worker_ends_is_in_doubt(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], go: Path
) -> None:
    begun(cpf, HELD.replace("EFFECT", "once"), "held-1")
    worker = work("--drain-seconds", "0")
    until(lambda: told(cpf, "held-1") == ["begun"])
    worker.send_signal(signal.SIGTERM)
    ended(worker)
    assert go.exists()
    ticked(cpf)
    shown = cpf.here("status", "--run-id", "held-1").envelope
    assert (shown["status"], shown["wait"]["kind"], told(cpf, "held-1")) == ("waiting", "in_doubt", ["begun"])


def test_a_worker_takes_over_from_one_that_was_killed(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], go: Path
) -> None:
    begun(cpf, HELD.replace("EFFECT", "idempotent"), "held-1")
    first = work()
    until(lambda: told(cpf, "held-1") == ["begun"])
    second = work()
    first.kill()
    until(lambda: told(cpf, "held-1") == ["begun", "begun"])
    go.write_text("on\n")
    assert drive_of(second)["status"] == "completed"
    assert told(cpf, "held-1") == ["begun", "begun", "after"]


def test_as_many_runs_are_driven_at_a_time_as_were_asked_for(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], go: Path
) -> None:
    names = [f"held-{number}" for number in range(4)]
    begun(cpf, HELD.replace("EFFECT", "idempotent"), *names)
    worker = work("--concurrency", "3")
    until(lambda: sum(told(cpf, name) == ["begun"] for name in names) == 3)
    assert Counter(status(cpf, name) for name in names) == {"running": 3, "interrupted": 1}
    with go.open("w") as pipe:
        pipe.write("on\n" * 3)
        pipe.flush()
        drives = [drive_of(worker) for _ in range(3)]
        until(lambda: all(told(cpf, name) for name in names))
        pipe.write("on\n")  # by the same writer: at the end of a pipe's last one its readers hear that there is no more
        pipe.flush()
        drives.append(drive_of(worker))
    assert sorted(one["run_id"] for one in drives) == names
    assert {one["status"] for one in drives} == {"completed"}


def test_workers_share_a_store_and_each_run_is_driven_by_one(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]]
) -> None:
    names = [f"run-{number}" for number in range(12)]
    text = GATE.replace("echo one; echo two >&2", "echo $CPF_RUN_ID >> ran")
    workers = [work("--concurrency", "2") for _ in range(2)]
    begun(cpf, text, *names)
    until(lambda: all(status(cpf, name) == "waiting" for name in names))
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert sum(ended(worker)["drives"] for worker in workers) >= len(names)
    assert sorted((cpf.cwd / "ran").read_text().split()) == sorted(names)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs the limits of another process")
def test_a_worker_that_cannot_write_for_now_tries_again_and_says_so_unless_it_is_quiet(
    cpf: Program, work: Callable[..., subprocess.Popen[bytes]], workers: list[subprocess.Popen[bytes]]
) -> None:
    begun(cpf, SLEEPING, "first")
    quiet = work("--concurrency", "2")
    drive_of(quiet)
    workers.append(cpf.start("worker"))
    noisy = workers[-1]
    assert noisy.stderr
    assert b"driving what is due" in noisy.stderr.readline()
    unlimited = resource.prlimit(noisy.pid, resource.RLIMIT_FSIZE)
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
    begun(cpf, GATE, "second")
    for _ in range(3):
        assert b"; the worker tries again" in noisy.stderr.readline()
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
    until(lambda: status(cpf, "second") == "waiting")
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert quiet.communicate(timeout=60)[1] == b""
    noisy.communicate(timeout=60)
    assert (quiet.returncode, noisy.returncode) == (0, 0)


def test_a_worker_that_finds_no_usable_store_says_so_and_does_not_begin(cpf: Program) -> None:
    cpf.home.write_text("no folder")
    answer = cpf("worker")
    assert (answer.exit_code, answer.envelope["command"]) == (60, "worker")
