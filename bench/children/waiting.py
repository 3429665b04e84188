"""Waiting runs, an event sent to each, driven by a worker, four at a time; words: CPF HOME COUNT."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from checkpointflow import Store


def main(cpf: str, home: str, count: int) -> None:
    """Send the events, then have a worker drive the runs, and print how fast it was."""
    with Store(home) as store:
        runs = store.runs()
        for run in store.port.heads(statuses=["waiting"], limit=count):
            runs.send(run.run_id, event="go", payload={})
    words = [cpf, "worker", "--quiet", "--concurrency", "4", "-o", "ndjson"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        begun = time.perf_counter()
        for _ in range(count - 1):
            worker.stdout.readline()
        wall = time.perf_counter() - begun
        worker.send_signal(signal.SIGTERM)
        worker.communicate()
    print(json.dumps({"per_second": (count - 1) / wall}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
