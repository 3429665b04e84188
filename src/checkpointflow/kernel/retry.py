"""When a failed step is tried again: pure arithmetic over the policy and the error's record."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from checkpointflow.clock import from_text, later
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

MAX_BACKOFF_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often a step is tried, and how long to wait in between.

    `max_attempts` counts the first try. `strategy` `exponential` doubles `backoff_seconds` each time, up to
    `max_backoff_seconds`. `jitter` takes a random part, at least half, of each delay. `on` limits retries to the errors
    it names: `timeout`, `connection`, `exit:75`, `http:503`, `http:5xx`, or an exception's name; empty: every error.
    """

    max_attempts: int = 1
    backoff_seconds: float = 1.0
    strategy: Literal["fixed", "exponential"] = "fixed"
    max_backoff_seconds: float = MAX_BACKOFF_SECONDS
    jitter: bool = False
    on: tuple[str, ...] = ()


def next_try(policy: RetryPolicy, failures: int, error: JsonObject, now: datetime, chance: float) -> datetime | None:
    """Return when to try again after this many failures, or None to give up; `chance` is from 0 to 1, for jitter.

    An error whose details say `retry_after` (seconds, or an instant as text) lengthens the pause to that, up to the
    longest pause of the policy.
    """
    if failures >= policy.max_attempts or not _is_named(policy, error):
        return None
    longest = min(policy.max_backoff_seconds, MAX_BACKOFF_SECONDS)
    return later(now, max(_delay(policy, failures, chance), min(_asked_for(error, now), longest)))


def _delay(policy: RetryPolicy, failures: int, chance: float) -> float:
    delay = policy.backoff_seconds
    if policy.strategy == "exponential":
        delay *= 2.0 ** min(failures - 1, 64)
    delay = min(delay, policy.max_backoff_seconds, MAX_BACKOFF_SECONDS)
    return delay * (0.5 + chance / 2) if policy.jitter else delay


def _asked_for(error: JsonObject, now: datetime) -> float:
    """Return how many seconds whoever failed asks to be left alone, 0 if it does not say."""
    details = error.get("details")
    asked = details.get("retry_after") if isinstance(details, dict) else None
    if isinstance(asked, str):
        try:
            return (from_text(asked) - now).total_seconds()
        except ValueError:
            return 0.0
    return float(asked) if isinstance(asked, int | float) else 0.0


def _is_named(policy: RetryPolicy, error: JsonObject) -> bool:
    return not policy.on or not _names(error).isdisjoint(policy.on)


def _names(error: JsonObject) -> set[str]:
    """Return all the words by which `on` may name an error."""
    details = error.get("details")
    known = details if isinstance(details, dict) else {}
    names = {"timeout"} if error.get("code") == "ERR_TIMEOUT" else set()
    if known.get("connection") is True:
        names.add("connection")
    names |= _numbered("exit", known.get("exit_code")) | _numbered("http", known.get("status_code"))
    exceptions = known.get("exceptions")
    return names | {name for name in exceptions if isinstance(name, str)} if isinstance(exceptions, list) else names


def _numbered(word: str, number: JsonValue) -> set[str]:
    if not isinstance(number, int):
        return set()
    return {f"{word}:{number}"} | ({f"http:{number // 100}xx"} if word == "http" else set())
