"""What the SQLite store keeps of a deleted run: nothing, not even the large values that only it had."""

from __future__ import annotations

import contextlib
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


def test_a_sweep_takes_large_values_of_no_run_and_gives_the_space_back(tmp_path: Path) -> None:
    with contextlib.closing(SqliteStore(tmp_path / "base", clock=SystemClock())) as store:
        for number in range(20):
            name, values = RunId(f"run-{number}"), ["shared" * 50_000, [number, "own" * 100_000]]
            entries = [s.started(), *(s.step_completed(output=value) for value in values), s.completed()]
            store.create(name, entries, holder=None)
        for number in range(1, 20):
            store.delete(RunId(f"run-{number}"), sweeps=False)
        assert (store.sweep(dry_run=True).values, blobs(store)) == (19, 21)
        before = store.entries(RunId("run-0"))
        swept = store.sweep()
        assert (swept.values, blobs(store)) == (19, 2)
        assert swept.freed_bytes > 5_000_000 > swept.size_bytes
        assert (tmp_path / "base" / "runs.db").stat().st_size == swept.size_bytes
        assert store.entries(RunId("run-0")) == before
        assert store.sweep().freed_bytes == 0


def test_a_store_is_packed_while_others_read_and_write_it(tmp_path: Path) -> None:
    with (
        contextlib.closing(SqliteStore(tmp_path / "base", clock=SystemClock())) as store,
        contextlib.closing(SqliteStore(tmp_path / "base", clock=SystemClock())) as other,
    ):
        store.create(RunId("run-1"), [s.started(), s.step_completed(output="x" * 900_000), s.completed()], holder=None)
        hold = other.create(RunId("run-2"), [s.started()], holder=other.holder())
        assert hold is not None
        store.delete(RunId("run-1"), sweeps=False)
        assert store.sweep().freed_bytes > 800_000
        assert other.commit(hold, 1, [s.step_started()]).written
        assert store.entries(RunId("run-2")) == [s.started(), s.step_started()]


def blobs(store: SqliteStore) -> object:
    with store._database.reading() as transaction:
        return transaction.rows("SELECT count(*) FROM blobs")[0][0]
