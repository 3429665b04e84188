"""Stores as earlier versions wrote them, one of each: they are upgraded, and their runs go on."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.clock import UTC
from checkpointflow.config import Settings
from checkpointflow.stores.sqlite.opening import SCHEMA_VERSION
from checkpointflow.testing.clock import FakeClock

HERE = Path(__file__).parent / "stores_of_old"
VERSIONS = sorted(int(path.name.split(".")[0]) for path in HERE.glob("*.db.gz"))


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    (home / "runs.db").write_bytes(gzip.decompress((HERE / f"{request.param}.db.gz").read_bytes()))
    return Settings(
        home=home,
        cwd=str(tmp_path),
        actor="ann",
        host="here",
        durability="process",
        environment={"PATH": "/usr/bin:/bin"},
    )


def test_there_is_a_store_of_every_version() -> None:
    assert list(range(1, SCHEMA_VERSION + 1)) == VERSIONS


def test_every_run_of_an_old_store_stands_where_it_stood(old: Settings) -> None:
    with Client(old) as client:
        stands = {view.run_id: view.status for view in client.runs(limit=50)[0]}
        assert stands == {
            "golden-completed": "completed", "golden-waiting": "waiting", "golden-failed": "failed",
            "golden-retry": "waiting", "golden-sleeping": "waiting", "golden-cancelled": "cancelled",
            "golden-large": "completed", "golden-interrupted": "interrupted",
        }  # fmt: skip
        assert client.get("golden-completed").value["result"] == {"n": 1}
        assert len(str(client.get("golden-large").value["result"])) == 70_000
        assert [wait.event_name for wait in client.waits()] == ["ok"]
        assert client.runs(labels={"team": "docs"})[0]


def test_the_runs_of_an_old_store_go_on(old: Settings) -> None:
    with Client(old) as client:
        assert client.resume("golden-waiting", event="ok", payload={"go": True}).run.status == "completed"
        assert client.resume("golden-sleeping").run.status == "completed"
        assert client.resume("golden-interrupted").run.status == "completed"
        assert client.resume("golden-retry").run.status in ("waiting", "failed")
        assert client.retry("golden-failed").status == "failed"
        assert client.cancel("golden-retry", reason="enough").status == "cancelled"


def test_an_old_store_can_tell_what_is_due(old: Settings) -> None:
    with Client(old, clock=FakeClock(datetime(2040, 1, 1, tzinfo=UTC))) as client:
        assert {view.run_id for view in client.due()} == {"golden-retry", "golden-sleeping"}
        place = client._place
        found = place.store.drivable(place.clock.now(), pool="default", limit=10)
        assert set(found) == {"golden-retry", "golden-sleeping", "golden-interrupted"}
