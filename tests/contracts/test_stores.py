"""The contract of the Store port, passed by every store of the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checkpointflow.clock import SystemClock
from checkpointflow.kernel.store import Store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.sqlite import SqliteStore
from checkpointflow.testing import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: MemoryStore(clock=SystemClock())

    def second(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        return store.other_process()

    def kill(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.die()


class TestSqlite(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "base", clock=SystemClock())

    def second(self, store: Store) -> Store:
        assert isinstance(store, SqliteStore)
        return SqliteStore(store.base, clock=SystemClock())

    def kill(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._database._holders.forget()  # the lock file is closed, as the end of the process would close it
