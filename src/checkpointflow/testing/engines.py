"""The contract of engines: what comes of workflows, answers and cancellations is the same on each of them."""
# ruff: noqa: D102 - the name of a test is the promise

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pytest

from checkpointflow.errors import (
    EventPayloadError,
    RunExistsError,
    RunNotWaitingError,
    RunSettledError,
    UnsupportedError,
    UsageError,
)
from checkpointflow.frontends.definition import Definition
from checkpointflow.kernel.capabilities import Capability
from checkpointflow.kernel.ids import new_event_id
from checkpointflow.testing.specimens import Specimen, document, specimens
from checkpointflow.values import JsonValue

GATE = document(
    "- {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}\n"
    '- {id: last, kind: end, result: "${steps.ask.outputs}"}'
)
_PAUSE_SECONDS, _MOST_LOOKS = 0.05, 1_200


class Engine(Protocol):
    """A client of the engine, which drives its runs, or follows those who do."""

    capabilities: frozenset[Capability]

    def run(
        self, definition: Definition, run_input: JsonValue, *, run_id: str | None = None, labels: Any = None
    ) -> Any:
        """Start a run, or attach to it; return it once it has parked or settled."""

    def resume(self, run_id: str, **answer: Any) -> Any:
        """Answer, and return what became of that once the run has parked or settled."""

    def send(self, run_id: str, *, event: str, payload: JsonValue) -> Any:
        """Deliver an event."""

    def cancel(self, run_id: str, *, reason: str | None) -> Any:
        """Cancel a run."""

    def retry(self, run_id: str) -> Any:
        """Go on with a failed run."""

    def get(self, run_id: str) -> Any:
        """Return a run as it stands."""

    def inspect(self, run_id: str) -> Any:
        """Return all that happened in a run."""

    def waits(self) -> Sequence[Any]:
        """Return what is asked for in all runs."""

    def runs(self) -> Any:
        """Return the runs."""


class EngineContract:
    """Subclass it as `class TestMine(EngineContract)`, override `engine`, and run pytest.

    `engine` is a fixture that gives a client; where others drive, one of them works meanwhile. What the client's
    `capabilities` leave out is not asked for, but has to be refused in one sentence.
    """

    @pytest.fixture
    def engine(self) -> Engine:
        """Give a client of the engine."""
        raise NotImplementedError("override `engine`")

    # -- workflows ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("specimen", specimens(), ids=lambda one: one.name)
    def test_a_workflow_ends_as_on_every_engine(self, engine: Engine, specimen: Specimen) -> None:
        if not specimen.needs <= engine.capabilities:
            self._refused(engine, specimen)
            return
        view = gone_on(engine, engine.run(specimen.definition, specimen.input), specimen.answers)
        assert (view.status, (view.error or {}).get("code")) == (specimen.status, specimen.error)
        if specimen.result is not None:
            assert view.value["result"] == specimen.result
        entries = engine.inspect(view.run_id).entries
        assert tuple(sorted({str(entry["key"]) for entry in entries if "key" in entry})) == specimen.keys

    @staticmethod
    def _refused(engine: Engine, specimen: Specimen) -> None:
        view = engine.run(specimen.definition, specimen.input)
        assert (view.status, view.error["code"]) == ("failed", UnsupportedError.code)

    def test_each_attempt_is_on_the_record(self, engine: Engine) -> None:
        flaky = document("- {id: a, kind: cli, command: 'exit 3', retry: {max_attempts: 2, backoff_seconds: 0.01}}")
        view = engine.run(flaky, {})
        kinds = [str(entry["entry"]) for entry in engine.inspect(view.run_id).entries]
        assert kinds == ["run_started", *["step_started", "step_failed"] * 2, "run_failed"]

    # -- runs --------------------------------------------------------------------------------------

    def test_the_same_id_with_the_same_input_attaches(self, engine: Engine) -> None:
        run_id = fresh("attach")
        assert engine.run(GATE, {}, run_id=run_id).status == "waiting"
        assert engine.run(GATE, {}, run_id=run_id).status == "waiting"
        with pytest.raises(RunExistsError):
            engine.run(document("- {id: other, kind: end, result: 1}"), {}, run_id=run_id)

    def test_a_run_is_in_the_lists(self, engine: Engine) -> None:
        run_id = fresh("listed")
        engine.run(GATE, {}, run_id=run_id, labels={"team": "a"})
        until(lambda: run_id in [one.run_id for one in engine.runs()[0] if one.status == "waiting"])
        until(lambda: (run_id, "w1") in [(one.run_id, one.wait_id) for one in engine.waits()])

    # -- answers -----------------------------------------------------------------------------------

    def test_an_answer_that_does_not_fit_changes_nothing(self, engine: Engine) -> None:
        run_id = fresh("misfit")
        engine.run(GATE, {}, run_id=run_id)
        with pytest.raises(EventPayloadError):
            engine.resume(run_id, event="go", payload="seven", has_payload=True)
        assert engine.get(run_id).status == "waiting"

    def test_one_answer_is_taken_and_the_next_hears_who_gave_it(self, engine: Engine) -> None:
        run_id = fresh("answers")
        engine.run(GATE, {}, run_id=run_id)
        done = engine.resume(run_id, event="go", payload=7, has_payload=True, event_id="first")
        assert (done.run.status, done.run.value) == ("completed", {"result": 7})
        again = engine.resume(run_id, event="go", payload=7, has_payload=True, event_id="first")
        assert (again.duplicate, again.run.value) == (True, {"result": 7})
        with pytest.raises(RunNotWaitingError, match="answered"):
            engine.resume(run_id, event="go", payload=8, has_payload=True)

    def test_an_early_event_is_kept_until_its_wait_opens(self, engine: Engine) -> None:
        run_id = fresh("early")
        two = document(
            "- {id: first, kind: await_event, audience: user, event_name: one, input_schema: {}}\n"
            "- {id: second, kind: await_event, audience: user, event_name: two, input_schema: {}}\n"
            '- {id: last, kind: end, result: "${steps.second.outputs}"}'
        )
        engine.run(two, {}, run_id=run_id)
        assert engine.send(run_id, event="two", payload={"n": 2}).kept
        done = engine.resume(run_id, event="one", payload={}, has_payload=True).run
        assert (done.status, done.value) == ("completed", {"result": {"n": 2}})

    def test_an_event_that_no_step_waits_for_is_refused(self, engine: Engine) -> None:
        run_id = fresh("unknown")
        engine.run(GATE, {}, run_id=run_id)
        with pytest.raises(UsageError):
            engine.send(run_id, event="gone", payload={})

    # -- ends --------------------------------------------------------------------------------------

    def test_a_cancelled_run_stays_so(self, engine: Engine) -> None:
        run_id = fresh("cancel")
        engine.run(GATE, {}, run_id=run_id)
        assert engine.cancel(run_id, reason="enough").status == "cancelled"
        assert engine.cancel(run_id, reason="again").status == "cancelled"
        last = engine.inspect(run_id).entries[-1]
        assert (last["entry"], last["reason"]) == ("run_cancelled", "enough")
        with pytest.raises(RunNotWaitingError):
            engine.resume(run_id, event="go", payload=1, has_payload=True)
        with pytest.raises(RunSettledError):
            engine.send(run_id, event="go", payload=1)

    def test_a_failed_run_goes_on_only_where_that_is_possible(self, engine: Engine) -> None:
        run_id = fresh("failed")
        engine.run(document("- {id: a, kind: cli, command: 'exit 3'}"), {}, run_id=run_id)
        if "retry" in engine.capabilities:
            assert engine.retry(run_id).status == "failed"
        else:
            with pytest.raises(UnsupportedError):
                engine.retry(run_id)


def fresh(name: str) -> str:
    """Return a run id that no other test has, for engines whose runs stay."""
    return f"{name}-{new_event_id()}"


def gone_on(engine: Engine, view: Any, answers: Mapping[str, JsonValue]) -> Any:
    """Answer whatever a run asks, and let its times come, until it has settled."""
    pause = threading.Event()
    for _ in range(_MOST_LOOKS):
        if view.status in ("completed", "failed", "cancelled"):
            return view
        asked = [wait for wait in view.waits if wait.step_key in answers and not wait.is_answered]
        if asked:
            answer: dict[str, Any] = {"payload": answers[asked[0].step_key], "has_payload": True}
            view = engine.resume(view.run_id, wait=asked[0].wait_id, **answer).run
        else:
            pause.wait(_PAUSE_SECONDS)
            view = engine.resume(view.run_id).run
    raise AssertionError(f"run `{view.run_id}` is {view.status}: {view.waits}")


def until(condition: Callable[[], bool]) -> None:
    """Look again until a list, which may lag behind, shows something."""
    pause = threading.Event()
    for _ in range(_MOST_LOOKS):
        if condition():
            return
        pause.wait(_PAUSE_SECONDS)
    raise AssertionError("it never came")
