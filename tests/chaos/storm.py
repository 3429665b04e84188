"""The workers of a team, and who kills them and starts others."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.teams import Team


class Storm:
    """Workers that are killed at random, with `pause` seconds in between at least and at most; None kills none."""

    def __init__(self, team: Team, workers: int, chance: random.Random, pause: tuple[float, float] | None) -> None:
        self._team = team
        self._count = workers
        self._chance = chance
        self._pause = pause
        self._workers: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rage)
        self.kills = 0

    def __enter__(self) -> Storm:
        self._start()
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.abate()
        self._kill()

    def abate(self) -> None:
        """Let the killing end; the workers go on."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def nobody(self) -> Iterator[None]:
        """Have no worker live for so long."""
        with self._lock:
            self.kills += self._count
            self._kill()
            try:
                yield
            finally:
                self._start()

    def _rage(self) -> None:
        while self._pause is not None and not self._over.wait(self._chance.uniform(*self._pause)):
            with self._lock:
                self._strike(self._chance.randrange(self._count))

    def _strike(self, number: int) -> None:
        """Kill one worker, and start another in its place."""
        _kill(self._workers[number])
        self._workers[number] = self._team.worker(number)
        self.kills += 1

    def _start(self) -> None:
        self._workers = [self._team.worker(number) for number in range(self._count)]

    def _kill(self) -> None:
        for worker in self._workers:
            _kill(worker)


def _kill(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    worker.wait()
