"""The web application: its own table keeps the runs, two worker processes share them, answers come by HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from architecture.pages import ROOT


class Worker:
    """A process that serves the application on a socket that listens already, so that nobody has to wait for it."""

    def __init__(self, database: Path) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        words = ["-m", "uvicorn", "--app-dir", "examples/web", "app:app", "--fd", str(listening.fileno())]
        environment = {**os.environ, "DATABASE": str(database)}
        self.process = subprocess.Popen(
            [sys.executable, *words, "--log-level", "warning"],
            cwd=ROOT, env=environment, pass_fds=[listening.fileno()], stderr=subprocess.PIPE,
        )  # fmt: skip
        port = listening.getsockname()[1]
        listening.close()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def end(self, how: signal.Signals) -> None:
        if self.process.returncode is not None:
            return
        self.client.close()
        self.process.send_signal(how)
        self.process.communicate()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    made = [Worker(tmp_path / "reviews.sqlite") for _ in range(2)]
    yield made
    for worker in made:
        worker.end(signal.SIGKILL)


def test_a_run_begins_in_one_worker_and_is_answered_in_another(workers: list[Worker]) -> None:
    one, two = (worker.client for worker in workers)
    begun = one.post("/reviews", json={"text": "owls see well"})
    assert begun.status_code == 202
    asked = begun.json()["asked"]
    assert [(one["name"], one["question"], one["schema"]["enum"]) for one in asked] == [
        ("publish", "Publish 3 words?", ["approve", "reject"])
    ]
    page = f"/reviews/{begun.json()['id']}"
    assert two.get(page).json() == begun.json()

    wrong = two.post(f"{page}/answers", json={"publish": "maybe"})
    assert (wrong.status_code, "does not fit" in wrong.json()["error"]) == (400, True)
    done = two.post(f"{page}/answers", json={"publish": "approve"})
    pids = [worker.process.pid for worker in workers]
    assert done.status_code == 200
    assert done.json()["result"] == {"words": 3, "decision": "approve", "workers": pids}
    assert one.get(page).json() == done.json()
    assert one.post(f"{page}/answers", json={"publish": "reject"}).status_code == 409
    assert one.get("/reviews/nobody").status_code == 404


def test_a_worker_that_dies_leaves_its_runs_to_the_other(workers: list[Worker]) -> None:
    begun = workers[0].client.post("/reviews", json={"text": "owls"}).json()
    workers[0].end(signal.SIGKILL)
    done = workers[1].client.post(f"/reviews/{begun['id']}/answers", json={"publish": "reject"})
    assert done.json()["result"]["decision"] == "reject"


def test_of_many_answers_in_both_workers_one_counts(workers: list[Worker]) -> None:
    begun = workers[0].client.post("/reviews", json={"text": "owls"}).json()
    page = f"/reviews/{begun['id']}/answers"
    with ThreadPoolExecutor(8) as pool:
        said = [pool.submit(workers[n % 2].client.post, page, json={"publish": "approve"}) for n in range(8)]
        codes = sorted(one.result().status_code for one in said)
    assert codes == [200, *[409] * 7]
    assert workers[1].client.get(page.removesuffix("/answers")).json()["result"]["decision"] == "approve"
