"""How a worker is stopped from outside, and how its drives are told; what is due, the client knows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from checkpointflow import clock
from checkpointflow.cli.shapes import run_fields
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.client.working import Driven


class Stoppable(Protocol):
    """A worker of any engine."""

    def stop(self) -> None:
        """Let what goes on end; a second time: end it."""


_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def stopping(worker: Stoppable) -> Iterator[None]:
    """Have signals stop a worker: the first lets what goes on end, the second ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def driven_fields(driven: Driven) -> JsonObject:
    """Return what an envelope says of one drive."""
    fields: JsonObject = {"run_id": driven.run_id} if driven.run is None else run_fields(driven.run)
    if driven.error is not None:
        fields |= {"error": driven.error}
    if driven.next_try_at is not None:
        fields |= {"next_try_at": clock.to_text(driven.next_try_at)}
    return fields


def said(driven: Driven) -> str:
    """Return one line about a drive, for people."""
    if driven.run is not None:
        return f"run {driven.run_id}: {driven.run.status}"
    until = "" if driven.next_try_at is None else f"; tried again from {clock.to_text(driven.next_try_at)}"
    return f"run {driven.run_id}: {(driven.error or {}).get('message')}{until}"
