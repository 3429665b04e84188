"""How a command drives a run: signals pause it, facts are streamed or shown, and the end becomes an envelope."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from checkpointflow.cli import shapes, streams
from checkpointflow.cli.envelope import Envelope, shown
from checkpointflow.errors import UsageError
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client import Client
    from checkpointflow.kernel.entries import AnyEntry
    from checkpointflow.kernel.journal import Observer
    from checkpointflow.kernel.surroundings import Interrupt
    from checkpointflow.views import RunView

INTERRUPTED = 130


class Drive:
    """A client whose drives are watched, and what their end means for the command."""

    def __init__(self, door: Door, client: Client, interrupt: Interrupt) -> None:
        self.client = client
        self._door = door
        self._interrupt = interrupt

    def ended(self, view: RunView, *, follow: bool = True, more: JsonObject | None = None) -> Envelope:
        """Return the envelope of a run after its drive; without following, that it was accepted is enough."""
        if self._door.form == "id":
            return Envelope(exit_code=self._exit_code(view, follow), text=f"{view.run_id}\n")
        return shapes.of_run(view, exit_code=self._exit_code(view, follow), more=more)

    def _exit_code(self, view: RunView, follow: bool) -> int:
        if view.status in {"paused", "running"} and self._interrupt.is_asked:
            return INTERRUPTED
        return view.exit_code if follow else 0


@contextmanager
def driving(door: Door, args: Namespace) -> Iterator[Drive]:
    """Give a client that drives as the words of the command ask; Ctrl-C and SIGTERM pause what it drives."""
    from checkpointflow.kernel.surroundings import Interrupt

    inline_wait = getattr(args, "inline_wait", None)
    if door.engine is not None and inline_wait is not None:
        raise UsageError("a sleep on Temporal is the service's, not this process's; leave `--inline-wait` out")
    interrupt = Interrupt()
    with _watching(door) as observer, _pausing(interrupt, door):
        client = door.client(
            **({} if inline_wait is None else {"inline_wait_seconds": inline_wait}),
            observer=observer,
            interrupt=interrupt,
            on_created=lambda run_id: created(door, run_id),
            on_warning=lambda warning: None if door.quiet else streams.say(f"warning: {warning}\n"),
        )
        yield Drive(door, client, interrupt)


def created(door: Door, run_id: str) -> None:
    """Take note of a run that begins, and say which it is."""
    door.run_id = run_id
    if not door.quiet:
        streams.say(f"run {run_id}\n")


@contextmanager
def _watching(door: Door) -> Iterator[Observer | None]:
    with _shown(door) as watch:
        if door.form != "ndjson":
            yield watch
            return

        def both(entries: Sequence[AnyEntry], position: int) -> None:
            _stream(entries, position)
            if watch is not None:
                watch(entries, position)

        yield both


@contextmanager
def _shown(door: Door) -> Iterator[Observer | None]:
    """Give what shows a drive on stderr, or None when nobody is there to see it."""
    if door.quiet or not streams.talks_to_terminal():
        yield None
        return
    from checkpointflow.cli.progress import progress

    with progress(door.settings.environment) as observer:
        yield observer


def _stream(entries: Sequence[AnyEntry], position: int) -> None:
    from checkpointflow.kernel.entries import as_json

    lines = [shown(as_json(entry, position + index), indent=None) for index, entry in enumerate(entries)]
    streams.put("".join(f"{line}\n" for line in lines))


@contextmanager
def _pausing(interrupt: Interrupt, door: Door) -> Iterator[None]:
    """Have signals pause the run; further ones change nothing, since a command that resists is killed soon anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    actor = door.settings.actor  # now: a signal may come while modules are being loaded, and then none can be

    def pause(_number: int, _frame: FrameType | None) -> None:
        interrupt.ask(actor)

    before = {number: signal.signal(number, pause) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            # what is left is to say how it stands, and whoever presses Ctrl-C once more wants to read that too
            signal.signal(number, signal.SIG_IGN if interrupt.is_asked else handler)
