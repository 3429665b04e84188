"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import datetime

from checkpointflow.clock import LAST, UTC, later
from checkpointflow.errors import UsageError


class FakeClock:
    """A Clock for tests: it begins at an instant (2030-01-01 by default) and goes on only when told to."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = datetime(2030, 1, 1, tzinfo=UTC) if start is None else start

    def now(self) -> datetime:
        """Return the instant at which the clock stands."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on.

        Raises:
            ValueError: the time is negative.
            UsageError: it leads to the end of the years that can be told; the clock then stands there.
        """
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now = later(self._now, seconds)
        if self._now == LAST:
            raise UsageError(
                "virtual time has come to the end of the year 9999; begin earlier, or end the loop that lets it pass"
            )
