"""What one process of `test_store_processes.py` does with a store: `python store_process.py DOES BASE ARGUMENT...`."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import urllib.parse  # noqa: F401 - found while the modules can still be read: a test gives its rights away
from collections.abc import Callable
from pathlib import Path

from checkpointflow.clock import SystemClock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Store
from checkpointflow.stores import open_store
from checkpointflow.testing import Crash, CrashingStore
from checkpointflow.testing import samples as s

WIDTH = 3


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def wait_for_the_signal() -> None:
    """Tell the parent that everything is loaded, so that all of its children can go at once."""
    import checkpointflow.stores.postgres
    import checkpointflow.stores.sqlite  # noqa: F401

    say("ready")
    sys.stdin.readline()


def opened(base: str) -> Store:
    return open_store(base, clock=SystemClock())


def start(base: str, run_id: str) -> None:
    wait_for_the_signal()
    store = opened(base)
    hold = s.begin(store, run_id=RunId(run_id))
    store.commit(hold, 1, [s.step_started(), s.step_completed()])
    store.commit(hold, 3, [s.completed()], release=True)
    store.close()
    say("done")


def answer(base: str, event_id: str) -> None:
    store = opened(base)
    wait_for_the_signal()
    delivery = store.answer(s.message(event_id, wait="w1"))
    assert delivery.message
    say([delivery.outcome, delivery.message.event_id, delivery.message.actor])


def batch(number: int) -> list[object]:
    return [s.step_completed(f"{number}.{part}", "x" * 70_000 if part else number) for part in range(WIDTH)]


def commit_and_die(base: str, when: str, number: str) -> None:
    store = CrashingStore(opened(base), **{when: int(number)})
    length = 0
    try:
        hold = s.begin(store)
        length = 1
        for count in range(100):
            store.commit(hold, length, batch(count))
            length += WIDTH
    except Crash:
        say(length)
        os.kill(os.getpid(), signal.SIGKILL)


def commit_for_ever(base: str) -> None:
    store = opened(base)
    hold = s.begin(store)
    length = 1
    while True:
        say(length)
        store.commit(hold, length, batch(length))
        length += WIDTH


def refusal_of(attempt: Callable[[], object]) -> list[str] | None:
    try:
        attempt()
    except CheckpointflowError as error:
        return [error.code, error.message]
    return None


def fill_the_disk(base: str) -> None:
    """Write until files may not grow, then lift the limit and write on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    unmade = []
    for limit in range(1_000, 150_000, 7_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        unmade.append(refusal_of(lambda: s.begin(opened(f"{base}-{limit}"))))  # noqa: B023
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        opened(f"{base}-{limit}").find("works")
    store = opened(base)
    hold = s.begin(store)

    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    acknowledged, full = 1, None
    while full is None and acknowledged < 300:  # without an end nothing was refused, and the test says so
        entries = [s.step_completed(f"{acknowledged + part}", os.urandom(9_000).hex()) for part in range(WIDTH)]
        full = refusal_of(lambda: store.commit(hold, acknowledged, entries))  # noqa: B023
        acknowledged += 0 if full else WIDTH
    held = store.head(s.RUN).length, len(store.entries(s.RUN))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    after = refusal_of(lambda: store.commit(hold, acknowledged, [s.completed()]))
    say({"unmade": unmade, "full": full, "acknowledged": acknowledged, "held": held, "after": after,
         "length": store.head(s.RUN).length, "left": sorted(path.name for path in Path(base).iterdir())})  # fmt: skip


def read_only(base: str) -> None:
    """Read and try to write as somebody who may only read."""
    import apsw  # noqa: F401 - loaded while it can be

    import checkpointflow.stores.sqlite  # noqa: F401

    if os.getuid() == 0:
        os.setuid(65534)

    def read() -> None:
        store = opened(base)
        say(["read", store.head(s.RUN).length, len(store.entries(s.RUN)), len(store.heads())])

    def write() -> None:
        opened(base).deliver(s.message("mine"))

    say(["refused", refusal_of(read), refusal_of(write)])


def orphan(base: str) -> None:
    """Hold a run, fork a child that goes on, and die."""
    store = opened(base)
    s.begin(store)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    say(["child", store.holder_of(s.RUN).alive, refusal_of(lambda: store.deliver(s.message()))])
    os.close(writing)
    sys.stdin.readline()


if __name__ == "__main__":
    actions = [start, answer, commit_and_die, commit_for_ever, fill_the_disk, read_only, orphan]
    {action.__name__: action for action in actions}[sys.argv[1]](*sys.argv[2:])
