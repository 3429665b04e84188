"""The contract of the Store port as a suite that any implementation passes; no particular store is known here."""
# ruff: noqa: D102 - the name of a test is the promise

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from checkpointflow import clock
from checkpointflow.errors import (
    JournalConflictError,
    RunExistsError,
    RunHeldError,
    RunNotFoundError,
    RunNotSettledError,
    StoreCorrupt,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, first_head
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Hold, Store
from checkpointflow.records import replace
from checkpointflow.testing import samples as s
from checkpointflow.testing.driving_promises import DrivingPromises
from checkpointflow.testing.inbox_promises import InboxPromises, became
from checkpointflow.testing.moving_promises import MovingPromises
from checkpointflow.testing.samples import RUN
from checkpointflow.values import JsonValue


class StoreContract(InboxPromises, DrivingPromises, MovingPromises):
    """Subclass it as `class TestMine(StoreContract)`, override `make_store`, `second` and `kill`, and run pytest.

    `make_store` is a fixture that returns a function without arguments, which opens a fresh, empty store.
    """

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        """Return a function that opens a fresh, empty store."""
        raise NotImplementedError("override `make_store`")

    def second(self, store: Store) -> Store:
        """Return the store that another process would open on the same data."""
        raise NotImplementedError("override `second`")

    def kill(self, store: Store) -> None:
        """Let the process that opened a store be dead for all others, without a word."""
        raise NotImplementedError("override `kill`")

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """Give a fresh store."""
        store = make_store()
        yield store
        store.close()

    @pytest.fixture
    def other(self, store: Store) -> Iterator[Store]:
        """Give the same store as another process has it."""
        other = self.second(store)
        yield other
        other.close()

    # -- journals ----------------------------------------------------------------------------------

    def test_a_created_run_can_be_read_by_every_process(self, store: Store, other: Store) -> None:
        hold = store.create(RUN, [s.started(), s.step_started()], holder=store.holder())
        assert hold == Hold(run_id=RUN, holder=store.holder(), epoch=1)
        assert other.entries(RUN) == store.entries(RUN) == [s.started(), s.step_started()]

    def test_a_run_is_created_once(self, store: Store, other: Store) -> None:
        store.create(RUN, [s.started()], holder=None)
        with pytest.raises(RunExistsError, match=RUN):
            other.create(RUN, [s.started(workflow="another")], holder=None, definition=("h", {}))
        assert other.head(RUN).workflow_id == "flow"
        with pytest.raises(StoreCorrupt):
            store.definition("h")

    def test_a_journal_begins_with_run_started(self, store: Store) -> None:
        with pytest.raises(ValueError, match="run_started"):
            store.create(RUN, [s.step_started()], holder=None)
        assert store.heads() == []

    def test_a_commit_appends_in_order(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        assert store.commit(hold, 1, [s.step_started(), s.step_completed()]).written
        assert store.commit(hold, 3, [s.completed()]).written
        assert other.entries(RUN) == [s.started(), s.step_started(), s.step_completed(), s.completed()]

    def test_entries_are_read_behind_a_position(self, store: Store) -> None:
        s.begin(store, s.step_started(), s.step_completed())
        assert store.entries(RUN, after=1) == [s.step_started(), s.step_completed()]
        assert store.entries(RUN, after=3) == store.entries(RUN, after=99) == []

    def test_entries_are_read_in_parts(self, store: Store) -> None:
        s.begin(store, s.step_started(), s.step_completed())
        assert store.entries(RUN, limit=2) == [s.started(), s.step_started()]
        assert store.entries(RUN, after=2, limit=2) == [s.step_completed()]
        assert store.entries(RUN, limit=0) == []

    def test_an_unknown_run_has_nothing(self, store: Store) -> None:
        assert not any((store.entries(RUN), store.waits(RUN), store.messages(RUN), store.pending(RUN)))
        assert store.holder_of(RUN) is None

    def test_an_unknown_run_is_named_in_the_refusal(self, store: Store) -> None:
        asks: list[Callable[[], object]] = [
            lambda: store.head(RUN),
            lambda: store.acquire(RUN, store.holder(), at=s.START),
            lambda: store.answer(s.message(wait="w1")),
            lambda: store.deliver(s.message()),
        ]
        for ask in asks:
            with pytest.raises(RunNotFoundError, match=RUN):
                ask()
        with pytest.raises(JournalConflictError):
            store.commit(Hold(run_id=RUN, holder=store.holder(), epoch=1), 0, [s.started()])

    def test_a_commit_at_another_length_writes_nothing(self, store: Store) -> None:
        hold = s.begin(store)
        for length in (0, 2):
            with pytest.raises(JournalConflictError, match="entries"):
                store.commit(hold, length, [s.wait_opened()], release=True)
            with pytest.raises(JournalConflictError, match="entries"):
                store.commit(hold, length, [s.step_started()])
        assert store.entries(RUN) == [s.started()]
        assert store.waits() == []
        assert store.holder_of(RUN) is not None

    def test_every_value_comes_back_as_it_was(self, store: Store, other: Store) -> None:
        values: list[JsonValue] = [
            None, True, 0, -1, 10**40, 0.1, 1e300, "", "é 語 🙂", "nul \0 here", "lone \ud800 and \udfff", '"\\\n',
            "\ud83d" + "\ude00", [[]], {"": {"\0": "\udc80"}, "k": [1, "two", None]},
            "x" * 300_000, ["\ud800" * 70_000],
        ]  # fmt: skip
        hold = s.begin(store)
        store.commit(hold, 1, [s.step_completed(output=value) for value in values])
        read = other.entries(RUN, after=1)
        assert [entry.output for entry in read if isinstance(entry, e.StepCompleted)] == values

    def test_every_text_comes_back_as_it_was(self, store: Store, other: Store) -> None:
        for text in ("né \0 語", "lone \udc80", "%_'\""):
            run_id = RunId(f"run-{len(store.heads())}")
            first = s.started(workflow=text, labels={text: text})
            hold = store.create(run_id, [first, s.wait_opened(text, text, event=text)], holder=store.holder())
            assert hold
            answer = other.answer(s.message(text, name=text, wait=text, payload=text, run_id=run_id)).message
            assert other.head(run_id) == advance(first_head(run_id, first), store.entries(run_id, after=1))
            assert [head.run_id for head in other.heads(workflow_id=text, labels={text: text})] == [run_id]
            assert store.pending(run_id) == (answer,)
            assert [(wait.key, wait.event_name, wait.answered) for wait in store.waits(run_id)] == [(text, text, True)]
            assert other.answer(s.message(text, wait=text, run_id=run_id)) == became("duplicate", answer)

    def test_what_a_caller_changes_later_is_not_kept(self, store: Store) -> None:
        output: list[JsonValue] = [1]
        hold = s.begin(store)
        store.commit(hold, 1, [s.step_completed(output=output), s.wait_opened()])
        output.append(2)
        store.waits(RUN)[0].request.clear()
        (read, _) = store.entries(RUN, after=1)
        assert isinstance(read, e.StepCompleted)
        assert read.output == [1]
        assert store.waits(RUN)[0].request["event_name"] == "go"

    def test_what_is_no_json_writes_nothing(self, store: Store) -> None:
        hold = s.begin(store)
        with pytest.raises(ValueError):
            store.commit(hold, 1, [s.step_started(), s.step_completed(output=float("nan"))])
        with pytest.raises(ValueError):
            store.deliver(s.message(payload=float("inf")))
        assert store.head(RUN).length == 1
        assert store.messages(RUN) == []

    def test_a_definition_is_stored_with_the_run(self, store: Store, other: Store) -> None:
        body: dict[str, JsonValue] = {"text": "x" * 100_000, "more": ["\ud800", None]}
        store.create(RUN, [s.started()], holder=None, definition=("hash", body))
        store.create(RunId("run-2"), [s.started()], holder=None, definition=("hash", body))
        assert other.definition("hash") == body

    def test_a_missing_definition_is_corruption(self, store: Store) -> None:
        with pytest.raises(StoreCorrupt, match="`nothing`"):
            store.definition("nothing")

    # -- heads -------------------------------------------------------------------------------------

    def test_the_head_is_derived_from_the_journal(self, store: Store, other: Store) -> None:
        first = s.started(labels={"a": "b", "n": 1})
        others: list[e.AnyEntry] = [s.step_started(), s.wait_opened(), s.timer_set()]
        hold = store.create(RUN, [first, *others], holder=store.holder())
        assert hold
        head = advance(first_head(RUN, first), others)
        assert other.head(RUN) == head
        store.commit(hold, 4, [s.failed()])
        assert other.head(RUN) == advance(head, [s.failed()])
        assert other.heads() == [other.head(RUN)]

    def test_an_empty_commit_leaves_the_head(self, store: Store) -> None:
        hold = s.begin(store, s.step_started())
        before = store.head(RUN)
        assert store.commit(hold, 2, []).written
        assert store.head(RUN) == before

    def test_heads_are_listed_newest_first_page_by_page(self, store: Store) -> None:
        times = {"aaaa": 5.0, "bbbb": 7.0, "cccc": 5.0, "dddd": 6.000001, "eeee": 6.0}
        for name, seconds in times.items():
            store.create(RunId(name), [s.started(seconds)], holder=None)
        listed = store.heads(limit=3)
        assert [head.run_id for head in listed] == ["bbbb", "dddd", "eeee"]
        rest = store.heads(before=(listed[-1].started_at, listed[-1].run_id))
        assert [head.run_id for head in rest] == ["cccc", "aaaa"]
        assert [head.run_id for head in store.heads(before=(s.at(5), RunId("cccc")))] == ["aaaa"]
        assert store.heads(limit=0) == []

    def test_heads_are_chosen_by_status_workflow_and_labels(self, store: Store) -> None:
        runs: list[tuple[str, JsonValue]] = [("a", "x"), ("a", "y"), ("b", "x"), ("b", 1)]
        for number, (workflow, label) in enumerate(runs):
            first = s.started(number, workflow=workflow, labels={"l.\"'": label})
            store.create(RunId(f"run-{number}"), [first, *([s.completed()] if number > 1 else [])], holder=None)

        def chosen(**how: object) -> list[str]:
            return [head.run_id[-1] for head in store.heads(**how)]  # type: ignore[arg-type]

        assert chosen(statuses=["completed"]) == ["3", "2"]
        assert chosen(statuses=("open", "completed"), workflow_id="a") == ["1", "0"]
        assert chosen(labels={"l.\"'": "x"}) == ["2", "0"]
        assert chosen(labels={"l.\"'": "x"}, workflow_id="b", statuses=["completed"]) == ["2"]
        assert chosen(labels={"l.\"'": "1"}) == chosen(labels={"l": "x"}) == chosen(statuses=[]) == []

    def test_runs_are_found_by_the_begin_or_end_of_their_id(self, store: Store) -> None:
        for name in ("abcd", "abcdef", "xxabcd", "%b_d"):
            store.create(RunId(name), [s.started()], holder=None)
        assert store.find("abcd") == ["abcd"]
        assert sorted(store.find("abc")) == ["abcd", "abcdef"]
        assert sorted(store.find("cd")) == ["abcd", "xxabcd"]
        assert store.find("%b") == ["%b_d"]
        assert store.find("bcde") == store.find("ABCD") == store.find("") == store.find("abcdefg") == []

    def test_no_more_than_ten_runs_are_found(self, store: Store) -> None:
        for number in range(12):
            store.create(RunId(f"same-{number}"), [s.started()], holder=None)
        assert len(store.find("same")) == 10

    # -- waits -------------------------------------------------------------------------------------

    def test_open_waits_are_listed_oldest_first(self, store: Store, other: Store) -> None:
        s.begin(store, s.wait_opened(seconds=3, due=60), s.timer_set(seconds=2))
        s.begin(store, s.wait_opened(seconds=1), run_id=RunId("run-2"))
        assert [(wait.run_id, wait.key) for wait in other.waits()] == [("run-2", "gate"), (RUN, "nap"), (RUN, "gate")]
        assert [(wait.key, wait.kind, wait.due_at) for wait in other.waits(RUN)] == [
            ("nap", "timer", s.at(60)),
            ("gate", "external_event", s.at(60)),
        ]

    def test_an_entry_closes_the_waits_of_its_key_alone(self, store: Store) -> None:
        hold = s.begin(store, s.wait_opened("a", "w1"), s.wait_opened("b", "w2"), s.wait_opened("all", "w3"))
        store.commit(hold, 4, [s.expired("a", "w1"), s.expired("all", "w3"), s.wait_opened("a", "w4")])
        assert [(wait.key, wait.wait_id) for wait in store.waits(RUN)] == [("b", "w2"), ("a", "w4")]

    def test_the_end_of_a_run_closes_all_its_waits(self, store: Store) -> None:
        s.begin(store, s.wait_opened(), run_id=RunId("run-2"))
        hold = s.begin(store, s.wait_opened(), s.timer_set())
        store.commit(hold, 3, [s.wait_opened("late", "w9"), s.completed()])
        assert [wait.run_id for wait in store.waits()] == ["run-2"]

    # -- deleting ----------------------------------------------------------------------------------

    def test_a_deleted_run_is_gone_for_every_process(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        other.answer(s.message(wait="w1"))
        store.commit(hold, 2, [s.completed()], taken=[store.pending(RUN)[0].number], release=True)
        other.delete(RUN)
        assert store.heads() == []
        assert store.find(RUN) == []
        assert not any((store.entries(RUN), store.waits(), store.messages(RUN), store.pending(RUN)))
        assert store.holder_of(RUN) is None
        for ask in (store.head, store.delete):
            with pytest.raises(RunNotFoundError, match=RUN):
                ask(RUN)

    def test_only_a_settled_run_can_be_deleted(self, store: Store, other: Store) -> None:
        ends: list[tuple[str, e.AnyEntry]] = [
            ("parked", e.RunParked(at=s.at(1), elapsed_seconds=0.0)),
            ("paused", e.RunPaused(at=s.at(1), actor=None)),
            ("opened", s.step_started()),
        ]
        for name, entry in ends:
            run_id = RunId(f"run-{name}")
            store.create(run_id, [s.started(), entry], holder=None)
            with pytest.raises(RunNotSettledError, match=run_id):
                other.delete(run_id)
            assert store.entries(run_id) == [s.started(), entry]

    def test_a_run_that_somebody_alive_holds_is_not_deleted(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.failed())
        with pytest.raises(RunHeldError, match=RUN):
            other.delete(RUN)
        store.commit(hold, 2, [], release=True)
        other.delete(RUN)
        assert store.heads() == []

    def test_a_dead_holders_settled_run_can_be_deleted(self, store: Store, other: Store) -> None:
        s.begin(store, s.completed())
        self.kill(store)
        other.delete(RUN)
        assert other.heads() == []

    def test_deleting_a_run_leaves_all_others_as_they_were(self, store: Store, other: Store) -> None:
        shared, own = "x" * 200_000, "y" * 200_000
        definition: tuple[str, dict[str, JsonValue]] = ("d" * 64, {"text": "z" * 100_000})
        for name, values in (("run-1", [shared, own]), ("run-2", [shared]), ("run-3", [])):
            entries: list[e.AnyEntry] = [
                s.started(labels={"l": name}),
                *(s.step_completed(output=value) for value in values),
            ]
            store.create(RunId(name), [*entries, s.completed()], holder=None, definition=definition)
        store.create(RunId("run-4"), [s.started(), s.wait_opened()], holder=None)
        before = [(store.head(run), store.entries(run)) for run in map(RunId, ("run-2", "run-3", "run-4"))]
        other.delete(RUN)
        assert [(store.head(run), store.entries(run)) for run in map(RunId, ("run-2", "run-3", "run-4"))] == before
        assert store.definition(definition[0]) == definition[1]
        assert [wait.run_id for wait in store.waits()] == ["run-4"]
        assert store.heads(labels={"l": "run-1"}) == []

    def test_a_definition_goes_with_the_last_run_that_has_it(self, store: Store, other: Store) -> None:
        definition: tuple[str, dict[str, JsonValue]] = ("d" * 64, {"text": "t"})
        for name in ("run-1", "run-2"):
            store.create(RunId(name), [s.started(), s.completed()], holder=None, definition=definition)
        other.delete(RUN)
        assert store.definition(definition[0]) == {"text": "t"}
        other.delete(RunId("run-2"))
        with pytest.raises(StoreCorrupt):
            store.definition(definition[0])

    def test_what_deleted_runs_leave_is_swept_later_and_nothing_that_a_run_needs(
        self, store: Store, other: Store
    ) -> None:
        large = "x" * 200_000
        for name in ("run-1", "run-2", "run-3"):
            entries: list[e.AnyEntry] = [replace(s.started(), definition=name), s.step_completed(output=[name, large])]
            end = s.completed() if name != "run-3" else s.wait_opened()
            store.create(RunId(name), [*entries, end], holder=None, definition=(name, {"of": name}))
        assert store.sweep().definitions == store.sweep(dry_run=True).values == 0
        before = store.entries(RunId("run-3"))
        for name in ("run-1", "run-2"):
            other.delete(RunId(name), sweeps=False)
        assert store.sweep(dry_run=True).definitions == 2
        assert store.sweep().definitions == 2
        assert other.sweep(dry_run=True).definitions == other.sweep(dry_run=True).values == 0
        assert other.entries(RunId("run-3")) == before
        assert other.definition("run-3") == {"of": "run-3"}
        with pytest.raises(StoreCorrupt):
            other.definition("run-1")

    def test_the_id_of_a_deleted_run_can_be_used_again(self, store: Store, other: Store) -> None:
        store.create(RUN, [s.started(), s.wait_opened(), s.completed()], holder=None)
        store.delete(RUN)
        other.create(RUN, [s.started(workflow="another")], holder=None)
        assert store.head(RUN).workflow_id == "another"
        assert not store.waits(RUN)
        assert not store.messages(RUN)

    # -- holds -------------------------------------------------------------------------------------

    def test_a_run_held_by_somebody_alive_is_refused_naming_them(self, store: Store, other: Store) -> None:
        s.begin(store)
        info = other.holder_of(RUN)
        assert info
        assert (info.holder, info.since, info.alive) == (store.holder(), s.START, True)
        for mine in (store, other):
            with pytest.raises(RunHeldError) as raised:
                mine.acquire(RUN, mine.holder(), at=s.at(1))
            said = raised.value
            assert said.details == {"host": info.host, "pid": info.pid, "since": clock.to_text(s.START)}
            assert all(text in said.message for text in (RUN, str(info.pid), info.host, clock.to_text(s.START)))

    def test_a_released_hold_is_free_and_the_next_has_a_higher_epoch(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        assert store.commit(hold, 1, [e.RunParked(at=s.at(1), elapsed_seconds=0.0)], release=True).written
        assert other.holder_of(RUN) is None
        assert other.acquire(RUN, other.holder(), at=s.at(2)).epoch == 2
        with pytest.raises(JournalConflictError, match="lost"):
            store.commit(hold, 2, [s.step_started()])

    def test_a_hold_can_be_given_up_whatever_lies_in_the_inbox(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        assert other.answer(s.message(wait="w1")).outcome == "accepted"
        store.release(hold)
        assert other.holder_of(RUN) is None
        assert other.drivable(s.at(20), pool="p", limit=1) == [RUN]
        assert other.acquire(RUN, other.holder(), at=s.at(1)).epoch == 2
        assert [message.event_id for message in other.pending(RUN)] == ["e1"]

    def test_a_hold_that_was_lost_is_not_given_up(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        store.release(hold)
        other.acquire(RUN, other.holder(), at=s.at(1))
        store.release(hold)
        holder = store.holder_of(RUN)
        assert holder is not None
        assert holder.holder == other.holder()
        store.release(Hold(run_id=RunId("nobody"), holder=store.holder(), epoch=1))

    def test_a_hold_that_was_given_up_writes_no_more_though_its_process_holds_the_run_again(self, store: Store) -> None:
        before = s.begin(store)
        assert store.commit(before, 1, [], release=True).written
        now = store.acquire(RUN, store.holder(), at=s.at(1))
        assert (now.holder, now.epoch) == (before.holder, before.epoch + 1)
        for release in (False, True):
            with pytest.raises(JournalConflictError, match="lost"):
                store.commit(before, 1, [s.step_started()], release=release)
        assert store.commit(now, 1, [s.step_started()]).written

    def test_a_run_created_unheld_can_be_acquired(self, store: Store) -> None:
        assert store.create(RUN, [s.started()], holder=None) is None
        assert store.holder_of(RUN) is None
        assert store.acquire(RUN, store.holder(), at=s.at(1)).epoch == 1

    def test_a_dead_holders_run_can_be_acquired_and_its_hold_writes_no_more(self, store: Store, other: Store) -> None:
        dead = s.begin(store)
        self.kill(store)
        info = other.holder_of(RUN)
        assert info
        assert (info.holder, info.alive) == (dead.holder, False)
        hold = other.acquire(RUN, other.holder(), at=s.at(7))
        now = other.holder_of(RUN)
        assert now
        assert (hold.epoch, now.holder, now.since, now.alive) == (2, other.holder(), s.at(7), True)
        with pytest.raises(JournalConflictError):
            store.commit(dead, 1, [s.step_started()])
        assert other.commit(hold, 1, [s.step_started()]).written

    def test_the_runs_of_a_closed_store_are_free(self, store: Store) -> None:
        third = self.second(store)
        s.begin(third)
        third.close()
        assert store.acquire(RUN, store.holder(), at=s.at(1)).epoch == 2

    def test_looking_at_a_holder_does_not_disturb_it(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        third = self.second(store)
        infos = [which.holder_of(RUN) for which in (other, third, other, store)]
        third.close()
        assert [info.alive for info in infos if info] == [True] * 4
        assert store.commit(hold, 1, [s.step_started()]).written

    def test_a_process_has_one_holder_id(self, store: Store, other: Store) -> None:
        assert store.holder() == store.holder() != other.holder()

    def test_of_many_processes_that_acquire_at_once_one_succeeds(self, store: Store, other: Store) -> None:
        store.create(RUN, [s.started()], holder=None)
        results: list[str] = []
        gate = threading.Barrier(2)

        def acquire(mine: Store) -> None:
            gate.wait()
            try:
                results.append(str(mine.acquire(RUN, mine.holder(), at=s.at(1)).epoch))
            except RunHeldError as error:
                results.append(error.code)

        threads = [threading.Thread(target=acquire, args=(mine,)) for mine in (store, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["1", "ERR_RUN_HELD"]
