"""What the SQLite store keeps of a deleted run: nothing, not even the large values that only it had."""

from __future__ import annotations

from pathlib import Path

from checkpointflow.clock import SystemClock
from checkpointflow.kernel.ids import RunId
from checkpointflow.stores.sqlite import SqliteStore
from checkpointflow.testing import samples as s


def test_large_values_go_with_the_last_run_that_has_them(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "base", clock=SystemClock())
    shared, own = "x" * 200_000, ["\ud800" * 70_000]
    runs = {"run-1": [shared, own, {"$blobs": {"a": "b"}}], "run-2": [shared], "run-3": ['"$blobs":']}
    for name, values in runs.items():
        entries = [s.started(), *(s.step_completed(output=value) for value in values), s.completed()]
        store.create(RunId(name), entries, holder=None)
    assert blobs(store) == 2
    store.delete(RunId("run-1"))
    assert blobs(store) == 1
    assert store.entries(RunId("run-2"))[1] == s.step_completed(output=shared)
    store.delete(RunId("run-2"))
    assert blobs(store) == 0
    store.delete(RunId("run-3"))
    with store._database.reading() as transaction:
        tables = ("runs", "labels", "journal", "blobs", "definitions", "waits", "inbox", "holds")
        assert [transaction.row(f"SELECT count(*) FROM {table}") for table in tables] == [(0,)] * 8
    store.close()


def blobs(store: SqliteStore) -> object:
    with store._database.reading() as transaction:
        return transaction.rows("SELECT count(*) FROM blobs")[0][0]
