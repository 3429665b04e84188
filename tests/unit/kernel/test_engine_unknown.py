"""Attempts whose outcome nobody saw: the table of what becomes of them, row by row, and who decides."""

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
    loses_connection,
    ok,
    output,
    times_out,
    tries,
)


def stepping(*, once=False, retry=None):
    async def flow(run):
        return await output(run, "s", once=once, retry=retry)

    return flow


def attempts(world):
    return [x.attempt for x in world.entries() if isinstance(x, e.StepStarted)]


def interruptions(world):
    return [name for name in world.journal() if name.startswith("step_interrupted")]


# -- death of the holder ---------------------------------------------------------------------------


def test_after_the_death_of_its_holder_an_idempotent_step_begins_its_next_attempt():
    world, flow = World(), stepping()
    world.die_in(flow, "s")
    assert world.drive(flow).status == "completed"
    assert attempts(world) == [1, 2]
    assert interruptions(world) == ["step_interrupted s holder_died"]
    assert world.executor.orphans == [{"s": 1}]


def test_attempts_after_a_death_are_outside_max_attempts():
    world, flow = World(), stepping(retry=tries(2))
    world.die_in(flow, "s")
    world.die_in(flow, "s")
    assert world.drive(flow, {"s": [fails("one"), ok("well")]}).status == "completed"
    assert attempts(world) == [1, 2, 3, 4]


def test_the_third_death_in_a_row_is_in_doubt():
    world, flow = World(), stepping()
    for _ in range(3):
        world.die_in(flow, "s")
    assert world.drive(flow).status == "waiting"
    assert interruptions(world)[-1] == "step_interrupted s holder_died in doubt"
    (wait,) = world.waits()
    assert (wait.kind, wait.key, wait.request) == ("in_doubt", "s", {"cause": "holder_died", "attempt": 3})
    assert attempts(world) == [1, 2, 3]


def test_deaths_that_are_not_in_a_row_do_not_add_up():
    world, flow = World(), stepping(retry=tries(5, 600))
    world.die_in(flow, "s")
    world.die_in(flow, "s")
    world.drive(flow, {"s": [fails()]})
    world.clock.advance(600)
    world.die_in(flow, "s")
    world.die_in(flow, "s")
    assert world.drive(flow).status == "completed"


def test_after_the_death_of_its_holder_a_step_that_runs_once_is_in_doubt():
    world, flow = World(), stepping(once=True)
    world.die_in(flow, "s")
    assert world.drive(flow).status == "waiting"
    assert interruptions(world) == ["step_interrupted s holder_died in doubt"]
    assert world.executor.keys == []
    assert world.drive(flow).status == "waiting"
    assert len(interruptions(world)) == 1


# -- Ctrl-C ----------------------------------------------------------------------------------------


def interrupted(world, flow, late=None):
    interrupt = Interrupt()
    outcome = world.drive(
        flow, {"s": [Holds()]}, meanwhile=[lambda: interrupt.ask("ann")], interrupt=interrupt, late=late or {}
    )
    assert outcome.status == "paused"
    assert world.executor.stopped == ["s"]


def test_after_ctrl_c_an_idempotent_step_begins_its_next_attempt_which_is_not_counted():
    world, flow = World(), stepping(retry=tries(2))
    interrupted(world, flow)
    interrupted(world, flow)
    assert world.drive(flow, {"s": [fails("one"), ok("well")]}).status == "completed"
    assert attempts(world) == [1, 2, 3, 4]
    assert interruptions(world) == ["step_interrupted s paused"] * 2


def test_after_ctrl_c_a_step_that_runs_once_is_in_doubt():
    world, flow = World(), stepping(once=True)
    interrupted(world, flow)
    assert [wait.kind for wait in world.waits()] == ["in_doubt"]
    assert world.drive(flow).status == "waiting"
    assert attempts(world) == [1]


@pytest.mark.parametrize("once", [False, True], ids=["idempotent", "once"])
def test_an_effect_that_ends_well_in_spite_of_ctrl_c_has_completed(once):
    world, flow = World(), stepping(once=once)
    interrupted(world, flow, late={"s": ok("well")})
    assert interruptions(world) == []
    world.drive(flow)
    assert world.executor.keys == []
    assert world.result() == "well"


def test_an_effect_that_fails_in_spite_of_ctrl_c_has_failed():
    world, flow = World(), stepping(retry=tries(2, 600))
    interrupted(world, flow, late={"s": fails()})
    assert world.journal()[-2:] == ["step_failed s retry", "run_paused"]


# -- timeout, connection lost ----------------------------------------------------------------------

LOST = {"timeout": times_out, "connection_lost": loses_connection}


@pytest.mark.parametrize("cause", LOST)
def test_after_a_lost_outcome_an_idempotent_step_is_retried_as_its_policy_says(cause):
    world = World()
    assert world.drive(stepping(retry=tries(2)), {"s": [LOST[cause](), ok("well")]}).status == "completed"
    assert world.journal()[1:3] == [f"step_interrupted s {cause}", "step_failed s retry"]


@pytest.mark.parametrize("cause", LOST)
def test_after_a_lost_outcome_an_idempotent_step_without_retries_fails(cause):
    world = World()
    assert world.drive(stepping(), {"s": [LOST[cause]()]}).status == "failed"
    assert world.journal()[1:] == [f"step_interrupted s {cause}", "step_failed s", "run_failed"]


@pytest.mark.parametrize("cause", LOST)
def test_after_a_lost_outcome_a_step_that_runs_once_is_in_doubt(cause):
    world = World()
    assert world.drive(stepping(once=True, retry=tries(3)), {"s": [LOST[cause]()]}).status == "waiting"
    assert world.journal()[1:] == [f"step_interrupted s {cause} in doubt", "run_parked"]


def test_a_timeout_is_raised_as_one():
    world = World()
    world.drive(stepping(), {"s": [times_out()]})
    assert world.state().failure["code"] == "ERR_TIMEOUT"


# -- cancel, stopped sibling -----------------------------------------------------------------------


@pytest.mark.parametrize("once", [False, True], ids=["idempotent", "once"])
def test_when_the_run_is_cancelled_nobody_is_asked(once):
    world = World()
    outcome = world.drive(stepping(once=once), {"s": [Holds()]}, meanwhile=[world.cancel])
    assert outcome.status == "cancelled"
    assert interruptions(world) == ["step_interrupted s cancelled"]
    assert world.waits() == []


def siblings(*, once):
    async def fail(run):
        await run.step("fail", call())

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(fail, item=0), scope.spawn(lambda inner: output(inner, "s", once=once), item=1)]
        await run.settled(fibers)
        for fiber in fibers:
            fiber.cancel()
        return fibers[0].result()

    return flow


@pytest.mark.parametrize("once", [False, True], ids=["idempotent", "once"])
def test_when_a_sibling_is_stopped_nobody_is_asked(once):
    world = World()
    outcome = world.drive(siblings(once=once), {"fan[0]/fail": [fails()], "fan[1]/s": [Holds()]})
    assert outcome.status == "failed"
    assert interruptions(world) == ["step_interrupted fan[1]/s stopped"]
    assert world.executor.stopped == ["fan[1]/s"]
    assert world.waits() == []


@pytest.mark.parametrize("how", ["cancelled", "stopped"])
def test_an_effect_that_was_ended_is_a_warning(how):
    world = World()
    if how == "cancelled":
        outcome = world.drive(stepping(), {"s": [Holds()]}, meanwhile=[world.cancel])
    else:
        outcome = world.drive(siblings(once=False), {"fan[0]/fail": [fails()], "fan[1]/s": [Holds()]})
    assert any("s`" in warning for warning in outcome.warnings)


def test_a_step_in_doubt_is_no_longer_one_when_its_member_is_cancelled():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        doubtful = scope.spawn(lambda inner: output(inner, "s", once=True), item=0)
        await run.wait("gate", event())
        doubtful.cancel()
        await run.wait("gate", event())

    world = World()
    world.drive(flow, {"fan[0]/s": [times_out()]})
    assert {wait.kind for wait in world.waits()} == {"in_doubt", "external_event"}
    world.answer()
    world.drive(flow)
    assert [wait.kind for wait in world.waits()] == ["external_event"]


# -- deciding --------------------------------------------------------------------------------------


def in_doubt():
    """A run whose step has to be decided, and its workflow."""
    world, flow = World(), stepping(once=True)
    world.die_in(flow, "s")
    world.drive(flow)
    return world, flow


def test_it_is_decided_that_the_step_is_done_with_an_output():
    world, flow = in_doubt()
    world.decide("s", "done", {"number": 7})
    assert world.drive(flow).status == "completed"
    assert world.result() == {"number": 7}
    assert world.executor.keys == []
    (decided,) = [x for x in world.entries() if isinstance(x, e.StepDecided)]
    assert (decided.decision, decided.actor, decided.reason) == ("done", "ann", "seen")


def test_it_is_decided_that_the_step_is_performed_again():
    world, flow = in_doubt()
    world.decide("s", "again")
    assert world.drive(flow).status == "completed"
    assert attempts(world) == [1, 2]


def test_it_is_decided_that_the_step_failed():
    world, flow = in_doubt()
    world.decide("s", "fail")
    assert world.drive(flow).status == "failed"
    failure = world.state().failure
    assert (failure["code"], failure["step_key"]) == ("ERR_STEP_IN_DOUBT", "s")
    assert failure["message"] == "it was decided that step `s` failed: seen"


def test_after_again_deaths_are_counted_anew():
    world, flow = World(), stepping()
    for _ in range(3):
        world.die_in(flow, "s")
    world.drive(flow)
    world.decide("s", "again")
    world.die_in(flow, "s")
    world.die_in(flow, "s")
    assert world.drive(flow).status == "completed"


def test_of_two_decisions_the_first_counts():
    world, flow = in_doubt()
    world.decide("s", "done", 1)
    world.decide("s", "fail")
    world.drive(flow)
    assert world.result() == 1
    assert [name for name in world.journal() if name.startswith("step_decided")] == ["step_decided s done"]


def test_a_decision_about_a_step_that_is_not_in_doubt_changes_nothing():
    world, flow = in_doubt()
    world.misdirected()
    assert world.drive(flow).status == "waiting"
    assert not any(name.startswith("step_decided") for name in world.journal())
    assert world.store.pending("run-1") == ()


def test_a_decision_about_a_step_that_has_ended_changes_nothing():
    async def flow(run):
        number = await output(run, "s")
        await run.wait("gate", event())
        return number

    world = World()
    assert world.drive(flow).status == "waiting"
    before = world.journal()
    world.misdirected("s")
    assert world.drive(flow).status == "waiting"
    assert [name for name in world.journal() if name.startswith("step")] == [
        name for name in before if name.startswith("step")
    ]
    assert world.store.pending("run-1") == ()


def test_a_decision_that_comes_before_the_release_is_taken_up():
    world, flow = World(), stepping(once=True)
    world.die_in(flow, "s")
    assert world.drive(flow, ambush=before_release(lambda: world.decide("s", "done", 1))).status == "completed"
    assert "run_parked" not in world.journal()


def test_a_decision_reaches_a_run_that_is_being_driven():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner, n=name: output(inner, n, once=True), item=0) for name in "st"[:1]]
        fibers.append(scope.spawn(lambda inner: output(inner, "t"), item=1))
        return [await fiber for fiber in fibers]

    world = World()
    world.drive(
        flow,
        {"fan[0]/s": [times_out()], "fan[1]/t": [Holds()]},
        meanwhile=[lambda: None, lambda: world.decide("fan[0]/s", "done", 1), lambda: None, world.let_go],
    )
    assert world.result() == [1, "fan[1]/t"]


def test_a_decision_that_was_taken_up_is_not_lost_to_another_message_against_its_commit():
    async def flow(run):
        return await output(run, "s", once=True)

    world = World()
    assert world.drive(flow, {"s": [times_out()]}).status == "waiting"
    world.decide("s", "done", 7)
    other = before("step_decided", world.misdirected)
    assert world.drive(flow, ambush=other).status == "completed"
    assert other.done
    assert world.result() == 7
    assert [message.state for message in world.store.messages(RUN)] == ["taken", "taken"]


def test_a_decision_against_a_commit_is_not_lost():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [
            scope.spawn(lambda inner: output(inner, "s", once=True), item=0),
            scope.spawn(lambda inner: output(inner, "t"), item=1),
        ]
        return [await fiber for fiber in fibers]

    world = World()
    world.drive(
        flow,
        {"fan[0]/s": [times_out()]},
        ambush=before("step_completed fan[1]/t", lambda: world.decide("fan[0]/s", "again")),
    )
    assert world.result() == ["fan[0]/s", "fan[1]/t"]


# -- idempotency keys ------------------------------------------------------------------------------


def test_all_attempts_of_a_step_share_one_idempotency_key():
    world, flow, keys = World(), stepping(retry=tries(3)), []
    world.die_in(flow, "s")
    keys += [effect.context.idempotency_key for effect in world.executor.started]
    world.drive(flow, {"s": [fails(), times_out(), ok()]})
    keys += [effect.context.idempotency_key for effect in world.executor.started]
    assert keys == ["run-1/s/0"] * 4


def test_a_voided_step_gets_a_new_idempotency_key():
    world, flow = World(), stepping()
    world.drive(flow, {"s": [fails()]})
    for generation in (1, 2):
        world.reopen()
        world.drive(flow, {"s": [fails()]})
        assert [effect.context.idempotency_key for effect in world.executor.started] == [f"run-1/s/{generation}"]
