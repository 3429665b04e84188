"""The database server itself is killed in the middle of a step, and started again on what it has left."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.answering import run_id_of, until
from chaos.checks import violations
from chaos.rounds import People, look
from chaos.teams import Team
from postgres_server import mortal

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")


def test_a_killed_database_server_costs_nothing(tmp_path: Path) -> None:
    with mortal() as server:
        team = Team(tmp_path, store=server.url("postgres"), seconds=0.5)
        people = People(team)
        people.all(range(2), People.start)
        with working(team) as worker:
            until(lambda: "begin" in team.effects.read_text(), "no step begins")
            server.kill()
            code, stdout = team.cpf("status", "--run-id", run_id_of(0))
            assert (code, json.loads(stdout)["error"]["code"]) == (60, "ERR_STORE_UNAVAILABLE")
            server.start()
            people.all(range(2), People.start_and_answer)
            people.all(range(2), People.await_end)
            assert worker.poll() is None
        seen = look(team, people.told, 2)
    assert [sentence for run in seen for sentence in violations(run)] == []
    said = (tmp_path / "worker-0.log").read_text()
    assert "; the worker tries again" in said
    assert "Traceback" not in said


@contextmanager
def working(team: Team) -> Iterator[subprocess.Popen[str]]:
    """Have one worker live for so long."""
    worker = team.worker(0)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()
