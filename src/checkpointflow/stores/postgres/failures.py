"""What PostgreSQL and its client say when something is wrong, as our errors; nothing is repaired here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from checkpointflow.errors import PersistenceError, StoreCorrupt, StoreUnavailable, StoreVersion
from checkpointflow.stores.postgres.address import Address, driver

_BY_STATE = {
    "42501": "does not let this user do that; grant CREATE on the database, or the use of the tables in it",
    "08": "cannot be reached; check that the server runs and that this machine may connect",
    "25": "can only be read; name the server that takes writes",
    "28": "refused the user or the password; correct its address (`CPF_STORE`), or `~/.pgpass`",
    "3D": "is not there; create it with `createdb`, or name another in `CPF_STORE`",
    "3F": "does not let this user make its tables; grant CREATE on the database",
    "42": "has other tables than it should; name a database of its own for the store",
    "53": "is out of room, memory or connections; give its server more",
    "55": "is locked by somebody else; try again, or see who holds the lock in `pg_locks`",
    "57014": "had a statement cancelled by somebody; try again",
    "57": "was shut down or cut the connection; try again when its server runs",
}
_LOST = "lost the connection; try again when its server can be reached"
_REFUSED = "did not do what it was asked; its log says why"


@contextlib.contextmanager
def named(address: Address, give_up: Callable[[], None], *, connecting: bool = False) -> Iterator[None]:
    """Turn what goes wrong inside into a PersistenceError about the database, after giving up what is open.

    Raises:
        StoreUnavailable, StoreCorrupt: see there.
    """
    psycopg = driver()
    try:
        yield
    except (psycopg.Error, OSError, UnicodeError) as error:
        with contextlib.suppress(psycopg.Error, OSError):
            give_up()
        raise of_driver(error, address, connecting=connecting) from None  # its words may have a password


def of_driver(error: Exception, address: Address, *, connecting: bool = False) -> PersistenceError:
    """Return our error for one of the client's about a database."""
    state = getattr(error, "sqlstate", None) or ""
    cause = address.hidden(f"{type(error).__name__}: {error}")[:1000]
    details = {"store": address.shown, "cause": cause}
    if isinstance(error, UnicodeError) or state[:2] in ("22", "XX"):
        return StoreCorrupt(
            f"the store `{address.shown}` has what cannot be read; restore it from a copy", details={**details}
        )
    remedy = _BY_STATE.get(state) or _BY_STATE.get(state[:2]) or (_REFUSED if state else _LOST)
    if connecting and not state:
        remedy = f"cannot be reached ({_reason(cause)}); check its address (`CPF_STORE`) and the server"
    return StoreUnavailable(f"the store `{address.shown}` {remedy}", details={**details})


def _reason(cause: str) -> str:
    """Return what the client says of why it cannot connect, in one line: the server's word, or the system's."""
    line = next((line for line in cause.splitlines() if "FATAL:" in line), cause.splitlines()[0])
    return line.rpartition("FATAL:")[2].rpartition("failed: ")[2].strip()[:200]


def other_encoding(address: Address, encoding: str | None) -> StoreUnavailable:
    """Return the error for a database that cannot hold any text."""
    return StoreUnavailable(
        f"the store `{address.shown}` has the encoding {encoding}; name a database that was created with "
        "`ENCODING 'UTF8'`",
        details={"store": address.shown, "encoding": encoding},
    )


def newer(address: Address, version: int, known: int) -> StoreVersion:
    """Return the error for a store that a newer version wrote."""
    return StoreVersion(
        f"the store `{address.shown}` has version {version} and this checkpointflow knows {known}; "
        "upgrade checkpointflow",
        details={"store": address.shown, "version": version, "known": known},
    )
