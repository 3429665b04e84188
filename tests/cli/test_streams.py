"""stdout is data and stderr is talk, whatever happens to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointflow.cli import door as doors
from checkpointflow.cli.envelope import Envelope, shown
from cli.documents import GATE, SLOW
from cli.program import Program


def test_a_stream_of_facts_equals_the_journal_and_ends_with_the_envelope(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    started = cpf.here("run", "-f", "gate.yaml", "-o", "ndjson")
    *first, parked = started.lines
    assert parked["status"] == "waiting"
    words = ("--run-id", parked["run_id"], "--event", "go", "--input", '{"decision": "approve"}')
    *second, ended = cpf.here("resume", *words, "-o", "ndjson").lines
    assert ended["status"] == "completed"
    entries = cpf.here("inspect", "--run-id", parked["run_id"]).envelope["result"]["entries"]
    assert first + second == entries


def test_an_error_ends_a_stream_as_one_line_too(cpf: Program) -> None:
    answer = cpf.here("run", "-f", "missing.yaml", "-o", "ndjson")
    assert [line["exit_code"] for line in answer.lines] == [10]


def test_facts_are_streamed_as_they_become_durable(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = cpf.start("run", "-f", "slow.yaml", "-o", "ndjson")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert b'"entry":"step_started"' in lines[3]
    assert process.poll() is None
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert b'"status":"paused"' in rest.splitlines()[-1]


def test_output_format_id_prints_the_id_alone(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    answer = cpf.here("run", "-f", "gate.yaml", "-o", "id", "--run-id", "mine-1")
    assert (answer.exit_code, answer.stdout) == (40, "mine-1\n")


def test_quiet_says_nothing(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    for words in (("run", "-f", "gate.yaml", "--quiet"), ("-q", "run", "-f", "gate.yaml")):
        answer = cpf.here(*words)
        assert (answer.exit_code, answer.stderr) == (40, "")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes")
def test_a_reader_that_goes_away_is_no_failure(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    for words in (("schema",), ("run", "-f", "gate.yaml", "-o", "ndjson"), ("--version",)):
        reader, writer = os.pipe()
        os.close(reader)
        process = cpf.start(*words, stdout=writer)
        os.close(writer)
        _, stderr = process.communicate(timeout=60)
        assert b"Traceback" not in stderr
        assert b"BrokenPipe" not in stderr
        assert process.returncode == (40 if words[0] == "run" else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_stdout_that_is_full_is_an_error_in_one_sentence(cpf: Program) -> None:
    with Path("/dev/full").open("wb") as full:
        process = cpf.start("schema", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 60
    assert stderr.decode().count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_closed_streams_do_no_harm(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    command = f"{sys.executable} -m checkpointflow run -f gate.yaml >&- 2>&-"
    ended = subprocess.run(["sh", "-c", command], cwd=cpf.cwd, env=cpf.environment, timeout=60, check=False)
    assert ended.returncode == 40


def test_text_that_is_no_unicode_is_escaped() -> None:
    assert shown({"a": "ü"}, indent=None) == '{"a":"ü"}'
    assert shown({"a": "ü\ud800"}, indent=None) == '{"a":"\\u00fc\\ud800"}'


@pytest.mark.skipif(os.name != "posix", reason="needs file names that are bytes")
def test_output_is_utf_8_whatever_the_locale(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE.replace("May it go on?", "Geht’s weiter? ✓"))
    environment = cpf.environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = cpf.start("run", "-f", "gate.yaml", env=environment)
    stdout, _ = process.communicate(timeout=60)
    assert "Geht’s weiter? ✓" in stdout.decode()


def test_a_defect_of_ours_is_an_envelope_and_debug_shows_where(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_door: doors.Door) -> Envelope:
        raise LookupError("half\ud800way")

    monkeypatch.setattr(doors, "perform", broken)
    answer = cpf.here("runs", "--limit", "3")
    assert (answer.exit_code, answer.envelope["error"]["code"], answer.stderr) == (90, "ERR_INTERNAL", "")
    assert answer.envelope["next_actions"][0]["argv"] == ["cpf", "runs", "--debug", "--limit", "3"]
    assert "Traceback" in cpf.here("runs", "--debug").stderr


def test_ctrl_c_outside_of_a_drive_is_an_envelope(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_door: doors.Door) -> Envelope:
        raise KeyboardInterrupt

    monkeypatch.setattr(doors, "perform", interrupted)
    envelope = cpf.here("runs").envelope
    for number in (signal.SIGINT, signal.SIGTERM):
        assert signal.getsignal(number) == signal.SIG_IGN  # once more, and there would be no envelope
    assert (envelope["exit_code"], envelope["ok"]) == (130, False)


def test_ctrl_c_while_an_answer_is_read_slowly_ends_it(cpf: Program) -> None:
    cpf.write("large.json", json.dumps({"n": 1, "x": "x" * 1_000_000}))
    cpf.write("gate.yaml", GATE)
    run_id = cpf.here("run", "-f", "gate.yaml", "--input", "@large.json").envelope["run_id"]
    process = cpf.start("inspect", "--run-id", run_id)
    assert process.stdout is not None
    assert process.stdout.read(1) == b"{"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, b"")


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at" * 99])
def test_a_store_that_cannot_be_used_is_exit_code_60_and_one_sentence(cpf: Program, content: bytes) -> None:
    if content:
        cpf.home.mkdir()
        (cpf.home / "runs.db").write_bytes(content)
    else:
        cpf.home.write_text("a file where the folder should be")
    for words in (("runs",), ("status", "--run-id", "abcd"), ("waits",)):
        envelope = cpf.here(*words).envelope
        assert (envelope["exit_code"], envelope["error"]["code"][:4]) == (60, "ERR_")
        assert envelope["next_actions"][0]["argv"] == ["cpf", *words]


def test_a_variable_of_the_environment_that_is_no_setting_is_a_usage_error(
    cpf: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPF_DURABILITY", "maybe")
    assert cpf.here("runs").envelope["error"]["code"] == "ERR_USAGE"
