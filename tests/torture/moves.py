"""What somebody does next at a store, and the two ways of doing it: as a command line, or through a Client."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from checkpointflow.client import Client
from checkpointflow.config import Settings
from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.values import JsonObject
from checkpointflow.views import RunView
from torture.documents import Written

CROWD = 10
"""So many runs may go on at a time; with fewer of them new ones are begun more often."""

OURS = (60, 80, 90)
"""Exit codes that no command of a storm has a reason to give."""
OF_THE_RUN = ("ERR_STEP_FAILED", "ERR_TIMEOUT", "ERR_STEP_IN_DOUBT", "ERR_RUN_INTERRUPTED")
"""Errors in an envelope that tell how the run stands, and refuse nothing."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """One thing that somebody does; fields that a kind does not need are empty."""

    kind: str
    run: str = ""
    file: str = ""
    event: str = ""
    wait: str = ""
    event_id: str = ""
    step: str = ""
    decision: str = ""
    home: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was said about a move: its exit code and error, the run, its status and value; nothing if it was killed."""

    move: Move
    exit_code: int | None = None
    run: str = ""
    code: str = ""
    status: str = ""
    value: object = None
    trouble: str = ""

    @property
    def is_accepted(self) -> bool:
        """Claim that the move was answered, and not refused."""
        return self.exit_code is not None and not self.code

    def as_json(self) -> str:
        """Return the report as a line of text."""
        return json.dumps(asdict(self))


def report_from(text: str) -> Report:
    """Return the report that `as_json` wrote."""
    fields = json.loads(text)
    return Report(**{**fields, "move": Move(**fields["move"])})


# -- choosing ----------------------------------------------------------------------------------------


class Chooser:
    """Looks at the store of a home and decides what to do next; `name` marks what it begins."""

    def __init__(
        self, name: str, rng: random.Random, client: Client, documents: Sequence[Written], *, home: str
    ) -> None:
        self._name = name
        self._home = home
        self._rng = rng
        self._client = client
        self._documents = documents
        self._count = 0
        self._said: list[Move] = []

    def next(self) -> Move:
        """Return the next move."""
        return replace(self._next(), home=self._home)

    def _next(self) -> Move:
        runs, _ = self._client.runs(limit=80)
        active = [run for run in runs if run.status not in ("completed", "cancelled", "failed", "moved")]
        if self._rng.random() < (0.5 if len(active) < CROWD else 0.03):
            return self._begin()
        chance = self._rng.random()
        if chance < 0.1:
            return Move(kind="tick")
        if chance < 0.15 and self._said:
            return self._rng.choice(self._said)  # the same words once more
        run = self._rng.choice(active if active and chance < 0.85 else runs) if runs else None
        return self._begin() if run is None else self._about(run)

    def _begin(self) -> Move:
        written = self._rng.choice(self._documents)
        kind = self._rng.choice(["run", "run", "start"])
        return Move(kind=kind, run=self._new_name(), file=str(written.file))

    def _about(self, run: RunView) -> Move:
        move = self._rng.choice(self._possible(run))
        if move.kind in ("answer", "send", "early"):
            self._said = [*self._said[-20:], move]
        return move

    def _possible(self, run: RunView) -> list[Move]:
        found = [move for wait in run.waits for move in self._for_wait(run, wait)] * 3
        found += [Move(kind="resume", run=run.run_id), Move(kind="status", run=run.run_id)]
        if run.status == "failed":
            found += [Move(kind="retry", run=run.run_id)] * 4
            found += [Move(kind="retry", run=run.run_id, file=file) for file in self._edited(run)]
        if self._rng.random() < 0.15:
            found += [self._early(run), Move(kind="cancel", run=run.run_id)]
        if self._rng.random() < 0.5:
            found += self._otherwise(run) * 2
        return found

    def _for_wait(self, run: RunView, wait: object) -> list[Move]:
        kind, is_answered = getattr(wait, "kind", ""), getattr(wait, "is_answered", False)
        if kind == "in_doubt":
            decision = self._rng.choice(["done", "again", "again", "fail"])
            return [Move(kind="decide", run=run.run_id, step=getattr(wait, "step_key", ""), decision=decision)]
        if kind != "external_event" or is_answered:
            return []
        to = {
            "run": run.run_id,
            "wait": str(getattr(wait, "wait_id", "")),
            "event": str(getattr(wait, "event_name", "")),
        }
        return [Move(kind=kind, event_id=self._new_name(), **to) for kind in ("answer", "answer", "send")]

    def _early(self, run: RunView) -> Move:
        event = self._rng.choice(["go", "stop", "s2"])
        return Move(kind="early", run=run.run_id, event=event, event_id=self._new_name())

    def _otherwise(self, run: RunView) -> list[Move]:
        steps = self._client.inspect(run.run_id).step_results
        if not steps:
            return []
        step = self._rng.choice(steps).step_key
        file = self._rng.choice([*self._edited(run), ""])
        return [
            Move(kind="fork", run=run.run_id, step=step, file=file, event_id=self._new_name()),
            Move(kind="revise", run=run.run_id, step=self._rng.choice([step, ""]) if file else step, file=file),
        ]

    def _edited(self, run: RunView) -> list[str]:
        return [str(one.edited) for one in self._documents if one.file.stem == run.workflow_id]

    def _new_name(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}"


# -- as a command line -------------------------------------------------------------------------------


def words_of(move: Move) -> list[str]:
    """Return the words of `cpf` that make a move."""
    run, payload = ["--run-id", move.run], ["--input", json.dumps(_payload(move))]
    to = ["--event", move.event, "--event-id", move.event_id]
    with_file = ["--with", move.file] if move.file else []
    rerun = ["--rerun", move.step] if move.step else []
    words = {
        "run": ["run", "-f", move.file, *run],
        "start": ["run", "-f", move.file, *run, "--detach"],
        "status": ["status", *run],
        "resume": ["resume", *run],
        "answer": ["resume", *run, *to, "--wait", move.wait, *payload],
        "send": ["send", *run, *to, "--wait", move.wait, *payload],
        "early": ["send", *run, *to, *payload],
        "cancel": ["cancel", *run, "--reason", "enough"],
        "retry": ["retry", *run, *with_file],
        "decide": [
            "decide",
            *run,
            move.step,
            move.decision,
            *(["--output", '"said"'] if move.decision == "done" else []),
        ],
        "fork": ["fork", *run, "--at", move.step, "--new-run-id", move.event_id, *with_file],
        "revise": ["resume", *run, *with_file, *rerun],
        "tick": ["tick"],
        "worker": ["worker", "--concurrency", "3"],
        "export": ["export", *run, "-o", move.file, "--force", *(["--move"] if move.decision == "move" else [])],
        "verify": ["verify", move.file],
        "import": ["import", move.file, *(["--copy"] if move.decision == "copy" else [])],
        "gc": ["gc", "--older-than", move.decision],
        "delete": ["delete", *run],
    }[move.kind]
    return [*words, "--debug"]


def said(move: Move, returncode: int, stdout: str, stderr: str) -> Report:
    """Return what a command said, even if it was killed after that."""
    try:
        envelope = json.loads(stdout)
    except ValueError:
        is_killed = returncode < 0
        return Report(move=move, trouble="" if is_killed else f"exit {returncode} without a word: {stderr[-2000:]}")
    error = envelope.get("error") or {}
    exit_code, code, trouble = envelope["exit_code"], str(error.get("code", "")), ""
    if exit_code in OURS:
        trouble = f"{error.get('message')}: {stderr[-2000:]}"
    if returncode >= 0 and returncode not in (exit_code, 130):  # a signal may come when all has been said
        trouble = f"the envelope says {exit_code}, and the exit code is {returncode}"
    return Report(
        move=move, exit_code=exit_code, code="" if code in OF_THE_RUN else code, run=str(envelope.get("run_id", "")),
        status=str(envelope.get("status", "")), value=envelope.get("result"), trouble=trouble,
    )  # fmt: skip


# -- through a Client --------------------------------------------------------------------------------


def perform(client: Client, settings: Settings, move: Move) -> Report:
    """Make a move through a Client, and report it."""
    try:
        view = _CALLS[move.kind](client, settings, move)
    except CheckpointflowError as error:
        return Report(move=move, exit_code=error.exit_code, code=error.code, trouble=error.message)
    if view is None:
        return Report(move=move, exit_code=0)
    value = view.value.get("result")
    return Report(move=move, exit_code=view.exit_code, run=view.run_id, status=view.status, value=value)


def _payload(move: Move) -> JsonObject:
    return {"n": move.event_id}


def _start(client: Client, settings: Settings, move: Move) -> RunView:
    return client.start(load_file(move.file, cwd=settings.cwd), {}, run_id=move.run)


def _run(client: Client, settings: Settings, move: Move) -> RunView:
    return client.run(load_file(move.file, cwd=settings.cwd), {}, run_id=move.run)


def _answer(client: Client, _settings: Settings, move: Move) -> RunView:
    payload, event_id = _payload(move), move.event_id
    return client.resume(
        move.run, event=move.event, wait=move.wait, event_id=event_id, payload=payload, has_payload=True
    ).run


def _send(client: Client, _settings: Settings, move: Move) -> RunView:
    wait = move.wait or None
    return client.send(move.run, event=move.event, wait=wait, event_id=move.event_id, payload=_payload(move)).run


def _revise(client: Client, settings: Settings, move: Move) -> RunView:
    loaded = load_file(move.file, cwd=settings.cwd) if move.file else None
    return client.revise(move.run, definition=loaded, rerun=[move.step] if move.step else [])[0]


def _fork(client: Client, settings: Settings, move: Move) -> RunView:
    loaded = load_file(move.file, cwd=settings.cwd) if move.file else None
    return client.fork(move.run, at=move.step, definition=loaded, new_id=move.event_id)


def _retry(client: Client, settings: Settings, move: Move) -> RunView:
    return _revise(client, settings, move) if move.file else client.retry(move.run)


def _decide(client: Client, _settings: Settings, move: Move) -> RunView:
    output = "said" if move.decision == "done" else None
    return client.decide(move.run, move.step, move.decision, output=output, reason=None)


def _tick(client: Client, _settings: Settings, _move: Move) -> None:
    client.worker().tick()


_CALLS: dict[str, Callable[[Client, Settings, Move], RunView | None]] = {
    "run": _run,
    "start": _start,
    "status": lambda client, _settings, move: client.get(move.run),
    "resume": lambda client, _settings, move: client.resume(move.run).run,
    "answer": _answer,
    "send": _send,
    "early": _send,
    "cancel": lambda client, _settings, move: client.cancel(move.run, reason="enough"),
    "retry": _retry,
    "decide": _decide,
    "fork": _fork,
    "revise": _revise,
    "tick": _tick,
}
