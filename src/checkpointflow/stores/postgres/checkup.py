"""A look at a database that is a store: who answers, how soon, and whether it keeps what it confirms; no runs here."""

from __future__ import annotations

import time

from checkpointflow.records import dataclass
from checkpointflow.stores.postgres import opening
from checkpointflow.stores.postgres.store import PostgresStore

_UNSAFE = (
    "SELECT name || ' = ' || setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What a look found: where it is, the server's version, the time of an answer, settings that lose data."""

    shown: str
    server: str
    answer: str
    unsafe: tuple[str, ...]


def looked_at(url: str, *, host: str) -> Looked:
    """Open a store and return what there is to say of it.

    Raises:
        MissingExtraError, UsageError, PersistenceError: it cannot be opened.
    """
    store = PostgresStore(url, host=host)
    try:
        with store.database.reading() as transaction:
            begun = time.monotonic()
            ((server,),) = transaction.rows("SELECT current_setting('server_version')")
            seconds = time.monotonic() - begun
            unsafe = tuple(str(row[0]) for row in transaction.rows(_UNSAFE))
    finally:
        store.close()
    answer = f"{seconds * 1000:.1f} ms (tables of version {opening.SCHEMA_VERSION})"
    return Looked(shown=store.shown, server=str(server), answer=answer, unsafe=unsafe)
