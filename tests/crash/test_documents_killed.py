"""Real documents in real processes that are killed, or go at the same run all at once."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from postgres_server import await_deaths

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")

HERE = Path(__file__).parent
RUN = "killed-run"

EVERY_KIND = """
schema_version: checkpointflow/v1
workflow:
  id: killed
  inputs: {type: object}
  steps:
    - {id: first, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - id: fan
      kind: parallel
      branches:
        - start_at: left
        - id: right
          steps:
            - {id: inner, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - {id: left, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - id: each
      kind: foreach
      items: '["a", "b"]'
      item_key: ${item}
      body:
        - {id: work, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - {id: nested, kind: workflow, workflow_ref: nested.yaml}
    - {id: last, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - id: end
      kind: end
      result: ["${steps.fan.outputs}", "${steps.each.outputs}", "${steps.nested.outputs}", "${steps.last.outputs.said}"]
"""
NESTED = """
schema_version: checkpointflow/v1
workflow:
  id: nested
  inputs: {type: object}
  steps:
    - {id: deep, kind: cli, argv: [PYTHON, HELD, FOLDER]}
"""
RESULT = [
    {"left": {"said": 'fan["left"]/left'}, "right": {"inner": {"said": 'fan["right"]/inner'}}},
    {"iterations": [{"work": {"said": f'each["{item}"]/work'}} for item in "ab"]},
    {"deep": {"said": "nested/deep"}},
    "last",
]
KEYS = [
    "first", 'fan["left"]/left', 'fan["right"]/inner', 'each["a"]/work', 'each["b"]/work', "nested/deep", "last",
]  # fmt: skip

ONCE = """
schema_version: checkpointflow/v1
workflow:
  id: once
  inputs: {type: object}
  steps:
    - {id: before, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - {id: pay, kind: cli, effect: once, argv: [PYTHON, HELD, FOLDER]}
    - {id: end, kind: end, result: "${steps.pay.outputs.said}"}
"""
GATE = """
schema_version: checkpointflow/v1
workflow:
  id: gate
  inputs: {type: object}
  steps:
    - {id: before, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - id: ask
      kind: await_event
      audience: user
      event_name: go
      input_schema: {type: object, properties: {who: {type: string}}, required: [who]}
    - {id: after, kind: cli, argv: [PYTHON, HELD, FOLDER]}
    - {id: nested, kind: workflow, workflow_ref: nested.yaml}
    - {id: end, kind: end, result: "${steps.ask.outputs.who}"}
"""
CHEAP = """
schema_version: checkpointflow/v1
workflow:
  id: cheap
  inputs: {type: object}
  steps:
    - {id: one, kind: set, values: {here: "${run.id}"}}
    - {id: end, kind: end, result: "${steps.one.outputs.here}"}
"""


class Shop:
    """A folder with a document and a state folder, in which processes run; `store` is the URL of a shared store."""

    def __init__(self, folder, store=None):
        self.folder = folder
        self.store = store
        self.begun = folder / "begun"
        os.mkfifo(self.begun)

    def write(self, text, name="doc.yaml"):
        for word, stands_for in (("PYTHON", sys.executable), ("HELD", HERE / "held_step.py"), ("FOLDER", self.folder)):
            text = text.replace(word, json.dumps(str(stands_for)))
        (self.folder / name).write_text(text)
        return self.folder / name

    def environment(self, **more):
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("CPF_")}
        shared = {} if self.store is None else {"CPF_STORE": self.store}
        return inherited | {"CPF_HOME": str(self.folder / "home"), "CPF_DURABILITY": "process"} | shared | more

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "checkpointflow", *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def cpf(self, *arguments, **environment):
        """Run a command to its end and return its envelope."""
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate()
        envelope = json.loads(stdout)
        assert envelope["exit_code"] == process.returncode, stderr
        return envelope

    def kill_during(self, victim, *arguments, deaths=1):
        """Run a command, and kill it as soon as the victim has begun."""
        process = self.start(*arguments, VICTIM=victim, DEATHS=str(deaths))
        assert self.begun.read_text() == victim
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        if self.store is not None:
            await_deaths(self.store)

    def performed(self):
        """Return the attempts that were performed, in order."""
        return (self.folder / "performed").read_text().splitlines()

    def is_running(self, key):
        """Claim that an attempt of a step still runs."""
        with (self.folder / f"lock {key}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def all_at_once(self, arguments):
        """Run a `document_process.py` per list of arguments, all from one moment on; return what they say."""
        script = [sys.executable, str(HERE / "document_process.py")]
        processes = [
            subprocess.Popen(
                [*script, *one],
                env=self.environment(CPF_ACTOR=one[-1]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for one in arguments
        ]
        for process in processes:
            assert json.loads(process.stdout.readline()) == "ready"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate() for process in processes]
        assert [stderr for _, stderr in ended if stderr] == []
        return [json.loads(stdout) for stdout, _ in ended]


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, tmp_path):
    return Shop(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else None)


def test_the_document_runs_unbroken(shop):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    assert shop.cpf("run", "-f", "doc.yaml")["result"] == RESULT
    assert sorted(shop.performed()) == sorted(f"{key} 1" for key in KEYS)


@pytest.mark.parametrize("victim", KEYS)
def test_a_process_killed_during_a_step_leaves_a_run_that_another_completes(shop, victim):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    shop.kill_during(victim, "run", "-f", "doc.yaml", "--run-id", RUN)
    before = shop.performed()
    status = shop.cpf("status", "--run-id", RUN)
    assert (status["status"], status["exit_code"]) == ("interrupted", 20)

    envelope = shop.cpf("resume", "--run-id", RUN)
    assert (envelope["status"], envelope["result"]) == ("completed", RESULT)
    after = shop.performed()
    assert after[: len(before)] == before
    again = {line.removesuffix(" 2") for line in after if line.endswith(" 2")}
    assert victim in again
    beside = {key for key in KEYS if key.startswith("fan") and victim.startswith("fan")}  # its sibling died as well
    assert again <= beside | {victim}
    assert sorted(after) == sorted([*(f"{key} 1" for key in KEYS), *(f"{key} 2" for key in again)])


def test_a_run_can_be_killed_again_and_again_at_other_steps(shop):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    shop.kill_during("first", "run", "-f", "doc.yaml", "--run-id", RUN)
    for victim in KEYS[3:]:
        shop.kill_during(victim, "resume", "--run-id", RUN)
    assert shop.cpf("resume", "--run-id", RUN)["result"] == RESULT
    twice = {line.removesuffix(" 2") for line in shop.performed() if line.endswith(" 2")}
    assert twice == {"first", *KEYS[3:]}
    assert len(shop.performed()) == len(set(shop.performed()))


def test_a_step_that_took_three_processes_with_it_is_in_doubt(shop):
    shop.write(ONCE.replace("effect: once, ", ""))
    shop.kill_during("pay", "run", "-f", "doc.yaml", "--run-id", RUN, deaths=3)
    shop.kill_during("pay", "resume", "--run-id", RUN, deaths=3)
    shop.kill_during("pay", "resume", "--run-id", RUN, deaths=3)
    envelope = shop.cpf("resume", "--run-id", RUN)
    assert (envelope["exit_code"], envelope["wait"]["kind"], envelope["wait"]["step_key"]) == (40, "in_doubt", "pay")
    told = " ".join(envelope["wait"]["instructions"])
    assert "its driver died three times in a row" in told
    assert "take effect once" not in told
    envelope = shop.cpf("decide", "--run-id", RUN, "pay", "again", "--reason", "harmless")
    assert (envelope["status"], envelope["result"]) == ("completed", "pay")
    assert shop.performed() == ["before 1", "pay 1", "pay 2", "pay 3", "pay 4"]


DECISIONS = {
    "done": (["--output", '{"said": "paid"}'], "completed", 0, "paid", ["before 1", "pay 1"]),
    "again": ([], "completed", 0, "pay", ["before 1", "pay 1", "pay 2"]),
    "fail": ([], "failed", 30, None, ["before 1", "pay 1"]),
}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_step_that_may_run_only_once_asks_what_became_of_it(shop, decision):
    options, status, exit_code, result, performed = DECISIONS[decision]
    shop.write(ONCE)
    shop.kill_during("pay", "run", "-f", "doc.yaml", "--run-id", RUN)
    assert shop.is_running("pay")
    envelope = shop.cpf("resume", "--run-id", RUN)
    assert not shop.is_running("pay")
    assert (envelope["exit_code"], envelope["wait"]["kind"], envelope["wait"]["step_key"]) == (40, "in_doubt", "pay")
    assert shop.cpf("resume", "--run-id", RUN)["exit_code"] == 40
    assert shop.performed() == ["before 1", "pay 1"]

    envelope = shop.cpf("decide", "--run-id", RUN, "pay", decision, "--reason", "I looked", *options)
    assert (envelope["status"], envelope["exit_code"], envelope.get("result")) == (status, exit_code, result)
    assert shop.performed() == performed
    entries = shop.cpf("inspect", "--exit-zero", "--run-id", RUN)["result"]["entries"]
    decided = next(entry for entry in entries if entry["entry"] == "step_decided")
    assert (decided["decision"], decided["reason"]) == (decision, "I looked")


def _delete(*files):
    for file in files:
        file.unlink()


def _move(*files):
    for file in files:
        file.rename(file.with_suffix(".moved"))


def _edit(*files):
    for file in files:
        file.write_text(CHEAP.replace("${steps.one.outputs.here}", "another one"))


def _spoil(*files):
    for file in files:
        file.write_text("{ no: yaml")


@pytest.mark.parametrize("change", [_delete, _move, _edit, _spoil])
def test_a_run_that_waits_goes_on_with_the_text_it_began_with(shop, change):
    files = [shop.write(NESTED, "nested.yaml"), shop.write(GATE)]
    assert shop.cpf("run", "-f", "doc.yaml", "--run-id", RUN)["exit_code"] == 40
    change(*files)
    envelope = shop.cpf("resume", "--run-id", RUN, "--event", "go", "--input", '{"who": "ann"}')
    assert (envelope["status"], envelope["result"]) == ("completed", "ann")
    assert shop.performed() == ["before 1", "after 1", "nested/deep 1"]


def test_of_twenty_answers_at_once_one_is_accepted_and_the_others_are_told_whose(shop):
    shop.write(NESTED, "nested.yaml")
    shop.write(GATE)
    shop.cpf("run", "-f", "doc.yaml", "--run-id", RUN)
    said = shop.all_at_once([["answer", RUN, f"person-{number}"] for number in range(20)])
    winners = [(who, status) for outcome, who, status in said if outcome == "accepted"]
    assert [status for _, status in winners] == ["completed"]
    winner = winners[0][0]
    refusals = [(outcome, message) for outcome, who, message in said if who != winner]
    assert {outcome for outcome, _ in refusals} == {"ERR_RUN_NOT_WAITING"}
    assert [message for _, message in refusals if not re.search(rf"\b{winner} answered `go` at \d", message)] == []
    assert shop.cpf("status", "--run-id", RUN)["result"] == winner
    assert shop.performed() == ["before 1", "after 1", "nested/deep 1"]


def test_forty_first_runs_in_a_fresh_state_folder_all_complete(shop):
    file = str(shop.write(CHEAP))
    said = shop.all_at_once([["run", file, f"run-number-{number}"] for number in range(40)])
    assert said == [["completed", {"result": f"run-number-{number}"}] for number in range(40)]
    assert len(shop.cpf("runs", "--limit", "100")["runs"]) == 40
