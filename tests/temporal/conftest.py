"""One server for a whole test run (and process of it), one task queue for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from temporal.service import Server, Service

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def service(server: Server, tmp_path: Path) -> Service:
    return Service(server, f"q{next(_NUMBERS)}", tmp_path)
