"""What no test may leave behind in the process that runs the next one; and the database server of those that ask."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from postgres_server import Server, empty, running


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A door that was interrupted hears no second Ctrl-C, and processes begun later would inherit that."""
    before = signal.getsignal(signal.SIGINT)
    yield
    if signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)


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
