"""Retries: arithmetic over the policy, the error's record and the number of failures."""

from datetime import datetime, timedelta

import pytest

from checkpointflow.clock import UTC
from checkpointflow.kernel.retry import MAX_BACKOFF_SECONDS, RetryPolicy, next_try

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ERROR = {"code": "ERR_STEP_FAILED", "message": "no", "details": {}}


def delay(policy, failures=1, error=ERROR, chance=0.5):
    at = next_try(policy, failures, error, NOW, chance)
    return None if at is None else (at - NOW).total_seconds()


def test_without_a_policy_a_step_is_tried_once():
    assert delay(RetryPolicy()) is None


def test_max_attempts_counts_the_first_try():
    policy = RetryPolicy(max_attempts=3)
    assert [delay(policy, failures) for failures in (1, 2, 3, 4)] == [1.0, 1.0, None, None]


def test_a_fixed_backoff_stays_and_an_exponential_one_doubles_up_to_its_limit():
    fixed = RetryPolicy(max_attempts=9, backoff_seconds=5)
    exponential = RetryPolicy(max_attempts=9, backoff_seconds=5, strategy="exponential", max_backoff_seconds=30)
    assert [delay(fixed, failures) for failures in (1, 2, 3)] == [5, 5, 5]
    assert [delay(exponential, failures) for failures in (1, 2, 3, 4, 5)] == [5, 10, 20, 30, 30]


def test_a_backoff_never_exceeds_thirty_days_however_often_it_doubled():
    policy = RetryPolicy(max_attempts=10_000, backoff_seconds=1e300, strategy="exponential", max_backoff_seconds=1e308)
    assert [delay(policy, failures) for failures in (1, 5000)] == [MAX_BACKOFF_SECONDS] * 2
    assert timedelta(seconds=MAX_BACKOFF_SECONDS) == timedelta(days=30)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 5), (0.5, 7.5), (1.0, 10)])
def test_jitter_takes_a_random_part_of_each_delay_and_at_least_half(chance, expected):
    policy = RetryPolicy(max_attempts=2, backoff_seconds=10, jitter=True)
    assert delay(policy, chance=chance) == expected


def failed(code="ERR_STEP_FAILED", **details):
    return {"code": code, "message": "no", "details": details}


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("timeout", failed("ERR_TIMEOUT")),
        ("connection", failed(connection=True)),
        ("exit:75", failed(exit_code=75)),
        ("http:503", failed(status_code=503)),
        ("http:5xx", failed(status_code=503)),
        ("OSError", failed(exceptions=["ConnectionError", "OSError"])),
    ],
)
def test_on_names_the_errors_that_are_retried(word, error):
    named, other = RetryPolicy(max_attempts=2, on=(word,)), RetryPolicy(max_attempts=2, on=("exit:1", "ValueError"))
    assert delay(named, error=error) == 1
    assert delay(other, error=error) is None
    assert delay(RetryPolicy(max_attempts=2), error=error) == 1


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("exit:5xx", failed(exit_code=503)),
        ("http:5xx", failed(status_code=404)),
        ("exit:75", failed(status_code=75)),
        ("connection", failed(connection="yes")),
        ("exit:75", failed(exit_code="75")),
        ("OSError", failed(exceptions="OSError")),
        ("OSError", failed(exceptions=[1])),
        ("timeout", {"message": "no code, no details"}),
        ("connection", {"details": None}),
    ],
)
def test_what_does_not_name_an_error_does_not_retry_it(word, error):
    assert delay(RetryPolicy(max_attempts=2, on=(word,)), error=error) is None


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (60, 60),
        (2.5, 10),
        (-5, 10),
        (1e12, 1000),
        ("2030-01-01T00:02:00Z", 120),
        ("2029-01-01T00:00:00Z", 10),
        ("9999-12-31T23:59:59Z", 1000),
        ("soon", 10),
        (None, 10),
        ([60], 10),
    ],
)
def test_who_failed_can_ask_for_a_longer_pause_up_to_the_longest_one(retry_after, expected):
    policy = RetryPolicy(max_attempts=2, backoff_seconds=10, max_backoff_seconds=1000)
    assert delay(policy, 1, {"details": {"retry_after": retry_after}}) == expected


def test_a_longer_pause_is_not_shortened_by_chance_and_asks_for_no_retry_by_itself():
    policy = RetryPolicy(max_attempts=2, backoff_seconds=10, jitter=True)
    error = {"details": {"retry_after": 60}}
    assert delay(policy, 1, error, 0.0) == 60
    assert delay(policy, 2, error, 0.0) is None
