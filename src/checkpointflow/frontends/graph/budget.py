"""How much of a graph's time is left: only that in which a handler is at work counts; nothing is stopped here."""

from __future__ import annotations

from datetime import datetime

from checkpointflow.frontends.graph import codes
from checkpointflow.kernel.run import Run


class Budget:
    """The working time of one graph, and of the graphs around it; it reads the run's recorded clock."""

    def __init__(self, run: Run, limit: float | None, outer: Budget | None = None) -> None:
        self._run = run
        self._limit = limit
        self._outer = outer
        self._active = 0
        self._spent = 0.0
        self._since: datetime | None = None

    def begin(self, name: str) -> float | None:
        """A handler begins to work; return how many seconds are left, None without a bound.

        Raises:
            StepTimeoutError: nothing is left, so the run ends.
        """
        around = None if self._outer is None else self._outer.begin(name)
        try:
            own = self._begin_own(name)
        except BaseException:
            if self._outer is not None:
                self._outer.end()
            raise
        bounds = [one for one in (around, own) if one is not None]
        return min(bounds) if bounds else None

    def end(self) -> None:
        """A handler has ended."""
        if self._outer is not None:
            self._outer.end()
        if self._limit is None:
            return
        self._active -= 1
        if self._active == 0 and self._since is not None:
            self._spent += self._passed(self._since)
            self._since = None

    def is_spent(self) -> bool:
        """Tell whether nothing is left, here or around."""
        own = self._limit is not None and self._left() <= 0
        return own or (self._outer is not None and self._outer.is_spent())

    def _begin_own(self, name: str) -> float | None:
        if self._limit is None:
            return None
        if self._since is None:
            self._since = self._run.now()
            left = self._limit - self._spent
        else:
            left = self._left()
        self._active += 1
        if left <= 0:
            raise spent(self._limit, name)
        return left

    def _left(self) -> float:
        assert self._limit is not None
        passed = 0.0 if self._since is None else self._passed(self._since)
        return self._limit - self._spent - passed

    def _passed(self, since: datetime) -> float:
        return max(0.0, (self._run.now() - since).total_seconds())


def spent(limit: float | None, name: str, step_key: str | None = None) -> BaseException:
    """Return the failure of a run whose time is over."""
    within = "its time" if limit is None else f"{limit:g} seconds of work"
    message = f"the graph did not end within {within}; it had come to node `{name}`"
    return codes.run_failure(codes.WORKFLOW_TIMEOUT, message, step_key)
