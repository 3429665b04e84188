"""`cpf gc`: what it forgets, what it lets be, and what it says of both."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpointflow.client import sweeping
from cli.documents import FAILING, GATE, SLOW
from cli.program import Program

FINE = """\
schema_version: checkpointflow/v1
workflow:
  id: fine
  inputs: {type: object}
  steps:
    - {id: big, kind: cli, command: "head -c 300000 /dev/zero | tr '\\\\0' x", parse: text}
    - {id: last, kind: end, result: fine}
"""


def collected(cpf: Program, *words: str) -> dict:
    """What `cpf gc` says that it removed."""
    envelope = cpf.here("gc", *words).envelope
    assert envelope["exit_code"] == 0
    return envelope["collected"]


def ids_of(cpf: Program) -> list[str]:
    return sorted(run["run_id"] for run in cpf.here("runs", "--limit", "100").envelope["runs"])


def run(cpf: Program, text: str, run_id: str) -> None:
    cpf.here("run", "-f", cpf.write("flow.yaml", text), "--run-id", run_id)


def aged(folder: Path, seconds: float = sweeping.FRESH_SECONDS + 60) -> None:
    """Have nothing in a folder been touched for so long."""
    for path in (*folder.rglob("*"), folder):
        now = path.lstat().st_mtime
        os.utime(path, (now - seconds, now - seconds), follow_symlinks=False)


def test_runs_that_could_go_on_stay_whatever_their_age(cpf: Program, at: Callable[..., dict]) -> None:
    run(cpf, GATE, "waits-1")
    run(cpf, FAILING, "failed-1")
    run(cpf, GATE, "moved-1")
    at(cpf, "export", "--run-id", "moved-1", "--move", "-o", "moved.tar")
    run(cpf, FINE, "done-1")
    run(cpf, GATE, "ended-1")
    at(cpf, "cancel", "--run-id", "ended-1", "--reason", "over")
    found = collected(cpf, "--older-than", "0d")
    assert (found["runs"], sorted(found["run_ids"])) == (2, ["done-1", "ended-1"])
    assert found["left"] == {"failed": 1, "moved": 1}
    assert ids_of(cpf) == ["failed-1", "moved-1", "waits-1"]
    assert sorted(path.name for path in (cpf.home / "runs").iterdir()) == ["failed-1", "moved-1", "waits-1"]
    assert at(cpf, "resume", "--run-id", "waits-1", "--event", "go", "--input", '{"decision": "reject"}')["ok"] is True
    assert collected(cpf, "--older-than", "0", "--status", "failed", "--status", "moved")["runs"] == 2
    assert ids_of(cpf) == ["waits-1"]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_runs_that_are_driven_interrupted_or_paused_stay(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    for number, name in enumerate((signal.SIGKILL, signal.SIGINT, None), 1):
        process = cpf.start("run", "-f", "slow.yaml", "--run-id", f"slow-{number}")
        assert process.stderr
        assert process.stderr.readline() == b"run slow-%d\n" % number
        if name is not None:
            process.send_signal(name)
            process.communicate(timeout=60)
    every = [word for status in sweeping.EVERY for word in ("--status", status)]
    assert collected(cpf, "--older-than", "0d", *every)["runs"] == 0
    assert ids_of(cpf) == ["slow-1", "slow-2", "slow-3"]
    cpf.here("cancel", "--run-id", "slow-3", "--reason", "over")
    process.communicate(timeout=60)


def test_only_runs_that_settled_before_the_age_go(cpf: Program) -> None:
    run(cpf, FINE, "done-1")
    for young in ((), ("--older-than", "1h"), ("--older-than", "100d")):
        found = collected(cpf, *young)
        assert (found["runs"], found["left"]) == (0, {"completed": 1})
    assert collected(cpf, "--older-than", "0s")["runs"] == 1


def test_a_dry_run_says_the_same_and_changes_nothing(cpf: Program) -> None:
    for number in range(3):
        run(cpf, FINE, f"done-{number}")
    lost = cpf.home / "runs" / "lost-1"
    lost.mkdir()
    aged(lost)
    before = {path: path.stat().st_size for path in cpf.home.rglob("*.txt")}
    answer = cpf.here("gc", "--older-than", "0d", "--dry-run").envelope
    would = answer["collected"]
    assert (would["dry_run"], would["runs"], would["folders"], len(ids_of(cpf))) == (True, 3, 1, 3)
    assert {path: path.stat().st_size for path in cpf.home.rglob("*.txt")} == before
    assert lost.is_dir()
    did = cpf.here(*answer["next_actions"][0]["argv"][1:]).envelope["collected"]
    for field in ("runs", "run_ids", "folders", "files_bytes", "left"):
        assert did[field] == would[field], field
    assert did["files_bytes"] == sum(before.values())
    assert (ids_of(cpf), lost.exists()) == ([], False)


def test_space_is_given_back(cpf: Program) -> None:
    for number in range(4):
        run(cpf, FINE.replace("tr '\\\\0' x", f"tr '\\\\0' {number}"), f"done-{number}")
    found = collected(cpf, "--older-than", "0d")
    assert (found["values"], found["definitions"]) == (4, 4)
    assert found["store_bytes_freed"] > 1_000_000
    assert (cpf.home / "runs.db").stat().st_size == found["store_bytes"]
    assert cpf.here("doctor").exit_code == 0


def test_folders_of_no_run_go_unless_somebody_was_there_lately(cpf: Program, tmp_path: Path) -> None:
    run(cpf, FAILING, "kept-1")
    runs, outside = cpf.home / "runs", tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    for name in ("lost-1", "fresh-1", "no run", "busy-1"):
        (runs / name / "stdout").mkdir(parents=True)
        (runs / name / "stdout" / "a.1.txt").write_text("abc")
    (runs / "lost-1" / "link").symlink_to(outside)
    (runs / "link-1").symlink_to(outside)
    (runs / "file-1").write_text("a file")
    for name in ("lost-1", "no run", "busy-1", "kept-1"):
        aged(runs / name)
    (runs / "busy-1" / "stdout" / "a.1.txt").write_text("again")
    found = collected(cpf)
    assert (found["runs"], found["folders"], found["files_bytes"]) == (0, 1, 3)
    assert sorted(path.name for path in runs.iterdir()) == [
        "busy-1", "file-1", "fresh-1", "kept-1", "link-1", "no run",
    ]  # fmt: skip
    assert (outside / "mine.txt").read_text() == "mine"


def test_what_cannot_be_removed_is_a_warning_and_the_rest_goes(cpf: Program) -> None:
    for number in range(2):
        run(cpf, FINE, f"done-{number}")
    folder = cpf.home / "runs" / "done-1"
    shutil.rmtree(folder)
    folder.symlink_to(cpf.cwd)
    envelope = cpf.here("gc", "--older-than", "0d").envelope
    assert (envelope["exit_code"], envelope["collected"]["runs"]) == (0, 2)
    assert f"`{folder}` cannot be removed" in envelope["warnings"][0]
    assert (cpf.cwd / "flow.yaml").exists()


def test_a_fork_stays_when_the_run_that_it_left_goes(cpf: Program, at: Callable[..., dict]) -> None:
    run(cpf, FINE, "done-1")
    wait = "kind: await_event, audience: user, event_name: go, input_schema: true"
    text = FINE.replace("kind: end, result: fine", wait)
    forked = at(cpf, "fork", "--run-id", "done-1", "--at", "last", "--with", cpf.write("wait.yaml", text))
    assert forked["status"] == "waiting"
    assert collected(cpf, "--older-than", "0d")["run_ids"] == ["done-1"]
    shown = at(cpf, "inspect", "--run-id", forked["run_id"])["result"]["step_outputs"]
    assert "big" in shown
    assert at(cpf, "resume", "--run-id", forked["run_id"], "--event", "go")["status"] == "completed"


def test_a_place_without_runs_is_no_trouble(cpf: Program) -> None:
    assert collected(cpf)["runs"] == 0
