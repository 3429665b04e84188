"""Taking a run out of the tables, with the definitions and large values that only it used; no rules on which runs."""

from __future__ import annotations

from typing import cast

from checkpointflow.kernel.entries import blobs_of
from checkpointflow.kernel.ids import RunId
from checkpointflow.stores.sqlite.database import Transaction

_TABLES = ("journal", "inbox", "waits", "labels", "holds", "backoffs", "runs")
_WITH_BLOBS = """SELECT body FROM journal WHERE instr(body, '"$blobs":')"""


def delete(transaction: Transaction, run_id: RunId) -> None:
    """Delete every row of a run, and what no other run needs."""
    mine = _digests(transaction.rows(f"{_WITH_BLOBS} AND run_id = ?", run_id))
    for table in _TABLES:
        transaction.run(f"DELETE FROM {table} WHERE run_id = ?", run_id)
    transaction.run("DELETE FROM definitions WHERE hash NOT IN (SELECT definition FROM runs)")
    if mine:  # one look through the journals of the others, and only for a run with large values
        for digest in mine - _digests(transaction.rows(_WITH_BLOBS)):
            transaction.run("DELETE FROM blobs WHERE digest = ?", digest)


def _digests(rows: list[tuple[str | int | None, ...]]) -> set[str]:
    return {digest for row in rows for digest in blobs_of(cast(str, row[0]))}
