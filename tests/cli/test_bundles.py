"""Runs that go elsewhere in a bundle: what goes with them, where they go on, and what a bundle is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from architecture.pages import ROOT, marked
from checkpointflow.client.bundles import layout, writing
from checkpointflow.errors import StoreUnavailable
from cli.documents import FAILING, GATE, SLEEPING, SLOW
from cli.program import Program

APPROVED = ("--event", "go", "--input", '{"decision": "approve"}')
LONG = """\
schema_version: checkpointflow/v1
workflow:
  id: long
  inputs: {type: object}
  steps:
    - id: Big
      kind: cli
      command: "echo $CPF_IDEMPOTENCY_KEY >> keys; head -c 300000 /dev/zero | tr '\\\\0' x"
      parse: text
    - id: asks
      kind: foreach
      items: '["a/b", "C"]'
      item_key: ${item}
      max_parallel: 2
      body:
        - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: after, kind: cli, command: "echo $CPF_IDEMPOTENCY_KEY >> keys"}
    - {id: more, kind: await_event, if: inputs == 1, audience: user, event_name: later, input_schema: {type: object}}
    - {id: last, kind: end, result: "${steps.asks.outputs}"}
"""


def of(envelope: dict, number: int) -> tuple[str, ...]:
    """The words that answer one of the waits that an envelope lists."""
    wait = envelope["waits"][number]
    return ("--event", wait["event_name"], "--wait", wait["wait_id"])


# -- going on elsewhere ----------------------------------------------------------------------------


def test_a_moved_run_goes_on_where_it_stood(cpf: Program, there: Program, at: Callable[..., dict]) -> None:
    cpf.write("long.yaml", LONG)
    before = at(cpf, "run", "-f", "long.yaml", "--run-id", "long-1", "--label", "team=blue")
    at(cpf, "send", "--run-id", "long-1", *of(before, 0), "--input", "{}", "--event-id", "e1")
    at(cpf, "send", "--run-id", "long-1", "--event", "later", "--input", "{}", "--event-id", "e2")
    moved = at(cpf, "export", "--run-id", "long-1", "--move", "-o", "long.tar")
    assert (moved["status"], moved["bundle"]["moved"], moved["bundle"]["copy"]) == ("moved", True, False)
    assert moved["bundle"]["messages"] == 2
    came = at(there, *moved["next_actions"][0]["argv"][1:])
    assert (came["status"], came["run_id"], came["labels"]) == ("waiting", "long-1", {"team": "blue"})
    assert [wait["wait_id"] for wait in came["waits"]] == [wait["wait_id"] for wait in before["waits"]]
    assert [wait["answered"] for wait in came["waits"]] == [True, False]
    again = at(there, "resume", "--run-id", "long-1", *of(before, 0), "--event-id", "e1")
    assert again["duplicate"] is True
    assert at(there, "send", "--run-id", "long-1", "--event", "later", "--event-id", "e2")["duplicate"] is True
    ended = at(there, "resume", "--run-id", "long-1", *of(before, 1))
    assert (ended["status"], len(ended["result"]["iterations"])) == ("completed", 2)
    assert (cpf.cwd / "keys").read_text() == "long-1/Big/0\nlong-1/after/0\n"
    printed = {path.name: path.read_bytes() for path in (there.home / "runs" / "long-1" / "stdout").iterdir()}
    here = cpf.home / "runs" / "long-1" / "stdout"
    assert {path.name for path in here.iterdir()} < set(printed)
    assert all(printed[path.name] == path.read_bytes() for path in here.iterdir())
    assert max(map(len, printed.values())) == 300_000


PARENT = """\
schema_version: checkpointflow/v1
workflow:
  id: parent
  secrets: {token: {env: MY_TOKEN}}
  inputs: {type: object}
  steps:
    - {id: below, kind: workflow, workflow_ref: gate.yaml}
    - {id: with-a-name-that-is-NAME, kind: cli, command: "printf %s $T | wc -c", parse: json,
       env: {T: "${secrets.token}"}}
    - {id: last, kind: end, result: {count: "${steps['with-a-name-that-is-NAME'].outputs}"}}
""".replace("NAME", "long-" * 25 + "indeed")


def test_secrets_sub_workflows_and_long_names_go_along(
    cpf: Program, there: Program, at: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "swordfish-9")
    cpf.write("gate.yaml", GATE)
    assert at(cpf, "run", "-f", cpf.write("parent.yaml", PARENT), "--run-id", "parent-1")["status"] == "waiting"
    at(cpf, "export", "--run-id", "parent-1", "--move", "-o", "parent.tar")
    (cpf.cwd / "gate.yaml").unlink()
    (cpf.cwd / "parent.yaml").unlink()
    at(there, "import", "parent.tar")
    monkeypatch.delenv("MY_TOKEN")
    assert at(there, "resume", "--run-id", "parent-1", *APPROVED)["status"] == "interrupted"
    monkeypatch.setenv("MY_TOKEN", "swordfish-9")
    ended = at(there, "resume", "--run-id", "parent-1")
    assert (ended["status"], ended["result"]["count"]) == ("completed", 11)
    at(there, "export", "--run-id", "parent-1", "-o", "back.tar")
    kept = Program(home=cpf.home.with_name("third"), cwd=cpf.cwd)
    at(kept, "import", "back.tar")
    printed = {path.name: path.read_bytes() for path in (there.home / "runs" / "parent-1" / "stdout").iterdir()}
    assert max(map(len, printed)) > 100
    again = (kept.home / "runs" / "parent-1" / "stdout").iterdir()
    assert {path.name: path.read_bytes() for path in again} == printed


def test_nothing_takes_a_moved_run_up_where_it_left(cpf: Program, at: Callable[..., dict], gate: Path) -> None:
    assert gate.exists()
    for words in (
        ("resume", "--run-id", "gate-1"), ("resume", "--run-id", "gate-1", *APPROVED),
        ("send", "--run-id", "gate-1", "--event", "go", "--input", "{}"),
        ("cancel", "--run-id", "gate-1", "--reason", "x"), ("retry", "--run-id", "gate-1"),
    ):  # fmt: skip
        refused = at(cpf, *words)
        assert (refused["status"], refused["exit_code"]) == ("moved", 20), words
    assert at(cpf, "tick")["driven_runs"] == []
    status = at(cpf, "status", "--run-id", "gate-1")
    assert (status["exit_code"], status["next_actions"][0]["argv"][1]) == (0, "export")
    assert at(cpf, "waits")["waits"] == []


def test_a_run_comes_back_with_what_happened_elsewhere(
    cpf: Program, there: Program, at: Callable[..., dict], gate: Path
) -> None:
    at(there, "import", str(gate))
    at(there, "export", "--run-id", "gate-1", "--move", "-o", "back.tar")
    back = at(cpf, "import", "back.tar")
    assert (back["status"], back["run_id"]) == ("waiting", "gate-1")
    assert "its move is undone" in back["warnings"][0]
    assert at(cpf, "resume", "--run-id", "gate-1", *APPROVED)["result"] == "approve"


def test_a_run_comes_back_longer_and_its_older_bundles_are_refused(
    cpf: Program, there: Program, at: Callable[..., dict]
) -> None:
    cpf.write("long.yaml", LONG)
    before = at(cpf, "run", "-f", "long.yaml", "--run-id", "long-1")
    at(cpf, "export", "--run-id", "long-1", "--move", "-o", "first.tar")
    at(there, "import", "first.tar")
    at(there, "resume", "--run-id", "long-1", *of(before, 1))
    at(there, "export", "--run-id", "long-1", "--move", "-o", "second.tar")
    back = at(cpf, "import", "second.tar")
    assert (back["status"], "warnings" in back) == ("waiting", False)
    assert [wait["step_key"] for wait in back["waits"]] == [before["waits"][0]["step_key"]]
    refused = at(cpf, "import", "second.tar")
    assert (refused["exit_code"], refused["error"]["code"], refused["status"]) == (70, "ERR_RUN_EXISTS", "waiting")
    at(cpf, "export", "--run-id", "long-1", "--move", "-o", "third.tar")
    refused = at(cpf, "import", "first.tar")
    assert (refused["exit_code"], "it is older" in refused["error"]["message"]) == (70, True)
    assert at(there, "import", "third.tar")["status"] == "waiting"
    assert at(there, "resume", "--run-id", "long-1", *of(before, 0))["status"] == "completed"
    assert (cpf.cwd / "keys").read_text().splitlines().count("long-1/Big/0") == 1


@pytest.mark.parametrize(("text", "status"), [(FAILING, "failed"), (SLEEPING, "waiting")])
def test_failed_and_sleeping_runs_move_too(
    cpf: Program, there: Program, at: Callable[..., dict], text: str, status: str
) -> None:
    at(cpf, "run", "-f", cpf.write("flow.yaml", text), "--run-id", "flow-1")
    at(cpf, "export", "--run-id", "flow-1", "--move", "-o", "flow.tar")
    came = at(there, "import", "flow.tar")
    assert (came["status"], came["exit_code"], came["ok"]) == (status, 0, True)
    cpf.write("mended", "")
    went_on = at(there, "retry" if status == "failed" else "resume", "--run-id", "flow-1")
    assert went_on["status"] == ("completed" if status == "failed" else "waiting")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_run_that_a_dead_process_left_moves_and_its_step_runs_again_there(
    cpf: Program, there: Program, at: Callable[..., dict]
) -> None:
    cpf.write("slow.yaml", SLOW)
    process = cpf.start("run", "-f", "slow.yaml", "--run-id", "slow-1")
    until(lambda: (cpf.cwd / "started").exists())
    held = at(cpf, "export", "--run-id", "slow-1", "--move", "-o", "slow.tar")
    assert (held["exit_code"], held["error"]["code"], held["status"]) == (70, "ERR_RUN_HELD", "running")
    assert [path.name for path in cpf.cwd.iterdir() if "slow.tar" in path.name] == []
    looked = at(cpf, "export", "--run-id", "slow-1", "-o", "look.tar")
    assert (looked["exit_code"], looked["bundle"]["copy"], looked["bundle"]["status"]) == (0, True, "interrupted")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert at(cpf, "export", "--run-id", "slow-1", "--move", "-o", "slow.tar")["exit_code"] == 0
    assert at(there, "import", "slow.tar")["status"] == "interrupted"
    cpf.write("fast", "")
    assert at(there, "resume", "--run-id", "slow-1")["result"] == "fine"
    steps = at(there, "inspect", "--run-id", "slow-1")["result"]["step_results"]
    assert [(step["step_id"], step["attempt"]) for step in steps[:2]] == [("mark", 1), ("slow", 2)]
    assert (cpf.cwd / "marks").read_text() == "x\n"


def until(is_so: Callable[[], bool]) -> None:
    from cli.test_detached import until as wait

    wait(is_so)


# -- copies ----------------------------------------------------------------------------------------


def test_a_run_that_was_not_moved_is_taken_as_a_copy_only_and_under_a_new_id(
    cpf: Program, there: Program, at: Callable[..., dict]
) -> None:
    at(cpf, "run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    written = at(cpf, "export", "--run-id", "gate-1", "-o", "gate.tar")
    refused = at(there, "import", "gate.tar")
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_BUNDLE")
    assert "`--copy`" in refused["error"]["message"]
    assert at(there, "runs")["runs"] == []
    assert refused["next_actions"][0]["argv"] == ["cpf", "import", "--copy", "gate.tar"]
    copied = at(there, *written["next_actions"][0]["argv"][1:])
    assert copied["copied_from"] == "gate-1" != copied["run_id"]
    assert "may go on elsewhere" in copied["warnings"][0]
    for place, run_id in ((cpf, "gate-1"), (there, copied["run_id"])):
        assert at(place, "resume", "--run-id", run_id, *APPROVED)["result"] == "approve"
    first = at(there, "inspect", "--run-id", copied["run_id"])["result"]["entries"][0]
    assert first["origin"]["run"] == "gate-1"
    assert (there.home / "runs" / copied["run_id"] / "stdout").is_dir()


def test_a_run_that_cannot_go_on_needs_no_move(cpf: Program, there: Program, at: Callable[..., dict]) -> None:
    at(cpf, "run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    at(cpf, "cancel", "--run-id", "gate-1", "--reason", "over")
    refused = at(cpf, "export", "--run-id", "gate-1", "--move", "-o", "gate.tar")
    assert (refused["exit_code"], refused["error"]["code"]) == (20, "ERR_RUN_SETTLED")
    at(cpf, "export", "--run-id", "gate-1", "-o", "gate.tar")
    came = at(there, "import", "gate.tar")
    assert (came["status"], came["run_id"], came["exit_code"]) == ("cancelled", "gate-1", 0)
    assert at(there, "import", "gate.tar")["exit_code"] == 70


def test_a_folder_that_is_missing_here_is_a_warning(
    cpf: Program, there: Program, at: Callable[..., dict], gate: Path
) -> None:
    away = cpf.cwd.with_name("away")
    away.mkdir()
    shutil.move(gate, away)
    place = Program(home=there.home, cwd=away)
    os.chdir(away)
    cpf.cwd.rename(cpf.cwd.with_name("gone"))
    assert f"`{cpf.cwd}` is not here" in at(place, "import", "gate.tar")["warnings"][0]


# -- the file --------------------------------------------------------------------------------------


def test_the_same_run_is_the_same_bytes(cpf: Program, at: Callable[..., dict]) -> None:
    at(cpf, "run", "-f", cpf.write("long.yaml", LONG), "--run-id", "long-1")
    for name in ("a.tar", "b.tar"):
        at(cpf, "export", "--run-id", "long-1", "-o", name)
    assert (cpf.cwd / "a.tar").read_bytes() == (cpf.cwd / "b.tar").read_bytes()
    for name in ("c.tar", "d.tar"):
        at(cpf, "export", "--run-id", "long-1", "--move", "-o", name)
    assert (cpf.cwd / "c.tar").read_bytes() == (cpf.cwd / "d.tar").read_bytes()
    assert sys.platform == "win32" or (cpf.cwd / "a.tar").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_written_over_only_on_request(cpf: Program, at: Callable[..., dict]) -> None:
    at(cpf, "run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    cpf.write("gate.tar", "mine")
    refused = at(cpf, "export", "--run-id", "gate-1", "--move", "-o", "gate.tar")
    assert (refused["exit_code"], refused["status"], (cpf.cwd / "gate.tar").read_text()) == (10, "waiting", "mine")
    assert at(cpf, *refused["next_actions"][0]["argv"][1:])["bundle"]["moved"] is True


def test_a_bundle_that_could_not_be_written_is_written_again(
    cpf: Program, at: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(cpf, "run", "-f", cpf.write("gate.yaml", GATE), "--run-id", "gate-1")
    refused = at(cpf, "export", "--run-id", "gate-1", "--move", "-o", "nowhere/gate.tar")
    assert (refused["exit_code"], refused["status"]) == (60, "waiting")

    class Full(writing.Draft):
        def write(self, run: layout.Run, folder: Path) -> None:
            raise StoreUnavailable("the disk is full; make room")

    with monkeypatch.context() as patch:
        patch.setattr("checkpointflow.client.moving.Draft", Full)
        refused = at(cpf, "export", "--run-id", "gate-1", "--move", "-o", "gate.tar")
    assert (refused["exit_code"], refused["status"]) == (60, "moved")
    assert [path.name for path in cpf.cwd.iterdir()] == ["gate.yaml"]
    assert at(cpf, "export", "--run-id", "gate-1", "-o", "gate.tar")["bundle"]["moved"] is True


def test_verify_needs_no_store_and_changes_nothing(
    cpf: Program, there: Program, at: Callable[..., dict], gate: Path
) -> None:
    told = at(there, "verify", str(gate))
    assert told["bundle"] == {
        "file": str(gate), "run_id": "gate-1", "workflow_id": "gate", "status": "waiting", "moved": True, "copy": False,
        "entries": 5, "messages": 0, "waits": ["ask"], "files": 9, "bytes": gate.stat().st_size,
        "definition": told["bundle"]["definition"], "chain": told["bundle"]["chain"],
    }  # fmt: skip
    assert not there.home.exists()
    assert told["next_actions"][0]["argv"] == ["cpf", "import", str(gate)]


def of_the_readme(folder: Path) -> str:
    text = (folder / "README.txt").read_text()
    return text.partition("unpacked:\n")[2].partition("Digests tell")[0]


def of_the_page(_folder: Path) -> str:
    (recipe,) = marked(ROOT / "docs" / "explanation" / "run-bundles.md", "runs: check")
    return recipe.replace("../run.tar", "../gate.tar")


@pytest.mark.skipif(not all(map(shutil.which, ("sha256sum", "jq", "tar"))), reason="needs sha256sum, jq and tar")
@pytest.mark.parametrize("recipe", [of_the_readme, of_the_page])
def test_a_bundle_can_be_checked_with_other_tools(cpf: Program, gate: Path, recipe: Callable[[Path], str]) -> None:
    folder = cpf.cwd / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "-xf", gate, "-C", folder], check=True)
    check = recipe(folder)
    assert "sha256sum -c" in check

    def checked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-ec", check], cwd=folder, capture_output=True, text=True, check=False)

    done = checked()
    assert done.returncode == 0, done.stdout + done.stderr
    journal = (folder / "journal.jsonl").read_bytes()
    check = check.replace("tar -xf", "true").replace("sha256sum -c", "true")
    assert checked().returncode == 0
    (folder / "journal.jsonl").write_bytes(journal.replace(b"one", b"two"))
    assert checked().returncode != 0
    (folder / "journal.jsonl").write_bytes(journal)
    (folder / "manifest.json").write_text("{}")
    assert checked().returncode != 0


def test_a_secret_is_not_in_a_bundle(cpf: Program, at: Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    text = GATE.replace("  steps:", "  secrets: {token: {env: MY_TOKEN}}\n  steps:").replace(
        '"echo one; echo two >&2"}', '"echo $T", env: {T: "${secrets.token}"}}'
    )
    monkeypatch.setenv("MY_TOKEN", "swordfish-9")
    assert at(cpf, "run", "-f", cpf.write("gate.yaml", text), "--run-id", "gate-1")["status"] == "waiting"
    at(cpf, "export", "--run-id", "gate-1", "-o", "gate.tar")
    data = (cpf.cwd / "gate.tar").read_bytes()
    assert b"secrets.token" in data
    assert b"swordfish-9" not in data
