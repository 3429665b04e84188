"""A run of 20 trivial steps and one wait on a Temporal server of its own; words: WHICH FOLDER RUNS; prints how long one
took."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from temporal_flows import COUNT, ByHand, ours, plus  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Iterator

FASTER = ("history.transferProcessorMaxPollRPS=1000", "history.timerProcessorMaxPollRPS=1000")
WARM = 3


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Have a development server on loopback; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [str(Path(sys.executable).with_name("temporal")), "server", "start-dev", "--ip", "127.0.0.1", "--port"]
    words += [target.rpartition(":")[2], "--headless", "--db-filename", str(folder / "temporal.db")]
    for one in FASTER:
        words += ["--dynamic-config-value", one]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "Temporal Metrics" in line:
            break
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield target
    finally:
        process.kill()
        process.wait()


async def timed(runs: int, one: Callable[[str], Awaitable[int]]) -> float:
    """Return the median of how long one run took, in milliseconds; the first few do not count."""
    found = []
    for number in range(runs + WARM):
        begun = time.perf_counter()
        assert await one(f"run-{number:04}") == COUNT
        found.append((time.perf_counter() - begun) * 1e3)
    return median(found[WARM:])


async def by_hand(target: str, runs: int) -> float:
    """Measure the workflow written by hand."""
    from temporalio.client import Client
    from temporalio.worker import Worker

    client = await Client.connect(target)

    async def one(run_id: str) -> int:
        handle = await client.start_workflow(ByHand.run, id=run_id, task_queue="q")
        await handle.execute_update(ByHand.answer, 1)
        return int(await handle.result())

    with ThreadPoolExecutor(20) as threads:
        async with Worker(client, task_queue="q", workflows=[ByHand], activities=[plus], activity_executor=threads):
            return await timed(runs, one)


async def by_us(target: str, runs: int, folder: Path) -> float:
    """Measure our function."""
    from checkpointflow.config import Settings
    from checkpointflow.engines.temporal.address import parsed
    from checkpointflow.engines.temporal.client import TemporalClient, place_of
    from checkpointflow.engines.temporal.connection import connected
    from checkpointflow.engines.temporal.worker import Worker

    address = parsed(f"temporal://{target}/default?task_queue=q")
    settings = Settings(
        home=folder / "home", cwd=str(folder), actor="a", host="h", durability="process", environment=dict(os.environ)
    )
    begun = threading.Event()
    worker = Worker(address, settings, serving=begun.set)
    serving = threading.Thread(target=worker.work)
    serving.start()
    begun.wait()
    doors = TemporalClient(settings, place=place_of(address, settings))
    native = await connected(address, settings)

    def started(run_id: str) -> None:
        doors.start(ours, {}, run_id=run_id)
        doors.send(run_id, event="go", payload=1)

    async def one(run_id: str) -> int:
        await asyncio.to_thread(started, run_id)
        ended = await native.get_workflow_handle(run_id).result()
        return int(ended["result"])

    try:
        return await timed(runs, one)
    finally:
        worker.stop()
        await asyncio.to_thread(serving.join)


def main(which: str, folder: Path, runs: int) -> None:
    """Run the workflows, and print how long one took."""
    with server(folder) as target:
        milliseconds = asyncio.run(by_hand(target, runs) if which == "hand" else by_us(target, runs, folder))
    print(json.dumps({"ms_per_run": milliseconds}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
