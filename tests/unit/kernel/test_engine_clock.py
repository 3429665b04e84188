"""A clock that is set back: nothing fires early or twice, nothing that was decided is undone, and nothing fails."""

from datetime import timedelta

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.run import Expired
from checkpointflow.testing.clock import FakeClock
from unit.kernel.driving import World, call, event, fails, tries


class WaywardClock(FakeClock):
    def set_back(self, seconds):
        self._now -= timedelta(seconds=seconds)


async def sleeping(run):
    await run.step("s", call())
    await run.sleep("nap", timedelta(seconds=1000))
    return "rested"


async def asking(run):
    answer = await run.wait("gate", event(timeout_seconds=100))
    return "too late" if isinstance(answer, Expired) else answer.payload


@pytest.fixture
def world():
    return World(clock=WaywardClock())


def names(world, cls):
    return [entry for entry in world.entries() if isinstance(entry, cls)]


def test_a_sleep_ends_at_the_instant_that_was_fixed_and_once(world):
    assert world.drive(sleeping).status == "waiting"
    due_at = world.waits()[0].due_at
    world.clock.set_back(5000)
    assert world.drive(sleeping).status == "waiting"
    assert world.waits()[0].due_at == due_at
    world.clock.advance((due_at - world.clock.now()).total_seconds())
    assert world.drive(sleeping).status == "completed"
    world.clock.set_back(5000)
    assert world.drive(sleeping).status == "completed"
    assert len(names(world, e.TimerFired)) == 1
    assert world.result() == "rested"


def test_a_deadline_that_has_passed_stays_so(world):
    world.drive(asking)
    world.clock.advance(100)
    world.drive(asking, aftermath=lambda _entries, _release: world.clock.set_back(1000))
    assert world.result() == "too late"
    assert [entry.cause for entry in names(world, e.WaitClosed)] == ["expired"]


def test_an_answer_by_a_clock_that_was_set_back_is_in_time(world):
    world.drive(asking)
    world.clock.advance(99)
    world.clock.set_back(1000)
    assert world.answer(7).outcome == "accepted"
    assert world.drive(asking).status == "completed"
    assert world.result() == 7


def test_the_time_of_execution_is_never_negative(world):
    def back(_entries, release):
        if not release:
            world.clock.set_back(1000)

    world.drive(sleeping, aftermath=back)
    assert [entry.elapsed_seconds for entry in names(world, e.RunParked)] == [0.0]


def test_a_retry_comes_later_and_is_not_lost(world):
    async def flow(run):
        await run.step("s", call(retry=tries(2, backoff_seconds=1000)))
        return "done"

    assert world.drive(flow, {"s": [fails()]}).status == "waiting"
    world.clock.set_back(5000)
    assert world.drive(flow).status == "waiting"
    assert world.executor.keys == []
    world.clock.advance(6000)
    assert world.drive(flow).status == "completed"
    assert [effect.context.attempt for effect in world.executor.started] == [2]
