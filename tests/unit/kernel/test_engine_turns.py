"""A drive that is given turns, by a caller that must not be blocked; and performers that die while it goes on."""

from datetime import timedelta

import pytest

from checkpointflow.errors import UnsupportedError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.asks import JournaledRun
from checkpointflow.kernel.effects import Lost
from checkpointflow.kernel.engine import Drive
from unit.kernel.driving import RUN, Flow, World, event, ok, output


def turned(world, function, script=None, **surroundings):
    """Return a drive of the world's run that stays, begun and not yet turned."""
    world.executor = world.new_executor(script or {})
    hold = world.store.acquire(RUN, world.store.holder(), at=world.clock.now())
    drive = Drive(Flow(function), hold, world._surroundings(world.store, None, stays=True, **surroundings))
    drive.begin()
    return drive


async def asks(run):
    first = await run.wait("a", event())
    done = await output(run, "s")
    second = await run.wait("b", event())
    return [first.payload, done, second.payload]


def test_a_drive_that_stays_goes_on_after_it_parked_with_the_same_pass():
    world = World()
    drive = turned(world, asks)
    assert drive.turn().status == world.status() == "waiting"
    assert drive.turn().status == "waiting"
    world.answer(1)
    drive.absorb()
    assert drive.turn() is None  # the step is under way
    drive.absorb()
    assert drive.turn().status == "waiting"
    world.answer(2)
    drive.absorb()
    assert drive.turn().status == "completed"
    drive.close()
    assert world.result() == [1, "s", 2]
    assert world.is_free()
    assert world.journal().count("run_parked") == 2


def test_human_time_between_turns_is_no_time_of_the_drive():
    world = World()
    drive = turned(world, asks)
    drive.turn()
    world.clock.advance(timedelta(days=3).total_seconds())
    world.answer(1)
    drive.absorb()
    drive.turn()
    drive.absorb()
    drive.turn()
    parked = [entry.elapsed_seconds for entry in world.entries() if isinstance(entry, e.RunParked)]
    assert parked == [0.0, 0.0]
    drive.close()


def test_a_drive_says_when_the_next_time_comes():
    async def sleeps(run):
        await run.sleep("nap", timedelta(hours=2))
        return "rested"

    world = World()
    drive = turned(world, sleeps)
    assert drive.due_at is None
    assert drive.turn().status == "waiting"
    assert drive.due_at == world.clock.now() + timedelta(hours=2)
    world.clock.advance(7200)
    assert drive.turn().status == "completed"
    drive.close()


def test_an_engine_that_cannot_go_on_fails_the_run_with_its_reason():
    world = World()
    drive = turned(world, asks)
    drive.turn()
    world.answer(1)
    assert drive.fail(UnsupportedError("not here")).status == world.status() == "failed"
    drive.close()
    assert world.store.head(RUN).error["code"] == "ERR_UNSUPPORTED"
    assert world.store.pending(RUN) == ()


def test_uuids_may_be_minted_elsewhere():
    async def minted(run: JournaledRun):
        return [run.uuid4(), run.uuid4()]

    world = World()
    numbers = iter("ab")
    drive = turned(world, minted, mint_uuid=lambda: next(numbers))
    assert drive.turn().status == "completed"
    drive.close()
    assert world.result() == ["a", "b"]


# -- performers ------------------------------------------------------------------------------------


def stepping(*, once=False):
    async def flow(run):
        return await output(run, "s", once=once)

    return flow


def test_a_step_whose_performer_died_is_tried_again_as_after_the_death_of_a_holder():
    world = World()
    assert world.drive(stepping(), {"s": [Lost(), Lost(), ok("well")]}).status == "completed"
    interrupted = [name for name in world.journal() if name.startswith("step_interrupted")]
    assert interrupted == ["step_interrupted s holder_died"] * 2


@pytest.mark.parametrize(("once", "deeds"), [(True, [Lost()]), (False, [Lost()] * 3)])
def test_it_is_in_doubt_if_it_runs_once_or_took_three_performers_with_it(once, deeds):
    world = World()
    assert world.drive(stepping(once=once), {"s": deeds}).status == "waiting"
    assert [wait.kind for wait in world.waits()] == ["in_doubt"]


@pytest.mark.parametrize(("once", "status"), [(False, "completed"), (True, "waiting")])
def test_a_performer_that_was_stopped_leaves_an_attempt_that_does_not_count(once, status):
    world = World()
    assert world.drive(stepping(once=once), {"s": [Lost(is_drained=True)] * (1 if once else 4)}).status == status
    causes = {entry.cause for entry in world.entries() if isinstance(entry, e.StepInterrupted)}
    assert causes == {"drained"}
