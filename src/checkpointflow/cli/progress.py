"""Live progress for a person at the terminal: what happened, line by line, and one line of what goes on now."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from checkpointflow.cli import streams
from checkpointflow.cli.plain import cut, elapsed, plain
from checkpointflow.clock import Clock, SystemClock
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.journal import Observer
from checkpointflow.records import dataclass, field

REDRAW_SECONDS = 0.2
BAR_CELLS = 8
_COLOURS = {"done": "32", "failed": "31", "waits": "33", "again": "33", "live": "2"}
_MARKS = {"done": "✓", "failed": "✗", "waits": "◷", "again": "↻", "live": "…"}


@contextmanager
def progress(environment: Mapping[str, str]) -> Iterator[Observer]:
    """Give an observer that shows a drive on stderr, which is a terminal."""
    screen = Screen(SystemClock(), has_colour=_has_colour(environment))
    try:
        yield screen.observe
    finally:
        screen.close()


def _has_colour(environment: Mapping[str, str]) -> bool:
    if environment.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


@dataclass(slots=True)
class _Scope:
    """A scope that is open: a `foreach`, a `parallel`, a sub-workflow; `begun` are its members that began a step."""

    opened_at: datetime
    members: int | None
    done: int = 0
    begun: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say: its mark decides sign and colour."""

    mark: str
    text: str


class Board:
    """What goes on in a drive, folded from its entries; pure, so that it can be asked for any instant."""

    def __init__(self) -> None:
        self._running: dict[str, datetime] = {}
        self._scopes: dict[str, _Scope] = {}

    def observe(self, entry: e.AnyEntry) -> Line | None:
        """Take an entry in, and return the line that it deserves, if it does."""
        if isinstance(entry, e.StepStarted):
            self._running[entry.key] = entry.at
            for name, scope in self._scopes.items():
                scope.begun.update(_member(name, entry.key))
        elif isinstance(entry, e.StepCompleted):
            return self._completed(entry.key, entry.at)
        elif isinstance(entry, e.StepFailed):
            return self._failed(entry)
        elif isinstance(entry, e.StepInterrupted):
            self._running.pop(entry.key, None)
            return Line("again", f"{entry.key} was interrupted")
        elif isinstance(entry, e.ScopeOpened):
            self._scopes[entry.key] = _Scope(entry.at, entry.members)
        elif isinstance(entry, e.ScopeClosed):
            return self._closed(entry)
        elif isinstance(entry, e.WaitOpened):
            return Line("waits", f"{entry.key} waits for `{entry.request.get('event_name')}`")
        elif isinstance(entry, e.TimerSet):
            return Line("waits", f"{entry.key} sleeps until {entry.due_at:%Y-%m-%d %H:%M:%S} UTC")
        elif isinstance(entry, e.EventReceived):
            return Line("done", f"{entry.key} was answered")
        return None

    def live(self, now: datetime) -> Line | None:
        """Return what runs now: the step that has run longest, its time, and how many others; scopes with counts."""
        parts = [self._progress_of(key, scope) for key, scope in self._scopes.items() if "/" not in key]
        if self._running:
            key, since = min(self._running.items(), key=lambda item: item[1])
            parts.insert(0, f"{key} {elapsed((now - since).total_seconds())}")
        if len(self._running) > 1:
            parts.insert(1, f"and {len(self._running) - 1} more")
        return Line("live", ", ".join(parts)) if parts else None

    def _progress_of(self, key: str, scope: _Scope) -> str:
        """Members count as done when they have begun and no step of theirs runs: the last one's end is the scope's."""
        if not scope.members:
            return f"{key}: {scope.done} done"
        busy = {member for running in self._running for member in _member(key, running)}
        done = len(scope.begun - busy)
        filled = BAR_CELLS * done // scope.members
        return f"{key} {'█' * filled}{'░' * (BAR_CELLS - filled)} {done}/{scope.members}"

    def _completed(self, key: str, at: datetime) -> Line | None:
        since = self._running.pop(key, at)
        for name, scope in self._scopes.items():
            scope.done += key.startswith((f"{name}/", f"{name}["))
        return None if "/" in key else Line("done", f"{key} {elapsed((at - since).total_seconds())}")

    def _failed(self, entry: e.StepFailed) -> Line:
        self._running.pop(entry.key, None)
        message = entry.error.get("message", "")
        if entry.retry_at is not None:
            return Line("again", f"{entry.key} is tried again: {message}")
        return Line("failed", f"{entry.key}: {message}")

    def _closed(self, entry: e.ScopeClosed) -> Line | None:
        scope = self._scopes.pop(entry.key, None)
        if scope is None or "/" in entry.key:
            return None
        mark = "done" if entry.outcome == "completed" else "failed"
        took = elapsed((entry.at - scope.opened_at).total_seconds())
        return Line(mark, f"{entry.key} {took}, {scope.done} steps done")


def _member(scope: str, key: str) -> set[str]:
    """Return the member of a scope to which a step belongs, as a set; empty if it stands elsewhere."""
    if not key.startswith(f"{scope}["):
        return set()
    return {key[len(scope) :].partition("]")[0]}


class Screen:
    """Draws a board on stderr, and draws its live line anew a few times a second."""

    def __init__(self, clock: Clock, *, has_colour: bool) -> None:
        self._clock = clock
        self._has_colour = has_colour
        self._board = Board()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._drawn = False
        self._thread = threading.Thread(target=self._redraw, daemon=True)
        self._thread.start()

    def observe(self, entries: Sequence[e.AnyEntry], _position: int) -> None:
        """Show what a commit holds."""
        with self._lock:
            lines = [line for line in map(self._board.observe, entries) if line is not None]
            self._draw(lines)

    def close(self) -> None:
        """Take the live line away, and draw no more."""
        self._done.set()
        self._thread.join()
        if self._drawn:
            streams.say("\r\x1b[2K")

    def _redraw(self) -> None:
        while not self._done.wait(REDRAW_SECONDS):
            with self._lock:
                self._draw([])

    def _draw(self, lines: Sequence[Line]) -> None:
        live = self._board.live(self._clock.now())
        text = "\r\x1b[2K" if self._drawn else ""
        text += "".join(f"{self._shown(line)}\n" for line in lines)
        text += self._shown(live) if live is not None else ""
        self._drawn = live is not None
        if text:
            streams.say(text)

    def _shown(self, line: Line) -> str:
        text = cut(f"{_MARKS[line.mark]} {plain(line.text)}", _width() - 1)
        return f"\x1b[{_COLOURS[line.mark]}m{text}\x1b[0m" if self._has_colour else text


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
