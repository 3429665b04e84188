"""Trivial durable steps of a function in PostgreSQL, against a bare loop of commits at the same server.

The server is on this machine, with a sync for each commit or without; or as if it were on another, where each message
to it or back takes 0.1 ms and what a process takes to pass it on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

from bench.processes import CHILDREN, child
from bench.rounds import Contender, Place, Target, Work

_RUNNING = ExitStack()
"""The servers go on until this process ends."""

_ON_THE_WAY_SECONDS = 0.0001


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work, with the server reached in each way."""
    del peers
    count = place.size(5000, 1000)
    contenders, targets = list[Contender](), list[Target]()
    for level, url in _urls(place).items():
        contenders += [_bare(url, count, level), _ours(url, place, count, level)]
    for level, where in (("power", "on this machine"), ("network", "over a network")):
        what = f"durable steps in PostgreSQL {where}, to the bare commit loop"
        targets.append(Target(what, f"steps, {level}", "per_second", 0.5, "at least", f"commits, {level}"))
    return Work(f"{count:,} durable steps in PostgreSQL", contenders, targets, rounds=3)


def _urls(place: Place) -> dict[str, str]:
    """Start the servers, and return the URLs of a database for each way to reach one."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from postgres_server import Server, running  # type: ignore[import-not-found] # of the tests

    def database(server: Server) -> str:
        name = f"bench_{token_hex(4)}"
        server.run(f"CREATE DATABASE {name}")
        return name

    servers = dict[str, Server]()
    for fsync in ("on", "off"):
        os.environ["CPF_TEST_POSTGRES_FSYNC"] = fsync
        servers[fsync] = _RUNNING.enter_context(running(place.folder / f"server-{fsync}"))
    near, lax = servers["on"], servers["off"]
    port = _RUNNING.enter_context(_relay(near.folder / "socket" / ".s.PGSQL.5432"))
    return {
        "power": near.url(database(near)),
        "no sync": lax.url(database(lax)),
        "network": f"postgresql://postgres@127.0.0.1:{port}/{database(near)}",
    }


@contextmanager
def _relay(path: Path) -> Iterator[int]:
    """Have a network in front of a server's socket, and give the port that leads there."""
    words = [sys.executable, str(CHILDREN / "relay.py"), str(path), str(_ON_THE_WAY_SECONDS)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


def _bare(url: str, count: int, level: str) -> Contender:
    return Contender(f"commits, {level}", lambda _round: child("postgres_commits", url, count))


def _ours(url: str, place: Place, count: int, level: str) -> Contender:
    home = str(place.folder / "home")
    return Contender(f"steps, {level}", lambda _round: child("durable_steps", url, count, CPF_HOME=home))
