"""What the PostgreSQL store promises beyond the contract: opening, lost connections, pools, news, output, forks."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkpointflow.clock import SystemClock
from checkpointflow.errors import (
    CheckpointflowError,
    JournalConflictError,
    MissingExtraError,
    StoreCorrupt,
    StoreUnavailable,
    StoreVersion,
    UsageError,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.stores import open_store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.postgres import PostgresStore
from checkpointflow.stores.postgres.address import Address, without_password
from checkpointflow.stores.postgres.database import Transaction
from checkpointflow.stores.postgres.opening import SCHEMA_VERSION
from checkpointflow.stores.postgres.texts import escaped, unescaped
from checkpointflow.testing import samples as s
from contracts.forking import forked
from postgres_server import Server, end_proof, end_sessions


@pytest.fixture
def open_it(postgres_url: str) -> Iterator[Callable[..., PostgresStore]]:
    with contextlib.ExitStack() as stack:

        def open_one(pool: str | None = None) -> PostgresStore:
            store = PostgresStore(postgres_url, host="here", pool=pool)
            stack.callback(store.close)
            return store

        yield open_one


# -- opening ---------------------------------------------------------------------------------------


def test_psycopg_is_loaded_when_a_store_is_opened_and_not_before() -> None:
    code = "import sys, checkpointflow.stores.postgres, checkpointflow.testing; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_psycopg_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'`pip install "checkpointflow\[postgres\]"`') as raised:
        open_store("postgresql://user:secret@host/db", clock=SystemClock())
    assert "secret" not in raised.value.message


def test_tables_of_a_newer_version_are_refused_and_left_alone(database_url: str, postgres: Server) -> None:
    PostgresStore(database_url, host="here").close()
    name = database_url.rpartition("/test_")[2].partition("?")[0]
    postgres.run(f"UPDATE checkpointflow.store SET version = {SCHEMA_VERSION + 7}", database=f"test_{name}")
    with pytest.raises(StoreVersion, match=f"version {SCHEMA_VERSION + 7} and this checkpointflow knows"):
        PostgresStore(database_url, host="here")
    assert postgres.run("SELECT version FROM checkpointflow.store", database=f"test_{name}") == [(SCHEMA_VERSION + 7,)]


def test_all_that_open_a_new_database_at_once_find_one_store(database_url: str) -> None:
    gate, problems = threading.Barrier(12), list[BaseException]()

    def open_it() -> None:
        gate.wait()
        try:
            with contextlib.closing(PostgresStore(database_url, host="here")) as store:
                store.find("some")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_database_that_is_used_by_others_keeps_what_they_have(database_url: str, postgres: Server) -> None:
    name = "test_" + database_url.rpartition("/test_")[2].partition("?")[0]
    postgres.run("CREATE TABLE runs (mine int); INSERT INTO runs VALUES (7)", database=name)
    with contextlib.closing(PostgresStore(database_url, host="here")) as store:
        s.begin(store)
        assert len(store.heads()) == 1
    assert postgres.run("SELECT mine FROM public.runs", database=name) == [(7,)]


def test_defaults_of_a_database_that_would_break_promises_do_not_hold(database_url: str, postgres: Server) -> None:
    name = "test_" + database_url.rpartition("/test_")[2].partition("?")[0]
    settings = {
        "default_transaction_isolation": "serializable",
        "statement_timeout": "1s",
        "idle_session_timeout": "1s",
    }
    for setting, value in settings.items():
        postgres.run(f"ALTER DATABASE {name} SET {setting} TO '{value}'")
    with contextlib.closing(PostgresStore(database_url, host="here")) as store, store.database.reading() as transaction:
        found = {setting: transaction.row(f"SHOW {setting}") for setting in settings}
    assert found == {
        "default_transaction_isolation": ("read committed",),
        "statement_timeout": ("0",),
        "idle_session_timeout": ("0",),
    }


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_any_text_is_refused(postgres: Server, encoding: str) -> None:
    name = f"other_{encoding.lower()}_{token_hex(4)}"
    postgres.run(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreUnavailable, match=f"has the encoding {encoding}; name a database .* 'UTF8'"):
            PostgresStore(postgres.url(name), host="here")
    finally:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


REFUSED = {
    "postgresql://ann:hunter2@127.0.0.1:1/db": StoreUnavailable,
    "postgresql://ann:hun%74er2@127.0.0.1:1/db": StoreUnavailable,
    "postgresql://ann@127.0.0.1:1/db?password=hunter2": StoreUnavailable,
    "postgresql://ann:hunter2@nowhere.invalid/db": StoreUnavailable,
    "postgresql://ann:x@hunter2@nowhere.invalid/db": StoreUnavailable,
    "postgresql://ann:hunter2@127.0.0.1:1/db?nonsense=hunter2": UsageError,
    "postgresql://ann:hunter2@127.0.0.1:port/db": StoreUnavailable,
    "postgresql://ann:hunter2@[::1/db": UsageError,
    "postgresql://ann:hunter2": StoreUnavailable,
    "postgresql://ann:hunter2/db": StoreUnavailable,
    "postgresql://ann:a:hunter2/db": StoreUnavailable,
    "postgresql://ann:a,hunter2/db": StoreUnavailable,
    "postgresql://ann:hunt%65r2,a/db": StoreUnavailable,
    "postgresql://ann:a[hunter2/db": StoreUnavailable,
}


@pytest.mark.parametrize("url", REFUSED)
def test_no_refusal_tells_the_password(url: str) -> None:
    with pytest.raises(CheckpointflowError) as raised:
        PostgresStore(url, host="here")
    assert isinstance(raised.value, REFUSED[url])
    told = f"{raised.value.message} {raised.value.details} {raised.value!r} {raised.value.__cause__!r}"
    assert "hunter2" not in told
    assert "; " in raised.value.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@host:5432/db?sslmode=require", "postgresql://ann@host:5432/db?sslmode=require"),
        ("postgresql://host/db?password=pw&sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql://ann:p@w@host/db?sslpassword=pw", "postgresql://ann@host/db"),
        ("postgres:///db", "postgres:///db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "place", ["[::1]:5432/db", "[::1]/db", "a:5432,b/db", "a,b:5433/db", "host/db", "host:5432/db"]
)
def test_an_address_is_shown_with_its_hosts(place: str) -> None:
    shown = Address(f"postgresql://{place}").shown
    assert "***" not in shown
    assert shown.endswith("/db")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("/test_", "/gone_"), r'\(database "gone_\w+" does not exist\); check'),
        (("//postgres@", "//nobody@"), r'\(role "nobody" does not exist\); check'),
        (("/socket", "/sockets"), r"\(.*No such file or directory\); check"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_sentence_with_the_reason(
    postgres_url: str, change: tuple[str, str], reason: str
) -> None:
    with pytest.raises(StoreUnavailable, match=reason) as raised:
        PostgresStore(postgres_url.replace(*change), host="here")
    assert "\n" not in raised.value.message


# -- what is stored --------------------------------------------------------------------------------


@example("\ue0000000")
@given(st.text(alphabet=st.characters(exclude_categories=()) | st.sampled_from("\0\ud800\udfff\ue000e0")))
def test_text_of_any_kind_comes_back_and_fits(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert "\0" not in escaped(text)
    escaped(text).encode()


@example("\0", "\ue0000000")
@given(st.text(alphabet="\0\ue000e0d8\ud800"), st.text(alphabet="\0\ue000e0d8\ud800"))
def test_no_two_texts_are_stored_alike(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


def test_a_missing_large_value_is_corruption(open_it: Callable[..., PostgresStore]) -> None:
    store = open_it()
    s.begin(store, s.step_completed("a", "x" * 100_000))
    with store.database.writing() as transaction:
        transaction.run("DELETE FROM blobs")
    with pytest.raises(StoreCorrupt, match="missing"):
        store.entries(s.RUN)


def test_definitions_and_values_of_runs_that_begin_beside_a_deletion_stay(
    open_it: Callable[..., PostgresStore],
) -> None:
    """Sweeping and beginning take turns: else what a run needs is swept between its look and its commit."""
    definition, large = ("d" * 64, {"text": "t"}), "x" * 70_000
    problems: list[BaseException] = []

    def begin_and_delete(number: int) -> None:
        store = open_it()
        try:
            for count in range(12):
                run_id = RunId(f"run-{number}-{count}")
                done = s.step_completed(output=large)
                store.create(run_id, [s.started(), done, s.completed()], holder=None, definition=definition)
                assert store.definition(definition[0]) == definition[1]
                assert store.entries(run_id, after=1)[0] == done
                store.delete(run_id)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=begin_and_delete, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    store = open_it()
    assert (store.heads(), store.sweep(dry_run=True).definitions, store.sweep(dry_run=True).values) == ([], 0, 0)


def test_sweeping_waits_for_those_who_write_and_sees_what_they_need(open_it: Callable[..., PostgresStore]) -> None:
    store, other, observer = open_it(), open_it(), open_it()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with store.database.writing(s.RUN) as transaction:
        transaction.rows("SELECT 1")
        thread = threading.Thread(target=other.sweep)
        thread.start()
        with observer.database.reading() as looking:
            while thread.is_alive() and looking.rows(waiting) == [(0,)]:
                pass
        assert thread.is_alive()
    thread.join()


# -- commits in one statement ----------------------------------------------------------------------

GOING_ON = [s.step_completed("a"), s.step_started("b")]


@pytest.mark.parametrize(
    ("entries", "is_one"),
    [
        (GOING_ON, True),
        ([s.step_started("b")] * 50, True),
        ([s.step_started("b")] * 51, False),
        ([], False),
        ([s.step_completed("a", "x" * 70_000)], False),
        ([s.step_started("gate")], False),
        ([*GOING_ON, s.timer_set("nap", "w2")], False),
        ([*GOING_ON, s.failed()], False),
    ],
    ids=["going-on", "fifty", "fifty-one", "nothing", "large", "closes-a-wait", "timer", "end"],
)
def test_what_only_goes_on_is_one_statement_and_all_else_a_transaction(
    open_it: Callable[..., PostgresStore], entries: list[e.AnyEntry], is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, memory, transactions = open_it(), MemoryStore(clock=SystemClock()), list[RunId]()
    hold, in_memory = (s.begin(one, s.wait_opened("gate", due=50)) for one in (store, memory))
    writing = store.database.writing

    def counted(run_id: RunId) -> contextlib.AbstractContextManager[Transaction]:
        transactions.append(run_id)
        return writing(run_id)

    monkeypatch.setattr(store.database, "writing", counted)
    assert store.commit(hold, 2, entries) == memory.commit(in_memory, 2, entries)
    assert len(transactions) == (0 if is_one else 1)
    assert store.entries(s.RUN) == memory.entries(s.RUN)
    assert (store.head(s.RUN), store.waits(s.RUN)) == (memory.head(s.RUN), memory.waits(s.RUN))


def test_one_statement_waits_for_who_takes_the_run_and_writes_nothing_then(
    open_it: Callable[..., PostgresStore],
) -> None:
    store, other, observer = open_it(), open_it(), open_it()
    hold, problems = s.begin(store), list[CheckpointflowError]()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def commit() -> None:
        try:
            store.commit(hold, 1, GOING_ON)
        except CheckpointflowError as error:
            problems.append(error)

    thread = threading.Thread(target=commit)
    with other.database.writing() as transaction:  # as `acquire` does, once it takes the holder to be dead
        transaction.rows("UPDATE holds SET epoch = 2 RETURNING 1")
        thread.start()
        with observer.database.reading() as looking:
            while thread.is_alive() and looking.rows(waiting) == [(0,)]:
                pass
        assert thread.is_alive()
    thread.join()
    assert [type(problem) for problem in problems] == [JournalConflictError]
    assert other.entries(s.RUN) == [s.started()]
    assert other.head(s.RUN).length == 1


# -- lost connections ------------------------------------------------------------------------------


def test_a_store_works_again_after_its_connections_were_cut(
    open_it: Callable[..., PostgresStore], postgres_url: str
) -> None:
    store = open_it()
    s.begin(store, holder=None)
    end_sessions(postgres_url)
    with pytest.raises(StoreUnavailable, match="cut the connection"):
        store.head(s.RUN)
    assert store.head(s.RUN).length == 1
    assert store.deliver(s.message()).outcome == "kept"


def test_what_was_held_under_a_lost_proof_is_written_no_more(
    open_it: Callable[..., PostgresStore], postgres_url: str
) -> None:
    store, other = open_it(), open_it()
    hold = s.begin(store)
    lost = threading.Event()
    store.listen(lost.set)
    end_proof(postgres_url, hold.holder)
    assert lost.wait(30)
    for _ in range(2):
        with pytest.raises(JournalConflictError, match="lost"):
            store.pending(s.RUN)
    with pytest.raises(JournalConflictError, match="lost"):
        store.commit(hold, 1, [s.step_started()])
    assert store.holder() != hold.holder
    again = store.acquire(s.RUN, store.holder(), at=s.at(5))
    assert (again.epoch, store.pending(s.RUN)) == (2, ())
    assert store.commit(again, 1, [s.step_started()]).written
    assert other.entries(s.RUN) == [s.started(), s.step_started()]


def test_a_transaction_whose_connection_is_cut_leaves_nothing(
    open_it: Callable[..., PostgresStore], postgres_url: str
) -> None:
    store = open_it()
    hold = s.begin(store)
    store.deliver(s.message())

    def fits(_schema: object, _payload: object) -> bool:
        end_sessions(postgres_url, "work")
        return True

    with pytest.raises(StoreUnavailable):
        store.commit(hold, 1, [s.step_started(), s.wait_opened(schema={})], fits=fits)
    assert store.entries(s.RUN) == [s.started()]
    assert [message.state for message in store.messages(s.RUN)] == ["kept"]
    assert store.commit(hold, 1, [s.step_started()]).written


def test_keepalives_find_a_machine_that_is_gone_within_twenty_seconds(open_it: Callable[..., PostgresStore]) -> None:
    store = open_it()
    options = store.address.options()
    idle, interval, count = (int(options[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert idle + interval * count <= 20
    with store.database.reading() as transaction:
        settings = "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"
        found = transaction.rows(
            "SELECT name, reset_val FROM pg_settings WHERE name IN (?, ?, ?) AND source = 'session'", *settings
        )
    assert len(found) == 3


# -- pools and news --------------------------------------------------------------------------------


def test_runs_are_due_in_the_pool_of_those_who_began_them(open_it: Callable[..., PostgresStore]) -> None:
    for pool in ("red", "blue", None):
        open_it(pool).create(RunId(f"run-{pool}"), [s.started()], holder=None)
    store = open_it("red")
    assert store.drivable(s.at(9), pool="red", limit=9) == ["run-None", "run-red"]
    assert store.drivable(s.at(9), pool="blue", limit=9) == ["run-None", "run-blue"]
    assert store.drivable(s.at(9), pool="green", limit=9) == ["run-None"]


def test_all_are_told_when_somebody_is_needed(open_it: Callable[..., PostgresStore]) -> None:
    store, other = open_it(), open_it()
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    for one in (store, other):
        one.holder()
        one.listen(lambda: told.put("news"))
    hold = s.begin(store, s.wait_opened())
    calls: list[Callable[[], object]] = [
        lambda: store.create(RunId("run-2"), [s.started()], holder=None),
        lambda: other.answer(s.message(wait="w1")),
        lambda: other.deliver(s.message("e2", kind="cancel")),
        lambda: store.release(hold),
    ]
    for call in calls:
        assert told.empty()
        call()
        assert [told.get(timeout=30), told.get(timeout=30)] == ["news", "news"]


def test_nobody_is_told_of_a_step(open_it: Callable[..., PostgresStore]) -> None:
    store = open_it()
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    store.holder()
    store.listen(lambda: told.put("news"))
    hold = s.begin(store)
    for length in range(1, 5):
        store.commit(hold, length, [s.step_completed(str(length))])
    assert told.empty()
    store.commit(hold, 5, [e.RunParked(at=s.at(1), elapsed_seconds=0.0)], release=True)
    assert told.get(timeout=30) == "news"


# -- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1_000_000])
def test_output_is_kept_in_chunks_and_comes_back(
    open_it: Callable[..., PostgresStore], tmp_path: Path, size: int
) -> None:
    store, content = open_it(), os.urandom(size)
    s.begin(store)
    (tmp_path / "given").write_bytes(content)
    store.outputs.keep(s.RUN, "stdout/s.1.txt", tmp_path / "given")
    other = open_it()
    assert other.outputs.names(s.RUN) == ["stdout/s.1.txt"]
    assert other.outputs.bring(s.RUN, "stdout/s.1.txt", tmp_path / "brought")
    assert (tmp_path / "brought").read_bytes() == content
    assert (tmp_path / "brought").stat().st_mode & 0o777 == 0o600
    assert not other.outputs.bring(s.RUN, "stdout/s.2.txt", tmp_path / "more")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["brought", "given"]


def test_output_goes_with_its_run(open_it: Callable[..., PostgresStore], tmp_path: Path) -> None:
    store = open_it()
    hold = s.begin(store)
    (tmp_path / "given").write_bytes(b"x" * 300_000)
    store.outputs.keep(s.RUN, "stdout/s.1.txt", tmp_path / "given")
    store.commit(hold, 1, [s.completed()], release=True)
    store.delete(s.RUN)
    store.outputs.keep(s.RUN, "stdout/late.1.txt", tmp_path / "given")
    with store.database.reading() as transaction:
        tables = transaction.rows(
            "SELECT relname FROM pg_class WHERE relnamespace = 'checkpointflow'::regnamespace AND relkind = 'r'"
        )
        counts = {str(table): transaction.rows(f"SELECT count(*) FROM {table}")[0][0] for (table,) in tables}
    assert {table for table, count in counts.items() if count} == {"store"}


# -- forks -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, which is the point
def test_a_forked_child_is_another_process(open_it: Callable[..., PostgresStore]) -> None:
    store = open_it()
    hold = s.begin(store)

    def in_child() -> None:
        assert store.holder() != hold.holder
        with pytest.raises(JournalConflictError):
            store.commit(hold, 1, [s.step_started()])
        info = store.holder_of(s.RUN)
        assert info
        assert info.alive
        assert info.pid == os.getppid()
        assert store.deliver(s.message("child")).outcome == "kept"
        store.close()

    assert forked(in_child) == 0
    assert store.commit(hold, 1, [s.step_started()]).written
    assert [message.event_id for message in store.messages(s.RUN)] == ["child"]
    assert store.holder() == hold.holder
