"""Journals as earlier versions wrote them: they load, fold and replay for ever. Journals are added, never changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, first_head
from checkpointflow.kernel.effects import Effect, Finished
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import Workflow
from checkpointflow.kernel.state import fold
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.values import dump
from journals.workflows import Abandoned, Release, Stuck

HERE = Path(__file__).parent
RUN = RunId("golden")
WORKFLOWS: dict[str, type[Workflow]] = {"release": Release, "stuck": Stuck, "abandoned": Abandoned}


@dataclass
class Golden:
    """A kept journal with what it is known to add up to."""

    name: str
    workflow: Workflow
    expected: dict[str, Any]
    entries: list[e.AnyEntry]


def load(path: Path) -> Golden:
    kept = json.loads(path.read_text("utf-8"))
    entries = [e.decode(x["entry"], x["at"], dump(x["body"]), kept["blobs"].__getitem__) for x in kept["entries"]]
    return Golden(path.stem, WORKFLOWS[kept["workflow"]](), kept["expected"], entries)


PATHS = sorted(HERE.glob("*.json"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Golden:
    return load(request.param)


class Refuses:
    """An executor for runs in which everything has been done."""

    def start(self, effect: Effect) -> None:
        raise AssertionError(f"`{effect.context.key}` would be performed again")

    def stop(self, key: StepKey) -> None:
        raise AssertionError(f"`{key}` is not going on")

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        raise AssertionError("there is nothing to wait for")

    def wake(self) -> None:
        """Nothing sleeps here."""

    def end_orphans(self, run_id: RunId, attempts: object) -> None:
        assert not attempts


def replay(golden: Golden, entries: list[e.AnyEntry]) -> tuple[str, list[e.AnyEntry]]:
    """Drive a run with these entries; return the outcome, and what its journal holds afterwards."""
    clock = FakeClock(entries[-1].at)
    store = MemoryStore(clock=clock)
    hold = store.create(RUN, entries, holder=store.holder())
    assert hold is not None
    surroundings = Surroundings(store=store, executor=Refuses(), clock=clock, fits=lambda _schema, _payload: True)
    outcome = drive(golden.workflow, hold, surroundings)
    assert outcome.warnings == []
    return outcome.status, store.entries(RUN)


def test_there_are_golden_journals_of_every_entry() -> None:
    seen = {type(entry) for path in PATHS for entry in load(path).entries}
    assert len(PATHS) >= 3
    assert seen == set(e.ENTRY_CLASSES)


def test_a_golden_journal_loads_and_folds_to_what_it_always_did(golden: Golden) -> None:
    state, first = fold(golden.entries), golden.entries[0]
    assert isinstance(first, e.RunStarted)
    head = advance(first_head(RUN, first), golden.entries[1:])
    assert state.status == head.status == golden.expected["status"]
    assert state.length == head.length == len(golden.entries)
    assert {key: type(record).__name__ for key, record in state.records.items()} == golden.expected["records"]
    assert state.generations == golden.expected["generations"]
    assert sorted(state.waiting.values()) == golden.expected["waiting"]


def test_a_golden_journal_gives_the_rows_it_always_gave(golden: Golden) -> None:
    store = MemoryStore(clock=FakeClock())
    store.create(RUN, golden.entries, holder=None)
    assert sorted([wait.kind, wait.key] for wait in store.waits(RUN)) == golden.expected["waits"]


def test_a_golden_journal_replays_without_a_new_entry(golden: Golden) -> None:
    assert replay(golden, golden.entries) == (golden.expected["status"], golden.entries)


def comes_from_outside(path: Path) -> bool:
    return isinstance(load(path).entries[-1], e.RunCancelled | e.RunMoved)


@pytest.mark.parametrize("path", [path for path in PATHS if not comes_from_outside(path)], ids=lambda path: path.stem)
def test_a_golden_journal_without_its_last_entry_is_led_to_the_same_one(path: Path) -> None:
    golden = load(path)
    last = golden.entries[-1]
    _, entries = replay(golden, golden.entries[:-1])
    again = entries[-1]
    assert len(entries) == len(golden.entries)
    if isinstance(last, e.RunParked):
        assert isinstance(again, e.RunParked)
    else:
        assert again == last
