"""What runs on Temporal may rely on beside the contract of engines: secrets, large values, limits, workers that come,
go and lack something."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpointflow.engines.temporal.client import TemporalClient, place_of
from checkpointflow.engines.temporal.conversion import LARGE_BYTES
from checkpointflow.engines.temporal.workflow import Limits
from checkpointflow.errors import ConcurrencyError
from checkpointflow.frontends.document.loader import load_file, load_text
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.testing.engines import fresh
from checkpointflow.testing.specimens import document
from temporal.service import Service

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {}\n"
SECRET = "the-password-of-the-day"
GATE = "- {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {}}"


def log(service: Service) -> list[str]:
    path = service.folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it never came")


# -- secrets ---------------------------------------------------------------------------------------


def test_a_secret_stands_nowhere_in_the_history(service: Service) -> None:
    service.write(
        "flow.yaml",
        HEAD + "  secrets: {token: {env: THE_TOKEN}}\n"
        "  steps:\n"
        "    - {id: use, kind: cli, command: 'printf %s \"$T\" | wc -c', parse: json,\n"
        '       env: {T: "${secrets.token}"}}\n'
        '    - {id: last, kind: end, result: "${steps.use.outputs}"}\n',
    )
    with service.worker(THE_TOKEN=SECRET):
        done = service.cpf("run", "-f", "flow.yaml", "--run-id", "secret-run")
    assert (done["status"], done["result"]) == ("completed", len(SECRET))
    history = service.history("secret-run")
    assert "cpf.step" in history
    assert SECRET not in history


def test_a_worker_without_a_secret_leaves_the_step_to_one_that_has_it(service: Service) -> None:
    service.write(
        "flow.yaml",
        HEAD + "  secrets: {token: {env: THE_TOKEN}}\n"
        '  steps:\n    - {id: use, kind: cli, argv: ["true"], stdin: "${secrets.token}", effect: once}\n',
    )
    with service.worker():
        begun = service.cpf("run", "-f", "flow.yaml", "--run-id", "secretless", "--detach")
        assert begun["exit_code"] == 0
        until(lambda: "could not be begun" in str(service.cpf("status", "--run-id", "secretless").get("warnings")))
    with service.worker(THE_TOKEN=SECRET):
        until(lambda: service.cpf("resume", "--run-id", "secretless")["status"] == "completed")
        assert service.cpf("status", "--run-id", "secretless").get("warnings") is None


def test_whoever_follows_a_run_is_told_what_hinders_it(service: Service) -> None:
    service.write(
        "flow.yaml",
        HEAD + "  secrets: {token: {env: THE_TOKEN}}\n"
        '  steps:\n    - {id: use, kind: cli, argv: ["true"], stdin: "${secrets.token}"}\n',
    )
    settings, interrupt, warnings = service.settings(), Interrupt(), list[str]()

    def warned(warning: str) -> None:
        warnings.append(warning)
        interrupt.ask()

    place = place_of(service.address, settings)
    with service.served(), TemporalClient(settings, place=place, interrupt=interrupt, on_warning=warned) as client:
        assert (
            client.run(load_file("flow.yaml", cwd=str(service.folder)), {}, run_id=fresh("warned")).status == "running"
        )
    assert len(warnings) == 1
    assert "could not be begun" in warnings[0]


# -- values ----------------------------------------------------------------------------------------


def test_large_values_go_beside_the_history(service: Service) -> None:
    many = LARGE_BYTES * 40
    text = f"- {{id: big, kind: cli, parse: text, command: 'head -c {many} /dev/zero | tr \"\\\\0\" x'}}\n" + GATE
    flow = document(text + '\n- {id: last, kind: end, result: "${steps.big.outputs}"}')
    with service.served(), service.client() as client:
        view = client.run(flow, {"given": "y" * many}, run_id=fresh("large"))
        done = client.resume(view.run_id, event="go", payload="z" * many, has_payload=True).run
        assert done.value == {"result": "x" * many}
        assert client.inspect(view.run_id).events[0]["payload"] == "z" * many
        history = service.history(view.run_id)
    assert len(history) < many / 2
    assert any((service.folder / "home" / "temporal-values").iterdir())


def test_keys_keep_their_order(service: Service) -> None:
    flow = document(
        '- {id: a, kind: cli, parse: json, command: \'echo {\\"z\\":1,\\"a\\":2}\'}\n'
        '- {id: last, kind: end, result: "${steps.a.outputs}"}'
    )
    with service.served(), service.client() as client:
        view = client.run(flow, {})
    assert json.dumps(view.value["result"]) == '{"z": 1, "a": 2}'


# -- limits ----------------------------------------------------------------------------------------


def test_a_history_that_grows_too_long_is_told_and_then_ends_the_run(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limits, "warn_events", 10)
    monkeypatch.setattr(Limits, "most_events", 40)
    steps = [f"- {{id: s{number}, kind: cli, command: 'true'}}\n" for number in range(20)]
    with service.served(), service.client() as client:
        waiting = client.run(document("".join(steps[:2]) + GATE + "\n" + "".join(steps[2:])), {})
        assert "more than 10 events" in waiting.warnings[0]
        ended = client.resume(waiting.run_id, event="go", payload=1, has_payload=True).run
    assert ended.status == "failed"
    assert ended.error is not None
    assert (ended.error["code"], ended.exit_code) == ("ERR_ENGINE_LIMIT", 80)


# -- workers ---------------------------------------------------------------------------------------


def test_code_that_a_worker_does_not_have_leaves_the_run_to_one_that_has_it(service: Service) -> None:
    service.write(
        "flows.py", "from checkpointflow import workflow\n@workflow\nasync def f(ctx) -> int:\n    return 1\n"
    )
    with service.worker() as worker:
        service.cpf("run", "-f", "flows.py:f", "--run-id", "codeless-1")
        worker.kill()
    assert service.cpf("run", "-f", "flows.py:f", "--run-id", "codeless-2", "--detach")["exit_code"] == 0
    (service.folder / "flows.py").rename(service.folder / "flows.away")
    with service.worker():
        left = service.cpf("resume", "--run-id", "codeless-2")
        assert (left["status"], left["exit_code"]) == ("interrupted", 20)
        assert "cannot be had here" in str(left["warnings"])
        (service.folder / "flows.away").rename(service.folder / "flows.py")
        until(lambda: service.cpf("status", "--run-id", "codeless-2")["status"] == "completed")


def test_a_worker_that_is_stopped_leaves_its_steps_to_the_next(service: Service) -> None:
    os.mkfifo(service.folder / "begun")
    held = 'echo $CPF_ATTEMPT >> log; if [ "$CPF_ATTEMPT" = 1 ]; then echo > begun; sleep 1000; fi'
    service.write("flow.yaml", HEAD + f"  steps:\n    - {{id: a, kind: cli, command: '{held}'}}\n")
    with service.worker("--drain-seconds", "600") as worker:
        service.cpf("run", "-f", "flow.yaml", "--run-id", "drained-1", "--detach")
        (service.folder / "begun").read_text()
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGINT)  # the second of any sort: at once, and not after the drain
        stdout, _ = worker.communicate(timeout=60)
        assert (worker.returncode, json.loads(stdout)["ok"]) == (0, True)
    with service.worker():
        assert service.cpf("resume", "--run-id", "drained-1")["status"] == "completed"
        entries = service.cpf("inspect", "--run-id", "drained-1")["result"]["entries"]
    assert log(service) == ["1", "2"]
    assert [one["cause"] for one in entries if one["entry"] == "step_interrupted"] == ["drained"]


# -- cancelling ------------------------------------------------------------------------------------


def test_cancelling_ends_the_command_that_runs(service: Service) -> None:
    os.mkfifo(service.folder / "begun")
    held = "trap 'echo ended >> log; exit' TERM; echo > begun; while :; do sleep 0.05; done"
    flow = load_text(
        HEAD + f'  steps:\n    - {{id: a, kind: cli, command: "{held}"}}\n', source_path=None, cwd=service.folder
    )
    with service.served(), service.client() as client:
        run_id = client.start(flow, {}).run_id
        (service.folder / "begun").read_text()
        assert client.cancel(run_id, reason="enough").status == "cancelled"
        until(lambda: log(service) == ["ended"])
        assert client.inspect(run_id).entries[-1]["reason"] == "enough"


def test_a_cancellation_that_no_worker_sees_to_is_kept_for_the_next(service: Service) -> None:
    with service.client() as client:
        run_id = client.start(document(GATE), {}).run_id
        with pytest.raises(ConcurrencyError, match="no worker is there to see to it"):
            client.cancel(run_id, reason="enough", timeout_seconds=0.0)
        with service.served():
            assert client.cancel(run_id, reason="enough").status == "cancelled"


def test_a_run_that_is_cancelled_before_a_worker_has_seen_it_begins_nothing(service: Service) -> None:
    flow, run_id = document('- {id: a, kind: cli, effect: once, argv: ["true"]}'), fresh("unseen")
    with service.client() as client:
        client.start(flow, {}, run_id=run_id)
        with pytest.raises(ConcurrencyError):
            client.cancel(run_id, reason="enough", timeout_seconds=0.0)
    with service.served(), service.client() as client:
        cancelled = client.cancel(run_id, reason="enough")
        assert (cancelled.status, cancelled.warnings) == ("cancelled", ())
    assert "ACTIVITY_TASK_SCHEDULED" not in service.history(run_id)


def test_a_worker_shows_no_traceback_of_a_step_that_is_cancelled(service: Service) -> None:
    os.mkfifo(service.folder / "begun")
    service.write("long.yaml", HEAD + "  steps:\n    - {id: a, kind: cli, command: 'echo > begun; sleep 600'}\n")
    with service.worker() as worker:
        assert service.cpf("run", "-f", "long.yaml", "--run-id", "long-1", "--detach")["ok"]
        (service.folder / "begun").read_text()
        assert service.cpf("cancel", "--run-id", "long-1", "--reason", "enough")["status"] == "cancelled"
        worker.send_signal(signal.SIGTERM)
        _, stderr = worker.communicate(timeout=60)
    assert stderr == ""


def test_cancelling_in_temporal_cancels_the_run(service: Service) -> None:
    from temporalio.client import Client

    async def cancelled(run_id: str) -> None:
        native = await Client.connect(f"127.0.0.1:{service.server.port}")
        await native.get_workflow_handle(run_id).cancel()

    with service.served(), service.client() as client:
        run_id = client.run(document(GATE), {}).run_id
        asyncio.run(cancelled(run_id))
        until(lambda: client.get(run_id).status == "cancelled")
        assert client.inspect(run_id).entries[-1]["entry"] == "run_cancelled"


def test_a_run_that_was_terminated_is_shown_as_cancelled(service: Service) -> None:
    from temporalio.client import Client

    async def terminated(run_id: str) -> None:
        native = await Client.connect(f"127.0.0.1:{service.server.port}")
        await native.get_workflow_handle(run_id).terminate()

    with service.served(), service.client() as client:
        run_id = client.run(document(GATE), {}).run_id
        asyncio.run(terminated(run_id))
        view = client.get(run_id)
        assert (view.status, view.waits) == ("cancelled", ())


# -- answers ---------------------------------------------------------------------------------------


def test_of_many_answers_at_once_one_is_accepted(service: Service) -> None:
    heard: list[str] = []

    def answer(run_id: str, number: int) -> None:
        with service.client() as client:
            try:
                client.resume(run_id, event="go", payload=number, has_payload=True, follow=False)
                heard.append("accepted")
            except Exception as error:
                heard.append(type(error).__name__)

    with service.served(), service.client() as client:
        run_id = client.run(document(GATE + '\n- {id: last, kind: end, result: "${steps.ask.outputs}"}'), {}).run_id
        threads = [threading.Thread(target=answer, args=(run_id, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.resume(run_id).run.status == "completed"
    assert sorted(heard) == ["RunNotWaitingError"] * 7 + ["accepted"]


def test_the_core_does_not_load_temporalio() -> None:
    import subprocess
    import sys

    program = (
        "import sys, checkpointflow.client.client, checkpointflow.cli.door\nassert 'temporalio' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert Path(sys.executable).exists()
