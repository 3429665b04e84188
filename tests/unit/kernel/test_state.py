"""The fold: what entries add up to, entry by entry, and journals that cannot be."""

from datetime import timedelta

import pytest

from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey, WaitId
from checkpointflow.kernel.run import Answer, Expired, StepResult
from checkpointflow.kernel.state import (
    ScopeRecord,
    StepFailure,
    StepRecord,
    TimerRecord,
    ValueRecord,
    WaitRecord,
    failed_keys,
    fold,
)
from checkpointflow.testing import samples
from unit.kernel.test_entries import AT

S = StepKey("s")
ERROR = {"code": "ERR_STEP_FAILED", "message": "no", "details": {}}


def started(attempt=1, key=S):
    return e.StepStarted(at=AT, key=key, kind="cli", attempt=attempt, digest="d", arguments=[1])


def failed(retry_at=None, attempt=1, key=S):
    return e.StepFailed(at=AT, key=key, attempt=attempt, error=ERROR, retry_at=retry_at)


def interrupted(cause, *, in_doubt=False, attempt=1, key=S):
    return e.StepInterrupted(at=AT, key=key, attempt=attempt, cause=cause, in_doubt=in_doubt)


def decided(decision, reason=None):
    return e.StepDecided(at=AT, key=S, decision=decision, output=7, actor="ann", reason=reason)


def reopened(*voided):
    return e.RunReopened(at=AT, voided=list(voided), actor=None, reason=None)


def step(*entries):
    record = fold([samples.started(), *entries]).records[S]
    assert isinstance(record, StepRecord)
    return record


# -- steps -----------------------------------------------------------------------------------------


def test_a_step_that_began_is_open():
    record = step(started())
    assert (record.kind, record.digest, record.begun) == ("cli", "d", 2)
    assert (record.attempt, record.is_open, record.position) == (1, True, None)
    assert fold([samples.started(), started()]).open_attempts() == {S: 1}


def test_a_step_that_completed_has_its_result_at_its_position():
    record = step(started(), samples.step_completed("s", "out"))
    assert (record.outcome, record.position, record.is_open) == (StepResult("out", {}), 3, False)


def test_a_failure_that_is_retried_ends_the_attempt_and_not_the_step():
    record = step(started(), failed(AT + timedelta(seconds=5)))
    assert (record.failures, record.is_open, record.position) == (1, False, None)
    assert record.retry_at == AT + timedelta(seconds=5)
    assert step(started(), failed(AT), started(2)).retry_at is None


def test_a_failure_for_good_ends_the_step():
    record = step(started(), failed(AT), started(2), failed(None, 2))
    assert (record.failures, record.attempt, record.outcome, record.position) == (2, 2, StepFailure(ERROR), 5)


def test_deaths_in_a_row_are_counted():
    deaths = [started(1), interrupted("holder_died"), started(2), interrupted("holder_died")]
    assert step(*deaths).deaths == 2
    assert step(*deaths, started(3), failed(AT)).deaths == 0
    assert step(*deaths, started(3), interrupted("paused")).deaths == 0
    assert step(*deaths, decided("again")).deaths == 0


def test_a_step_in_doubt_waits_for_a_decision():
    state = fold([samples.started(), started(), interrupted("timeout", in_doubt=True)])
    assert state.records[S].in_doubt
    assert state.is_waiting()
    assert not fold([samples.started(), started(), interrupted("timeout")]).is_waiting()


def test_a_retry_that_is_due_later_is_waited_for():
    assert fold([samples.started(), started(), failed(AT)]).is_waiting()


DOUBT = [started(), interrupted("timeout", in_doubt=True)]


def test_a_decision_ends_the_doubt():
    done = step(*DOUBT, decided("done"))
    assert (done.outcome, done.position, done.in_doubt) == (StepResult(7, {"decided": "done"}), 4, False)
    again = step(*DOUBT, decided("again"))
    assert (again.outcome, again.position, again.in_doubt) == (None, None, False)


@pytest.mark.parametrize(
    ("reason", "message"),
    [(None, "it was decided that step `s` failed"), ("seen", "it was decided that step `s` failed: seen")],
)
def test_a_step_that_was_decided_to_have_failed_says_so(reason, message):
    outcome = step(*DOUBT, decided("fail", reason)).outcome
    assert outcome == StepFailure({"code": "ERR_STEP_IN_DOUBT", "message": message, "details": {}})


# -- waits, timers, values, scopes -----------------------------------------------------------------


def test_a_wait_is_open_until_its_answer():
    opened = [samples.started(), samples.wait_opened("gate", "w1")]
    state = fold(opened)
    assert (state.waiting, state.waits_opened, state.is_waiting()) == ({"w1": "gate"}, 1, True)
    state = fold([samples.received(samples.message(wait="w1", payload=1))], state)
    record = state.records["gate"]
    assert isinstance(record, WaitRecord)
    assert (record.outcome, record.position, state.waiting) == (Answer(1, "e1", "bob"), 3, {})


def test_a_wait_that_expired_tells_its_deadline():
    state = fold([samples.started(), samples.wait_opened(due=90), samples.expired()])
    assert state.records["gate"].outcome == Expired(samples.at(90))


@pytest.mark.parametrize("cause", ["cancelled"])
def test_a_wait_that_was_closed_gives_nothing_back(cause):
    closed = e.WaitClosed(at=AT, key=StepKey("gate"), wait_id=WaitId("w1"), cause=cause)
    record = fold([samples.started(), samples.wait_opened(), closed]).records["gate"]
    assert (record.undone, record.position, record.outcome) == (True, None, None)


def test_a_timer_fires():
    state = fold([samples.started(), samples.timer_set()])
    assert state.waiting == {"t1": "nap"}
    state = fold([e.TimerFired(at=AT, key=StepKey("nap"), wait_id=WaitId("t1"))], state)
    record = state.records["nap"]
    assert isinstance(record, TimerRecord)
    assert (record.position, record.outcome, state.waiting) == (3, None, {})


def test_values_and_skips_are_recorded():
    entries = [
        samples.started(),
        e.ValueRecorded(at=AT, key=StepKey("n"), kind="set", value=1),
        e.StepSkipped(at=AT, key=StepKey("k"), reason="why"),
    ]
    assert fold(entries).records == {"n": ValueRecord("set", 1), "k": ValueRecord("skip", "why")}


@pytest.mark.parametrize(("outcome", "undone"), [("completed", False), ("failed", True), ("cancelled", True)])
def test_a_scope_is_closed_with_its_outcome(outcome, undone):
    key = StepKey("fan")
    state = fold([samples.started(), e.ScopeOpened(at=AT, key=key, kind="parallel", digest="d", members=None)])
    record = state.records[key]
    assert isinstance(record, ScopeRecord)
    assert (record.outcome, record.undone) == (None, False)
    fold([e.ScopeClosed(at=AT, key=key, outcome=outcome, error=None)], state)
    assert (record.outcome, record.undone) == (outcome, undone)


# -- the run ---------------------------------------------------------------------------------------


def test_the_status_is_what_the_last_entry_says():
    entries = [samples.started()]
    seen = []
    for entry in (
        e.RunParked(at=AT, elapsed_seconds=1),
        e.RunPaused(at=AT, actor=None),
        e.RunResumed(at=AT, actor=None),
        samples.failed(),
        reopened(),
        samples.completed(),
    ):
        entries.append(entry)
        seen.append(fold(entries).status)
    assert seen == ["waiting", "paused", "open", "failed", "open", "completed"]
    assert fold([samples.started(), e.RunCancelled(at=AT, actor=None, reason=None)]).status == "cancelled"
    assert fold([samples.started(), e.RunMoved(at=AT, actor=None)]).status == "moved"


def test_reopening_voids_what_it_names_and_counts_that():
    entries = [samples.started(), started(), failed(), samples.failed({**ERROR, "step_key": "s"})]
    state = fold(entries)
    assert state.undone_keys() == ["s"]
    fold([reopened("s", "never-there")], state)
    assert (state.records, state.failure) == ({}, None)
    assert state.generations == {"s": 1, "never-there": 1}


def test_a_step_that_was_stopped_is_so_after_reopening_until_it_goes_on():
    stopped = [samples.started(), started(), interrupted("stopped"), samples.failed()]
    assert fold(stopped).records[S].undone
    record = fold([*stopped, reopened()]).records[S]
    assert (record.undone, record.was_stopped, record.attempt) == (False, True, 1)
    assert not fold([*stopped, reopened(), started(2)]).records[S].was_stopped
    asked = fold([*stopped, reopened(), interrupted("stopped", in_doubt=True)]).records[S]
    assert (asked.was_stopped, asked.in_doubt, asked.undone) == (False, True, False)


def test_a_step_that_is_stopped_again_before_it_went_on_is_still_unknown():
    stopped = [samples.started(), started(), interrupted("stopped"), samples.failed()]
    again = [*stopped, reopened(), interrupted("stopped"), samples.failed()]
    assert fold(again).stopped_keys() == ["s"]
    assert fold([*again, reopened()]).records[S].was_stopped


def test_of_a_step_stopped_between_two_attempts_everything_is_known():
    entries = [samples.started(), started(), failed(AT), interrupted("stopped"), samples.failed()]
    assert fold(entries).stopped_keys() == []
    record = fold([*entries, reopened()]).records[S]
    assert (record.undone, record.was_stopped, record.failures) == (False, False, 1)
    running = [samples.started(), started(), interrupted("stopped")]
    doubtful = [samples.started(), started(), interrupted("timeout", in_doubt=True), interrupted("stopped")]
    assert fold(running).stopped_keys() == fold(doubtful).stopped_keys() == ["s"]


def test_what_a_reopened_run_asks_for_anew_is_what_failed_and_what_that_ended():
    entries = [
        samples.started(),
        e.ScopeOpened(at=AT, key=StepKey("fan"), kind="parallel", digest="d", members=None),
        e.ScopeOpened(at=AT, key=StepKey("well"), kind="parallel", digest="d", members=None),
        samples.wait_opened("gate", "w1"),
        samples.timer_set("nap", "t1"),
        started(),
        failed(),
        e.WaitClosed(at=AT, key=StepKey("gate"), wait_id=WaitId("w1"), cause="cancelled"),
        e.WaitClosed(at=AT, key=StepKey("nap"), wait_id=WaitId("t1"), cause="cancelled"),
        e.ScopeClosed(at=AT, key=StepKey("well"), outcome="completed", error=None),
        e.ScopeClosed(at=AT, key=StepKey("fan"), outcome="failed", error=ERROR),
        samples.failed({**ERROR, "step_key": "s", "further_keys": ["gone", "s"]}),
    ]
    assert fold(entries).undone_keys() == ["fan", "gate", "nap", "s"]


def test_a_failure_names_the_keys_it_stands_for():
    assert failed_keys({"step_key": "a", "further_keys": ["b", 1]}) == ["a", "b"]
    assert failed_keys({"further_keys": "b"}) == []
    assert failed_keys({}) == []


def test_the_length_is_the_number_of_entries():
    assert fold([samples.started(), started()]).length == 2
    assert fold([]).started is None


# -- journals that cannot be -----------------------------------------------------------------------

WRONG = [
    samples.step_completed("s"),
    failed(),
    interrupted("timeout"),
    decided("done"),
    e.WaitClosed(at=AT, key=StepKey("gate"), wait_id=WaitId("w1"), cause="expired"),
    e.TimerFired(at=AT, key=StepKey("nap"), wait_id=WaitId("t1")),
    samples.received(samples.message(wait="w1")),
    e.ScopeClosed(at=AT, key=StepKey("fan"), outcome="completed", error=None),
]


@pytest.mark.parametrize("entry", WRONG, ids=e.name_of)
def test_an_end_without_a_beginning_is_damage(entry):
    with pytest.raises(StoreCorrupt, match=rf"entry 2 \(`{e.name_of(entry)}`\)"):
        fold([samples.started(), entry])


@pytest.mark.parametrize("entry", WRONG, ids=e.name_of)
def test_an_end_of_something_of_another_sort_is_damage(entry):
    value = e.ValueRecorded(at=AT, key=entry.key, kind="set", value=1)
    with pytest.raises(StoreCorrupt):
        fold([samples.started(), value, entry])


def test_a_step_cannot_begin_under_the_key_of_something_else():
    with pytest.raises(StoreCorrupt):
        fold([samples.started(), samples.wait_opened("s"), started()])


def test_a_wait_cannot_end_twice():
    answer = samples.received(samples.message(wait="w1"))
    with pytest.raises(StoreCorrupt):
        fold([samples.started(), samples.wait_opened(), answer, answer])


def test_a_wait_without_a_deadline_cannot_expire():
    with pytest.raises(StoreCorrupt):
        fold([samples.started(), samples.wait_opened(), samples.expired()])


def test_a_sleep_cannot_expire():
    closed = e.WaitClosed(at=AT, key=StepKey("nap"), wait_id=WaitId("t1"), cause="expired")
    with pytest.raises(StoreCorrupt):
        fold([samples.started(), samples.timer_set(), closed])
