"""What is due, what was put off, and who drives, in the tables; who lives is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from checkpointflow import clock
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Backoff
from checkpointflow.stores.tables import rows
from checkpointflow.stores.tables.database import Row, Transaction
from checkpointflow.values import dump

_DRIVABLE = """
WITH wanted AS (
  SELECT run_id FROM runs WHERE status = 'open'
  UNION SELECT run_id FROM inbox WHERE state = 'accepted'
  UNION SELECT run_id FROM waits WHERE due_at <= ?
)
SELECT run_id, holder, epoch, host, pid, since FROM wanted JOIN runs USING (run_id) JOIN holds USING (run_id)
WHERE status IN ('open', 'waiting')
  AND NOT EXISTS (SELECT 1 FROM backoffs b WHERE b.run_id = wanted.run_id AND b.pool = ? AND b.next_try_at > ?)
  {of_pool}
ORDER BY updated_at, run_id
"""


def drivable(transaction: Transaction, at: datetime, pool: str, of_pool: str) -> Iterator[tuple[RunId, Row]]:
    """Yield the runs that somebody should drive, with the row of their hold, whoever has it.

    `of_pool` is empty, or says what else has to hold of them, with the pool for its one value.
    """
    now = clock.to_text(at)
    further = [pool] if of_pool else []
    for run_id, *hold in transaction.rows(_DRIVABLE.format(of_pool=of_pool), now, pool, now, *further):
        yield RunId(cast(str, run_id)), tuple(hold)


def back_off(transaction: Transaction, backoff: Backoff) -> None:
    """Note that a run was put off."""
    until, error = clock.to_text(backoff.next_try_at), dump(backoff.error)
    transaction.run(
        "INSERT INTO backoffs (run_id, pool, tries, next_try_at, error)"
        " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = ?) ON CONFLICT (run_id, pool)"
        " DO UPDATE SET tries = excluded.tries, next_try_at = excluded.next_try_at, error = excluded.error",
        backoff.run_id, backoff.pool, backoff.tries, until, error, backoff.run_id,
    )  # fmt: skip


def backoffs(transaction: Transaction, run_id: RunId | None) -> list[Backoff]:
    """Return what was put off, of one run or of all."""
    where, values = ("", []) if run_id is None else ("WHERE run_id = ?", [run_id])
    sql = f"SELECT run_id, pool, tries, next_try_at, error FROM backoffs {where} ORDER BY next_try_at, run_id, pool"
    return [
        Backoff(
            run_id=RunId(cast(str, name)),
            pool=cast(str, pool),
            tries=cast(int, tries),
            next_try_at=rows.instant_from(until),
            error=rows.object_from(error),
        )
        for name, pool, tries, until, error in transaction.rows(sql, *values)
    ]


def drivers(transaction: Transaction) -> list[Row]:
    """Return who drives: rows of holder, kind, pool, host, pid and instant, the earliest first."""
    return transaction.rows("SELECT holder, kind, pool, host, pid, at FROM drivers ORDER BY at, holder")


def enroll(transaction: Transaction, row: Row) -> None:
    """Note who drives, in a row as `drivers` gives; of ticks in a pool only this one is kept."""
    holder, kind, pool, host, pid, at = row
    if kind == "tick":
        transaction.run("DELETE FROM drivers WHERE kind = 'tick' AND pool = ?", pool)
    sql = (
        "INSERT INTO drivers (holder, kind, pool, host, pid, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, pool, holder) DO UPDATE SET host = excluded.host, pid = excluded.pid, at = excluded.at"
    )
    transaction.run(sql, holder, kind, pool, host, pid, at)
