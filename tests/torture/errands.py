"""What is done to the stores of a storm while runs go on in them: runs change homes, and runs are forgotten."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from checkpointflow.errors import RunNotFoundError
from checkpointflow.kernel.store import RunHead, Store
from torture.evidence import ALL, RunEvidence, run_in
from torture.homes import Home
from torture.moves import Move, Report

ENDED = ("completed", "cancelled")
OLD_SECONDS = 30
"""So old is a run that `gc` forgets: older than any command takes to begin after we read what it may forget."""
TRIES = 4
"""So often a step of a journey is tried that was killed; the run may be left on its way, as after any crash."""


class Errands:
    """Runs errands, one at a time: two journeys of one run, or a journey and its forgetting, are no fair play.

    A bundle that was taken over must not be taken over again, which after its run was forgotten no store can know.
    """

    def __init__(self, homes: Sequence[Home], folder: Path) -> None:
        self._kept: dict[tuple[str, str], RunEvidence] = {}
        self._homes = homes
        self._bundle = folder / "run.bundle"
        self._lock = threading.Lock()
        self._stores: dict[str, Store] = {}

    @property
    def forgotten(self) -> list[RunEvidence]:
        """The runs that may be gone, as they stood before."""
        return list(self._kept.values())

    def run_one(self, rng: random.Random, command: Callable[[Move], Report]) -> None:
        """Run an errand by commands, unless another one is being run."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._carry(rng, command) if rng.random() < 0.7 else self._forget(rng, command)
        finally:
            self._lock.release()

    def _store(self, home: Home) -> Store:
        if home.name not in self._stores:
            self._stores[home.name] = home.open()
        return self._stores[home.name]

    # -- journeys --------------------------------------------------------------------------------

    def _carry(self, rng: random.Random, command: Callable[[Move], Report]) -> None:
        """Export a run, verify the bundle, and take it over in the other home: the run itself, or a copy."""
        source, target = rng.sample(self._homes, 2)
        heads = [head for head in self._store(source).heads(limit=60) if self._may_go(head, target)]
        if not heads:
            return
        head = rng.choice(heads)
        how = "as it is" if head.status in ENDED else rng.choice(["move", "move", "copy"])
        how = "move" if head.status == "moved" else how
        away = Move(kind="export", run=head.run_id, file=str(self._bundle), decision=how, home=source.name)
        for move in (away, Move(kind="verify", file=away.file, home=target.name), _into(target, away)):
            report = next((one for one in (command(move) for _ in range(TRIES)) if one.exit_code is not None), None)
            if report is None or not report.is_accepted:
                return

    def _may_go(self, head: RunHead, target: Home) -> bool:
        """Tell whether a run can go to another home: it is not there, or it was moved away from there before."""
        if any((home.name, head.run_id) in self._kept for home in self._homes):
            return False
        try:
            there = self._store(target).head(head.run_id)
        except RunNotFoundError:
            return True
        return there.status == "moved" and there.length <= head.length

    # -- forgetting ------------------------------------------------------------------------------

    def _forget(self, rng: random.Random, command: Callable[[Move], Report]) -> None:
        """Have old runs forgotten, or one of them, and keep what was to be known of them."""
        home = rng.choice(self._homes)
        ended = self._store(home).heads(statuses=ENDED, limit=ALL)
        if rng.random() < 0.5:
            self._keep(home, ended)
            command(Move(kind="gc", decision=f"{OLD_SECONDS}s", home=home.name))
        elif ended:
            head = rng.choice(ended[:40])
            self._keep(home, [head])
            command(Move(kind="delete", run=head.run_id, home=home.name))

    def _keep(self, home: Home, heads: Sequence[RunHead]) -> None:
        store, epochs = self._store(home), home.epochs()
        for head in heads:
            if (home.name, head.run_id) not in self._kept:
                self._kept[home.name, head.run_id] = run_in(home.name, store, head, epochs[head.run_id])


def _into(target: Home, away: Move) -> Move:
    """Return the move that ends a journey; a copy is another run."""
    how = away.decision if away.decision == "copy" else ""
    return Move(kind="import", run=away.run, file=away.file, decision=how, home=target.name)
