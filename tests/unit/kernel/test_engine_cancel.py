"""Cancelling and pausing a run, whatever it is at."""

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.surroundings import Interrupt
from unit.kernel.driving import (
    RUN,
    Holds,
    World,
    before,
    before_release,
    call,
    event,
    fails,
    ok,
    output,
    tries,
)


async def busy(run):
    """A scope with a wait in it, beside a step."""
    scope = run.scope("fan", "parallel")
    scope.spawn(lambda inner: gate(inner), item=0)
    await run.step("s", call())
    await run.step("t", call())
    await run.wait("last", event("last"))


async def gate(run):
    return (await run.wait("gate", event())).payload


def assert_cancelled(world):
    assert world.status() == "cancelled"
    (last,) = [x for x in world.entries() if isinstance(x, e.RunCancelled)]
    assert last is world.entries()[-1] or last == world.entries()[-1]
    assert (last.actor, last.reason) == ("ann", "enough")
    assert world.is_free()
    assert world.waits() == []
    assert world.store.pending(RUN) == ()


def test_a_waiting_run_can_be_cancelled():
    world = World()
    world.drive(busy)
    world.cancel()
    assert world.drive(busy).status == "cancelled"
    assert_cancelled(world)
    assert world.journal()[-4:] == [
        "wait_closed fan[0]/gate cancelled",
        "wait_closed last cancelled",
        "scope_closed fan cancelled",
        "run_cancelled",
    ]


def test_cancelling_needs_none_of_the_workflows_code():
    world, entered = World(), []

    async def flow(run):
        entered.append(run)

    world.cancel()
    assert world.drive(flow).status == "cancelled"
    assert entered == []


def test_an_interrupted_run_can_be_cancelled():
    world = World()
    world.die_in(busy, "s")
    world.cancel()
    assert world.drive(busy).status == "cancelled"
    assert_cancelled(world)
    assert world.executor.orphans == [{"s": 1}]
    assert "step_interrupted s cancelled" in world.journal()


def test_a_paused_run_can_be_cancelled():
    world = World()
    pause(world, busy)
    world.cancel()
    assert world.drive(busy).status == "cancelled"
    assert_cancelled(world)


def test_a_run_whose_step_is_in_doubt_can_be_cancelled():
    async def flow(run):
        await output(run, "s", once=True)

    world = World()
    world.die_in(flow, "s")
    world.drive(flow)
    world.cancel()
    world.drive(flow)
    assert_cancelled(world)


def test_a_run_whose_retry_is_pending_can_be_cancelled():
    async def flow(run):
        await output(run, "s", retry=tries(2, 600))

    world = World()
    world.drive(flow, {"s": [fails()]})
    world.cancel()
    world.drive(flow)
    assert_cancelled(world)


def test_a_running_run_can_be_cancelled_and_its_effect_is_ended():
    world = World()
    assert world.drive(busy, {"s": [Holds()]}, meanwhile=[world.cancel]).status == "cancelled"
    assert world.executor.stopped == ["s"]
    assert_cancelled(world)


def test_an_effect_that_ended_well_in_spite_of_the_cancellation_is_recorded():
    world = World()
    world.drive(busy, {"s": [Holds()]}, meanwhile=[world.cancel], late={"s": ok(1)})
    assert "step_completed s" in world.journal()
    assert_cancelled(world)


@pytest.mark.parametrize("name", ["step_started s", "step_completed s", "step_completed t", "run_parked"])
def test_a_cancellation_while_a_commit_is_under_way_is_heeded(name):
    world = World()
    assert world.drive(busy, ambush=before(name, world.cancel)).status == "cancelled"
    assert_cancelled(world)
    assert ("step_completed s" in world.journal()) == (name != "step_started s")
    assert "step_started t 2" not in world.journal()


def test_a_cancellation_against_the_last_commit_is_heeded():
    async def flow(run):
        await run.step("s", call())

    world = World()
    assert world.drive(flow, ambush=before("run_completed", world.cancel)).status == "cancelled"
    assert world.journal() == ["step_started s 1", "step_completed s", "run_cancelled"]


def test_an_answer_that_came_before_the_cancellation_is_recorded():
    world = World()
    world.drive(busy)
    world.answer("yes")
    world.cancel()
    world.drive(busy)
    assert_cancelled(world)
    assert "event_received fan[0]/gate" in world.journal()
    assert "wait_closed fan[0]/gate cancelled" not in world.journal()


def test_an_answer_right_before_the_cancellation_is_committed_is_recorded():
    world = World()
    world.drive(busy)
    world.cancel()
    world.drive(busy, ambush=before_release(lambda: world.answer("yes")))
    assert_cancelled(world)
    assert "event_received fan[0]/gate" in world.journal()


def test_a_second_cancellation_and_a_decision_are_taken_along():
    world = World()
    world.drive(busy)
    world.cancel()

    def more():
        world.cancel("me too")
        world.decide("s", "done")

    world.drive(busy, ambush=before_release(more))
    assert_cancelled(world)
    assert {message.state for message in world.store.messages(RUN)} == {"taken"}


def test_a_settled_run_takes_no_cancellation():
    async def flow(run):
        return None

    world = World()
    world.drive(flow)
    assert world.cancel().outcome == "settled"


def test_nothing_stands_behind_a_cancellation():
    world = World()
    world.drive(busy, {"s": [Holds()]}, meanwhile=[world.cancel])
    length = len(world.entries())
    assert world.drive(busy).status == "cancelled"
    assert len(world.entries()) == length


# -- pausing ---------------------------------------------------------------------------------------


def pause(world, flow, **options):
    interrupt = Interrupt()
    outcome = world.drive(
        flow, {"s": [Holds()]}, meanwhile=[lambda: interrupt.ask("ann")], interrupt=interrupt, **options
    )
    assert outcome.status in ("paused", "cancelled")
    return outcome


def test_a_pause_ends_the_effects_and_gives_the_run_up():
    world = World()
    assert pause(world, busy).status == "paused"
    assert world.executor.stopped == ["s"]
    assert world.journal()[-2:] == ["step_interrupted s paused", "run_paused"]
    assert world.status() == "paused"
    assert world.is_free()
    (paused,) = [x for x in world.entries() if isinstance(x, e.RunPaused)]
    assert paused.actor == "ann"


def test_a_paused_run_keeps_its_waits_and_takes_answers():
    world = World()
    pause(world, busy)
    assert [wait.key for wait in world.waits()] == ["fan[0]/gate"]
    assert world.answer().outcome == "accepted"
    world.drive(busy)
    assert "event_received fan[0]/gate" in world.journal()


def test_whoever_drives_a_paused_run_first_appends_run_resumed():
    world = World()
    pause(world, busy)
    paused = len(world.journal())
    assert world.drive(busy).status == "waiting"
    assert world.journal()[paused] == "run_resumed"
    assert world.journal().count("run_resumed") == 1
    (resumed,) = [x for x in world.entries() if isinstance(x, e.RunResumed)]
    assert resumed.actor == "driver"
    world.drive(busy)
    assert world.journal().count("run_resumed") == 1


def test_a_run_can_be_paused_before_anything_began():
    interrupt = Interrupt()
    interrupt.ask()
    world = World()
    assert world.drive(busy, interrupt=interrupt).status == "paused"
    assert world.journal() == ["run_paused"]
    assert world.executor.keys == []


def test_an_answer_that_comes_before_a_pause_is_committed_is_taken_up():
    world = World()
    pause(world, busy, ambush=before_release(lambda: world.answer("yes")))
    assert world.journal()[-3:] == ["step_interrupted s paused", "event_received fan[0]/gate", "run_paused"]


def test_a_cancellation_that_comes_before_a_pause_is_committed_wins():
    world = World()
    assert pause(world, busy, ambush=before_release(world.cancel)).status == "cancelled"
    assert_cancelled(world)


def test_asking_for_a_pause_wakes_the_drive():
    woken = []
    interrupt = Interrupt()
    interrupt.connect(lambda: woken.append(True))
    interrupt.ask("ann")
    assert woken == [True]
