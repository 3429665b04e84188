"""Three workers, many runs with a wait each, and a worker killed every few seconds: every run has to come out right.

`PYTHONPATH=tests python -m temporal.storm --runs 200`; exit code 1 if one run is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.loader import load_file
from temporal.service import Server, Service

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {type: object}\n  steps:\n"
STEP = (
    '    - {{id: s{n}, kind: cli, parse: json, command: \'echo "$CPF_RUN_ID $CPF_STEP_KEY" >> done; '
    "sleep 0.1; echo ${{{before} + 1}}'}}\n"
)
ASK = "    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}\n"
END = '    - {id: last, kind: end, result: "${steps.s5.outputs + steps.ask.outputs}"}\n'


def document() -> str:
    """Return five steps, each of which counts on from the one before, with a wait behind the second."""
    steps = [STEP.format(n=n, before="inputs.n" if n == 1 else f"steps.s{n - 1}.outputs") for n in range(1, 6)]
    return HEAD + "".join([*steps[:2], ASK, *steps[2:], END])


class Storm:
    """The workers, and who kills them."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        self._service = service
        self._chance = chance
        self._workers = [service.start("worker", "--quiet") for _ in range(3)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rage)
        self.kills = 0
        self._thread.start()

    def _rage(self) -> None:
        while not self._over.wait(self._chance.uniform(2.0, 6.0)):
            number = self._chance.randrange(3)
            self._workers[number].kill()
            self._workers[number].communicate()
            self._workers[number] = self._service.start("worker", "--quiet")
            self.kills += 1

    def end(self) -> None:
        """Let the killing end, then the workers."""
        self._over.set()
        self._thread.join()
        for worker in self._workers:
            worker.kill()
            worker.communicate()


def weather(service: Service, count: int, seed: int) -> tuple[Counter[str], int]:
    """Return what became of so many runs, and how many workers were killed meanwhile."""
    service.write("flow.yaml", document())
    flow = load_file("flow.yaml", cwd=str(service.folder))
    storm = Storm(service, random.Random(seed))
    try:
        with service.client() as client:
            for number in range(count):
                client.start(flow, {"n": number}, run_id=f"storm-{number:04}")
            for number in range(count):
                _answered(client, f"storm-{number:04}", number)
            views = {number: _ended(client, f"storm-{number:04}") for number in range(count)}
    finally:
        storm.end()
    right = {number: {"result": 2 * number + 5} for number in views}
    outcome = Counter(
        "right" if view.value == right[number] else f"{view.status} {view.value} {view.error}"
        for number, view in views.items()
    )
    return outcome, storm.kills


def _answered(client, run_id: str, number: int) -> None:
    """Answer a run as soon as it asks."""
    while True:
        try:
            client.send(run_id, event="go", payload=number, event_id=f"answer-{number}")
            return
        except CheckpointflowError as error:
            sys.stderr.write(f"{run_id}: {error}\n")
            time.sleep(1)


def _ended(client, run_id: str):
    until = time.monotonic() + 300
    while (view := client.get(run_id)).status not in ("completed", "failed", "cancelled"):
        if time.monotonic() > until:
            return view
        time.sleep(0.5)
    return view


def main() -> int:
    """Let the storm rage, and tell what became of the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        server = Server(Path(folder))
        server.start()
        begun = time.monotonic()
        try:
            outcome, kills = weather(Service(server, "storm", Path(folder)), args.runs, args.seed)
        finally:
            server.kill()
        again = Counter((Path(folder) / "done").read_text().splitlines())
    repeated = sum(count - 1 for count in again.values())
    took = time.monotonic() - begun
    sys.stdout.write(f"{dict(outcome)}; {kills} workers killed, {repeated} attempts repeated, {took:.0f} s\n")
    return 0 if set(outcome) == {"right"} else 1


if __name__ == "__main__":
    sys.exit(main())
