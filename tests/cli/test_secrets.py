"""Secrets from outside: their values are nowhere, whatever a run does with them; without them nothing is begun."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import Answer, Program, validated

TOKEN, KEY = 'to/s3cr3t-"välue"', "line one of s3cr3t\nline two of s3cr3t"
NEEDLE = b"s3cr3t"
"""A part of all values, to be found even where they are cut or encoded."""

MODULE = """
def shown(token, **rest):
    print('got', token, rest)
    return {'length': len(token)}

def broken(token):
    try:
        raise KeyError(token)
    except KeyError as error:
        raise ValueError(f'no {token}') from error
"""
DOCUMENT = """
schema_version: checkpointflow/v1
workflow:
  id: secret
  inputs: {}
  secrets: {token: {env: THE_TOKEN}, key: {file: key.pem}}
  steps:
    - id: uses
      kind: cli
      command: |
        printf '%s\\n' "$TOKEN" ${secrets.key} ${inputs.x}; cat
        cat >&2 <<END
        ${secrets.token} and $TOKEN
        END
        echo "$$" > ready; read line < go
      env: {TOKEN: "Bearer ${secrets.token}"}
      stdin: {deep: [{token: "${secrets.token}"}], key: "${secrets.key}"}
    - {id: calls, kind: python, call: "mod:shown", args: {token: "${secrets.token}", x: "${inputs.x}"}}
    - {id: raises, kind: python, call: "mod:broken", args: {token: "${secrets.key}"}, on_error: {next: prints}}
    - {id: never, kind: end, fail: not raised}
    - id: prints
      kind: cli
      command: "cat; cat >&2 <<END\\n${secrets.token}\\nEND"
      stdin: {t: "${secrets.token}"}
      on_error: {next: fails}
    - {id: never_too, kind: end, fail: not refused}
    - id: fails
      kind: cli
      command: 'echo "no: $T" >&2; exit 9'
      env: {T: "${secrets.key}"}
      on_error: {next: idle}
    - {id: never_either, kind: end, fail: not failed}
    - {id: idle, kind: cli, command: "env; echo $$ > ready; read line < go"}
    - id: gate
      kind: await_event
      audience: user
      event_name: go
      input_schema: {}
      prompt: ${steps.fails.error.message}
    - {id: after, kind: cli, command: "printf %s \\"$T\\" | wc -c", env: {T: "${secrets.token}"}, parse: json}
    - {id: e, kind: end, result: ["${steps.calls.outputs.length}", "${steps.after.outputs}", "${steps.prints.error}"]}
"""


class Secretive:
    """`cpf` in a folder with that document, its module and its key; every answer is kept."""

    def __init__(self, cpf: Program) -> None:
        self.cpf = cpf
        self.said = b""
        self.started: list[subprocess.Popen[bytes]] = []
        cpf.write("doc.yaml", DOCUMENT)
        cpf.write("mod.py", MODULE)
        cpf.write("key.pem", KEY + "\n")
        self.ready, self.go = self.fifo("ready"), self.fifo("go")

    def fifo(self, name: str) -> int:
        """Make a named pipe, and open both its ends, so that nobody who opens it has to wait."""
        os.mkfifo(self.cpf.cwd / name)
        return os.open(self.cpf.cwd / name, os.O_RDWR)

    def start(self, *words: str, token: str | None) -> subprocess.Popen[bytes]:
        environment = self.cpf.environment | ({"THE_TOKEN": token} if token is not None else {})
        self.started.append(self.cpf.start(*words, env=environment))
        return self.started[-1]

    def ended(self, process: subprocess.Popen[bytes]) -> Answer:
        stdout, stderr = process.communicate(timeout=60)
        self.said += stdout + stderr
        return Answer(process.returncode, stdout.decode(), stderr.decode())

    def __call__(self, *words: str, token: str | None = None) -> Answer:
        return self.ended(self.start(*words, token=token))

    def pause(self) -> int:
        """Wait until a command says that it is there, and return its process."""
        return int(self.heard(self.ready))

    def heard(self, pipe: int) -> str:
        """Return the line that a command writes into a named pipe."""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        assert poll.poll(30_000), "no command has come to that"
        return os.read(pipe, 100).decode().strip()

    def go_on(self) -> None:
        os.write(self.go, b"on\n")

    def check_files(self, at_least: int = 5) -> None:
        """Look for the values in every file of the state folder."""
        files = [path for path in self.cpf.home.rglob("*") if path.is_file()]
        assert len(files) >= at_least, files
        assert [path for path in files if NEEDLE in path.read_bytes()] == []


@pytest.fixture
def secretive(cpf: Program) -> Iterator[Secretive]:
    made = Secretive(cpf)
    yield made
    os.close(made.ready)
    os.close(made.go)
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def shown_by(process: int, name: str) -> bytes:
    try:
        return (Path("/proc") / str(process) / name).read_bytes()
    except OSError:
        return b""


def check_process_list() -> None:
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    assert [one for one in processes if NEEDLE in shown_by(one, "cmdline")] == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked at in /proc")
def test_a_value_is_in_no_file_no_answer_no_stream_and_no_process_list(secretive: Secretive) -> None:
    run = secretive.start(
        "run", "-f", "doc.yaml", "--set", "x=${secrets.token}", "-o", "ndjson", "--debug", token=TOKEN
    )
    using = secretive.pause()
    check_process_list()
    assert NEEDLE in shown_by(using, "environ")  # so the look at the process list was at the right time
    secretive.check_files()
    secretive.go_on()
    idle = secretive.pause()
    assert b"CPF_STEP_KEY=idle" in shown_by(idle, "environ")
    assert NEEDLE not in shown_by(idle, "environ")
    secretive.go_on()
    first = secretive.ended(run)
    assert first.exit_code == 40
    envelope = validated(json.loads(first.stdout.splitlines()[-1]), 40)
    assert envelope["wait"]["prompt"] == "step `fails` exited with code 9"
    secretive.check_files()

    run_id = envelope["run_id"]
    resumed = secretive("resume", "--run-id", run_id, "--event", "go", "--debug", token="rotated: another s3cr3t")
    assert resumed.exit_code == 0
    length, after, refused = resumed.envelope["result"]
    assert (length, after) == (len(TOKEN), len("rotated: another s3cr3t"))
    assert refused["code"] == "ERR_STEP_OUTPUT_INVALID"
    assert "holds the secret `token`" in refused["message"]

    for words in (["status"], ["inspect"], ["logs"], ["logs", "--stderr"]):
        assert secretive(*words, "--run-id", run_id, token=TOKEN).exit_code == 0
    for words in (["runs"], ["waits"], ["plan", "-f", "doc.yaml"], ["validate", "-f", "doc.yaml"]):
        assert secretive(*words, token=TOKEN).exit_code == 0
    assert NEEDLE not in secretive.said
    secretive.check_files()


def test_what_is_shown_instead_tells_what_happened(secretive: Secretive) -> None:
    run = secretive.start("run", "-f", "doc.yaml", "--set", "x=${secrets.token}", "--run-id", "mine-1", token=TOKEN)
    secretive.pause()
    secretive.go_on()
    secretive.pause()
    secretive.go_on()
    assert secretive.ended(run).exit_code == 40
    printed = secretive("logs", "--run-id", "mine-1", "uses").stdout
    assert printed == 'Bearer ***\n***\n${secrets.token}\n{"deep":[{"token":"***"}],"key":"***"}'
    assert secretive("logs", "--run-id", "mine-1", "uses", "--stderr").stdout == "*** and Bearer ***\n"
    assert secretive("logs", "--run-id", "mine-1", "calls").stdout == "got *** {'x': '${secrets.token}'}\n"
    results = {
        step["step_id"]: step for step in secretive("inspect", "--run-id", "mine-1").envelope["result"]["step_results"]
    }
    assert results["raises"]["error_message"] == "step `raises`: `mod:broken` raised ValueError: no ***"
    (trace,) = secretive.cpf.home.rglob("raises.1.traceback.txt")
    assert "KeyError: 'line one of s3cr3t" not in trace.read_text()
    assert trace.read_text().endswith("ValueError: no ***\n")


# -- missing ---------------------------------------------------------------------------------------

SMALL = """
schema_version: checkpointflow/v1
workflow:
  id: small
  inputs: {}
  secrets: {token: {env: THE_TOKEN}}
  steps:
    - {id: gate, kind: await_event, audience: user, event_name: go, input_schema: {}}
    - {id: a, kind: cli, command: "echo done >> performed; cat > /dev/null", stdin: "${secrets.token}"}
"""


def test_a_run_whose_secret_is_missing_is_refused_before_it_starts(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL)
    refused = secretive("run", "-f", "small.yaml")
    assert refused.exit_code == 10
    error = refused.envelope["error"]
    assert error["code"] == "ERR_SECRET_MISSING"
    assert "`token`: the variable `THE_TOKEN` is not set" in error["message"]
    assert error["details"]["missing_secrets"][0]["secret"] == "token"
    assert secretive("runs").envelope["runs"] == []
    short = secretive("run", "-f", "small.yaml", token="12345")
    assert (short.exit_code, "12345" in short.stdout) == (10, False)
    assert "fewer than 6 characters" in short.envelope["error"]["message"]


def test_a_secret_of_a_sub_workflow_is_needed_too(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL)
    outer = "schema_version: checkpointflow/v1\nworkflow:\n  id: outer\n  inputs: {}\n  steps:\n"
    secretive.cpf.write("outer.yaml", outer + "    - {id: w, kind: workflow, workflow_ref: small.yaml}\n")
    assert secretive("run", "-f", "outer.yaml").envelope["error"]["code"] == "ERR_SECRET_MISSING"
    assert secretive("run", "-f", "outer.yaml", token=TOKEN).exit_code == 40


def test_plan_says_which_secrets_are_needed_and_which_are_missing(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL)
    plan = secretive("plan", "-f", "small.yaml").envelope["plan"]
    assert plan["secrets"] == [{"secret": "token", "env": "THE_TOKEN"}]
    reason = "the variable `THE_TOKEN` is not set"
    assert plan["missing_secrets"] == [{"secret": "token", "env": "THE_TOKEN", "reason": reason}]
    assert secretive("plan", "-f", "small.yaml", token=TOKEN).envelope["plan"]["missing_secrets"] == []


def test_plan_says_first_what_is_missing_and_not_to_run_it(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL + "    - {id: x, kind: cli, argv: [no-such]}\n")
    answer = secretive("plan", "-f", "small.yaml")
    assert answer.exit_code == 0
    assert answer.envelope["warnings"] == [
        "the secret `token` is missing here, so no run starts: the variable `THE_TOKEN` is not set",
        "the program `no-such` is not found on the PATH here",
    ]
    first, second = answer.envelope["next_actions"]
    assert first["title"] == "Provide `THE_TOKEN`, `no-such`, then see that nothing is missing"
    assert first["argv"] == ["cpf", "plan", "-f", "small.yaml"]
    assert second["argv"] == ["cpf", "run", "-f", "small.yaml"]


def test_a_secret_that_is_missing_later_leaves_the_run_interrupted_until_it_is_there(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL)
    assert secretive("run", "-f", "small.yaml", "--run-id", "mine-1", token=TOKEN).exit_code == 40
    performed = secretive.cpf.cwd / "performed"
    for words in (["--event", "go"], [], [], []):  # more often than holders may die in a step
        stays = secretive("resume", "--run-id", "mine-1", *words)
        assert (stays.exit_code, stays.envelope["status"]) == (20, "interrupted")
        assert stays.envelope["error"]["code"] == "ERR_SECRET_UNAVAILABLE"
        assert stays.envelope["error"]["step_id"] == "a"
        assert "needs the secret `token`, and the variable `THE_TOKEN` is not set" in stays.envelope["error"]["message"]
    assert secretive("status", "--run-id", "mine-1").exit_code == 20
    assert not performed.exists()
    assert secretive("resume", "--run-id", "mine-1", token=TOKEN).exit_code == 0
    assert performed.read_text() == "done\n"


def test_a_run_that_is_there_already_is_not_asked_for_secrets_to_be_looked_at(secretive: Secretive) -> None:
    secretive.cpf.write("small.yaml", SMALL)
    assert secretive("run", "-f", "small.yaml", "--run-id", "mine-1", token=TOKEN).exit_code == 40
    assert secretive("run", "-f", "small.yaml", "--run-id", "mine-1").exit_code == 40


def test_a_command_that_a_dead_process_left_behind_writes_nothing_any_more(secretive: Secretive) -> None:
    """The pipe that masks what it prints has ended with the process that held it."""
    ended = secretive.fifo("ended")
    goes_on = 'read line < go; (echo "$TOKEN" >&2); echo "$?" > ended'
    secretive.cpf.write("doc.yaml", DOCUMENT.replace("read line < go", goes_on, 1))
    run = secretive.start("run", "-f", "doc.yaml", "--set", "x=1", token=TOKEN)
    secretive.pause()
    run.kill()
    secretive.ended(run)
    secretive.go_on()
    assert secretive.heard(ended) == str(128 + signal.SIGPIPE)
    secretive.check_files(at_least=3)
    os.close(ended)
