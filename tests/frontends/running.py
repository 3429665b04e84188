"""Runs documents for tests: process by process over one memory store, with real commands and a clock that tests move.

Every park and every end is driven once more by a fresh process: nothing may be performed or decided again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from checkpointflow.clock import Clock
from checkpointflow.errors import exit_code_of
from checkpointflow.frontends.document.interpreter import DocumentWorkflow
from checkpointflow.frontends.document.loader import load_text, open_definition
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Effect
from checkpointflow.kernel.engine import DriveOutcome, drive
from checkpointflow.kernel.ids import EventId, RunId
from checkpointflow.kernel.revising import reopen
from checkpointflow.kernel.store import Message, OpenWait, Store
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.schemas import check, is_valid, with_defaults
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.crashing import Crash, CrashingStore
from checkpointflow.values import JsonObject, JsonValue

RUN = RunId("a-run")
NOTHING = "(nothing)"
"""Stands for a result, outputs or error that is not there."""

SETTLED = ("completed", "failed", "cancelled")
GATE = "kind: await_event, audience: user, input_schema: {}"
"""The fields of a wait that takes any answer, to be written into `{…}`."""


def document(steps: str, head: str = "", inputs: str = "{}", name: str = "main") -> str:
    """Return the text of a document; `steps` is a YAML list, `head` further lines of `workflow`, `inputs` a schema."""
    lines = [f"  {line}" for line in [f"id: {name}", f"inputs: {inputs}", *_lines(head), "steps:", *_lines(steps)]]
    return "\n".join(["schema_version: checkpointflow/v1", "workflow:", *lines]) + "\n"


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


class _Refusing(ThreadExecutor):
    """Performs nothing."""

    def start(self, effect: Effect) -> None:
        raise AssertionError(f"`{effect.context.key}` was performed again")


class Running:
    """One run of a document; every `drive` is a process of its own.

    `files` are further documents beside it. Commands run in `folder`, and `log` is what they appended to the file
    `log` there. `clock` stands still unless another is given.
    """

    def __init__(
        self,
        folder: Path,
        text: str,
        run_input: JsonValue = None,
        *,
        files: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.folder = folder / "work"
        self.folder.mkdir(parents=True)
        for name, content in (files or {}).items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(content, encoding="utf-8")
        loaded = load_text(text, source_path=self.folder / "main.yaml", cwd=self.folder)
        self.warnings = [str(problem["message"]) for problem in loaded.problems]
        self.clock = FakeClock() if clock is None else clock
        self.store = MemoryStore(clock=self.clock)
        self._settings = StepSettings(
            runs_dir=folder / "runs", sync=False, environment={"PATH": os.environ["PATH"]}, grace_seconds=0.2
        )
        self._events = 0
        schema = cast("JsonObject", loaded.document.inputs)
        value = with_defaults({} if run_input is None else run_input, schema)
        assert check(value, schema) == []
        digest = loaded.digest
        started = e.RunStarted(
            at=self.clock.now(), workflow_id=loaded.document.id, workflow_name=None, workflow_version=None,
            definition=digest, source_path=None, input=value, labels={}, actor=None, cwd=str(self.folder), host="h",
        )  # fmt: skip
        self.store.create(RUN, [started], holder=None, definition=(digest, loaded.stored))

    # -- driving ---------------------------------------------------------------------------------

    def drive(self) -> Running:
        """Let a fresh process drive, then another one, which has to find nothing to do."""
        self.warnings = self._drive(self.store.other_process()).warnings
        assert all("was stopped while it ran" in warning for warning in self.warnings), self.warnings
        self._check_replay()
        return self

    def drive_crashing(self, *, before: int | None = None, after: int | None = None) -> bool:
        """Let a process drive that dies at one of its writes; tell whether it came to that."""
        face = self.store.other_process()
        try:
            self._drive(CrashingStore(face, before=before, after=after))
        except Crash:
            face.die()
            return True
        return False

    def retry(self) -> Running:
        """Reopen the failed run and drive it."""
        store = self.store.other_process()
        hold = store.acquire(RUN, store.holder(), at=self.clock.now())
        reopen(hold, self._surroundings(store), None)
        store.commit(hold, store.head(RUN).length, [], release=True)
        return self.drive()

    def _drive(self, store: Store, executor: ThreadExecutor | None = None) -> DriveOutcome:
        hold = store.acquire(RUN, store.holder(), at=self.clock.now())
        return drive(self._workflow(), hold, self._surroundings(store, executor))

    def _workflow(self) -> DocumentWorkflow:
        return DocumentWorkflow(open_definition(self.store.definition(self.store.head(RUN).definition)))

    def _surroundings(self, store: Store, executor: ThreadExecutor | None = None) -> Surroundings:
        return Surroundings(
            store=store,
            executor=executor or ThreadExecutor(make_perform(self._settings), lambda _run, _attempts: None),
            clock=self.clock,
            fits=lambda schema, payload: schema is None or is_valid(payload, cast("JsonObject | bool", schema)),
            inline_wait_seconds=0,
        )

    def _check_replay(self) -> None:
        """A fresh process that can perform nothing comes to the same end over the same journal."""
        journal = self.journal
        again = MemoryStore(clock=self.clock)
        settled = self.status in SETTLED
        again.create(RUN, journal[:-1] if settled else journal, holder=None)
        hold = again.acquire(RUN, again.holder(), at=self.clock.now())
        refusing = _Refusing(make_perform(self._settings), lambda _run, _attempts: None)
        outcome = drive(self._workflow(), hold, self._surroundings(again, refusing))
        assert outcome.status == self.status
        assert all("was stopped while it ran" in warning for warning in outcome.warnings), outcome.warnings
        assert [e.as_json(entry, 0) for entry in again.entries(RUN)] == [e.as_json(entry, 0) for entry in journal]

    # -- what comes from outside -----------------------------------------------------------------

    def answer(self, wait: str, payload: JsonValue = None) -> Running:
        """Answer an open wait, named by its key or its event, and drive."""
        self.accept(wait, payload)
        return self.drive()

    def accept(self, wait: str, payload: JsonValue = None) -> None:
        """Have an answer accepted that no process has taken up yet."""
        fitting = [one for one in self._waits() if wait in (one.key, one.event_name)]
        assert len(fitting) == 1, f"{wait} is not among {[one.key for one in self._waits()]}"
        self._events += 1
        message = Message(
            run_id=RUN, event_id=EventId(f"event-{self._events}"), kind="event", name=str(fitting[0].event_name),
            payload=payload, actor=None, at=self.clock.now(), wait_id=fitting[0].wait_id,
        )  # fmt: skip
        assert self.store.answer(message).outcome == "accepted"

    def pass_time(self, seconds: float) -> Running:
        """Let time pass, and drive."""
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(seconds)
        return self.drive()

    # -- looking ---------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The run's status as stored."""
        return self.store.head(RUN).status

    @property
    def journal(self) -> list[e.AnyEntry]:
        """All entries."""
        return self.store.entries(RUN)

    @property
    def value(self) -> JsonObject:
        """What the completed run ended with."""
        last = self.journal[-1]
        assert isinstance(last, e.RunCompleted), f"the run has not completed: {e.as_json(last, 0)}"
        return last.value

    @property
    def result(self) -> JsonValue:
        """The completed run's result."""
        return self.value.get("result", NOTHING)

    @property
    def outputs(self) -> JsonValue:
        """The completed run's outputs."""
        return self.value.get("outputs", NOTHING)

    @property
    def error(self) -> JsonObject:
        """Why the run failed."""
        last = self.journal[-1]
        assert isinstance(last, e.RunFailed), f"the run has not failed: {e.as_json(last, 0)}"
        return last.error

    @property
    def exit_code(self) -> int:
        """The exit code that belongs to the failed run's error."""
        return exit_code_of(str(self.error["code"]))

    @property
    def open(self) -> list[str]:
        """The keys of the open waits and timers, sorted."""
        return sorted(wait.key for wait in self._waits())

    def request(self, key: str) -> JsonObject:
        """Return what an open wait asks for."""
        return next(wait.request for wait in self._waits() if wait.key == key)

    @property
    def attempts(self) -> Counter[str]:
        """How many attempts of each effect were begun, by key."""
        return Counter(entry.key for entry in self.journal if isinstance(entry, e.StepStarted))

    @property
    def performed(self) -> list[str]:
        """The keys of the effects that were begun, in order."""
        return [entry.key for entry in self.journal if isinstance(entry, e.StepStarted)]

    def entries(self, name: str) -> list[JsonObject]:
        """Return the journal's entries of a name, as JSON."""
        return [e.as_json(entry, 0) for entry in self.journal if e.name_of(entry) == name]

    @property
    def log(self) -> list[str]:
        """The lines that commands appended to `log`."""
        return self.read("log").decode().splitlines()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that commands wrote; none if it is not there."""
        file = self.folder / name
        return file.read_bytes() if file.exists() else b""

    def _waits(self) -> Sequence[OpenWait]:
        return self.store.waits(RUN)


def run(folder: Path, steps: str, run_input: JsonValue = None, *, head: str = "", inputs: str = "{}",
        files: Mapping[str, str] | None = None, clock: Clock | None = None) -> Running:  # fmt: skip
    """Run a document of these steps until it parks or settles."""
    text = document(steps, head=head, inputs=inputs)
    return Running(folder, text, run_input, files=files, clock=clock).drive()
