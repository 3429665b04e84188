"""What every store promises about messages, as a part of its contract; no particular store is known here."""
# ruff: noqa: D102 - the name of a test is the promise

from __future__ import annotations

import threading

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Delivery, Store
from checkpointflow.testing import samples as s
from checkpointflow.testing.samples import RUN
from checkpointflow.values import JsonValue


class InboxPromises:
    """The part of StoreContract about answers, early events, control messages and what they hold up."""

    # -- answers -----------------------------------------------------------------------------------

    def test_an_answer_to_an_open_wait_is_accepted(self, store: Store, other: Store) -> None:
        s.begin(store, s.wait_opened())
        delivery = other.answer(s.message(wait="w1", payload={"ok": "\ud800"}))
        assert delivery.outcome == "accepted"
        assert store.pending(RUN) == (delivery.message,)
        assert delivery.message
        assert (delivery.message.state, delivery.message.payload) == ("accepted", {"ok": "\ud800"})
        assert delivery.message.number > 0
        assert [wait.answered for wait in store.waits()] == [True]

    def test_the_same_event_id_again_is_a_duplicate(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened(), s.wait_opened("two", "w2"))
        first = store.answer(s.message(wait="w1", payload=1)).message
        assert other.answer(s.message(wait="w1", payload=2)) == became("duplicate", first)
        assert other.answer(s.message(wait="w2")) == became("duplicate", first)
        assert other.deliver(s.message(kind="cancel")) == became("duplicate", first)
        assert first
        store.commit(hold, 3, [s.received(first), s.completed()], taken=[first.number])
        again = other.answer(s.message(wait="w1")).message
        assert again
        assert (again.number, again.state) == (first.number, "taken")

    def test_a_wait_is_answered_once_and_says_by_whom(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        first = store.answer(s.message(wait="w1")).message
        assert other.answer(s.message("e2", wait="w1")) == became("answered", first)
        assert first
        store.commit(hold, 2, [s.received(first), s.completed()], taken=[first.number])
        late = other.answer(s.message("e3", wait="w1"))
        assert late.outcome == "answered"
        assert late.message
        assert late.message.event_id == first.event_id

    def test_of_many_answers_at_once_one_is_accepted(self, store: Store, other: Store) -> None:
        s.begin(store, s.wait_opened())
        outcomes: list[Delivery] = []
        gate = threading.Barrier(8)

        def answer(number: int) -> None:
            gate.wait()
            outcomes.append((store, other)[number % 2].answer(s.message(f"e{number}", wait="w1")))

        threads = [threading.Thread(target=answer, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(delivery.outcome for delivery in outcomes) == ["accepted"] + ["answered"] * 7
        assert {delivery.message for delivery in outcomes if delivery.message} == set(store.pending(RUN))

    def test_an_answer_after_the_deadline_is_late(self, store: Store) -> None:
        s.begin(store, s.wait_opened(due=60))
        assert store.answer(s.message(wait="w1", seconds=60)) == became("late")
        assert store.messages(RUN) == []
        assert store.answer(s.message(wait="w1", seconds=59.999999)).outcome == "accepted"

    def test_an_answer_to_a_wait_that_is_not_open_is_refused(self, store: Store) -> None:
        hold = s.begin(store, s.wait_opened(), s.timer_set("nap", "t1"))
        for wait in ("w2", "t1"):
            assert store.answer(s.message(wait=wait)) == became("closed")
        store.commit(hold, 3, [s.completed()])
        assert store.answer(s.message(wait="w1")) == became("closed")
        assert store.messages(RUN) == []

    # -- early events and control messages ---------------------------------------------------------

    def test_an_early_event_is_kept(self, store: Store, other: Store) -> None:
        s.begin(store, s.wait_opened("else", "w0", event="other"))
        delivery = other.deliver(s.message(payload=[1]))
        assert delivery.outcome == "kept"
        assert store.messages(RUN) == [delivery.message]
        assert store.pending(RUN) == ()

    def test_an_event_whose_wait_is_open_is_not_kept(self, store: Store) -> None:
        s.begin(store, s.wait_opened())
        assert store.deliver(s.message()) == became("open")
        assert store.messages(RUN) == []
        store.answer(s.message(wait="w1"))
        assert store.deliver(s.message("e2")).outcome == "kept"

    def test_a_settled_run_gets_no_messages(self, store: Store) -> None:
        cancelled = e.RunCancelled(at=s.at(9), actor=None, reason=None)
        ends: list[e.AnyEntry] = [s.completed(), s.failed(), cancelled]
        for number, end in enumerate(ends):
            run_id = RunId(f"run-{number}")
            s.begin(store, end, run_id=run_id)
            assert store.deliver(s.message(run_id=run_id)) == became("settled")
            assert store.deliver(s.message(kind="cancel", run_id=run_id)) == became("settled")
            assert store.messages(run_id) == []

    def test_control_messages_are_pending_until_taken(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.step_started(), s.in_doubt())
        cancel = other.deliver(s.message(kind="cancel", payload={"reason": "r"}))
        decide = other.deliver(s.message("e2", kind="decide", name="s"))
        assert (cancel.outcome, decide.outcome) == ("accepted", "accepted")
        assert store.pending(RUN) == (cancel.message, decide.message)
        assert cancel.message
        assert decide.message
        assert store.commit(hold, 3, [s.completed()], taken=[cancel.message.number, decide.message.number]).written
        assert [message.state for message in other.messages(RUN)] == ["taken", "taken"]
        assert other.pending(RUN) == ()

    def test_of_many_decisions_at_once_one_is_accepted(self, store: Store, other: Store) -> None:
        s.begin(store, s.step_started(), s.in_doubt())
        outcomes: list[Delivery] = []
        gate = threading.Barrier(8)

        def decide(number: int) -> None:
            gate.wait()
            outcomes.append((store, other)[number % 2].deliver(s.message(f"e{number}", kind="decide", name="s")))

        threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(delivery.outcome for delivery in outcomes) == ["accepted"] + ["answered"] * 7
        assert {delivery.message for delivery in outcomes if delivery.message} == set(store.pending(RUN))

    def test_a_step_is_decided_once_each_time_it_is_in_doubt(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.step_started(), s.in_doubt())
        assert store.deliver(s.message(kind="decide", name="other")) == became("closed")
        first = store.deliver(s.message(kind="decide", name="s")).message
        assert other.deliver(s.message(kind="decide", name="s")) == became("duplicate", first)
        assert other.deliver(s.message("e2", kind="decide", name="s")) == became("answered", first)
        assert first
        assert [wait.answered for wait in other.waits(RUN)] == [True]
        store.commit(hold, 3, [s.decided("again"), s.step_started()], taken=[first.number])
        late = other.deliver(s.message("e3", kind="decide", name="s"))
        assert late.outcome == "answered"
        assert late.message
        assert (late.message.event_id, late.message.state) == ("e1", "taken")
        store.commit(hold, 5, [s.in_doubt()])
        assert [wait.answered for wait in other.waits(RUN)] == [False]
        assert other.deliver(s.message("e4", kind="decide", name="s")).outcome == "accepted"

    def test_opening_a_wait_takes_the_oldest_early_event_of_its_name(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        for number, name in enumerate(["other", "go", "go", "go"]):
            other.deliver(s.message(f"e{number}", name=name))
        commit = store.commit(hold, 1, [s.wait_opened("a", "w1"), s.wait_opened("b", "w2")])
        assert [(row.event_id, row.wait_id) for row in commit.pending] == [("e1", "w1"), ("e2", "w2")]
        assert [row.state for row in other.messages(RUN)] == ["kept", "accepted", "accepted", "kept"]
        assert [wait.answered for wait in other.waits(RUN)] == [True, True]

    def test_early_events_that_do_not_fit_are_set_aside(self, store: Store) -> None:
        hold = s.begin(store)
        for number, payload in enumerate(["no", "yes", "no"]):
            store.deliver(s.message(f"e{number}", payload=payload))
        asked: list[JsonValue] = []

        def fits(schema: JsonValue, payload: JsonValue) -> bool:
            asked.append(schema)
            return payload == "yes"

        commit = store.commit(hold, 1, [s.wait_opened(schema={"const": "yes"})], fits=fits)
        assert [row.event_id for row in commit.pending] == ["e1"]
        assert [row.state for row in store.messages(RUN)] == ["set_aside", "accepted", "kept"]
        assert asked == [{"const": "yes"}] * 2
        store.commit(hold, 2, [s.wait_opened("b", "w2", schema={"const": "yes"})], fits=fits)
        assert [row.state for row in store.messages(RUN)] == ["set_aside", "accepted", "set_aside"]
        assert [wait.answered for wait in store.waits(RUN)] == [True, False]

    def test_an_early_event_is_not_spent_on_a_wait_closed_in_the_same_commit(self, store: Store) -> None:
        hold = s.begin(store)
        store.deliver(s.message())
        assert store.commit(hold, 1, [s.wait_opened(), s.expired()]).pending == ()
        assert [row.state for row in store.messages(RUN)] == ["kept"]

    def test_a_failing_check_of_an_early_event_writes_nothing(self, store: Store) -> None:
        hold = s.begin(store)
        store.deliver(s.message())

        def fits(_schema: JsonValue, _payload: JsonValue) -> bool:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.commit(hold, 1, [s.wait_opened(schema={})], fits=fits)
        assert store.entries(RUN) == [s.started()]
        assert store.waits(RUN) == []
        assert store.commit(hold, 1, [s.wait_opened()]).written

    # -- what stands against a commit --------------------------------------------------------------

    def test_an_accepted_answer_is_told_by_the_next_commit(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        answer = other.answer(s.message(wait="w1")).message
        commit = store.commit(hold, 2, [s.step_started()])
        assert (commit.written, commit.pending) == (True, (answer,))

    def test_a_commit_takes_the_messages_that_it_names_and_no_others(self, store: Store) -> None:
        hold = s.begin(store, s.wait_opened("a", "w1"), s.wait_opened("b", "w2"), s.wait_opened("c", "w3"))
        for number in (1, 2, 3):
            assert store.answer(s.message(f"e{number}", wait=f"w{number}")).outcome == "accepted"
        second = store.pending(RUN)[1].number
        commit = store.commit(hold, 4, [s.step_started()], taken=[second])
        assert commit.written
        assert [message.event_id for message in commit.pending] == ["e1", "e3"]
        assert [message.state for message in store.messages(RUN)] == ["accepted", "taken", "accepted"]

    def test_no_wait_is_closed_over_an_accepted_answer(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        answer = other.answer(s.message(wait="w1")).message
        commit = store.commit(hold, 2, [s.step_started(), s.expired()])
        assert (commit.written, commit.pending) == (False, (answer,))
        assert store.head(RUN).length == 2
        assert answer
        taking = store.commit(hold, 2, [s.received(answer)], taken=[answer.number])
        assert (taking.written, taking.pending) == (True, ())
        assert store.waits(RUN) == []

    def test_no_hold_is_released_over_an_accepted_answer(self, store: Store, other: Store) -> None:
        hold = s.begin(store, s.wait_opened())
        answer = other.answer(s.message(wait="w1")).message
        assert not store.commit(hold, 2, [e.RunParked(at=s.at(9), elapsed_seconds=0.5)], release=True).written
        assert other.holder_of(RUN)
        assert answer
        assert store.commit(hold, 2, [s.received(answer)], taken=[answer.number], release=True).written
        assert other.holder_of(RUN) is None

    def test_kept_and_set_aside_events_do_not_stand_against_a_release(self, store: Store) -> None:
        hold = s.begin(store)
        store.deliver(s.message())
        store.deliver(s.message("e2", name="other"))
        store.commit(hold, 1, [s.wait_opened(schema={})], fits=lambda _schema, _payload: False)
        assert [row.state for row in store.messages(RUN)] == ["set_aside", "kept"]
        assert store.commit(hold, 2, [], release=True).written
        assert store.holder_of(RUN) is None

    def test_an_early_event_accepted_by_a_commit_keeps_the_hold(self, store: Store) -> None:
        hold = s.begin(store)
        store.deliver(s.message())
        commit = store.commit(hold, 1, [s.wait_opened()], release=True)
        assert commit.written
        assert [row.wait_id for row in commit.pending] == ["w1"]
        assert store.commit(hold, 2, [s.step_started()]).written

    def test_a_control_message_stands_against_every_commit(self, store: Store, other: Store) -> None:
        hold = s.begin(store)
        cancel = other.deliver(s.message(kind="cancel")).message
        commit = store.commit(hold, 1, [s.step_started()])
        assert (commit.written, commit.pending) == (False, (cancel,))
        assert cancel
        assert store.commit(hold, 1, [s.step_started()], taken=[cancel.number]).written


def became(outcome: str, message: object = None) -> Delivery:
    """Return the delivery that is expected."""
    return Delivery(outcome=outcome, message=message)  # type: ignore[arg-type]
