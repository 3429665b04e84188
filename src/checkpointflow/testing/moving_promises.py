"""What every store promises about runs that come from, or go, elsewhere, as a part of its contract."""
# ruff: noqa: D102 - the name of a test is the promise

from __future__ import annotations

import pytest

from checkpointflow.errors import JournalConflictError, RunExistsError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Message, Store
from checkpointflow.records import replace
from checkpointflow.testing import samples as s
from checkpointflow.testing.samples import RUN

NEW = RunId("run-new")
MOVED = e.RunMoved(at=s.at(9), actor="ann")


def told(messages: list[Message]) -> list[Message]:
    """Return messages without what each store numbers for itself."""
    return [replace(message, number=0) for message in messages]


def moved(store: Store, *entries: e.AnyEntry) -> None:
    """Begin a run that waits and moves away."""
    hold = s.begin(store, *entries)
    assert store.commit(hold, 1 + len(entries), [MOVED], release=True).written


class MovingPromises:
    """The part of StoreContract about runs that are moved from one store to another."""

    def test_a_run_comes_with_its_inbox_as_it_stood(self, store: Store, other: Store) -> None:
        given = [
            replace(s.message("e1", name="early"), state="kept"),
            replace(s.message("e2", wait="w1", payload={"a": [1, None]}), state="accepted"),
            replace(s.message("e3", kind="cancel", name=""), state="taken"),
            replace(s.message("e4", name="early"), state="set_aside"),
        ]
        store.create(NEW, [s.started(), s.wait_opened()], holder=None, messages=given)
        assert told(other.messages(NEW)) == [replace(one, run_id=NEW) for one in given]
        assert [one.event_id for one in other.pending(NEW)] == ["e2"]
        assert [wait.answered for wait in other.waits(NEW)] == [True]
        assert other.answer(s.message("e2", wait="w1", run_id=NEW)).outcome == "duplicate"
        assert other.answer(s.message("e9", wait="w1", run_id=NEW)).outcome == "answered"
        numbers = [one.number for one in other.messages(NEW)]
        assert numbers == sorted(set(numbers))

    def test_a_kept_message_that_came_with_a_run_answers_the_next_wait(self, store: Store) -> None:
        given = [replace(s.message("e1"), state="kept")]
        hold = store.create(NEW, [s.started(), s.wait_opened()], holder=store.holder(), messages=given)
        assert hold is not None
        assert store.pending(NEW) == ()
        store.commit(hold, 2, [s.expired(), s.wait_opened("again", "w2")])
        assert [(one.event_id, one.wait_id) for one in store.pending(NEW)] == [("e1", "w2")]

    def test_a_move_gives_the_hold_up_whatever_lies_in_the_inbox(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        store.answer(s.message("e1", wait="w1"))
        store.deliver(s.message("e2", kind="cancel"))
        assert store.commit(hold, 2, [MOVED], release=True).written
        assert other.holder_of(RUN) is None
        assert [one.state for one in other.messages(RUN)] == ["accepted", "accepted"]
        assert other.head(RUN).status == "moved"
        assert other.drivable(s.at(999), pool="p", limit=9) == []

    def test_a_moved_run_takes_nothing_any_more(self, store: Store) -> None:
        moved(store, s.wait_opened())
        assert store.answer(s.message(wait="w1")).outcome == "closed"
        assert store.deliver(s.message()).outcome == "settled"
        assert store.messages(RUN) == []

    def test_a_run_takes_the_place_of_itself_that_was_moved_away(self, store: Store, other: Store) -> None:
        moved(store, s.wait_opened())
        entries: list[e.AnyEntry] = [s.started(), s.wait_opened(), s.step_started(), s.step_completed()]
        given = [replace(s.message(wait="w1"), state="accepted")]
        other.create(RUN, entries, holder=None, definition=("new", {"of": "it"}), messages=given, over_moved=True)
        assert store.entries(RUN) == entries
        assert (store.head(RUN).status, store.head(RUN).length) == ("open", 4)
        assert [wait.wait_id for wait in store.waits(RUN)] == ["w1"]
        assert told(store.messages(RUN)) == given
        assert store.definition("new") == {"of": "it"}

    def test_the_epoch_goes_on_where_the_moved_run_stood(self, store: Store) -> None:
        hold = s.begin(store)
        store.commit(hold, 1, [MOVED], release=True)
        again = store.create(RUN, [s.started()], holder=store.holder(), over_moved=True)
        assert again is not None
        assert again.epoch == hold.epoch + 1
        with pytest.raises(JournalConflictError):
            store.commit(hold, 1, [s.step_started()])

    @pytest.mark.parametrize("last", [s.completed(), s.failed(), s.step_started()], ids=e.name_of)
    def test_no_other_run_is_replaced(self, store: Store, last: e.AnyEntry) -> None:
        hold = s.begin(store)
        store.commit(hold, 1, [last], release=True)
        with pytest.raises(RunExistsError, match=RUN):
            store.create(RUN, [s.started(workflow="another")], holder=None, over_moved=True)
        assert store.entries(RUN) == [s.started(), last]

    def test_a_moved_run_is_replaced_only_on_request_and_when_nobody_holds_it(self, store: Store, other: Store) -> None:
        moved(store)
        with pytest.raises(RunExistsError):
            other.create(RUN, [s.started()], holder=None)
        store.acquire(RUN, store.holder(), at=s.at(20))
        with pytest.raises(RunExistsError):
            other.create(RUN, [s.started()], holder=None, over_moved=True)
        assert other.head(RUN).status == "moved"
