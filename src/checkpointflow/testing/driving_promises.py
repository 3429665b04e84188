"""What every store promises about what is due, who drives, revised runs and threads, as a part of its contract."""
# ruff: noqa: D102 - the name of a test is the promise

from __future__ import annotations

import threading
from datetime import datetime

import pytest

from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey, WaitId
from checkpointflow.kernel.store import Backoff, Store
from checkpointflow.testing import samples as s
from checkpointflow.testing.samples import RUN

OTHER = RunId("run-2")


def due(store: Store, seconds: float = 100, *, pool: str = "p", limit: int = 10) -> list[RunId]:
    """Return what is to be driven at a time."""
    return store.drivable(s.at(seconds), pool=pool, limit=limit)


def parked(store: Store, *entries: e.AnyEntry, run_id: RunId = RUN) -> None:
    """Begin a run that waits, and that nobody holds."""
    hold = s.begin(store, *entries, run_id=run_id)
    park = e.RunParked(at=s.at(3), elapsed_seconds=0.0)
    assert store.commit(hold, 1 + len(entries), [park], release=True).written


def backoff(until: float, *, run_id: RunId = RUN, pool: str = "p", tries: int = 1) -> Backoff:
    """Return that a run was put off."""
    return Backoff(run_id=run_id, pool=pool, tries=tries, next_try_at=s.at(until), error={"message": "no"})


def changed(*voided: str, definition: str = "new", at: datetime | None = None) -> e.DefinitionChanged:
    """Return that a run goes on under another definition."""
    return e.DefinitionChanged(
        at=at or s.at(4),
        definition=definition,
        source_path="/new.yaml",
        workflow_name="New",
        workflow_version="2",
        voided=list(voided),
        actor="ann",
        reason=None,
    )


class DrivingPromises:
    """The part of StoreContract about what should be driven, by whom it is, and how runs are revised."""

    # -- what is due -------------------------------------------------------------------------------

    def test_an_interrupted_run_should_be_driven_and_a_held_one_not(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        assert due(other) == due(store) == []
        store.commit(hold, 1, [s.step_started()], release=True)
        assert due(other) == [RUN]

    def test_a_run_whose_driver_died_should_be_driven(self, store: Store, other: Store) -> None:
        s.begin(store)
        self.kill(store)  # type: ignore[attr-defined]
        assert due(other) == [RUN]

    def test_a_waiting_run_should_be_driven_once_its_time_has_come(self, store: Store, other: Store) -> None:
        parked(store, s.timer_set(due=60))
        assert (due(other, 59), due(other, 60), due(other, 61)) == ([], [RUN], [RUN])

    def test_a_waiting_run_should_be_driven_when_it_has_a_message_to_take_up(self, store: Store, other: Store) -> None:
        parked(store, s.wait_opened())
        store.deliver(s.message("early", name="later"))
        assert due(other) == []
        store.answer(s.message(wait="w1"))
        assert due(other) == [RUN]

    def test_a_paused_run_is_left_alone(self, store: Store) -> None:
        hold = s.begin(store, s.wait_opened(), s.timer_set(due=1))
        store.commit(hold, 3, [e.RunPaused(at=s.at(2), actor=None)], release=True)
        store.answer(s.message(wait="w1"))
        assert due(store) == []

    @pytest.mark.parametrize("end", [s.completed(), s.failed(), e.RunMoved(at=s.at(3), actor=None)], ids=e.name_of)
    def test_a_settled_run_is_left_alone(self, store: Store, end: e.AnyEntry) -> None:
        hold = s.begin(store, s.timer_set(due=1))
        store.commit(hold, 2, [end], release=True)
        assert due(store) == []
        assert store.waits(RUN) == []

    def test_what_has_stood_still_longest_comes_first(self, store: Store) -> None:
        for number, run_id in enumerate((OTHER, RUN, RunId("run-0"))):
            hold = s.begin(store, run_id=run_id)
            store.commit(hold, 1, [s.step_started(seconds=10 - number)], release=True)
        assert due(store) == ["run-0", RUN, OTHER]
        assert due(store, limit=2) == ["run-0", RUN]
        assert due(store, limit=0) == []

    # -- what was put off --------------------------------------------------------------------------

    def test_a_run_that_was_put_off_is_left_alone_in_that_pool_until_then(self, store: Store, other: Store) -> None:
        parked(store, s.timer_set(due=1))
        store.back_off(backoff(50))
        assert (due(other, 49), due(other, 50), due(other, 49, pool="q")) == ([], [RUN], [RUN])

    def test_what_was_put_off_is_told_and_forgotten(self, store: Store, other: Store) -> None:
        parked(store)
        parked(store, run_id=OTHER)
        store.back_off(backoff(9))
        store.back_off(backoff(50, tries=2))
        store.back_off(backoff(20, run_id=OTHER))
        assert other.backoffs() == [backoff(20, run_id=OTHER), backoff(50, tries=2)]
        assert other.backoffs(RUN) == [backoff(50, tries=2)]
        other.forget_backoff(RUN, "q")
        other.forget_backoff(RUN, "p")
        assert store.backoffs() == [backoff(20, run_id=OTHER)]

    def test_of_a_deleted_run_nothing_stays_put_off(self, store: Store) -> None:
        hold = s.begin(store)
        store.back_off(backoff(9))
        store.commit(hold, 1, [s.completed()], release=True)
        store.delete(RUN)
        store.back_off(backoff(9))
        assert store.backoffs() == []

    # -- who drives --------------------------------------------------------------------------------

    def test_workers_are_told_as_long_as_they_live(self, store: Store, other: Store) -> None:
        store.enroll("worker", "p", at=s.at(1))
        other.enroll("worker", "q", at=s.at(2))
        assert [(one.kind, one.pool, one.at, one.alive) for one in store.drivers()] == [
            ("worker", "p", s.at(1), True), ("worker", "q", s.at(2), True),
        ]  # fmt: skip
        assert [one.holder for one in store.drivers()] == [store.holder(), other.holder()]
        self.kill(store)  # type: ignore[attr-defined]
        assert [one.pool for one in other.drivers()] == ["q"]

    def test_a_process_may_drive_several_pools_and_leaves_the_ticks_of_others_told(self, store: Store) -> None:
        store.enroll("tick", "p", at=s.at(1))
        store.enroll("worker", "p", at=s.at(2))
        store.enroll("worker", "q", at=s.at(3))
        assert [(one.kind, one.pool) for one in store.drivers()] == [("tick", "p"), ("worker", "p"), ("worker", "q")]

    def test_of_ticks_the_last_of_each_pool_is_told(self, store: Store, other: Store) -> None:
        store.enroll("tick", "p", at=s.at(1))
        store.enroll("tick", "q", at=s.at(2))
        other.enroll("tick", "p", at=s.at(3))
        self.kill(other)  # type: ignore[attr-defined]
        assert [(one.kind, one.pool, one.at) for one in store.drivers()] == [
            ("tick", "q", s.at(2)), ("tick", "p", s.at(3)),
        ]  # fmt: skip

    # -- revised runs ------------------------------------------------------------------------------

    def test_a_revised_run_is_told_by_its_new_definition_which_is_kept_with_it(
        self, store: Store, other: Store
    ) -> None:
        hold = s.begin(store, s.step_started(), s.step_completed())
        store.commit(hold, 3, [changed("s")], definition=("new", {"of": "it"}))
        head = other.head(RUN)
        assert (head.definition, head.source_path) == ("new", "/new.yaml")
        assert (head.workflow_name, head.workflow_version, head.status, head.length) == ("New", "2", "open", 4)
        assert other.definition("new") == {"of": "it"}
        assert other.heads()[0] == head

    def test_a_definition_is_not_kept_when_its_commit_is_not_written(self, store: Store) -> None:
        hold = s.begin(store)
        store.deliver(s.message(kind="cancel"))
        assert not store.commit(hold, 1, [changed()], definition=("new", {})).written
        with pytest.raises(StoreCorrupt):
            store.definition("new")

    def test_what_a_revision_gives_up_is_not_waited_for_any_more(self, store: Store) -> None:
        doubtful = e.StepInterrupted(at=s.at(2), key=StepKey("d"), attempt=1, cause="holder_died", in_doubt=True)
        hold = s.begin(store, s.step_started("d"), doubtful, s.wait_opened())
        closed = e.WaitClosed(at=s.at(4), key=StepKey("gate"), wait_id=WaitId("w1"), cause="superseded")
        assert len(store.waits(RUN)) == 2
        store.commit(hold, 4, [closed, changed("d", "gate")])
        assert store.waits(RUN) == []

    # -- threads -----------------------------------------------------------------------------------

    def test_threads_share_a_store(self, store: Store) -> None:
        def work(number: int) -> None:
            hold = s.begin(store, run_id=RunId(f"run-{number}"))
            for length in range(1, 20):
                store.commit(hold, length, [s.step_completed(str(length))])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [head.length for head in store.heads()] == [20] * 6
