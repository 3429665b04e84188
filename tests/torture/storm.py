"""Processes that come, act and are killed, several at a time, for as long as a storm lasts; nothing is judged here."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import checkpointflow
from checkpointflow.client import Client
from checkpointflow.config import Settings
from torture.actor import documents_in
from torture.moves import Chooser, Move, Report, report_from, said, words_of

PATIENCE_SECONDS = 180.0
"""No command of a storm takes so long, unless it hangs."""


@dataclass
class Log:
    """What came of a storm; safe for threads."""

    reports: list[Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *reports: Report, **counts: int) -> None:
        """Note reports and numbers."""
        with self.lock:
            self.reports += reports
            self.counts.update(counts)
            self.counts.update(f"move {report.move.kind}" for report in reports)

    def complain(self, trouble: str) -> None:
        """Note something that must not have happened."""
        with self.lock:
            self.troubles.append(trouble)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folder of a storm: the store, the documents, the log of effects, the environment of its processes."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / "home"

    @property
    def effects(self) -> Path:
        """The file to which every step appends."""
        return self.folder / "effects"

    def settings(self) -> Settings:
        """Return the settings of this process in the storm."""
        return Settings(
            home=self.home, cwd=str(self.folder), actor="the storm", host="here", durability="process",
            environment=self.environment, store=self.environment.get("CPF_STORE"), pool="storm",
        )  # fmt: skip


def make_place(folder: Path, inherited: Mapping[str, str], store: str | None = None) -> Place:
    """Return a place in a folder that exists; with `store`, the URL of a database, the runs are kept there."""
    kept = {name: text for name, text in inherited.items() if not name.startswith("CPF_")}
    path = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(checkpointflow.__file__).parents[1])))
    ours = {"CPF_HOME": str(folder / "home"), "CPF_DURABILITY": "process", "TORTURE_LOG": str(folder / "effects")}
    ours |= {"CPF_POOL": "storm"} | ({} if store is None else {"CPF_STORE": store})
    return Place(folder=folder, environment={**kept, **ours, "PYTHONPATH": path})


def storm(place: Place, log: Log, *, seed: str, workers: int, seconds: float) -> None:
    """Let so many processes act at a time, for so many seconds."""
    until = time.monotonic() + seconds
    slots = [Slot(place, log, name=f"{seed}-{number}", until=until) for number in range(workers)]
    threads = [threading.Thread(target=slot.work, name=slot.name) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Slot:
    """One process at a time: chooses what it does, starts it, and may end it before its time."""

    def __init__(self, place: Place, log: Log, *, name: str, until: float) -> None:
        self.name = name
        self._place = place
        self._log = log
        self._until = until
        self._rng = random.Random(name)
        self._count = 0

    def work(self) -> None:
        """Act until the time is over."""
        with Client(self._place.settings()) as client:
            chooser = Chooser(self.name, self._rng, client, documents_in(self._place.folder))
            while time.monotonic() < self._until:
                try:
                    self._act(chooser)
                except Exception as error:
                    self._log.complain(f"looking at the store failed: {type(error).__name__}: {error}")
                    return

    def _act(self, chooser: Chooser) -> None:
        chance = self._rng.random()
        if chance < 0.3:
            self._actor()
        elif chance < 0.35:
            self._worker()
        else:
            self._command(chooser.next())

    def _command(self, move: Move) -> None:
        process = self._start("checkpointflow", *words_of(move))
        stdout, stderr = self._ended(process, self._violence())
        self._log.add(said(move, process.returncode, stdout, stderr), processes=1)

    def _worker(self) -> None:
        process = self._start("checkpointflow", *words_of(Move(kind="worker")))
        how = signal.SIGKILL if self._rng.random() < 0.4 else signal.SIGTERM
        stdout, stderr = self._ended(process, (self._rng.uniform(1.0, 4.0), how))
        self._log.add(said(Move(kind="worker"), process.returncode, stdout, stderr), processes=1)

    def _actor(self) -> None:
        self._count += 1
        name = f"{self.name}-a{self._count}"
        process = self._start("torture.actor", name, f"{self._rng.random()}", str(self._place.folder), "6")
        violence = (self._rng.uniform(0.3, 4.0), signal.SIGKILL) if self._rng.random() < 0.6 else None
        stdout, stderr = self._ended(process, violence)
        whole = [line for line in stdout.splitlines(keepends=True) if line.endswith("\n")]
        self._log.add(*map(report_from, whole), processes=1)
        if stderr:
            self._log.complain(f"an actor said: {stderr[-3000:]}")

    def _violence(self) -> tuple[float, signal.Signals] | None:
        """Return when to send which signal, if any."""
        chance = self._rng.random()
        if chance < 0.4:
            return self._rng.uniform(0.1, 1.5), signal.SIGKILL
        if chance < 0.5:
            return self._rng.uniform(0.3, 1.5), self._rng.choice([signal.SIGINT, signal.SIGTERM])
        return None

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self._place.folder,
            env=dict(self._place.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _ended(self, process: subprocess.Popen[str], violence: tuple[float, signal.Signals] | None) -> tuple[str, str]:
        """Return what a process said; a signal ends it before its time."""
        seconds, how = violence or (PATIENCE_SECONDS, signal.SIGKILL)
        try:
            return process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            if violence is None:
                self._log.complain(f"it hung: {process.args!r}")
            else:
                self._log.add(**{f"sent {how.name}": 1})
        try:
            return process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._log.complain(f"it did not end after {how.name}: {process.args!r}")
            os.kill(process.pid, signal.SIGKILL)
            return process.communicate()
