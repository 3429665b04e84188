"""Who approves: through every door, at once, twice, early, and while no worker lives; what each was told is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from chaos.teams import Team
from checkpointflow.client import Client
from checkpointflow.errors import PersistenceError, RunNotWaitingError, RunSettledError, StepNotInDoubtError
from checkpointflow.values import JsonObject
from checkpointflow.views import RunView

PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 0.05
SETTLED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Told:
    """What the door said to one answer: `accepted`, `kept`, `duplicate` or `refused`."""

    run_id: str
    event_id: str
    payload: JsonObject
    outcome: str


class Approver:
    """Approves the runs of a team, by their numbers, through one door; what it was told goes to a list."""

    def __init__(self, team: Team, client: Client, told: list[Told]) -> None:
        self._team = team
        self._client = client
        self._told = told

    def answer(self, number: int) -> None:
        """Answer a run in the way that its number says."""
        ways = (self.by_door, self.by_command, self.twice, self.against_another, self.early)
        ways[number % len(ways)](number)

    def early(self, number: int) -> None:
        """Answer a run, whether it asks already or not."""
        self._send(number, "ann")

    def by_door(self, number: int) -> None:
        """Answer a run that asks."""
        self.await_question(number)
        self._send(number, "ann")

    def by_command(self, number: int) -> None:
        """Answer a run by `cpf send`."""
        self.await_question(number)
        payload, event_id = payload_of(number, "ann"), f"ann-{number}"
        words = ("--run-id", run_id_of(number), "--event", "approval", "--input", json.dumps(payload))

        def sent() -> str:
            code, stdout = self._team.cpf("send", *words, "--event-id", event_id)
            if code == 60:
                raise PersistenceError(stdout)
            envelope = json.loads(stdout)
            assert code == 0, stdout
            return "duplicate" if envelope.get("duplicate") else "accepted"

        self._note(number, "ann", event_id, sent)

    def twice(self, number: int) -> None:
        """Say the same answer twice, under one id."""
        self.by_door(number)
        self._send(number, "ann")

    def against_another(self, number: int) -> None:
        """Have two people answer at the same moment."""
        self.await_question(number)
        with ThreadPoolExecutor(2) as both:
            for one in [both.submit(self._send_elsewhere, number, by) for by in ("ann", "bob")]:
                one.result()

    def _send_elsewhere(self, number: int, by: str) -> None:
        with self._team.client() as client:
            Approver(self._team, client, self._told)._send(number, by)

    def await_question(self, number: int) -> None:
        """Wait until a run asks for its approval."""
        until(lambda: self._asks(number), f"{run_id_of(number)} does not ask")

    def await_end(self, number: int) -> None:
        """Wait until a run has ended."""
        until(lambda: self._view(number).status in SETTLED, f"{run_id_of(number)} does not settle")

    def _asks(self, number: int) -> bool:
        return any(wait.event_name == "approval" for wait in self._view(number).waits)

    def _view(self, number: int) -> RunView:
        """Return a run; a step that three workers in a row have died with is in doubt, and is to be performed again."""
        view = self._client.get(run_id_of(number))
        for wait in view.waits:
            if wait.kind == "in_doubt" and not wait.is_answered:
                with suppress(StepNotInDoubtError):
                    self._client.decide(view.run_id, wait.step_key, "again", reason="chaos kills", follow=False)
        return view

    def _send(self, number: int, by: str) -> None:
        payload, event_id = payload_of(number, by), f"{by}-{number}"

        def sent() -> str:
            receipt = self._client.send(run_id_of(number), event="approval", payload=payload, event_id=event_id)
            return "duplicate" if receipt.duplicate else "kept" if receipt.kept else "accepted"

        self._note(number, by, event_id, sent)

    def _note(self, number: int, by: str, event_id: str, sent: Callable[[], str]) -> None:
        """Say an answer until the door says what became of it; the same id may be said as often as one likes."""
        outcomes: list[str] = []

        def is_told() -> bool:
            try:
                outcomes.append(sent())
            except (RunNotWaitingError, RunSettledError):
                outcomes.append("refused")
            except PersistenceError:
                return False
            return True

        until(is_told, f"{event_id} was not taken")
        self._told.append(Told(run_id_of(number), event_id, payload_of(number, by), outcomes[-1]))


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it never was.
    """
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / _PAUSE_SECONDS)):
        if condition():
            return
        pause.wait(_PAUSE_SECONDS)
    raise TimeoutError(otherwise)


def run_id_of(number: int) -> str:
    """Return the id of a run."""
    return f"notice-{number:04}"


def payload_of(number: int, by: str) -> JsonObject:
    """Return what somebody says to a run: every seventh is held back, and who said it is told apart."""
    return {"decision": "reject" if number % 7 == 6 else "approve", "by": f"{by} {number}"}
