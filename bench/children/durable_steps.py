"""Trivial durable steps of a function in a row; words: STORE COUNT [BYTES]; prints speed, size, slowest commit."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checkpointflow import Checkpoint, Store, WorkflowContext, task, workflow

SIZE = int(sys.argv[3]) if len(sys.argv) > 3 else 0


@task()
def add(number: int) -> str | int:
    """Do next to nothing."""
    return "y" * SIZE if SIZE else number + 1


@workflow(name="loop")
async def loop(ctx: WorkflowContext, count: int) -> int:
    """Perform the task so many times."""
    for number in range(count):
        await ctx.task(add, number)
    return count


class Slowest:
    """Remembers how long the slowest call took."""

    def __init__(self, commit: Callable[..., Any]) -> None:
        self._commit = commit
        self.seconds = 0.0

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Commit, and look at the clock."""
        begun = time.perf_counter()
        found = self._commit(*args, **named)
        self.seconds = max(self.seconds, time.perf_counter() - begun)
        return found


def main(home: str, count: int) -> None:
    """Run the workflow once, and print how fast that went."""
    with Store(home) as store:
        slowest = Slowest(store.port.commit)
        store.port.commit = slowest  # type: ignore[method-assign]
        begun, cpu = time.perf_counter(), time.process_time()
        outcome = loop.run_sync(count, checkpoint=Checkpoint.new(store))
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert outcome.result == count
    size = sum(path.stat().st_size for path in Path(home).glob("runs.db"))
    figures = {"per_second": count / wall, "per_cpu_second": count / cpu, "bytes_per_step": size / count}
    print(json.dumps({**figures, "slowest_commit_ms": slowest.seconds * 1e3}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
