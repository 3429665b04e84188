"""Processes that come, act and are killed, several at a time, for as long as a storm lasts; nothing is judged here."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import checkpointflow
from checkpointflow.client import Client
from torture.actor import documents_in
from torture.errands import Errands
from torture.evidence import RunEvidence
from torture.homes import Home
from torture.moves import Chooser, Move, Report, report_from, said, words_of

PATIENCE_SECONDS = 180.0
"""No command of a storm takes so long, unless it hangs."""

Violence: TypeAlias = tuple[float, signal.Signals]
"""After how many seconds a process gets which signal."""


@dataclass
class Log:
    """What came of a storm; safe for threads."""

    reports: list[Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    forgotten: Sequence[RunEvidence] = ()
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
    """The folder of a storm: two stores, the documents, and the log of the effects of both."""

    folder: Path
    here: Home
    there: Home

    @property
    def homes(self) -> tuple[Home, Home]:
        """Both homes."""
        return self.here, self.there

    @property
    def effects(self) -> Path:
        """The file to which steps append."""
        return self.folder / "effects"


def make_place(folder: Path, inherited: Mapping[str, str]) -> Place:
    """Return a place in a folder that exists."""
    kept = {name: text for name, text in inherited.items() if not name.startswith("CPF_")}
    path = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(checkpointflow.__file__).parents[1])))
    shared = {**kept, "TORTURE_LOG": str(folder / "effects"), "PYTHONPATH": path}
    here, there = (Home(name=name, folder=folder, shared=shared) for name in ("here", "there"))
    return Place(folder=folder, here=here, there=there)


def storm(place: Place, log: Log, *, seed: str, workers: int, seconds: float) -> None:
    """Let so many processes act at a time, for so many seconds."""
    until = time.monotonic() + seconds
    errands = Errands(place.homes, place.folder)
    slots = [Slot(place, log, errands, name=f"{seed}-{number}", until=until) for number in range(workers)]
    threads = [threading.Thread(target=slot.work, name=slot.name) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.forgotten = errands.forgotten


class Slot:
    """One process at a time: chooses what it does, starts it, and may end it before its time."""

    def __init__(self, place: Place, log: Log, errands: Errands, *, name: str, until: float) -> None:
        self.name = name
        self._place = place
        self._log = log
        self._errands = errands
        self._until = until
        self._rng = random.Random(name)
        self._count = 0

    def work(self) -> None:
        """Act until the time is over."""
        with ExitStack() as stack:
            choosers = [self._chooser(stack.enter_context(Client(home.settings())), home) for home in self._place.homes]
            while time.monotonic() < self._until:
                try:
                    self._act(self._rng.choices(choosers, weights=(2, 1))[0])
                except Exception as error:
                    told = "".join(traceback.format_exception(error))[-3000:]
                    self._log.complain(f"looking at the store failed: {told}")
                    return

    def _chooser(self, client: Client, home: Home) -> tuple[Home, Chooser]:
        name = f"{self.name}-{home.name}"
        return home, Chooser(name, self._rng, client, documents_in(self._place.folder), home=home.name)

    def _act(self, where: tuple[Home, Chooser]) -> None:
        home, chooser = where
        chance = self._rng.random()
        if chance < 0.25:
            self._actor(home)
        elif chance < 0.32:
            self._worker(home)
        elif chance < 0.42:
            self._errands.run_one(self._rng, self._command)
        else:
            self._command(chooser.next())

    def _command(self, move: Move) -> Report:
        process = self._start(self._home(move), "checkpointflow", *words_of(move))
        report = said(move, *self._ended(process, self._violence()))
        self._log.add(report, processes=1)
        return report

    def _home(self, move: Move) -> Home:
        return next(home for home in self._place.homes if home.name == move.home)

    def _worker(self, home: Home) -> None:
        move = Move(kind="worker", home=home.name)
        process = self._start(home, "checkpointflow", *words_of(move))
        how = signal.SIGKILL if self._rng.random() < 0.4 else signal.SIGTERM
        self._log.add(said(move, *self._ended(process, (self._rng.uniform(1.0, 4.0), how))), processes=1)

    def _actor(self, home: Home) -> None:
        self._count += 1
        name = f"{self.name}-a{self._count}"
        words = (name, f"{self._rng.random()}", str(self._place.folder), home.name, "6")
        violence = (self._rng.uniform(0.3, 4.0), signal.SIGKILL) if self._rng.random() < 0.6 else None
        _, stdout, stderr = self._ended(self._start(home, "torture.actor", *words), violence)
        whole = [line for line in stdout.splitlines(keepends=True) if line.endswith("\n")]
        self._log.add(*map(report_from, whole), processes=1)
        if stderr:
            self._log.complain(f"an actor said: {stderr[-3000:]}")

    def _violence(self) -> Violence | None:
        """Return when to send which signal, if any."""
        chance = self._rng.random()
        if chance < 0.4:
            return self._rng.uniform(0.1, 1.5), signal.SIGKILL
        if chance < 0.5:
            return self._rng.uniform(0.3, 1.5), self._rng.choice([signal.SIGINT, signal.SIGTERM])
        return None

    def _start(self, home: Home, module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self._place.folder,
            env=home.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _ended(self, process: subprocess.Popen[str], violence: Violence | None) -> tuple[int, str, str]:
        """Return a process's exit code and what it said; a signal ends it before its time."""
        seconds, how = violence or (PATIENCE_SECONDS, signal.SIGKILL)
        stdout, stderr = self._waited_for(process, seconds) or self._signalled(process, how, is_meant=bool(violence))
        return process.returncode, stdout, stderr

    def _signalled(self, process: subprocess.Popen[str], how: signal.Signals, *, is_meant: bool) -> tuple[str, str]:
        process.send_signal(how)
        if is_meant:
            self._log.add(**{f"sent {how.name}": 1})
        else:
            self._log.complain(f"it hung: {process.args!r}")
        said = self._waited_for(process, PATIENCE_SECONDS)
        if said is None:
            self._log.complain(f"it did not end after {how.name}: {process.args!r}")
            process.kill()
            said = process.communicate()
        return said

    def _waited_for(self, process: subprocess.Popen[str], seconds: float) -> tuple[str, str] | None:
        try:
            return process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
