"""What no test may leave behind in the process that runs the next one; and the database server of those that ask."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from postgres_server import Server, empty, running

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """A door that was interrupted hears no second signal, and processes begun later would inherit that."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The PostgreSQL server of this test run; all of its processes share it."""
    own = tmp_path_factory.getbasetemp()
    with running(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) as server:
        yield server


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    """The URL of a new, empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def used_database(postgres: Server) -> Iterator[str]:
    """The URL of a database that the tests of this process use one after the other."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def postgres_url(used_database: str) -> str:
    """The URL of a database in which no run is kept; sooner there than a new one."""
    empty(used_database)
    return used_database
