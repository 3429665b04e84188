"""One round: runs are started and answered while workers die, and the figures of what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaos.answering import Approver, Told, run_id_of, until
from chaos.checks import Seen, effects_of, repeated, violations
from chaos.storm import Storm
from chaos.teams import Team
from checkpointflow.client import Client
from checkpointflow.frontends.document.loader import load_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "team" / "notice.yaml"
_PEOPLE = 6
"""How many people start and answer runs at the same time."""


@dataclass(frozen=True)
class Figures:
    """What a round came to; times in seconds."""

    runs: int
    kills: int
    repeated: int
    doubts: int
    unattended: int
    violations: list[str]
    seconds: float


def chaos(team: Team, runs: int, *, seed: int, pause: tuple[float, float] | None, workers: int = 3) -> Figures:
    """Start and answer so many runs while a worker is killed every `pause` seconds, and look at what came of it.

    Half of them come first; then no worker lives for a moment, in which those that were left waiting are answered.
    """
    begun = time.monotonic()
    chance = random.Random(seed)
    people = People(team)
    left = list(range(0, runs, max(runs // 4, 2)))
    others = [number for number in range(runs) if number not in left]
    chance.shuffle(others)
    with Storm(team, workers, chance, pause) as storm:
        people.all(left, People.start)
        people.all(others[: len(others) // 2], People.start_and_answer)
        people.all(left, People.await_question)
        with storm.nobody():
            people.all(left, People.answer_at_once)
        people.all(others[len(others) // 2 :], People.start_and_answer)
        people.all(range(runs), People.await_end)
        storm.abate()
        people.all(range(runs), People.await_journal)
        seen = look(team, people.told, runs)
    wrong = [sentence for run in seen for sentence in violations(run)]
    again = sum(repeated(run) for run in seen)
    doubts = sum(entry["entry"] == "step_decided" for run in seen for entry in run.entries)
    return Figures(runs, storm.kills, again, doubts, len(left), wrong, time.monotonic() - begun)


class People:
    """Those who start and answer the runs of a team, each through a door of their own."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._notice = load_file(EXAMPLE, cwd=str(team.folder))
        self.told: list[Told] = []

    def all(self, numbers: Iterable[int], do: Callable[[People, Client, int], None]) -> None:
        """Do something with all of these runs, several at a time."""

        def done(number: int) -> None:
            with self._team.client() as client:
                do(self, client, number)

        with ThreadPoolExecutor(_PEOPLE) as pool:
            for one in [pool.submit(done, number) for number in numbers]:
                one.result()

    def start(self, client: Client, number: int) -> None:
        """Start a run."""
        name = run_id_of(number)
        given = {"name": name, "text": f"Notice {number}", "board": str(self._team.board)}
        client.start(self._notice, given, run_id=name)

    def start_and_answer(self, client: Client, number: int) -> None:
        """Start a run, and answer it in the way that its number says."""
        self.start(client, number)
        self._approver(client).answer(number)

    def await_question(self, client: Client, number: int) -> None:
        """Wait until a run asks."""
        self._approver(client).await_question(number)

    def answer_at_once(self, client: Client, number: int) -> None:
        """Answer a run, whoever lives."""
        self._approver(client).early(number)

    def await_end(self, client: Client, number: int) -> None:
        """Wait until a run has ended."""
        self._approver(client).await_end(number)

    def await_journal(self, client: Client, number: int) -> None:
        """Wait until a run's journal can be read: on Temporal a worker has to tell it, and may have died just now."""
        name = run_id_of(number)
        until(lambda: client.inspect(name).entries[-1:] != [], f"nobody tells the journal of {name}")

    def _approver(self, client: Client) -> Approver:
        return Approver(self._team, client, self.told)


def look(team: Team, told: list[Told], runs: int) -> list[Seen]:
    """Return what is to be seen of all runs, in the journals and outside."""
    effects = effects_of(team.effects.read_text())
    found = []
    with team.client() as client:
        for number in range(runs):
            inspection = client.inspect(name := run_id_of(number))
            seen = effects.get(name, {"begin": [], "end": []})
            mine = [one for one in told if one.run_id == name]
            view = inspection.run
            found.append(Seen(name, number, view.status, view.value, inspection.entries, seen, mine, team.board))
    return found
