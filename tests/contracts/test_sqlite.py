"""What the SQLite store promises beyond the contract: its files, their versions, damage, locks and forks."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from checkpointflow.clock import SystemClock
from checkpointflow.errors import (
    JournalConflictError,
    PersistenceError,
    RunNotFoundError,
    StoreCorrupt,
    StoreUnavailable,
    StoreVersion,
    UnsupportedError,
    UsageError,
)
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.stores import open_store
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.stores.sqlite import SqliteStore, failures, locks
from checkpointflow.stores.sqlite.opening import APPLICATION_ID, SCHEMA_VERSION
from checkpointflow.testing import samples as s
from contracts.forking import forked


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def open_it(base: Path) -> Iterator[Callable[[], SqliteStore]]:
    with contextlib.ExitStack() as stack:

        def open_it() -> SqliteStore:
            store = SqliteStore(base, clock=SystemClock())
            stack.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def made(base: Path) -> Path:
    """A store with one run, closed."""
    store = SqliteStore(base, clock=SystemClock())
    s.begin(store, s.step_started(), s.wait_opened())
    store.deliver(s.message(name="other"))
    store.close()
    return base


def pragma(path: Path, name: str) -> object:
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        return connection.pragma(name)


def set_pragma(path: Path, name: str, value: object) -> None:
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.pragma(name, value)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


# -- opening ---------------------------------------------------------------------------------------


def test_a_store_is_opened_by_its_place(base: Path) -> None:
    assert isinstance(open_store("memory:", clock=SystemClock()), MemoryStore)
    for place in (base, str(base)):
        store = open_store(place, clock=SystemClock(), durability="process")
        assert isinstance(store, SqliteStore)
        store.close()
    assert (base / "runs.db").is_file()


def test_places_and_durabilities_that_are_not_there_are_refused(base: Path) -> None:
    with pytest.raises(UnsupportedError, match="`mysql://` cannot be opened") as raised:
        open_store("mysql://user:secret@host/db", clock=SystemClock())
    assert "secret" not in str(raised.value.message)
    with pytest.raises(UsageError, match="`power` or `process`"):
        open_store(base, clock=SystemClock(), durability="none")
    assert not base.exists()


def test_sqlite_is_loaded_when_a_store_is_opened_and_not_before() -> None:
    code = "import sys, checkpointflow.stores.sqlite, checkpointflow.testing; sys.exit('apsw' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    base = tmp_path / "new" / "base"
    before = os.umask(umask)
    try:
        store = SqliteStore(base, clock=SystemClock())
        s.begin(store)
    finally:
        os.umask(before)
    found = modes(base.parent)
    holder = store.holder()
    files = {"runs.db", "runs.db-wal", "runs.db-shm", "write.lock", "create.lock", holder}
    assert found == {"new": 0o700, "base": 0o700, "holders": 0o700} | dict.fromkeys(files, 0o600)
    store.close()


def test_the_file_says_whose_it_is_and_of_which_version(made: Path) -> None:
    assert pragma(made / "runs.db", "application_id") == APPLICATION_ID
    assert pragma(made / "runs.db", "user_version") == SCHEMA_VERSION
    assert pragma(made / "runs.db", "journal_mode") == "wal"


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
def test_every_commit_reaches_the_disk_unless_it_need_not_survive_a_power_cut(
    base: Path, durability: str, synchronous: int
) -> None:
    for _ in ("made", "opened"):
        store = SqliteStore(base, clock=SystemClock(), durability=durability)
        opened = store._database._opened
        assert opened is not None
        assert opened.connection.pragma("journal_mode") == "wal"
        assert opened.connection.pragma("synchronous") == synchronous
        assert opened.connection.pragma("fullfsync") == (durability == "power")
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes names durable by itself")
@pytest.mark.parametrize(("durability", "is_synced"), [("power", True), ("process", False)])
def test_the_name_of_a_new_store_and_of_its_folder_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, is_synced: bool
) -> None:
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    SqliteStore(tmp_path / "base", clock=SystemClock(), durability=durability).close()
    expected = {path.stat().st_ino for path in (tmp_path, tmp_path / "base")}
    assert synced == (expected if is_synced else set())


def test_opening_an_up_to_date_store_writes_nothing(made: Path, open_it: Callable[[], SqliteStore]) -> None:
    content = (made / "runs.db").read_bytes()
    (made / "create.lock").unlink()
    store = open_it()
    assert store.head(s.RUN).length == 3
    store.close()
    assert (made / "runs.db").read_bytes() == content
    assert not (made / "create.lock").exists()


def test_a_store_stays_where_it_is_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(Path("here"), clock=SystemClock())
    store.close()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    s.begin(store)
    store.close()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_newer_store_is_refused_and_left_alone(made: Path, open_it: Callable[[], SqliteStore]) -> None:
    set_pragma(made / "runs.db", "user_version", SCHEMA_VERSION + 1)
    content = (made / "runs.db").read_bytes()
    with pytest.raises(StoreVersion, match="upgrade checkpointflow") as raised:
        open_it()
    assert raised.value.exit_code == 60
    assert (made / "runs.db").read_bytes() == content


def test_an_empty_file_becomes_a_store(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    base.mkdir()
    (base / "runs.db").touch()
    store = open_it()
    s.begin(store)
    assert store.notices == []
    assert [path.name for path in base.glob("*1.x*")] == []


def test_a_creation_that_was_cut_off_is_begun_again(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    base.mkdir()
    (base / "runs.db.new").write_bytes(b"half of a database")
    (base / "runs.db.new-wal").write_bytes(b"and of its log")
    s.begin(open_it())
    assert not list(base.glob("runs.db.new*"))


def test_a_log_without_its_database_is_not_taken_for_the_new_ones(
    base: Path, open_it: Callable[[], SqliteStore]
) -> None:
    first = open_it()
    s.begin(first)
    (base / "runs.db").unlink()
    assert (base / "runs.db-wal").stat().st_size
    second = open_it()
    assert second.heads() == []
    s.begin(second, run_id=RunId("run-2"))
    assert [head.run_id for head in second.heads()] == ["run-2"]


# -- stores of 1.x and of others -------------------------------------------------------------------


OLD_VERSION = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE runs (run_id TEXT)")
connection.execute("INSERT INTO runs VALUES (?)", (sys.argv[2],))
connection.commit()
print("made", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def old_version_at_work(base: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has a store of 1.x open: another one, because two SQLites in one would undo each other's locks."""
    base.mkdir(exist_ok=True)
    command = [sys.executable, "-c", OLD_VERSION, str(base / "runs.db"), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "made\n"
        yield process


def old_store(base: Path, name: str) -> None:
    with old_version_at_work(base, name) as process:
        process.communicate("\n")


def names_in(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT run_id FROM runs")]


def test_a_store_of_version_1_is_renamed_once_and_said_so(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    old_store(base, "old")
    store = open_it()
    assert [str(base / "runs-1.x.db") in notice for notice in store.notices] == [True]
    assert names_in(base / "runs-1.x.db") == ["old"]
    s.begin(store)
    assert open_it().notices == []


def test_a_store_of_version_1_in_use_is_renamed_with_its_log(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    with old_version_at_work(base, "unsaved"):
        store = open_it()
        assert (base / "runs-1.x.db-wal").stat().st_size
        s.begin(store)
        assert names_in(base / "runs-1.x.db") == ["unsaved"]
    assert [head.run_id for head in store.heads()] == [s.RUN]


def test_no_renamed_store_is_overwritten(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    for name in ("first", "second", "third"):
        old_store(base, name)
        store = open_it()
        assert len(store.notices) == 1
        store.close()
        if name != "third":
            (base / "runs.db").unlink()
    found = [names_in(base / f"runs-1.x{number}.db") for number in ("", "-2", "-3")]
    assert found == [["first"], ["second"], ["third"]]


def test_a_renaming_that_was_cut_off_is_finished(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    with old_version_at_work(base, "logged") as process:
        process.kill()
    (base / "runs.db-wal").rename(base / "runs-1.x.db-wal")
    assert len(open_it().notices) == 1
    assert names_in(base / "runs-1.x.db") == ["logged"]


def test_a_database_of_another_program_is_refused_and_left_alone(
    base: Path, open_it: Callable[[], SqliteStore]
) -> None:
    old_store(base, "theirs")
    set_pragma(base / "runs.db", "application_id", 0x1234)
    with pytest.raises(StoreCorrupt, match="another program"):
        open_it()
    assert names_in(base / "runs.db") == ["theirs"]


# -- damage ----------------------------------------------------------------------------------------


def read_everything(store: SqliteStore) -> None:
    for run_id in [head.run_id for head in store.heads()]:
        store.entries(run_id)
        store.waits(run_id)
        store.messages(run_id)
        store.holder_of(run_id)


def test_what_is_no_database_is_corrupt_and_left_alone(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    base.mkdir()
    (base / "runs.db").write_text("a shopping list\n" * 1000)
    with pytest.raises(StoreCorrupt, match="restore it from a copy, or move it away") as raised:
        open_it()
    assert "\n" not in raised.value.message
    (base / "runs.db").rename(base / "list.txt")
    s.begin(open_it())


@pytest.mark.parametrize("size", [1, 50, 100, 5000, 9000])
def test_a_truncated_file_is_corrupt_and_works_once_restored(
    made: Path, open_it: Callable[[], SqliteStore], size: int
) -> None:
    path = made / "runs.db"
    content = path.read_bytes()
    assert size < len(content)
    path.write_bytes(content[:size])
    with pytest.raises(StoreCorrupt):
        read_everything(open_it())
    path.write_bytes(content)
    store = open_it()
    read_everything(store)
    assert store.deliver(s.message("again", name="more")).outcome == "kept"


def test_flipped_bytes_are_a_persistence_error_or_harmless(made: Path) -> None:
    path, chance = made / "runs.db", random.Random(11)
    content = path.read_bytes()
    errors: list[PersistenceError] = []
    missing = 0
    for _ in range(100):
        damaged = bytearray(content)
        page = chance.randrange(len(content) // 4096) * 4096
        for _ in range(40):
            damaged[page + chance.randrange(4096)] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            store = SqliteStore(made, clock=SystemClock())
            try:
                read_everything(store)
                store.answer(s.message("new", wait="w1"))
            finally:
                store.close()
        except PersistenceError as error:
            errors.append(error)
        except RunNotFoundError:
            missing += 1  # SQLite has no checksums: a damaged name is another name
        for companion in made.glob("runs.db-*"):
            companion.unlink()
        for renamed in made.glob("runs-1.x*"):
            renamed.unlink()
    assert len(errors) > 10 > missing
    assert all("\n" not in error.message for error in errors)
    path.write_bytes(content)
    store = SqliteStore(made, clock=SystemClock())
    read_everything(store)
    store.close()


def test_damage_is_noticed_by_an_open_store_which_works_again_once_repaired(
    made: Path, open_it: Callable[[], SqliteStore]
) -> None:
    path = made / "runs.db"
    content = path.read_bytes()
    store = open_it()
    path.write_bytes(b"\xff" * len(content))
    with pytest.raises(PersistenceError):
        read_everything(store)
    path.write_bytes(content)
    read_everything(store)
    assert store.answer(s.message("e9", wait="w1")).outcome == "accepted"


@pytest.mark.parametrize(
    "damage",
    [
        "runs SET started_at = 'x'",
        "runs SET labels = '[]'",
        "journal SET body = '{'",
        "journal SET name = x'ff'",
        "waits SET request = x'ff'",
        "inbox SET payload = 'NaN'",
        "inbox SET name = name; DROP TABLE inbox; CREATE TABLE inbox (x)",
    ],
)
def test_a_row_that_makes_no_sense_is_corrupt(made: Path, open_it: Callable[[], SqliteStore], damage: str) -> None:
    with contextlib.closing(apsw.Connection(str(made / "runs.db"))) as connection:
        connection.execute(f"UPDATE {damage}")
    with pytest.raises(StoreCorrupt):
        read_everything(open_it())


@pytest.mark.parametrize(
    "error", [apsw.FullError, apsw.ReadOnlyError, apsw.BusyError, apsw.IOError, apsw.CantOpenError]
)
def test_what_sqlite_says_becomes_one_sentence_with_a_remedy(error: type[apsw.Error]) -> None:
    named = failures.of_sqlite(error("some words"), Path("/x/runs.db"))
    assert isinstance(named, StoreUnavailable)
    fact, _, remedy = named.message.partition("; ")
    assert "`/x/runs.db`" in fact
    assert remedy
    assert "some words" not in named.message
    assert "some words" in str(named.details["cause"])


# -- places that cannot be used --------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full" / "runs.db").mkdir(parents=True)
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "full", Path("/proc/nowhere")):
        with pytest.raises(StoreUnavailable) as raised:
            SqliteStore(place, clock=SystemClock())
        assert str(place) in raised.value.message
        assert "; " in raised.value.message


def test_a_store_works_again_when_its_folder_does(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    s.begin(store)
    store.close()
    base.rename(base.with_name("away"))
    base.touch()
    with pytest.raises(StoreUnavailable):
        store.head(s.RUN)
    base.unlink()
    base.with_name("away").rename(base)
    assert store.head(s.RUN).length == 1
    assert store.deliver(s.message()).outcome == "kept"


# -- what is stored --------------------------------------------------------------------------------


def test_large_values_are_stored_once_beside_the_journal(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    large = "é" * 150_000
    hold = s.begin(store)
    store.commit(hold, 1, [s.step_completed("a", large), s.step_completed("b", large), s.step_completed("c", "small")])
    with contextlib.closing(apsw.Connection(str(base / "runs.db"))) as connection:
        assert connection.execute("SELECT count(*) FROM blobs").get == 1
        assert connection.execute("SELECT max(length(body)) FROM journal").get < 1000
    assert [entry.output for entry in store.entries(s.RUN, after=1)] == [large, large, "small"]  # type: ignore[union-attr]


def test_a_missing_large_value_is_corruption(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    s.begin(store, s.step_completed("a", "x" * 100_000))
    with contextlib.closing(apsw.Connection(str(base / "runs.db"))) as connection:
        connection.execute("DELETE FROM blobs")
    with pytest.raises(StoreCorrupt, match="missing"):
        store.entries(s.RUN)


# -- holders, locks and forks ----------------------------------------------------------------------


def test_a_holder_file_tells_people_who_it_is(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    said = json.loads((base / "holders" / store.holder()).read_text())
    assert said["pid"] == os.getpid()
    assert set(said) == {"host", "pid", "since"}


def test_files_of_the_dead_are_swept_and_those_of_the_living_are_not(
    base: Path, open_it: Callable[[], SqliteStore]
) -> None:
    alive, dead = open_it(), open_it()
    s.begin(alive)
    s.begin(dead, run_id=RunId("run-2"))
    dead._database._holders.forget()
    last = open_it()
    assert {path.name for path in (base / "holders").iterdir()} >= {alive.holder()}
    mine = last.holder()
    assert {path.name for path in (base / "holders").iterdir()} == {alive.holder(), mine}
    for run_id, lives in ((s.RUN, True), (RunId("run-2"), False)):
        info = last.holder_of(run_id)
        assert info
        assert info.alive is lives


def test_a_hold_of_an_unknown_holder_is_free(open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    s.begin(store, holder=HolderId("nobody"))
    assert store.acquire(s.RUN, store.holder(), at=s.at(1)).epoch == 2


def files_open_in(base: Path) -> list[int]:
    """The descriptors of this process in a folder, where the system tells."""
    if not Path("/proc/self/fd").is_dir():
        return []
    fds = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    return [int(fd.name) for fd in fds if str(base) in str(fd.readlink())]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
def test_no_program_that_is_started_inherits_a_file(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    s.begin(open_it())
    mine = files_open_in(base)
    assert len(mine) >= 4  # the database, its log, the writers' lock, the holder
    assert not any(os.get_inheritable(fd) for fd in mine)


def test_writers_queue_at_a_file_lock(base: Path, open_it: Callable[[], SqliteStore]) -> None:
    store, free = open_it(), list[bool]()
    hold = s.begin(store)
    store.deliver(s.message())

    def lock_is_free() -> bool:
        fd = locks.open_private(base / "write.lock")
        try:
            return locks.try_lock(fd)
        finally:
            os.close(fd)

    def fits(_schema: object, _payload: object) -> bool:
        free.append(lock_is_free())
        return True

    store.commit(hold, 1, [s.wait_opened(schema={})], fits=fits)
    assert (free, lock_is_free()) == ([False], True)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no shared locks")
def test_those_who_look_at_a_dead_holder_do_not_take_each_other_for_it(
    base: Path, open_it: Callable[[], SqliteStore]
) -> None:
    store, dead = open_it(), open_it()
    hold = s.begin(dead)
    dead._database._holders.forget()
    fd = locks.open_private(base / "holders" / hold.holder)
    assert locks.try_lock(fd, shared=True)
    info = store.holder_of(s.RUN)
    os.close(fd)
    assert info
    assert not info.alive


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_another_process(open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    hold = s.begin(store)

    def in_child() -> None:
        assert files_open_in(store.base) == []
        assert store.holder() != hold.holder
        with pytest.raises(JournalConflictError):
            store.commit(hold, 1, [s.step_started()])
        info = store.holder_of(s.RUN)
        assert info
        assert info.alive
        assert store.deliver(s.message("child")).outcome == "kept"
        store.close()

    assert forked(in_child) == 0
    assert store.commit(hold, 1, [s.step_started()]).written
    assert [message.event_id for message in store.messages(s.RUN)] == ["child"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, which is the point
def test_a_fork_waits_for_the_end_of_a_transaction(open_it: Callable[[], SqliteStore]) -> None:
    store = open_it()
    hold = s.begin(store)
    store.deliver(s.message())
    inside, forking = threading.Event(), threading.Event()
    os.register_at_fork(before=forking.set)  # runs before the store's own, which was registered before it

    def fits(_schema: object, _payload: object) -> bool:
        inside.set()
        return forking.wait(10)

    thread = threading.Thread(
        target=lambda: store.commit(hold, 1, [s.wait_opened(schema={})], fits=fits),
    )
    thread.start()
    assert inside.wait(10)

    def in_child() -> None:
        assert len(store.entries(s.RUN)) == 2
        store.close()

    assert forked(in_child) == 0
    thread.join()
    assert len(store.entries(s.RUN)) == 2
