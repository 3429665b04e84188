"""The commit by which a run only goes on, as most do, in one statement: one answer is waited for instead of two."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from checkpointflow import clock
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import progress
from checkpointflow.kernel.store import Hold
from checkpointflow.stores.postgres.database import Transaction

_AT_ONCE = 50


def advance(transaction: Transaction, hold: Hold, length: int, entries: Sequence[e.AnyEntry]) -> bool:
    """Append entries to a journal of this length, or do nothing and return False if there is more to it than that.

    A statement sees the state in which it began, and of a row that it locks the newest: nobody else writes a journal
    while the hold is locked, and a message that is accepted meanwhile has come after this.
    """
    change = progress(hold.run_id, entries)
    if change is None or not 0 < len(entries) <= _AT_ONCE or len(change.closed) > _AT_ONCE:
        return False
    encoded = [e.encode(entry) for entry in entries]
    if any(entry.blobs for entry in encoded):
        return False
    row = transaction.row(
        _statement(len(encoded), len(change.closed)),
        hold.run_id, hold.holder, hold.epoch,
        length + len(encoded), clock.to_text(entries[-1].at), change.current_key, hold.run_id, length,
        hold.run_id, *([hold.run_id, *change.closed] if change.closed else ()),
        *(value for entry in encoded for value in (entry.name, entry.at, entry.body)),
    )  # fmt: skip
    return row is not None


@functools.cache
def _statement(entries: int, closed: int) -> str:
    marks, rows = ", ".join("?" * closed), ", ".join(f"({number}, ?, ?, ?)" for number in range(1, entries + 1))
    is_awaited = f"SELECT 1 FROM waits WHERE run_id = ? AND key IN ({marks})" if closed else "SELECT 1 WHERE false"
    return f"""
WITH held AS (
  SELECT 1 FROM holds WHERE run_id = ? AND holder = ? AND epoch = ? FOR SHARE
), head AS (
  UPDATE runs SET status = 'open', length = ?, updated_at = ?, current_key = coalesce(?, current_key)
  WHERE run_id = ? AND length = ? AND EXISTS (SELECT 1 FROM held)
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE run_id = ? AND state = 'accepted')
    AND NOT EXISTS ({is_awaited})
  RETURNING run_id, length - {entries} AS before
)
INSERT INTO journal (run_id, position, name, at, body)
SELECT head.run_id, head.before + entry.number, entry.name, entry.at, entry.body
FROM head CROSS JOIN (VALUES {rows}) AS entry (number, name, at, body)
RETURNING position
"""
