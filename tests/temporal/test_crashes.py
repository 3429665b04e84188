"""Workers and servers are killed in the middle: nothing that was completed is done again, and no answer is lost."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from checkpointflow.frontends.document.loader import load_file
from temporal.service import Server, Service

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {}\n  steps:\n"
LOG = 'echo "$CPF_STEP_KEY $CPF_ATTEMPT" >> log'
HELD = """    - {id: a, kind: cli, command: 'LOG'}
    - {id: held, kind: cli, EFFECT command: 'LOG; if [ "$CPF_ATTEMPT" = 1 ]; then echo > begun; sleep 1000; fi'}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}
    - {id: b, kind: cli, command: 'LOG'}
    - {id: last, kind: end, result: "${steps.ask.outputs}"}
"""
BRANCHES = ("a", "b", "c", "d")


def branches() -> str:
    """Return a document with branches of three steps, each of which adds its letter to what came before it."""
    lines = ["    - id: all", "      kind: parallel", "      branches:"]
    for name in BRANCHES:
        lines += [f"        - id: {name}", "          steps:"]
        before = ""
        for step in ("one", "two", "three"):
            said = before + name
            lines.append(
                f"            - {{id: {step}, kind: cli, parse: text, command: 'LOG; sleep 0.1; printf %s \"{said}\"'}}"
            )
            before = f"${{steps.{step}.outputs}}"
    return HEAD + "\n".join([*lines, '    - {id: last, kind: end, result: "${steps.all.outputs}"}', ""]).replace(
        "LOG", LOG
    )


def held(service: Service, effect: str = "") -> None:
    """Write the document whose step `held` goes on at its second attempt, and say where it tells that it has begun."""
    service.write("flow.yaml", HEAD + HELD.replace("LOG", LOG).replace("EFFECT", effect))
    os.mkfifo(service.folder / "begun")


SLOW = """    - {id: a, kind: cli, command: 'LOG'}
    - {id: held, kind: cli, command: 'LOG; echo > begun; cat go_on'}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}
    - {id: b, kind: cli, command: 'LOG'}
    - {id: last, kind: end, result: "${steps.ask.outputs}"}
"""


def begun(service: Service) -> None:
    """Wait until the step has begun."""
    (service.folder / "begun").read_text()


def log(service: Service) -> list[str]:
    return (service.folder / "log").read_text().splitlines()


def test_a_killed_worker_costs_nothing_that_was_completed_and_no_answer(service: Service) -> None:
    held(service)
    with service.worker() as worker:
        assert service.cpf("run", "-f", "flow.yaml", "--run-id", "killed", "--detach")["exit_code"] == 0
        begun(service)
        worker.kill()
    with service.worker() as worker:
        waiting = service.cpf("resume", "--run-id", "killed")
        assert waiting["status"] == "waiting"
        worker.kill()
    assert service.cpf("status", "--run-id", "killed")["wait"]["event_name"] == "go"
    assert [one["run_id"] for one in service.cpf("waits")["waits"] if one["run_id"] == "killed"] == ["killed"]
    answer = ("--run-id", "killed", "--event", "go")
    assert service.cpf("send", *answer, "--input", '"seven"')["error"]["code"] == "ERR_VALIDATION_EVENT_INPUT"
    sent = service.cpf("send", *answer, "--input", "7", "--event-id", "first")
    assert (sent["exit_code"], sent["wait"]["answered"]) == (0, True)
    again = service.cpf("send", *answer, "--input", "7", "--event-id", "first")
    assert (again["exit_code"], again["duplicate"]) == (0, True)
    assert service.cpf("send", *answer, "--input", "8")["error"]["code"] == "ERR_RUN_NOT_WAITING"
    assert service.cpf("inspect", "--run-id", "killed", "--exit-zero")["result"]["inputs"] == {}
    with service.worker():
        done = service.cpf("resume", "--run-id", "killed")
        assert (done["status"], done["result"]) == ("completed", 7)
        entries = service.cpf("inspect", "--run-id", "killed")["result"]["entries"]
    assert log(service) == ["a 1", "held 1", "held 2", "b 1"]
    assert [one["cause"] for one in entries if one["entry"] == "step_interrupted"] == ["holder_died"]


def test_a_step_that_runs_once_is_in_doubt_after_its_worker_was_killed(service: Service) -> None:
    held(service, effect="effect: once,")
    with service.worker() as worker:
        service.cpf("run", "-f", "flow.yaml", "--run-id", "once", "--detach")
        begun(service)
        worker.kill()
    with service.worker():
        doubt = service.cpf("resume", "--run-id", "once")
        assert (doubt["status"], doubt["wait"]["kind"]) == ("waiting", "in_doubt")
        decided = service.cpf("decide", "--run-id", "once", "held", "done", "--reason", "looked")
        assert decided["wait"]["event_name"] == "go"
        done = service.cpf("resume", "--run-id", "once", "--event", "go", "--input", "1")
        assert done["status"] == "completed"
    assert log(service) == ["a 1", "held 1", "b 1"]


def test_a_killed_server_costs_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    service = Service(server, "cpf", tmp_path)
    service.write("flow.yaml", HEAD + SLOW.replace("LOG", LOG))
    os.mkfifo(tmp_path / "begun")
    os.mkfifo(tmp_path / "go_on")
    try:
        with service.worker():
            service.cpf("run", "-f", "flow.yaml", "--run-id", "server", "--detach")
            begun(service)
            server.kill()
            refused = service.cpf("status", "--run-id", "server")
            assert (refused["exit_code"], refused["error"]["code"]) == (60, "ERR_STORE_UNAVAILABLE")
            server.start()
            (tmp_path / "go_on").write_text("now")
            assert service.cpf("resume", "--run-id", "server")["status"] == "waiting"
            done = service.cpf("resume", "--run-id", "server", "--event", "go", "--input", "3")
            assert (done["status"], done["result"]) == ("completed", 3)
    finally:
        server.kill()
    assert log(service) == ["a 1", "held 1", "b 1"]


def test_branches_that_were_killed_midway_swap_no_result(service: Service) -> None:
    """Twenty runs are under way when their worker is killed, each somewhere else, and that twice."""
    chance = random.Random(7)
    service.write("flow.yaml", branches())
    flow = load_file("flow.yaml", cwd=str(service.folder))
    runs = [f"swap-{number:02}" for number in range(20)]
    with service.worker(), service.client() as client:
        for run_id in runs:
            client.start(flow, {}, run_id=run_id)
        killed_at = chance.randrange(30, 90)
        until(lambda: lines(service) >= killed_at)
    with service.worker():
        killed_at += chance.randrange(30, 90)
        until(lambda: lines(service) >= killed_at)
    with service.worker(), service.client() as client:
        views = [client.resume(run_id).run for run_id in runs]
    expected = {name: {"one": name, "two": name * 2, "three": name * 3} for name in BRANCHES}
    assert [view.status for view in views] == ["completed"] * 20
    assert [view.value["result"] for view in views] == [expected] * 20


def lines(service: Service) -> int:
    path = service.folder / "log"
    return len(path.read_text().splitlines()) if path.exists() else 0


def until(condition: Callable[[], bool]) -> None:
    pause, tries = threading.Event(), 0
    while not condition():
        tries += 1
        assert tries < 6000, "it never came"
        pause.wait(0.01)
