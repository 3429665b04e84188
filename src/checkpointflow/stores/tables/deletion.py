"""Taking a run out of the tables, and the definitions and large values that no run needs; no rules on which runs."""

from __future__ import annotations

from typing import cast

from checkpointflow.kernel.entries import blobs_of
from checkpointflow.kernel.ids import RunId
from checkpointflow.stores.tables.database import Transaction

_TABLES = ("journal", "inbox", "waits", "labels", "holds", "backoffs", "runs")
_LOST = "FROM definitions WHERE hash NOT IN (SELECT definition FROM runs)"


def delete(transaction: Transaction, run_id: RunId, *, sweeps: bool) -> None:
    """Delete every row of a run and, if it `sweeps`, what no other run needs."""
    mine = _digests(transaction.rows(f"{_with_blobs(transaction)} AND run_id = ?", run_id)) if sweeps else set()
    for table in (*_TABLES, *transaction.TABLES):
        transaction.run(f"DELETE FROM {table} WHERE run_id = ?", run_id)
    if not sweeps:
        return
    transaction.run(f"DELETE {_LOST}")
    if mine:  # one look through the journals of the others, and only for a run with large values
        for digest in mine - _digests(transaction.rows(_with_blobs(transaction))):
            transaction.run("DELETE FROM blobs WHERE digest = ?", digest)


def sweep(transaction: Transaction, *, dry_run: bool) -> tuple[int, int]:
    """Delete what no run needs, or only look; return how many definitions and large values that are."""
    definitions = cast(int, transaction.rows(f"SELECT count(*) {_LOST}")[0][0])
    needed = _digests(transaction.rows(_with_blobs(transaction)))
    kept = {cast(str, row[0]) for row in transaction.rows("SELECT digest FROM blobs")}
    if not dry_run:
        transaction.run(f"DELETE {_LOST}")
        for digest in kept - needed:
            transaction.run("DELETE FROM blobs WHERE digest = ?", digest)
    return definitions, len(kept - needed)


def _with_blobs(transaction: Transaction) -> str:
    return f"""SELECT body FROM journal WHERE {transaction.INSTR}(body, '"$blobs":') > 0"""


def _digests(rows: list[tuple[str | int | None, ...]]) -> set[str]:
    return {digest for row in rows for digest in blobs_of(cast(str, row[0]))}
