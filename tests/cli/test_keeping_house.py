"""What is looked after beside runs: `doctor`, `delete`, and what both leave alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checkpointflow.cli import checks
from checkpointflow.client import Client
from cli.documents import FAILING, GATE, SLEEPING, SLOW
from cli.program import Program
from cli.test_detached import until

# -- doctor ----------------------------------------------------------------------------------------


def found(cpf: Program, exit_code: int = 0) -> dict[str, dict]:
    """The checks of `cpf doctor` by name."""
    answer = cpf.here("doctor")
    assert answer.exit_code == exit_code
    return {check["name"]: check for check in answer.envelope["checks"]}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_place_without_state_is_well_and_stays_without_it(cpf: Program) -> None:
    told = found(cpf)
    assert {"python", "sqlite", "shells", "base folder", "disk", "store"} <= set(told)
    assert all(check["status"] == "ok" for check in told.values())
    assert told["store"]["message"] == "there are no runs yet"
    assert not cpf.home.exists()


def test_a_sound_store_is_well_and_stays_as_it_is(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml")
    before = {name: data for name, data in tree(cpf.home).items() if not name.startswith(("runs.db-", "holders"))}
    told = found(cpf)
    assert all(check["status"] == "ok" for check in told.values())
    assert "survives" not in told["durability"]["message"]
    assert {"holders", "due timers"} <= set(told)
    after = {name: data for name, data in tree(cpf.home).items() if not name.startswith(("runs.db-", "holders"))}
    assert after == before


def test_durability_is_told(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml")
    assert "CPF_DURABILITY" in found(cpf)["durability"]["message"]
    monkeypatch.delenv("CPF_DURABILITY")
    assert "`power`" in found(cpf)["durability"]["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell permissions by modes")
def test_permissions_that_let_others_in_are_a_warning_with_the_command_that_mends_them(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml")
    (cpf.home / "runs.db").chmod(0o644)
    check = found(cpf)["base folder"]
    assert check["status"] == "warning"
    assert str(cpf.home / "runs.db") in check["message"]
    assert f"chmod -R go= {cpf.home}" in check["remedy"]
    (cpf.home / "runs.db").chmod(0o600)
    assert found(cpf)["base folder"]["status"] == "ok"


def test_a_base_folder_that_cannot_be_made_is_an_error(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    cpf.write("file", "no folder")
    monkeypatch.setenv("CPF_HOME", str(cpf.cwd / "file" / "home"))
    answer = cpf.here("doctor")
    (check,) = [one for one in answer.envelope["checks"] if one["name"] == "base folder"]
    assert (answer.exit_code == 0, check["status"]) == (False, "error")
    assert "cannot be made" in check["message"]
    assert str(cpf.cwd / "file") in check["message"]


def test_folders_of_runs_without_a_store_are_a_warning(cpf: Program) -> None:
    (cpf.home / "runs" / "left-1").mkdir(parents=True)
    check = found(cpf)["files"]
    assert (check["status"], str(cpf.home / "runs" / "left-1") in check["message"]) == ("warning", True)


def test_a_missing_shell_is_a_warning(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cpf.cwd))
    check = found(cpf)["shells"]
    assert (check["status"], "`argv`" in check["remedy"]) == ("warning", True)


def test_programs_that_workflows_name_and_workflows_that_cannot_run_are_warnings(cpf: Program) -> None:
    folder = cpf.cwd / ".checkpointflow"
    folder.mkdir()
    (folder / "gate.yaml").write_text(GATE.replace('command: "echo one; echo two >&2"', "argv: [no-such-program]"))
    (folder / "bad.yaml").write_text("a: [")
    told = found(cpf)
    assert (told["programs"]["status"], "`no-such-program` (for `gate`)" in told["programs"]["message"]) == (
        "warning",
        True,
    )
    assert str(folder / "bad.yaml") in told["workflows"]["message"]
    (folder / "bad.yaml").unlink()
    assert found(cpf)["workflows"]["status"] == "ok"


def test_a_store_of_1_x_is_told_of_before_and_after_it_is_put_aside(cpf: Program) -> None:
    cpf.home.mkdir(mode=0o700)
    with sqlite3.connect(cpf.home / "runs.db") as old:
        old.execute("CREATE TABLE runs (run_id TEXT)")
    old.close()
    check = found(cpf)["1.x store"]
    assert (check["status"], "runs-1.x.db" in check["message"]) == ("warning", True)
    assert [path.name for path in cpf.home.iterdir()] == ["runs.db"]
    cpf.here("runs")
    check = found(cpf)["1.x store"]
    assert (check["status"], str(cpf.home / "runs-1.x.db") in check["message"]) == ("ok", True)


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + bytes(50)])
def test_a_file_that_is_no_store_is_an_error_with_its_remedy(cpf: Program, content: bytes) -> None:
    cpf.home.mkdir(mode=0o700)
    (cpf.home / "runs.db").write_bytes(content)
    check = found(cpf, exit_code=60)["store"]
    assert (check["status"], "restore it from a copy" in check["remedy"]) == ("error", True)
    assert (cpf.home / "runs.db").read_bytes() == content


def test_a_damaged_page_is_found(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    for _ in range(5):
        cpf.here("run", "-f", "gate.yaml")
    (cpf.home / "runs.db-wal").unlink(missing_ok=True)
    path = cpf.home / "runs.db"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 300] = b"\x5a" * 300
    path.write_bytes(data)
    answer = cpf.here("doctor")
    assert answer.exit_code == 60
    assert answer.envelope["error"]["message"]
    assert {check["name"] for check in answer.envelope["checks"] if check["status"] == "error"} <= {"store", "runs"}


def test_a_store_of_a_newer_version_is_an_error(cpf: Program) -> None:
    cpf.here("runs")
    with sqlite3.connect(cpf.home / "runs.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    check = found(cpf, exit_code=60)["store"]
    assert "upgrade" in check["remedy"]


def test_a_base_folder_that_is_a_file_is_an_error(cpf: Program) -> None:
    cpf.home.write_text("")
    assert found(cpf, exit_code=60)["base folder"]["status"] == "error"


def test_runs_that_nobody_drives_and_time_that_has_come_are_warnings(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    cpf.write("nap.yaml", SLEEPING.replace("86400", "0.05"))
    asleep = cpf.here("run", "-f", "nap.yaml", "--inline-wait", "0").envelope["run_id"]
    process = cpf.start("run", "-f", "slow.yaml", "--run-id", "slow-1")
    assert process.stderr
    assert process.stderr.readline() == b"run slow-1\n"
    assert f"`slow-1` by process {process.pid}" in found(cpf)["holders"]["message"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    told = found(cpf)
    assert told["holders"]["message"] == "no run is driven now"
    assert "cpf resume --run-id slow-1" in told["interrupted runs"]["remedy"]
    assert f"cpf resume --run-id {asleep}" in told["due timers"]["remedy"]
    assert cpf.here("resume", "--run-id", asleep).exit_code == 0
    cpf.write("fast", "")
    assert cpf.here("resume", "--run-id", "slow-1").exit_code == 0
    assert all(check["status"] == "ok" for check in found(cpf).values())


def test_folders_of_no_run_are_a_warning(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml", "--run-id", "kept-1")
    lost = cpf.home / "runs" / "lost-1"
    lost.mkdir(mode=0o700)
    assert str(lost) in found(cpf)["files"]["message"]
    assert "kept-1" not in found(cpf)["files"]["message"]


def test_folders_of_runs_of_1_x_belong_to_the_store_that_was_put_aside(cpf: Program) -> None:
    folder = cpf.home / "runs" / ("0123456789abcdef" * 2)
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml")
    folder.mkdir(mode=0o700)
    assert str(folder) in found(cpf)["files"]["message"]
    (cpf.home / "runs-1.x.db").touch(mode=0o600)
    assert "files" not in found(cpf)


def test_an_old_sqlite_and_a_full_disk_are_warnings(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "OLDEST_SOUND_SQLITE", (99, 0, 0))
    monkeypatch.setattr(checks, "LITTLE_SPACE_BYTES", 1 << 62)
    told = found(cpf)
    assert (told["sqlite"]["status"], told["disk"]["status"]) == ("warning", "warning")


# -- delete ----------------------------------------------------------------------------------------


def test_a_settled_run_is_deleted_with_all_that_belongs_to_it(cpf: Program) -> None:
    for name, text in {"gate": GATE, "failing": FAILING}.items():
        cpf.write(f"{name}.yaml", text)
        cpf.here("run", "-f", f"{name}.yaml", "--run-id", f"{name}-1")
    gone = cpf.here("delete", "--run-id", "failing-1").envelope
    assert (gone["deleted"], gone["run_id"], gone["status"], gone["exit_code"]) == (True, "failing-1", "failed", 0)
    assert not (cpf.home / "runs" / "failing-1").exists()
    assert (cpf.home / "runs" / "gate-1").is_dir()
    assert [run["run_id"] for run in cpf.here(*gone["next_actions"][0]["argv"][1:]).envelope["runs"]] == ["gate-1"]
    for command in ("status", "delete", "inspect", "logs"):
        refused = cpf.here(command, "--run-id", "failing-1").envelope
        assert refused["error"]["code"] == "ERR_RUN_NOT_FOUND"


def test_a_run_that_could_go_on_is_not_deleted_and_the_remedy_is_said(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    refused = cpf.here("delete", "--run-id", "gate-1").envelope
    assert (refused["error"]["code"], refused["exit_code"], refused["status"]) == ("ERR_RUN_NOT_SETTLED", 20, "waiting")
    assert "cpf cancel --run-id gate-1" in refused["error"]["message"]
    assert cpf.here("cancel", "--run-id", "gate-1", "--reason", "over").exit_code == 0
    assert cpf.here("delete", "--run-id", "gate-1").envelope["status"] == "cancelled"
    assert cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1", "--set", "n=2").exit_code == 40


def test_a_run_that_is_driven_is_not_deleted(cpf: Program) -> None:
    cpf.write("slow.yaml", SLOW)
    process = cpf.start("run", "-f", "slow.yaml", "--run-id", "slow-1")
    assert process.stderr
    assert process.stderr.readline() == b"run slow-1\n"
    refused = cpf.here("delete", "--run-id", "slow-1").envelope
    assert (refused["error"]["code"], refused["exit_code"]) == ("ERR_RUN_HELD", 70)
    cpf.here("cancel", "--run-id", "slow-1", "--reason", "over")
    process.communicate(timeout=60)
    assert cpf.here("delete", "--run-id", "slow-1").exit_code == 0


def test_files_that_cannot_be_removed_are_named_and_the_run_is_gone(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml", "--run-id", "failing-1")
    folder = cpf.home / "runs" / "failing-1"
    folder.rename(cpf.home / "elsewhere")
    folder.symlink_to(cpf.home / "elsewhere")  # which is not followed
    refused = cpf.here("delete", "--run-id", "failing-1").envelope
    assert (refused["exit_code"], str(folder) in refused["error"]["message"]) == (60, True)
    assert cpf.here("runs").envelope["runs"] == []
    assert any((cpf.home / "elsewhere").rglob("*.txt"))


# -- what doctor says of the upkeep ----------------------------------------------------------------


def test_doctor_says_how_much_is_kept_and_warns_of_much(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.write("gate.yaml", GATE)
    for name in ("failing", "gate"):
        cpf.here("run", "-f", f"{name}.yaml", "--run-id", f"{name}-1")
    cpf.here("cancel", "--run-id", "gate-1", "--reason", "over")
    told = found(cpf)["retention"]
    assert told["status"] == "ok"
    assert told["message"].startswith("settled runs: 2, 0 of them ended more than 30 days ago; the store takes 0.")
    monkeypatch.setattr("checkpointflow.cli.upkeep.OLD_SECONDS", 0.0)
    monkeypatch.setattr("checkpointflow.cli.upkeep.MANY_RUNS", 1)
    told = found(cpf)["retention"]
    assert (told["status"], "1 of them" in told["message"], "cpf gc" in told["remedy"]) == ("warning", True, True)


def test_doctor_says_before_the_first_run_what_to_install_so_that_the_store_is_driven(
    cpf: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpointflow.cli.streams.talks_to_terminal", lambda *_: True)
    answer = cpf.here("doctor")
    told = next(check for check in answer.envelope["checks"] if check["name"] == "drivers")
    assert (told["status"], "nothing drives this store by itself" in told["message"]) == ("ok", True)
    for name, text in told["install"].items():
        assert f"        for {name}:\n          {text.splitlines()[0]}" in answer.stderr
    assert not cpf.home.exists()


def test_doctor_says_whether_anything_drives_the_store(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml")
    told = found(cpf)["drivers"]
    assert (told["status"], "no tick yet" in told["message"]) == ("ok", True)
    assert set(told["install"]) == ({"windows"} if sys.platform == "win32" else {"cron", "systemd"})
    cpf.write("nap.yaml", SLEEPING)
    assert cpf.here("run", "-f", "nap.yaml").exit_code == 40
    told = found(cpf)["drivers"]
    assert (told["status"], "runs that go on only if something does: 1" in told["message"]) == ("warning", True)
    assert cpf.here("tick").exit_code == 0
    told = found(cpf)["drivers"]
    assert (told["status"], "the last tick was at 2" in told["message"], "install" in told) == ("ok", True, False)
    monkeypatch.setattr("checkpointflow.cli.upkeep.TICK_SECONDS", 0.0)
    assert found(cpf)["drivers"]["status"] == "warning"
    worker = cpf.start("worker")
    assert worker.stderr
    assert b"driving what is due" in worker.stderr.readline()
    until(lambda: f"1 worker drives what is due: process {worker.pid} on" in found(cpf)["drivers"]["message"])
    worker.terminate()
    worker.communicate(timeout=60)
    assert found(cpf)["drivers"]["status"] == "warning"


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_the_line_for_cron_drives_what_is_due_with_nothing_in_its_environment(cpf: Program) -> None:
    from checkpointflow.cli import upkeep
    from checkpointflow.config import load_settings

    home = cpf.home.with_name("100% odd 'home'")
    (cpf.cwd / "bin").mkdir()
    settings = replace(load_settings(), home=home, environment={"PATH": f"{cpf.cwd}/bin:/usr/bin:/bin"})
    line = upkeep.lines(settings, sys.executable, windows=False)["cron"]
    schedule, command = line.split(" CPF_HOME=", 1)
    assert schedule == "* * * * *"
    assert command.count("%") == command.count("\\%") == 1
    asked = f"CPF_HOME={command}".replace("\\%", "%")
    done = subprocess.run(["sh", "-c", asked], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Client(settings) as client:
        assert [one.kind for one in client.drivers()] == ["tick"]


def test_the_lines_for_other_programs_quote_what_they_name(cpf: Program) -> None:
    from checkpointflow.cli import upkeep
    from checkpointflow.config import load_settings

    settings = replace(load_settings(), home=Path('/a "b"\\100%'), environment={"PATH": "/usr/bin"})
    unit = upkeep.lines(settings, "/opt/$x/python", windows=False)["systemd"]
    assert '"CPF_HOME=/a \\"b\\"\\\\100%%" "PATH=/usr/bin"' in unit
    assert 'ExecStart="/opt/$$x/python" -m checkpointflow worker --quiet' in unit
    task = upkeep.lines(settings, "C:\\Program Files\\python.exe", windows=True)["windows"]
    assert "/TR \"'C:\\Program Files\\python.exe' -m checkpointflow tick --quiet\"" in task
