"""Driving what is due: a tick drives each such run once, a worker until it is stopped; what cannot be driven waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.client.working import Driven
from checkpointflow.config import Settings
from checkpointflow.errors import StoreUnavailable
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import RunHead
from checkpointflow.testing.clock import FakeClock

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {}\n"
NAP = HEAD + "  steps:\n    - {id: nap, kind: sleep, seconds: 3600}\n    - {id: last, kind: end, result: rested}\n"
PLAIN = HEAD + "  steps:\n    - {id: last, kind: end, result: done}\n"
GATE = HEAD + (
    "  steps:\n    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}\n"
    '    - {id: last, kind: end, result: "${steps.ask.outputs}"}\n'
)
SECRET = HEAD + (
    "  secrets: {token: {env: THE_TOKEN}}\n"
    '  steps:\n    - {id: use, kind: cli, argv: ["true"], stdin: "${secrets.token}"}\n'
)
BACKOFFS = [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


class Site:
    """A state folder with a clock of its own, and what a process with other variables would see of it."""

    def __init__(self, folder: Path, stack: list[Client]) -> None:
        self.clock = FakeClock()
        self.stack = stack
        self.settings = Settings(
            home=folder / "home", cwd=str(folder), actor="tester", host="here", durability="process", environment={}
        )

    def client(self, **environment: str) -> Client:
        settings = replace(self.settings, environment=environment)
        self.stack.append(Client(settings, clock=self.clock, inline_wait_seconds=1.0))
        return self.stack[-1]

    def started(self, text: str, run_id: str) -> None:
        """Have a run that nobody drives."""
        client = self.client(THE_TOKEN="abcdefgh")
        path = Path(self.settings.cwd) / "flow.yaml"
        client.start(load_text(text, source_path=path, cwd=path.parent), {}, run_id=run_id)
        client.close()

    def tick(self, pool: str = "default", **environment: str) -> list[Driven]:
        client = self.client(**environment)
        try:
            return client.worker(pool=pool).tick()
        finally:
            client.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    stack: list[Client] = []
    yield Site(tmp_path, stack)
    for client in stack:
        client.close()


def statuses(driven: list[Driven]) -> dict[str, str | None]:
    return {one.run_id: None if one.run is None else one.run.status for one in driven}


def test_a_tick_drives_every_interrupted_run_once(site: Site) -> None:
    site.started(PLAIN, "plain-1")
    site.started(NAP, "nap-1")
    assert statuses(site.tick()) == {"plain-1": "completed", "nap-1": "waiting"}
    assert site.tick() == []


def test_a_tick_drives_what_sleeps_once_its_time_has_come(site: Site) -> None:
    site.started(NAP, "nap-1")
    site.tick()
    site.clock.advance(3599)
    assert site.tick() == []
    site.clock.advance(1)
    (driven,) = site.tick()
    assert driven.run is not None
    assert (driven.run.status, driven.run.value["result"]) == ("completed", "rested")
    assert [entry["entry"] for entry in site.client().inspect("nap-1").entries].count("timer_fired") == 1


def test_a_tick_takes_an_answer_up(site: Site) -> None:
    site.started(GATE, "gate-1")
    site.tick()
    assert site.tick() == []
    site.client().send("gate-1", event="go", payload=7)
    assert statuses(site.tick()) == {"gate-1": "completed"}


def test_what_another_process_drives_is_left_to_it(site: Site) -> None:
    site.started(PLAIN, "plain-1")
    other = site.client()
    hold = other._driver.acquired("plain-1")
    assert hold is not None
    assert site.tick() == []
    other.close()
    assert statuses(site.tick()) == {"plain-1": "completed"}


def test_what_cannot_be_driven_here_is_put_off_longer_each_time_and_in_this_pool_alone(site: Site) -> None:
    site.started(SECRET, "secret-1")
    for seconds in BACKOFFS:
        (driven,) = site.tick()
        assert driven.run is None
        assert driven.error is not None
        assert driven.error["code"] == "ERR_SECRET_UNAVAILABLE"
        assert driven.next_try_at is not None
        assert (driven.next_try_at - site.clock.now()).total_seconds() == seconds
        site.clock.advance(seconds - 0.001)
        assert site.tick() == []
        site.clock.advance(0.001)
    assert site.client().get("secret-1").status == "interrupted"
    (elsewhere,) = site.tick(pool="other")
    assert elsewhere.next_try_at is not None
    assert (elsewhere.next_try_at - site.clock.now()).total_seconds() == 2


def test_a_run_that_could_be_driven_at_last_is_put_off_no_more(site: Site) -> None:
    site.started(SECRET, "secret-1")
    site.tick()
    site.clock.advance(2)
    assert statuses(site.tick(THE_TOKEN="abcdefgh")) == {"secret-1": "completed"}
    assert site.client()._place.store.backoffs() == []


def test_one_run_that_cannot_be_driven_does_not_hold_up_the_others(site: Site) -> None:
    site.started(SECRET, "secret-1")
    site.started(PLAIN, "plain-1")
    assert statuses(site.tick()) == {"secret-1": None, "plain-1": "completed"}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_worker_drives_what_is_due_until_it_is_stopped(site: Site, concurrency: int) -> None:
    names = {f"plain-{number}" for number in range(4)}
    for name in names:
        site.started(PLAIN, name)
    left, done = set(names), threading.Event()

    def told(driven: Driven) -> None:
        left.discard(driven.run_id)
        if not left:
            done.set()

    client = site.client()
    worker = client.worker(concurrency=concurrency, told=told)
    working = threading.Thread(target=worker.work)
    working.start()
    assert done.wait(60)
    assert [(one.kind, one.pool) for one in client._place.store.drivers()] == [("worker", "default")]
    done.clear()
    left.add("plain-late")  # first: it may be driven the moment it is there
    site.started(PLAIN, "plain-late")
    assert done.wait(60)
    worker.stop()
    working.join(60)
    assert not working.is_alive()
    assert {client.get(name).status for name in {*names, "plain-late"}} == {"completed"}


def test_a_store_that_fails_before_a_run_is_driven_leaves_it_free(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.started(PLAIN, "plain-1")
    client = site.client()
    head, answers = client._place.store.head, iter([StoreUnavailable("it is gone")])

    def failing_once(run_id: RunId) -> RunHead:
        for error in answers:
            raise error
        return head(run_id)

    monkeypatch.setattr(client._place.store, "head", failing_once)
    (driven,) = client.worker().tick()
    assert driven.error is not None
    assert driven.error["code"] == "ERR_STORE_UNAVAILABLE"
    site.clock.advance(2)
    assert statuses(site.tick()) == {"plain-1": "completed"}  # while the first process lives


def test_a_run_that_others_drove_since_it_was_listed_is_left_alone(site: Site) -> None:
    for text, run_id in ((PLAIN, "a-first"), (PLAIN, "b-done"), (NAP, "c-nap"), (PLAIN, "d-gone"), (PLAIN, "e-last")):
        site.started(text, run_id)
    other, told, lengths = site.client(), list[str](), dict[str, int]()

    def first_told(driven: Driven) -> None:
        told.append(driven.run_id)
        if driven.run_id == "e-last":
            worker.stop()
            return
        for run_id in ("b-done", "c-nap", "d-gone"):
            other.resume(run_id)
        other.delete("d-gone")
        lengths.update({run_id: len(other.inspect(run_id).entries) for run_id in ("b-done", "c-nap")})

    worker = site.client().worker(told=first_told)
    worker.work()
    assert told == ["a-first", "e-last"]
    assert {run_id: len(other.inspect(run_id).entries) for run_id in lengths} == lengths
    assert other.get("c-nap").status == "waiting"
