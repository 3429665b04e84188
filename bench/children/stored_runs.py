"""Fills a store with copies of one run that has settled, or waits; words: HOME COUNT completed|waiting."""

from __future__ import annotations

import sys
from pathlib import Path

import apsw

from checkpointflow import Store

SETTLED = """
schema_version: checkpointflow/v1
workflow:
  id: stored
  inputs: {type: object}
  steps:
    - {id: done, kind: set, values: {answer: 42}}
"""
WAITING = """
schema_version: checkpointflow/v1
workflow:
  id: stored
  inputs: {type: object}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: done, kind: cli, command: 'true'}
"""
_COPIES = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)"
_TABLES = ("runs", "journal", "waits", "holds")
_OWN = {"id": "NULL", "run_id": "substr(run_id, 1, 19) || printf('%07d', n)"}


def main(home: Path, count: int, state: str) -> None:
    """Make one run by the usual way, then copy its rows in one transaction; the copies begin one second apart."""
    first_of(home, WAITING if state == "waiting" else SETTLED)
    connection = apsw.Connection(str(home / "runs.db"))
    connection.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
        chosen = ", ".join(_OWN.get(name, _later(name) if table == "runs" else name) for name in columns)
        connection.execute(f"{_COPIES} INSERT INTO {table} SELECT {chosen} FROM {table}, n", (count - 1,))
    connection.execute("COMMIT")
    connection.close()


def first_of(home: Path, text: str) -> None:
    """Run a document once."""
    from checkpointflow.frontends.document.loader import load_text

    with Store(home) as store:
        store.runs().run(load_text(text, source_path=None, cwd=home.parent), {})


def _later(name: str) -> str:
    if name not in ("started_at", "updated_at"):
        return name
    return f"strftime('%Y-%m-%dT%H:%M:%S.000000Z', {name}, n || ' seconds')"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
