"""Where runs are kept, and the one function that opens such a place; no store's own rules here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from checkpointflow.clock import Clock
    from checkpointflow.kernel.store import Store

__all__ = ["open_store"]


def open_store(
    url_or_path: str | Path, *, clock: Clock, durability: str = "power", host: str = "", pool: str | None = None
) -> Store:
    """Return the store in a folder (made if it is missing), in a PostgreSQL database, or a fresh one for `memory:`.

    With durability `power` a commit survives a power loss; with `process` it survives every crash of
    processes, and a power loss may drop the last commits, unless a database keeps more. `host` names this machine
    in a database, and `pool` whose workers drive the runs that are begun here; without one any do.

    Raises:
        MissingExtraError: what opens it is not installed.
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
            return _at_url(url_or_path, host=host, pool=pool)
    from checkpointflow.stores.sqlite import SqliteStore

    return SqliteStore(Path(url_or_path), clock=clock, durability=durability)


def _at_url(url: str, *, host: str, pool: str | None) -> Store:
    from checkpointflow.stores.postgres.address import is_address

    if not is_address(url):
        scheme = url.partition("://")[0][:40]
        raise UnsupportedError(
            f"a store at `{scheme}://` cannot be opened; name a folder, or a database as `postgresql://HOST/DATABASE`"
        )
    from checkpointflow.stores.postgres import PostgresStore

    return PostgresStore(url, host=host, pool=pool)
