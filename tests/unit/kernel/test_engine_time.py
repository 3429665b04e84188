"""Time: sleeps, and retries with their backoffs, waited for in the process or parked."""

from datetime import timedelta
from itertools import pairwise

import pytest

from checkpointflow.clock import LAST
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.retry import RetryPolicy
from unit.kernel.driving import World, call, event, fails, ok, output, times_out, tries


def sleeping(seconds):
    async def flow(run):
        await run.sleep("nap", timedelta(seconds=seconds))
        return str(run.now())

    return flow


def test_a_sleep_up_to_the_inline_limit_is_waited_for_in_the_process():
    world = World(inline_wait_seconds=60)
    began = world.clock.now()
    assert world.drive(sleeping(60)).status == "completed"
    assert (world.clock.now() - began).total_seconds() == pytest.approx(60)
    assert world.journal() == ["timer_set nap", "timer_fired nap", "value_recorded %now", "run_completed"]


def test_a_sleep_above_the_inline_limit_parks():
    world = World(inline_wait_seconds=60)
    assert world.drive(sleeping(60.5)).status == "waiting"
    (wait,) = world.waits()
    assert (wait.kind, wait.key, (wait.due_at - wait.opened_at).total_seconds()) == ("timer", "nap", 60.5)
    assert world.journal() == ["timer_set nap", "run_parked"]


def test_a_parked_sleep_fires_when_anyone_drives_once_it_is_due():
    world = World()
    world.drive(sleeping(1000))
    world.clock.advance(900)
    assert world.drive(sleeping(1000)).status == "waiting"
    world.clock.advance(100)
    assert world.drive(sleeping(1000)).status == "completed"


def test_what_is_left_of_a_sleep_is_waited_for_when_it_is_short_enough():
    world = World(inline_wait_seconds=60)
    world.drive(sleeping(1000))
    world.clock.advance(940)
    assert world.drive(sleeping(1000)).status == "completed"


def test_the_engine_fixes_the_instant_of_a_sleep():
    world = World()
    world.drive(sleeping(1000))
    due_at = world.waits()[0].due_at
    world.clock.advance(500)
    world.drive(sleeping(1000))
    assert world.waits()[0].due_at == due_at


def test_a_sleep_may_name_its_instant_and_one_in_the_past_is_over_at_once():
    world = World()
    noon, past = world.clock.now() + timedelta(hours=12), world.clock.now() - timedelta(hours=1)

    async def flow(run):
        await run.sleep("back", past)
        await run.sleep("nap", noon)

    assert world.drive(flow).status == "waiting"
    assert world.waits()[0].due_at == noon
    assert "timer_fired back" in world.journal()


def test_an_instant_without_a_zone_is_an_error_of_the_workflow():
    world = World()
    naive = world.clock.now().replace(tzinfo=None) + timedelta(hours=1)

    async def flow(run):
        await run.sleep("nap", naive)

    assert world.drive(flow).status == "failed"


def test_sleeps_fire_in_the_order_in_which_they_are_due():
    world, woken = World(), []

    async def flow(run):
        scope = run.scope("fan", "parallel")

        async def member(inner, seconds):
            await inner.sleep("nap", timedelta(seconds=seconds))
            woken.append(seconds)

        seconds = [30, 10, 20]
        fibers = [scope.spawn(lambda inner, s=s: member(inner, s), item=s) for s in seconds]
        for fiber in fibers:
            await fiber

    world.drive(flow)
    assert woken == [10, 20, 30]


def test_a_deadline_is_not_waited_for_because_whoever_answers_has_to_be_told():
    world = World(inline_wait_seconds=60)

    async def flow(run):
        await run.wait("gate", event(timeout_seconds=5))

    assert world.drive(flow).status == "waiting"


def test_a_long_sleep_beside_a_short_one_parks_when_only_it_is_left():
    world = World(inline_wait_seconds=60)

    async def flow(run):
        scope = run.scope("fan", "parallel")
        naps = [scope.spawn(lambda inner, s=s: sleeping(s)(inner), item=s) for s in (1000, 10)]
        for fiber in naps:
            await fiber

    assert world.drive(flow).status == "waiting"
    assert world.journal()[-3:] == ["timer_fired fan[10]/nap", "value_recorded fan[10]/%now", "run_parked"]
    assert [wait.key for wait in world.waits()] == ["fan[1000]/nap"]


# -- retries ---------------------------------------------------------------------------------------


def retrying(retry, name="s"):
    async def flow(run):
        return await output(run, name, retry=retry)

    return flow


def test_a_retry_waits_for_its_backoff_in_the_process():
    world = World(inline_wait_seconds=60)
    world.drive(retrying(tries(3, 30)), {"s": [fails("one"), fails("two"), ok("well")]})
    assert world.result() == "well"
    started = [x.at for x in world.entries() if isinstance(x, e.StepStarted)]
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(started)]
    assert gaps == pytest.approx([30, 30])
    assert [effect.context.attempt for effect in world.executor.started] == [1, 2, 3]


def test_a_long_backoff_parks_as_a_timer():
    world = World(inline_wait_seconds=60)
    flow = retrying(tries(2, 600))
    assert world.drive(flow, {"s": [fails()]}).status == "waiting"
    (wait,) = world.waits()
    assert (wait.kind, wait.key, wait.wait_id) == ("timer", "s", None)
    assert (wait.due_at - world.clock.now()).total_seconds() == pytest.approx(600)
    assert world.drive(flow).status == "waiting"
    world.clock.advance(600)
    assert world.drive(flow, {"s": [ok("well")]}).status == "completed"
    assert world.waits() == []
    assert [x.attempt for x in world.entries() if isinstance(x, e.StepStarted)] == [1, 2]


def test_a_long_backoff_is_waited_for_while_other_work_goes_on():
    world = World(inline_wait_seconds=1)

    async def flow(run):
        scope = run.scope("fan", "parallel")
        flaky = scope.spawn(lambda inner: output(inner, "s", retry=tries(2, 3)), item=0)
        slow = scope.spawn(lambda inner: output(inner, "t"), item=1)
        await flaky
        return await slow

    world.drive(
        flow,
        {"fan[0]/s": [fails()]},
        order=lambda keys: [key for key in keys if key == "fan[0]/s" or len(world.executor.started) == 3][:1],
    )
    assert world.result() == "fan[1]/t"
    assert "run_parked" not in world.journal()


def test_a_retry_gives_up_after_max_attempts_with_the_last_error():
    world = World()
    assert world.drive(retrying(tries(2)), {"s": [fails("one"), fails("two")]}).status == "failed"
    assert world.state().failure["message"] == "two"
    assert world.journal()[-3:] == ["step_started s 2", "step_failed s", "run_failed"]


def test_a_retry_is_for_the_errors_that_it_names():
    policy = RetryPolicy(max_attempts=5, on=("timeout", "exit:75"))
    world = World()
    world.drive(retrying(policy), {"s": [times_out(), fails(exit_code=75), fails(exit_code=1)]})
    assert [effect.context.attempt for effect in world.executor.started] == [1, 2, 3]
    assert world.state().failure["details"] == {"exit_code": 1}


def test_a_reported_failure_of_a_step_that_runs_once_is_retried_too():
    async def flow(run):
        return await output(run, "s", once=True, retry=tries(2))

    world = World()
    world.drive(flow, {"s": [fails(), ok("well")]})
    assert world.result() == "well"


def test_the_failures_of_earlier_drives_count():
    world, flow = World(), retrying(tries(2, 600))
    world.drive(flow, {"s": [fails("one")]})
    world.clock.advance(600)
    assert world.drive(flow, {"s": [fails("two")]}).status == "failed"


def test_a_member_whose_retry_is_pending_can_be_cancelled():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        flaky = scope.spawn(lambda inner: output(inner, "s", retry=tries(2, 30)), item=0)
        await run.step("a", call())
        await run.sleep("nap", timedelta(seconds=1))
        flaky.cancel()
        await run.sleep("nap", timedelta(seconds=50))

    world = World()
    assert world.drive(flow, {"fan[0]/s": [fails()]}).status == "completed"
    assert world.executor.keys == ["a", "fan[0]/s"]
    assert "step_interrupted fan[0]/s stopped" in world.journal()


def test_what_would_be_later_than_the_last_year_is_due_at_its_end():
    world = World()
    world.drive(sleeping(8000 * 366 * 86400))
    (wait,) = world.waits()
    assert wait.due_at == LAST
