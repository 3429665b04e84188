"""Trivial durable steps of a function in PostgreSQL, against a bare loop of commits at the same server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex

from bench.processes import child
from bench.rounds import Contender, Place, Target, Work

_RUNNING = ExitStack()
"""The servers go on until this process ends."""


def work(place: Place, peers: Mapping[str, Path]) -> Work:
    """Return the work, with a server that syncs each commit and one that does not."""
    del peers
    count = place.size(5000, 1000)
    contenders = list[Contender]()
    for level, fsync in (("power", "on"), ("no sync", "off")):
        server = _server(place, fsync)
        contenders += [_bare(server, count, level), _ours(server, place, count, level)]
    what = "durable steps in PostgreSQL, to the bare commit loop"
    target = Target(what, "steps, power", "per_second", 0.5, "at least", "commits, power")
    return Work(f"{count:,} durable steps in PostgreSQL", contenders, [target], rounds=3)


def _server(place: Place, fsync: str) -> str:
    """Start a server, and return the URL of a database of its own."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from postgres_server import running  # type: ignore[import-not-found] # of the tests

    os.environ["CPF_TEST_POSTGRES_FSYNC"] = fsync
    server = _RUNNING.enter_context(running(place.folder / f"server-{fsync}"))
    name = f"bench_{token_hex(4)}"
    server.run(f"CREATE DATABASE {name}")
    return str(server.url(name))


def _bare(url: str, count: int, level: str) -> Contender:
    return Contender(f"commits, {level}", lambda _round: child("postgres_commits", url, count))


def _ours(url: str, place: Place, count: int, level: str) -> Contender:
    home = str(place.folder / "home")
    return Contender(f"steps, {level}", lambda _round: child("durable_steps", url, count, CPF_HOME=home))
