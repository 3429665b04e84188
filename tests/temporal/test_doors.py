"""What `cpf` says of runs on Temporal: the same envelopes, and one clear sentence where something is missing."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from pathlib import Path

import pytest
from temporalio.exceptions import CancelledError

from checkpointflow.cli.engine import ON_ENGINES
from checkpointflow.cli.serving import heard
from checkpointflow.engines.temporal.client import PATIENCE_SECONDS, Patience
from checkpointflow.engines.temporal.looking import Found
from checkpointflow.engines.temporal.wire import Summary
from checkpointflow.engines.temporal.worker import STICKY
from checkpointflow.kernel.derived import head_of
from checkpointflow.kernel.ids import RunId
from checkpointflow.testing import FakeClock, samples
from temporal.service import Server, Service

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {}\n  steps:\n"
GATE = HEAD + (
    "    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}\n"
    '    - {id: last, kind: end, result: "${steps.ask.outputs}"}\n'
)
FAST_SECONDS = 20.0
"""Far less than anybody would wait, far more than a busy machine needs."""


@pytest.fixture
def alone(tmp_path: Path) -> Service:
    """A service that is not there."""
    server = Server(tmp_path)
    return Service(server, "nobody", tmp_path)


# -- what is missing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://here", "there is no engine at"),
        ("temporal://", "it names no host"),
        ("temporal://here:x/y", "cannot be used"),
        ("temporal://here/a/b", "a namespace has no `/`"),
        ("temporal://here/a?queue=b", "`queue` is unknown"),
        ("temporal://here/a?task_queue=", "a value is missing"),
        ("temporal://me:S3cret@here/a", "it names a user"),
        ("temporal://here/a?S3cret=b", "is unknown"),
        ("temporal://me:S3cret", "`temporal://me:***` cannot be used, because its host or port is none"),
        ("postgresql://me:S3cret@here/a?password=S3cret", "there is no engine at `postgresql://here/a`"),
        ("me:S3cret@here", "there is no engine at `here`"),
    ],
)
def test_a_wrong_address_is_a_usage_error(alone: Service, url: str, why: str) -> None:
    for words in (("runs",), ("worker",)):
        refused = alone.cpf("--engine", url, *words)
        assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")
        assert why in refused["error"]["message"]
        assert "S3cret@" not in json.dumps(refused)
        assert "=S3cret" not in json.dumps(refused)
        assert ":S3cret" not in json.dumps(refused)


def test_an_address_has_to_follow_the_option(alone: Service) -> None:
    assert alone.cpf("runs", "--engine")["error"]["code"] == "ERR_USAGE"


@pytest.mark.parametrize("words", [("runs",), ("worker",), ("run", "-f", "gate.yaml"), ("status", "--run-id", "abcd")])
def test_a_service_that_is_not_there_is_said_to_be_so_in_seconds(alone: Service, words: tuple[str, ...]) -> None:
    alone.write("gate.yaml", GATE)
    begun = time.monotonic()
    refused = alone.cpf(*words)
    assert time.monotonic() - begun < FAST_SECONDS
    assert (refused["exit_code"], refused["error"]["code"]) == (60, "ERR_STORE_UNAVAILABLE")
    assert f"127.0.0.1:{alone.server.port}` does not answer (Connection refused);" in refused["error"]["message"]


def test_a_namespace_that_is_not_there_is_named(service: Service) -> None:
    url = service.url.replace("/default", "/other")
    refused = service.cpf("--engine", url, "runs")
    assert (refused["exit_code"], refused["error"]["code"]) == (60, "ERR_STORE_UNAVAILABLE")
    assert "no namespace `other`" in refused["error"]["message"]


def test_without_the_extra_the_line_that_installs_it_is_said(alone: Service) -> None:
    (alone.folder / "temporalio").mkdir()
    (alone.folder / "temporalio" / "__init__.py").write_text("raise ImportError('not here')\n")
    refused = alone.cpf("runs", PYTHONPATH=str(alone.folder))
    assert (refused["exit_code"], refused["error"]["code"]) == (80, "ERR_MISSING_EXTRA")
    assert "pip install 'checkpointflow[temporal]'" in refused["error"]["message"]


def test_a_run_without_a_worker_stands_and_says_how_to_start_one(service: Service) -> None:
    service.write("gate.yaml", GATE)
    begun = time.monotonic()
    left = service.cpf("run", "-f", "gate.yaml", "--run-id", "lonely-run")
    assert time.monotonic() - begun < 2 * FAST_SECONDS
    assert (left["status"], left["exit_code"]) == ("interrupted", 20)
    assert "no worker has taken it up" in left["warnings"][0]
    assert left["next_actions"][0]["argv"] == ["cpf", "worker"]
    assert left["error"]["message"] == "no worker goes on with the run; start one with `cpf worker`"
    with service.worker():
        assert service.cpf("run", "-f", "gate.yaml", "--run-id", "lonely-run")["status"] == "waiting"
        drawn = service.cpf("--engine", service.url, "graph", "--run-id", "lonely-run", "-o", "gate.svg", CPF_ENGINE="")
        assert (drawn["status"], drawn["ok"]) == ("waiting", True)


def test_a_door_is_patient_from_when_it_first_looked_and_not_from_when_the_run_began_to_wait() -> None:
    clock = FakeClock()
    patience = Patience(clock)
    head = head_of(RunId("a-run"), [samples.started()])
    idle, taken = Found(Summary(head=head), idle_seconds=3600.0), Found(Summary(head=head))
    assert not patience.is_over(idle)
    clock.advance(PATIENCE_SECONDS - 1)
    assert not patience.is_over(idle)
    assert not patience.is_over(taken)
    assert not patience.is_over(idle)
    clock.advance(PATIENCE_SECONDS)
    assert patience.is_over(idle)
    assert STICKY.total_seconds() < PATIENCE_SECONDS


# -- which commands --------------------------------------------------------------------------------


def test_other_commands_are_refused_in_one_sentence(alone: Service) -> None:
    for words in (("logs", "--run-id", "abcd"), ("retry", "--run-id", "abcd"), ("tick",), ("gc", "--older-than", "1d")):
        refused = alone.cpf(*words)
        assert (refused["exit_code"], refused["error"]["code"]) == (80, "ERR_UNSUPPORTED")
        assert "unset `CPF_ENGINE`" in refused["error"]["message"]
    said = alone.cpf("--engine", alone.url, "logs", "--run-id", "abcd", CPF_ENGINE="")
    assert (said["exit_code"], said["error"]["code"]) == (80, "ERR_UNSUPPORTED")
    assert "leave `--engine` out" in said["error"]["message"]


@pytest.mark.parametrize("words", [("validate", "-f", "gate.yaml"), ("plan", "-f", "gate.yaml"), ("doctor",)])
def test_a_command_that_looks_at_no_runs_takes_no_notice_of_the_engine(alone: Service, words: tuple[str, ...]) -> None:
    alone.write("gate.yaml", GATE)
    assert alone.cpf("run", "-f", "gate.yaml", CPF_ENGINE="")["status"] == "waiting"
    for engine in (alone.url, "nonsense"):
        assert alone.cpf(*words, CPF_ENGINE=engine)["exit_code"] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("validate", "-f", "gate.yaml"), "needs no engine"),
        (("worker", "--pool", "team"), "?task_queue=QUEUE"),
        (("run", "-f", "gate.yaml", "--inline-wait", "3"), "leave `--inline-wait` out"),
    ],
)
def test_words_that_mean_nothing_on_an_engine_are_refused(alone: Service, words: tuple[str, ...], why: str) -> None:
    alone.write("gate.yaml", GATE)
    refused = alone.cpf("--engine", alone.url, *words, CPF_ENGINE="")
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")
    assert why in refused["error"]["message"]


def test_going_on_under_an_edited_document_is_refused(service: Service) -> None:
    service.write("gate.yaml", GATE)
    with service.worker():
        service.cpf("run", "-f", "gate.yaml", "--run-id", "revised-run")
        for words in (("--with", "gate.yaml"), ("--rerun", "ask"), ("--rerun", "ask", "--dry-run")):
            refused = service.cpf("resume", "--run-id", "revised-run", *words)
            assert (refused["exit_code"], refused["error"]["code"]) == (80, "ERR_UNSUPPORTED")
        service.cpf("cancel", "--run-id", "revised-run", "--reason", "enough")
        refused = service.cpf("resume", "--run-id", "revised-run", "--rerun", "ask")
        assert (refused["exit_code"], refused["error"]["code"]) == (80, "ERR_UNSUPPORTED")


# -- envelopes -------------------------------------------------------------------------------------


def test_commands_name_the_engine_only_where_the_caller_did(service: Service) -> None:
    service.write("gate.yaml", GATE)
    with service.worker():
        by_variable = service.cpf("run", "-f", "gate.yaml")
        assert by_variable["wait"]["resume"]["argv"][:2] == ["cpf", "resume"]
        by_option = service.cpf("--engine", service.url, "run", "-f", "gate.yaml", CPF_ENGINE="")
        argv = by_option["wait"]["resume"]["argv"]
        assert argv[:4] == ["cpf", "--engine", service.url, "resume"]
        (service.folder / "response.json").write_text("5")
        assert service.cpf(*argv[1:], CPF_ENGINE="")["result"] == 5


def test_what_cannot_be_done_here_is_not_advised(service: Service) -> None:
    service.write("fails.yaml", HEAD + "    - {id: a, kind: cli, command: 'exit 4'}\n")
    with service.worker():
        failed = service.cpf("run", "-f", "fails.yaml")
    assert (failed["status"], failed["exit_code"]) == ("failed", 30)
    assert {action["argv"][1] for action in failed["next_actions"]} <= set(ON_ENGINES)


def test_the_facts_are_streamed(service: Service) -> None:
    service.write("gate.yaml", GATE)
    with service.worker():
        process = service.start("run", "-f", "gate.yaml", "-o", "ndjson")
        stdout, _ = process.communicate(timeout=60)
    told = [json.loads(line) for line in stdout.splitlines()]
    assert [one.get("entry") for one in told] == ["run_started", "wait_opened", "run_parked", None]
    assert [one["position"] for one in told[:-1]] == [1, 2, 3]
    assert told[-1]["status"] == "waiting"


def test_a_fragment_of_an_id_is_enough(service: Service) -> None:
    service.write("gate.yaml", GATE)
    with service.worker():
        service.cpf("run", "-f", "gate.yaml", "--run-id", "fragment-of-it")
        assert service.cpf("status", "--run-id", "fragment-of-it")["run_id"] == "fragment-of-it"
        for fragment in ("fragment-", "nt-of-it"):
            for _ in range(50):
                found = service.cpf("status", "--run-id", fragment)
                if found["exit_code"] == 40:
                    break
            assert found["run_id"] == "fragment-of-it"
        assert service.cpf("status", "--run-id", "nothing-like-it")["error"]["code"] == "ERR_RUN_NOT_FOUND"


@pytest.mark.parametrize("keeps", [False, True], ids=["a fresh state folder", "one that has runs of its own"])
def test_ctrl_c_leaves_the_run_to_its_workers(service: Service, keeps: bool) -> None:
    if keeps:
        service.write("gate.yaml", GATE)
        assert service.cpf("run", "-f", "gate.yaml", CPF_ENGINE="")["status"] == "waiting"
    run_id = f"left-alone-{keeps}"
    service.write("long.yaml", HEAD + "    - {id: a, kind: cli, command: 'echo > begun; cat go_on'}\n")
    for name in ("begun", "go_on"):
        os.mkfifo(service.folder / name)
    with service.worker():
        process = service.start("run", "-f", "long.yaml", "--run-id", run_id)
        (service.folder / "begun").read_text()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        left = json.loads(stdout)
        assert (process.returncode, left["status"]) == (130, "running"), left
        assert stderr == f"run {run_id}\n"
        (service.folder / "go_on").write_text("on")
        assert service.cpf("resume", "--run-id", run_id)["status"] == "completed"


# -- what a worker says ------------------------------------------------------------------------------


def test_a_worker_tells_troubles_of_its_service_in_lines_and_the_same_not_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("temporalio.core")
    with heard(debug=False, quiet=False):
        for number in (6, 7):
            logger.warning("gRPC call poll_workflow_task_queue retried %s times", number)
        logger.warning("Completing activity as failed (%s)", {"a": 1}, exc_info=CancelledError("the step was stopped"))
        logger.error("Failed to do it (%s)", {"a": 1}, exc_info=ValueError("no value\nat all"))
    assert capsys.readouterr().err.splitlines() == [
        "the service does not answer; the worker tries again",
        "Failed to do it: ValueError: no value at all",
    ]
    with heard(debug=False, quiet=True):
        logger.error("Failed to do it")
    assert capsys.readouterr().err == ""
