"""A process that drives a run in PostgreSQL and loses its connections: it ends what it had begun, and others go on."""

import json
import signal
from pathlib import Path

import pytest
from test_documents_killed import EVERY_KIND, KEYS, NESTED, ONCE, RESULT, RUN, Shop

from postgres_server import end_sessions

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")

CUTS = ["all", "proof", "work"]
"""Which sessions are cut: all, the one that proves that the driver lives, or those that it works with."""


@pytest.fixture
def shop(tmp_path, postgres_url):
    return Shop(tmp_path, postgres_url)


def begun(shop, victim, *arguments):
    """Start a command and return its process once the victim has begun."""
    process = shop.start(*arguments, VICTIM=victim)
    assert shop.begun.read_text() == victim
    return process


def error_of(process):
    """Return the error with which a process ended by itself."""
    stdout, stderr = process.communicate(timeout=60)
    envelope = json.loads(stdout)
    assert envelope["exit_code"] == process.returncode, stderr
    assert "Traceback" not in stderr
    return process.returncode, envelope["error"]["code"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("victim", ["first", 'fan["right"]/inner', "last"])
def test_a_driver_that_lost_its_connection_ends_its_steps_and_another_completes_the_run(shop, victim, cut):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    process = begun(shop, victim, "run", "-f", "doc.yaml", "--run-id", RUN)
    end_sessions(shop.store, cut)
    assert error_of(process) in ((60, "ERR_STORE_UNAVAILABLE"), (70, "ERR_JOURNAL_CONFLICT"))
    assert not shop.is_running(victim.replace("/", "|"))
    assert shop.cpf("status", "--run-id", RUN)["status"] == "interrupted"
    envelope = shop.cpf("resume", "--run-id", RUN)
    assert (envelope["status"], envelope["result"]) == ("completed", RESULT)
    after = shop.performed()
    assert len(after) == len(set(after))
    again = {line.removesuffix(" 2") for line in after if line.endswith(" 2")}
    beside = {key for key in KEYS if key.startswith("fan") and victim.startswith("fan")}
    assert {victim} <= again <= beside | {victim}


@pytest.mark.parametrize("cut", CUTS)
def test_a_step_that_may_run_only_once_is_in_doubt_when_its_driver_lost_its_connection(shop, cut):
    shop.write(ONCE)
    process = begun(shop, "pay", "run", "-f", "doc.yaml", "--run-id", RUN)
    end_sessions(shop.store, cut)
    error_of(process)
    assert not shop.is_running("pay")
    envelope = shop.cpf("resume", "--run-id", RUN)
    assert (envelope["exit_code"], envelope["wait"]["kind"], envelope["wait"]["step_key"]) == (40, "in_doubt", "pay")
    assert shop.performed() == ["before 1", "pay 1"]


def test_whoever_follows_a_run_takes_it_over_from_a_driver_that_was_cut_off(shop):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    driver = begun(shop, "last", "run", "-f", "doc.yaml", "--run-id", RUN)
    follower = shop.start("resume", "--run-id", RUN)
    end_sessions(shop.store, "proof")
    error_of(driver)
    stdout, stderr = follower.communicate(timeout=60)
    envelope = json.loads(stdout)
    if "error" in envelope:  # its own connection was cut as well: it came in time
        envelope = shop.cpf("resume", "--run-id", RUN)
    assert (envelope["status"], envelope["result"]) == ("completed", RESULT), stderr
    assert shop.performed().count("last 2") == 1
    assert len(shop.performed()) == len(set(shop.performed()))


def test_a_worker_that_was_cut_off_goes_on_by_itself(shop):
    shop.write(NESTED, "nested.yaml")
    shop.write(EVERY_KIND)
    shop.kill_during("first", "run", "-f", "doc.yaml", "--run-id", RUN)
    worker = begun(shop, "last", "worker")
    end_sessions(shop.store, "all")
    shop.cpf("resume", "--run-id", RUN)  # follows the worker, or takes over if that is later
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert shop.cpf("status", "--run-id", RUN)["result"] == RESULT
    assert len(shop.performed()) == len(set(shop.performed()))
