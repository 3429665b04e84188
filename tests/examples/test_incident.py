"""The runbook: what each question tells, the deadline that nobody meets, the report that is left."""

import json
import os
import stat
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.testing.clock import FakeClock
from examples.stories import EXAMPLES, settings

INPUT = {"service": "shop", "folder": "shop", "big_kib": 1}
ODD = "$(touch pwned) 'x'.log"
MEND, LEAVE = {"decision": "mend", "reason": "it is full"}, {"decision": "leave"}


@pytest.fixture
def place(tmp_path):
    place = settings(tmp_path)
    shop = Path(place.cwd) / "shop"
    shop.mkdir()
    for name in ("big.log", ODD):
        (shop / name).write_text(f"{'x' * 2000}\nlast of {name}\n")
    (shop / "old.lock").write_text("4711\n")
    os.utime(shop / "old.lock", (0, 0))
    return place


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def client(place, clock):
    with Client(place, clock=clock) as opened:
        yield opened


@pytest.fixture
def started(client):
    return client.run(load_file(EXAMPLES / "incident.yaml", cwd="/"), dict(INPUT))


def questions(view):
    """Return the open waits in the order of the findings; which is opened first is open."""
    return sorted(view.waits, key=lambda wait: wait.step_key)


def answered(client, view, *answers):
    for wait, answer in zip(questions(view), answers, strict=False):
        view = client.resume(view.run_id, wait=wait.wait_id, payload=answer, has_payload=True).run
    return view


def report(place):
    return json.loads((Path(place.cwd) / "incident.json").read_text())


def test_every_finding_is_asked_about_with_its_evidence_remedy_and_deadline(started):
    assert started.status == "waiting"
    assert [wait.summary for wait in questions(started)] == [
        f"shop: big log `{ODD}`, remedy: put it aside as .1",
        "shop: big log `big.log`, remedy: put it aside as .1",
        "shop: old lock `old.lock`, remedy: remove it",
    ]
    assert [f"last of {ODD}", "last of big.log", "4711"] == [
        wait.prompt.partition("\n\nThe remedy")[0].strip().splitlines()[-1] for wait in questions(started)
    ]
    for wait in started.waits:
        assert (wait.audience, wait.risk_level) == ("user", "high")
        assert (wait.due_at - wait.opened_at).total_seconds() == 900
        assert "`mend` does that now, `leave` leaves the file as it is" in wait.prompt


def test_what_was_approved_is_mended_and_the_rest_is_left(client, place, started):
    ended = answered(client, started, MEND, LEAVE, MEND)
    assert ended.value["result"] == {"status": "attention", "report": "incident.json", "errors": []}
    left = sorted(path.name for path in (Path(place.cwd) / "shop").iterdir())
    assert left == [f"{ODD}.1", "big.log"]
    assert [(one["finding"]["file"], one["status"], one["reason"]) for one in report(place)["findings"]] == [
        (ODD, "mended", "it is full"),
        ("big.log", "left", None),
        ("old.lock", "mended", "it is full"),
    ]
    assert report(place)["run"] == started.run_id
    assert not (Path(place.cwd) / "pwned").exists()


def test_a_finding_that_nobody_decides_on_in_time_is_left(client, clock, place, started):
    waiting = answered(client, started, MEND)
    clock.advance(899)
    assert client.resume(waiting.run_id).run.status == "waiting"
    clock.advance(1)
    ended = client.resume(waiting.run_id).run
    assert ended.value["result"]["status"] == "attention"
    assert [(one["status"], one["reason"]) for one in report(place)["findings"]] == [
        ("mended", "it is full"),
        ("left", "nobody decided in time"),
        ("left", "nobody decided in time"),
    ]


def test_a_remedy_that_fails_is_told_and_does_not_stop_the_others(client, place, started):
    (Path(place.cwd) / "shop" / "big.log.1").write_text("an older one")
    ended = answered(client, started, MEND, MEND, MEND)
    step = 'each["big log big.log"]/put_aside'
    assert ended.value["result"]["errors"] == [f"step `{step}` exited with code 1"]
    assert len(report(place)["findings"]) == 2
    assert (Path(place.cwd) / "shop" / "big.log").exists()
    assert client.logs(ended.run_id, step, stderr=True)[0][1].read_text() == "big.log.1 is there already\n"


def test_a_report_that_cannot_be_written_fails_the_run_and_a_retry_mends_nothing_twice(client, place, started):
    folder = Path(place.cwd) / "incident.json"
    folder.mkdir()
    failed = answered(client, started, MEND, MEND, MEND)
    assert (failed.status, failed.error["step_key"]) == ("failed", "report")
    folder.rmdir()
    ended = client.retry(failed.run_id)
    assert ended.value["result"]["status"] == "mended"
    assert stat.S_ISREG(folder.stat().st_mode)
    mends = [step for step in client.inspect(ended.run_id).step_results if "put_aside" in step.step_key]
    assert [step.attempt for step in mends] == [1, 1]
