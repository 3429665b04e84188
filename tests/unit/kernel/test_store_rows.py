"""The rows that a store derives from a journal: the head, the open waits, and what stands against a commit."""

from dataclasses import replace

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import (
    Progress,
    WaitChange,
    advance,
    first_head,
    progress,
    stands_against,
    wait_change,
    wait_effects,
)
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.store import SETTLED
from checkpointflow.testing import samples
from unit.kernel.test_entries import AT, KEY, ONE_OF_EACH, WAIT

RUN = samples.RUN


@pytest.fixture
def head():
    return first_head(RUN, samples.started())


def test_the_first_head_tells_what_the_run_was_started_with(head):
    assert (head.status, head.length, head.workflow_id, head.cwd) == ("open", 1, "flow", "/somewhere")
    assert head.started_at == head.updated_at == samples.at(0)
    assert not head.is_settled


STATUS = {"run_parked": "waiting", "run_paused": "paused", "run_completed": "completed", "run_failed": "failed",
          "run_cancelled": "cancelled", "run_moved": "moved"}  # fmt: skip


@pytest.mark.parametrize("before", ["waiting", "paused", "failed", "open"])
@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=e.name_of)
def test_every_entry_gives_the_head_its_status_length_and_time(head, entry, before):
    after = advance(replace(head, status=before), [entry])
    assert after.status == STATUS.get(e.name_of(entry), "open")
    assert (after.length, after.updated_at) == (2, entry.at)
    assert after.is_settled == (after.status in SETTLED)


def test_the_head_names_the_last_step_or_wait_that_began(head):
    opened = samples.wait_opened("gate")
    assert advance(head, [samples.step_started("a"), samples.step_completed("a"), opened]).current_key == "gate"
    assert advance(head, [opened, samples.step_started("a"), samples.step_completed("a")]).current_key == "a"


def test_the_head_counts_the_wait_ids(head):
    assert advance(head, [samples.wait_opened(), samples.timer_set()]).waits_opened == 2


def test_the_head_keeps_the_failure_until_the_run_is_reopened(head):
    failed = advance(head, [samples.failed({"code": "X"})])
    assert failed.error == {"code": "X"}
    assert advance(failed, [e.RunReopened(at=AT, voided=[], actor=None, reason=None)]).error is None


# -- entries by which a run only goes on ----------------------------------------------------------


@pytest.mark.parametrize("before", ["waiting", "failed", "open"])
@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=e.name_of)
def test_what_only_goes_on_changes_no_more_than_it_says(head, entry, before):
    head = replace(head, status=before, error={"code": "X"}, waits_opened=3, current_key=StepKey("before"))
    change, after, waits = progress(RUN, [entry]), advance(head, [entry]), wait_effects(RUN, [entry])
    key = head.current_key if change is None or change.current_key is None else change.current_key
    only = replace(head, status="open", length=head.length + 1, updated_at=entry.at, current_key=key)
    is_only = after == only and not waits.opened and not waits.closes_all
    assert (change is not None) == is_only
    assert change is None or change.closed == waits.closed


def test_a_wait_that_opens_and_closes_at_once_is_more_than_going_on(head):
    assert progress(RUN, [samples.timer_set("nap", "w1"), samples.step_started("nap")]) is None
    assert progress(RUN, [samples.step_completed("a"), samples.step_started("b")]) == Progress(
        StepKey("b"), frozenset({StepKey("b")})
    )


# -- open waits ------------------------------------------------------------------------------------


def opened(entry):
    change = wait_change(RUN, entry)
    assert change is not None
    assert change.closed == ()
    return change.opened


def test_an_event_that_is_waited_for_is_an_open_wait():
    wait = opened(samples.wait_opened("gate", "w1", event="go", due=90))
    assert (wait.run_id, wait.key, wait.kind, wait.wait_id) == (RUN, "gate", "external_event", "w1")
    assert (wait.event_name, wait.audience, wait.due_at, wait.answered) == ("go", "user", samples.at(90), False)


def test_a_wait_may_have_no_audience():
    entry = e.WaitOpened(at=AT, key=KEY, wait_id=WAIT, request={"event_name": "go"}, deadline_at=None)
    assert (opened(entry).audience, opened(entry).due_at) == (None, None)


def test_a_sleep_is_an_open_wait():
    wait = opened(samples.timer_set("nap", "t1", due=60))
    assert (wait.kind, wait.key, wait.wait_id, wait.due_at) == ("timer", "nap", "t1", samples.at(60))


def test_a_failure_that_is_retried_later_is_an_open_wait():
    wait = opened(e.StepFailed(at=AT, key=KEY, attempt=1, error={}, retry_at=samples.at(5)))
    assert (wait.kind, wait.key, wait.wait_id, wait.due_at) == ("timer", KEY, None, samples.at(5))


def test_a_step_in_doubt_is_an_open_wait():
    wait = opened(e.StepInterrupted(at=AT, key=KEY, attempt=3, cause="timeout", in_doubt=True))
    assert (wait.kind, wait.wait_id, wait.audience) == ("in_doubt", None, "user")
    assert wait.request == {"cause": "timeout", "attempt": 3}


CLOSING = [
    e.WaitClosed(at=AT, key=KEY, wait_id=WAIT, cause="expired"),
    e.TimerFired(at=AT, key=KEY, wait_id=WAIT),
    e.StepStarted(at=AT, key=KEY, kind="cli", attempt=2, digest="d", arguments=None),
    e.StepDecided(at=AT, key=KEY, decision="again", output=None, actor=None, reason=None),
    e.StepFailed(at=AT, key=KEY, attempt=1, error={}, retry_at=None),
    e.StepInterrupted(at=AT, key=KEY, attempt=1, cause="stopped", in_doubt=False),
    samples.received(samples.message(wait="w1"), KEY),
]


@pytest.mark.parametrize("entry", CLOSING, ids=e.name_of)
def test_what_ends_a_wait_closes_it(entry):
    assert wait_change(RUN, entry) == WaitChange(closed=(KEY,))


@pytest.mark.parametrize(
    "entry",
    [
        samples.completed(),
        samples.failed(),
        e.RunCancelled(at=AT, actor=None, reason=None),
        e.RunMoved(at=AT, actor=None),
    ],
    ids=e.name_of,
)
def test_a_run_that_settles_closes_all_waits(entry):
    assert wait_change(RUN, entry) == WaitChange(closes_all=True)


def test_other_entries_leave_the_waits_alone():
    names = {e.name_of(entry) for entry in ONE_OF_EACH if wait_change(RUN, entry) is None}
    assert names == {
        "run_started", "run_parked", "run_paused", "run_resumed", "run_reopened", "step_completed", "step_skipped",
        "scope_opened", "scope_closed", "value_recorded",
    }  # fmt: skip


# -- what stands against a commit ------------------------------------------------------------------

ANSWER = samples.message("e1", wait="w1")
CANCEL = samples.message("e2", kind="cancel")
DECIDE = samples.message("e3", kind="decide", name="s")


@pytest.mark.parametrize("message", [CANCEL, DECIDE], ids=["cancel", "decide"])
@pytest.mark.parametrize("release", [True, False])
def test_a_control_message_always_stands_against_a_commit(message, release):
    assert stands_against([], release, [message]) == (message,)
    assert stands_against([samples.step_started()], release, [ANSWER, message])[-1] is message


def test_an_answer_stands_against_giving_up_the_hold():
    assert stands_against([], True, [ANSWER]) == (ANSWER,)
    assert stands_against([samples.step_started()], False, [ANSWER]) == ()


def test_an_answer_stands_against_closing_its_own_wait():
    assert stands_against([samples.expired("gate", "w1")], False, [ANSWER]) == (ANSWER,)
    assert stands_against([samples.expired("gate", "w2")], False, [ANSWER]) == ()


def test_nothing_stands_against_a_commit_without_messages():
    assert stands_against([samples.expired(StepKey("gate"))], True, []) == ()
