"""Plays one case: a run of the real engine over a store in memory, its effects mocked, its time virtual."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from checkpointflow.clock import from_text
from checkpointflow.errors import CheckpointflowError, InputError
from checkpointflow.frontends.document.interpreter import DocumentWorkflow
from checkpointflow.frontends.document.loader import Loaded
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.surroundings import Interrupt, Surroundings
from checkpointflow.schemas import Schema, check, is_valid, told, with_defaults
from checkpointflow.steps.base import StepSettings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.differences import Difference
from checkpointflow.testing.following import Follower, Outcome, Seen
from checkpointflow.testing.mocks import MockedExecutor, Mocks, NotPerformed
from checkpointflow.testing.script import RUN, Script
from checkpointflow.values import JsonObject, JsonValue


def played(loaded: Loaded, case: JsonObject, environment: Mapping[str, str]) -> Outcome:
    """Return what comes of a checked case; steps performed for real work in an empty folder, which is removed."""
    schema = cast(Schema, loaded.document.inputs)
    run_input = with_defaults(case.get("input", {}), schema)
    problems = check(run_input, schema)
    if problems:
        message = f"the input does not fit workflow `{loaded.document.id}`: {told(problems)[0]}"
        return Outcome(status="refused", error={"code": InputError.code, "message": message})
    with TemporaryDirectory(prefix="cpf-test-") as folder:
        return _Play(loaded, case, run_input, Path(folder).resolve(), environment).outcome()


class _Play:
    """One case being played."""

    def __init__(
        self, loaded: Loaded, case: JsonObject, run_input: JsonValue, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._clock = FakeClock(from_text(str(case["starts_at"])) if "starts_at" in case else None)
        self._started_at = self._clock.now()
        self._store = MemoryStore(clock=self._clock)
        self._interrupt = Interrupt()
        self._follower = Follower(loaded.document)
        self._workflow = DocumentWorkflow(loaded.document, self._follower)
        self._script = Script(case, self._store, self._clock, self._interrupt, self._follower.outputs_of)
        mocks = Mocks(cast(JsonObject, case["mocks"]), cast("list[str]", case.get("real", [])))
        settings = StepSettings(runs_dir=folder / "runs", sync=False, environment=environment)
        self._executor = MockedExecutor(mocks, self._script, settings, self._follower.called)
        self._begin(loaded, run_input, folder / "work")

    def outcome(self) -> Outcome:
        """Drive the run as far as time and answers lead, and return what came of it."""
        try:
            while self._drive() == "waiting" and self._script.happen():
                pass
        except NotPerformed as error:
            return self._seen([Difference("mocks", message=str(error))], is_broken=True)
        except CheckpointflowError as error:
            return self._seen([Difference("run", message=error.message)], is_broken=True)
        self._script.finish()
        return self._seen(self._script.troubles)

    def _begin(self, loaded: Loaded, run_input: JsonValue, folder: Path) -> None:
        folder.mkdir()
        document, digest = loaded.document, loaded.digest
        started = e.RunStarted(
            at=self._started_at,
            workflow_id=document.id,
            workflow_name=document.name,
            workflow_version=document.version,
            definition=digest,
            source_path=document.path,
            input=run_input,
            labels={},
            actor="test",
            cwd=str(folder),
            host="test",
        )
        self._store.create(RUN, [started], holder=None, definition=(digest, loaded.stored))

    def _drive(self) -> str:
        hold = self._store.acquire(RUN, self._store.holder(), at=self._clock.now())
        world = Surroundings(
            store=self._store,
            executor=self._executor,
            clock=self._clock,
            fits=lambda schema, payload: schema is None or is_valid(payload, cast(Schema, schema)),
            interrupt=self._interrupt,
            actor="test",
            chance=lambda: 1.0,  # the whole of each pause, where `jitter` would shorten it
        )
        return drive(self._workflow, hold, world).status

    def _seen(self, troubles: list[Difference], *, is_broken: bool = False) -> Outcome:
        journal = self._store.entries(RUN)
        last = journal[-1]
        return Outcome(
            status=self._store.head(RUN).status,
            value=last.value if isinstance(last, e.RunCompleted) else {},
            error=last.error if isinstance(last, e.RunFailed) else None,
            path=self._follower.path,
            calls=tuple(self._follower.calls),
            waits=tuple(Seen(one.key, one.request) for one in journal if isinstance(one, e.WaitOpened)),
            elapsed_seconds=(self._clock.now() - self._started_at).total_seconds(),
            troubles=tuple(troubles),
            is_broken=is_broken,
            reached=frozenset(self._follower.reached),
        )
