"""The promises of `sleep`: an instant, fixed once, and refusals of what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.clock import to_text
from frontends.running import run

AFTER = "\n- {id: e, kind: end, result: '${steps.s}'}"


def test_it_parks_until_its_time_has_passed_and_has_no_outputs(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: s, kind: sleep, seconds: 90}" + AFTER)
    assert (ran.status, ran.open) == ("waiting", ["s"])
    assert ran.pass_time(89.9).status == "waiting"
    assert ran.pass_time(0.1).result == {"status": "completed", "outputs": None}


def test_the_instant_is_fixed_when_the_step_is_first_reached(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: s, kind: sleep, seconds: '${inputs.n * 2}'}" + AFTER, {"n": 30})
    ran.pass_time(40).pass_time(19)
    assert ran.status == "waiting"
    assert len(ran.entries("timer_set")) == 1
    assert ran.pass_time(1).status == "completed"


def test_until_takes_an_instant_with_any_offset(tmp_path: Path) -> None:
    ran = run(tmp_path, "- {id: s, kind: sleep, until: '${inputs.at}'}" + AFTER, {"at": "2030-01-01T03:00:00+02:00"})
    assert ran.pass_time(3599).status == "waiting"
    assert ran.pass_time(1).status == "completed"


@pytest.mark.parametrize("field", ["seconds: 0", "until: '2001-01-01'", "seconds: '${inputs.zero}'"])
def test_a_time_that_has_passed_does_not_park(tmp_path: Path, field: str) -> None:
    ran = run(tmp_path, f"- {{id: s, kind: sleep, {field}}}" + AFTER, {"zero": 0.0})
    assert ran.status == "completed"
    assert ran.entries("run_parked") == []


@pytest.mark.parametrize("value", [-1, "5", True, None, 1e300, [1]])
def test_seconds_that_are_no_duration_fail_the_step(tmp_path: Path, value: object) -> None:
    ran = run(tmp_path, "- {id: s, kind: sleep, seconds: '${inputs.x}'}", {"x": value})  # type: ignore[dict-item]
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "s")


@pytest.mark.parametrize(
    "value", ["", "tomorrow", None, 5, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", {}]
)
def test_an_until_that_is_no_instant_fails_the_step(tmp_path: Path, value: object) -> None:
    ran = run(tmp_path, "- {id: s, kind: sleep, until: '${inputs.x}'}", {"x": value})  # type: ignore[dict-item]
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "s")


def test_sleeps_side_by_side_end_each_at_its_own_time(tmp_path: Path) -> None:
    steps = """
- id: f
  kind: foreach
  items: inputs.l
  max_parallel: 3
  body: [{id: s, kind: sleep, seconds: "${item}"}, {id: t, kind: set, values: {after: "${item}"}}]
"""
    ran = run(tmp_path, steps, {"l": [30, 10, 20]})
    for expected in (["f[0]/s", "f[2]/s"], ["f[0]/s"], []):
        assert ran.pass_time(10).open == expected
    fired = [entry["key"] for entry in ran.entries("timer_fired")]
    assert fired == ["f[1]/s", "f[2]/s", "f[0]/s"]
    assert to_text(ran.clock.now()).startswith("2030-01-01T00:00:30")
