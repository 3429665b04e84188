"""Event loops on which effects are awaited: that of the caller, or one made for the purpose; the only importer of
asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar

from checkpointflow.kernel.run import Loop


class EventLoop:
    """An asyncio loop that somebody runs, as PORT Loop: what is awaited there can use whatever lives on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(
        self, work: Callable[[], Awaitable[object]], ended: Callable[[object, BaseException | None], None]
    ) -> Callable[[], None]:
        """Begin to await what `work` returns, and return what cancels that; it ends when its cleaning up has.

        Raises:
            RuntimeError: the loop has been closed.
        """
        tasks: list[asyncio.Task[object]] = []

        async def awaited() -> object:
            return await work()

        def begin() -> None:
            task = self._loop.create_task(awaited())
            tasks.append(task)
            task.add_done_callback(lambda done: _tell(done, ended))

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        self._loop.call_soon_threadsafe(begin)
        return lambda: _call_soon(self._loop, cancel)


class OwnLoop(EventLoop):
    """A loop in a daemon thread of its own, for callers who have none."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        super().__init__(loop)
        self._thread = threading.Thread(target=self._serve, args=(loop,), name="awaiting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what is left, let it clean up, and close the loop."""
        _call_soon(self._loop, self._loop.stop)
        self._thread.join()

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def _tell(task: asyncio.Task[object], ended: Callable[[object, BaseException | None], None]) -> None:
    if task.cancelled():
        ended(None, asyncio.CancelledError("it was cancelled"))
        return
    error = task.exception()
    ended(None if error is not None else task.result(), error)


def _call_soon(loop: asyncio.AbstractEventLoop, action: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has been closed, and with it what was on it
        loop.call_soon_threadsafe(action)


_chosen: ContextVar[Loop] = ContextVar("checkpointflow_loop")
_made = threading.Lock()
_own: list[OwnLoop] = []


def use(loop: Loop) -> None:
    """Have what is driven in this context await on a loop."""
    _chosen.set(loop)


def here() -> Loop:
    """Return the loop that was chosen in this context, else the one that this process made for the purpose."""
    chosen = _chosen.get(None)
    if chosen is not None:
        return chosen
    with _made:
        if not _own:
            _own.append(OwnLoop())
        return _own[0]
