"""The contract of the Store port, passed by every store of the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from checkpointflow.clock import SystemClock
from checkpointflow.kernel.store import Store
from checkpointflow.stores.carried import CarriedStore
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.postgres import PostgresStore
from checkpointflow.stores.sqlite import SqliteStore
from checkpointflow.testing import Crash, CrashingStore, StoreContract
from checkpointflow.testing import samples as s
from postgres_server import end_proof


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


class TestCarried(TestMemory):
    """A store that tells its owner of each commit keeps what any other keeps; `tests/python` breaks its callback."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        told: dict[str, int] = {}

        def tell(run_id: str, entries: Sequence[object], position: int) -> None:
            assert position == told.get(run_id, 0) + len(entries) or position == len(entries)
            told[run_id] = position

        return lambda: CarriedStore(clock=SystemClock(), told=tell)


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


class TestPostgres(StoreContract):
    @pytest.fixture
    def make_store(self, postgres_url: str) -> Callable[[], Store]:
        return lambda: PostgresStore(postgres_url, host="here")

    def second(self, store: Store) -> Store:
        assert isinstance(store, PostgresStore)
        return PostgresStore(store.address.url, host="there")

    def kill(self, store: Store) -> None:
        assert isinstance(store, PostgresStore)
        end_proof(store.address.url, store.holder())


class TestCrashingThatDoesNotCrash(TestMemory):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: CrashingStore(MemoryStore(clock=SystemClock()))

    def second(self, store: Store) -> Store:
        assert isinstance(store, CrashingStore)
        return CrashingStore(super().second(store._store))

    def kill(self, store: Store) -> None:
        assert isinstance(store, CrashingStore)
        super().kill(store._store)


@pytest.mark.parametrize(("when", "length"), [("before", 1), ("after", 2)])
def test_a_crashing_store_dies_at_its_nth_write_and_does_nothing_after(when: str, length: int) -> None:
    memory = MemoryStore(clock=SystemClock())
    store = CrashingStore(memory, **{when: 3})
    hold = s.begin(store)
    store.deliver(s.message())
    with pytest.raises(Crash, match=f"{when} write 3"):
        store.commit(hold, 1, [s.step_started()])
    assert memory.head(s.RUN).length == length
    for act in (lambda: store.head(s.RUN), lambda: store.deliver(s.message("e2")), store.waits):
        with pytest.raises(Crash):
            act()
    assert len(memory.messages(s.RUN)) == 1
    store.close()
