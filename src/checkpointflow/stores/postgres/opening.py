"""How a connection to the database is made, and the store's tables when they are missing or old; no runs here."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.stores.postgres import failures
from checkpointflow.stores.postgres.address import Address, driver

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

SCHEMA = "checkpointflow"
SCRIPTS = ("schema.sql",)
"""The n-th script leads from version n - 1 to version n; a script that was released never changes."""
SCHEMA_VERSION = len(SCRIPTS)
LOCKS = 0x63706632
"""The first half of our locks' keys that are no holder's: the second is 0 for the tables, 1 for sweeping."""
_SECONDS_FOR_A_LOCK = 30
_SECONDS_IDLE_INSIDE = 60
# Defaults of a database or a user must not hold here: whoever has waited for a lock reads the newest, and the session
# that proves that a process lives may be idle for days.
_SETTINGS = f"""
SET search_path TO {SCHEMA};
SET lock_timeout TO '{_SECONDS_FOR_A_LOCK}s';
SET idle_in_transaction_session_timeout TO '{_SECONDS_IDLE_INSIDE}s';
SET tcp_keepalives_idle TO 5;
SET tcp_keepalives_interval TO 5;
SET tcp_keepalives_count TO 3;
SET standard_conforming_strings TO on;
SET default_transaction_isolation TO 'read committed';
SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', 'idle_session_timeout');
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
"""


def connect(address: Address) -> Connection[TupleRow]:
    """Return a connection in which each statement is its own transaction; a commit is on disk when it returns.

    Raises:
        psycopg.Error: it cannot be had.
    """
    psycopg = driver()
    logger = logging.getLogger("psycopg")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # what it would print beside is in our errors, too
    connection: Connection[TupleRow] = psycopg.connect(**address.options(), autocommit=True)
    try:
        connection.execute(_SETTINGS)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: Connection[TupleRow], address: Address) -> None:
    """Make or upgrade the tables, if need be; others that come at the same time wait.

    Raises:
        StoreUnavailable: the database cannot hold any text.
        StoreVersion: a newer version wrote them.
        psycopg.Error: they cannot be made.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise failures.other_encoding(address, encoding)
    if _version(connection, address) == SCHEMA_VERSION:
        return
    # before the transaction: only its beginning makes a session look up anew which tables there are
    connection.execute("SELECT pg_advisory_lock(%s, 0)", [LOCKS])
    try:
        _upgrade(connection, address)
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCKS])


def _upgrade(connection: Connection[TupleRow], address: Address) -> None:
    with connection.transaction():
        version = _version(connection, address)
        if not version:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.execute(f"CREATE TABLE {SCHEMA}.store (version BIGINT NOT NULL)")
            connection.execute(f"INSERT INTO {SCHEMA}.store VALUES (0)")
        for name in SCRIPTS[version:]:
            connection.execute(Path(__file__).with_name(name).read_text(encoding="utf-8"))
        connection.execute(f"UPDATE {SCHEMA}.store SET version = %s", [SCHEMA_VERSION])


def _version(connection: Connection[TupleRow], address: Address) -> int:
    """Return the version of the tables, 0 if there are none."""
    there = connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.store"]).fetchone()
    if there is None or there[0] is None:
        return 0
    found = connection.execute(f"SELECT version FROM {SCHEMA}.store").fetchone()
    version = int(found[0]) if found else 0
    if version > SCHEMA_VERSION:
        raise failures.newer(address, version, SCHEMA_VERSION)
    return version
