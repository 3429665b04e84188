"""The wall clock: a port, and the one place that reads the real one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Protocol

UTC = timezone.utc  # noqa: UP017 - one spelling for the whole package, importable from here

LAST = datetime.max.replace(tzinfo=UTC)
"""The last instant that can be told; what would be later is then."""


class Clock(Protocol):
    """Tells the time; everything that needs an instant is given one of these."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, in UTC."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, in UTC."""
        return datetime.now(UTC)


def later(instant: datetime, length: timedelta | float) -> datetime:
    """Return the instant so long after another, in seconds if it is a number; `LAST` at the latest."""
    try:
        return instant + (length if isinstance(length, timedelta) else timedelta(seconds=length))
    except OverflowError:
        return LAST


def to_text(instant: datetime) -> str:
    """Return an instant as ISO 8601 text in UTC with microseconds; such texts sort as the instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Return the instant that an ISO 8601 text names; a text without an offset is read as UTC.

    Raises:
        ValueError: the text is no ISO 8601 instant.
    """
    instant = datetime.fromisoformat(text)
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} lies outside the years that can be told") from None
