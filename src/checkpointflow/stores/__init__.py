"""Where runs are kept, and the one function that opens such a place; no store's own rules here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from checkpointflow.clock import Clock
    from checkpointflow.kernel.store import Store

__all__ = ["open_store"]


def open_store(url_or_path: str | Path, *, clock: Clock, durability: str = "power") -> Store:
    """Return the store in a folder (made if it is missing), or a fresh one in memory for `memory:`.

    With durability `power` a commit survives a power loss; with `process` it survives every crash of
    processes, and a power loss may drop the last commits.

    Raises:
        UnsupportedError: runs cannot be kept at such a place.
        UsageError: there is no such durability.
        PersistenceError: the store cannot be opened.
    """
    if durability not in ("power", "process"):
        raise UsageError(f"there is no durability `{durability}`; say `power` or `process`")
    if isinstance(url_or_path, str):
        if url_or_path == "memory:":
            from checkpointflow.stores.memory import MemoryStore

            return MemoryStore(clock=clock)
        if "://" in url_or_path:
            scheme = url_or_path.partition("://")[0]
            raise UnsupportedError(
                f"a store at `{scheme}://` cannot be opened, because this version keeps runs in SQLite; name a folder"
            )
    from checkpointflow.stores.sqlite import SqliteStore

    return SqliteStore(Path(url_or_path), clock=clock, durability=durability)
