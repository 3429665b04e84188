"""Retrying a failed run: what failed begins anew, what was stopped goes on, all else stays as it was recorded."""

import pytest

from checkpointflow.errors import RunNotFailedError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from unit.kernel.driving import Holds, World, call, event, fails, ok, output, tries


async def three_steps(run):
    return [await output(run, name) for name in "abc"]


def failed_at_b():
    world = World()
    assert world.drive(three_steps, {"b": [fails("boom")]}).status == "failed"
    return world


def test_a_failed_run_can_be_retried_and_the_failed_step_begins_at_attempt_1():
    world = failed_at_b()
    world.reopen()
    assert world.status() == "open"
    assert world.store.head("run-1").error is None
    assert world.drive(three_steps).status == "completed"
    assert world.executor.keys == ["b", "c"]
    assert world.executor.started[0].context.attempt == 1
    (reopened,) = [x for x in world.entries() if isinstance(x, e.RunReopened)]
    assert (reopened.voided, reopened.actor, reopened.reason) == (["b"], "driver", "again, please")


def test_the_retries_of_a_reopened_step_are_counted_anew():
    async def flow(run):
        return await output(run, "s", retry=tries(2))

    world = World()
    world.drive(flow, {"s": [fails(), fails()]})
    world.reopen()
    world.drive(flow, {"s": [fails(), ok("well")]})
    assert world.result() == "well"


def test_a_run_that_fails_again_can_be_retried_again():
    world = failed_at_b()
    for _ in range(2):
        world.reopen()
        assert world.drive(three_steps, {"b": [fails("boom")]}).status == "failed"
    world.reopen()
    assert world.drive(three_steps).status == "completed"


@pytest.mark.parametrize("how", ["waiting", "completed", "cancelled"])
def test_only_a_failed_run_can_be_retried(how):
    async def flow(run):
        if how == "waiting":
            await run.wait("gate", event())

    world = World()
    if how == "cancelled":
        world.cancel()
    world.drive(flow)
    before_it = world.entries()
    with pytest.raises(RunNotFailedError):
        world.reopen()
    assert world.entries() == before_it


def siblings(*, once=False):
    """Members of which one fails while the others work, wait and sleep."""

    async def fail(run):
        await run.step("f", call())

    async def work(run):
        return await output(run, "s", once=once)

    async def wait(run):
        inner = run.scope("inner", "workflow")
        payload = (await run.wait("gate", event())).payload
        inner.close()
        return payload

    async def done(run):
        return await output(run, "d")

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(member, item=index) for index, member in enumerate([done, fail, work, wait])]
        while not fibers[1].is_settled:
            await run.settled([fiber for fiber in fibers if not fiber.is_settled])
        if fibers[1].error is not None:
            for fiber in fibers:
                fiber.cancel()
            scope.close(fibers[1].error)
            raise fibers[1].error
        results = [await fiber for fiber in fibers]
        scope.close()
        return results

    return flow


def failed_siblings(*, once=False):
    world, flow = World(), siblings(once=once)
    world.drive(flow, {"fan[1]/f": [fails("boom")], "fan[2]/s": [Holds()]})
    assert world.status() == "failed"
    world.reopen()
    return world, flow


def test_what_the_failure_had_ended_begins_anew_and_what_was_done_stays_done():
    world, flow = failed_siblings()
    (reopened,) = [x for x in world.entries() if isinstance(x, e.RunReopened)]
    assert set(reopened.voided) == {"fan", "fan[1]/f", "fan[3]/gate", "fan[3]/inner"}
    assert world.drive(flow).status == "waiting"
    assert [(x.context.key, x.context.attempt) for x in world.executor.started] == [("fan[1]/f", 1), ("fan[2]/s", 2)]
    assert [wait.wait_id for wait in world.waits()] == ["w2"]
    world.answer("yes")
    world.drive(flow)
    assert world.result() == ["fan[0]/d", None, "fan[2]/s", "yes"]


def test_a_stopped_sibling_keeps_its_idempotency_key():
    world, flow = failed_siblings()
    world.drive(flow)
    keys = [effect.context.idempotency_key for effect in world.executor.started]
    assert keys == ["run-1/fan[1]/f/1", "run-1/fan[2]/s/0"]


def test_a_stopped_sibling_that_runs_once_is_in_doubt():
    world, flow = failed_siblings(once=True)
    assert world.drive(flow).status == "waiting"
    assert world.executor.keys == ["fan[1]/f"]
    assert [(wait.kind, wait.key) for wait in world.waits() if wait.kind == "in_doubt"] == [("in_doubt", "fan[2]/s")]
    assert "step_interrupted fan[2]/s stopped in doubt" in world.journal()


@pytest.mark.parametrize(("decision", "result"), [("done", 7), ("again", "fan[2]/s")])
def test_a_stopped_sibling_in_doubt_can_be_decided(decision, result):
    world, flow = failed_siblings(once=True)
    world.drive(flow)
    world.decide("fan[2]/s", decision, 7)
    world.answer("yes")
    assert world.drive(flow).status == "completed"
    assert world.result()[2] == result


def test_a_stopped_sibling_in_doubt_is_asked_about_once():
    world, flow = failed_siblings(once=True)
    world.drive(flow)
    world.drive(flow)
    assert world.journal().count("step_interrupted fan[2]/s stopped in doubt") == 1


def test_a_stopped_sibling_whose_failure_was_seen_is_tried_again_without_asking():
    async def fail(run):
        await run.step("f", call())

    async def flow(run):
        scope = run.scope("fan", "parallel")
        work = scope.spawn(lambda inner: output(inner, "s", once=True, retry=tries(2, 30)), item=0)
        await scope.spawn(fail, item=1)
        return await work

    world = World()
    world.drive(flow, {"fan[0]/s": [fails("seen")], "fan[1]/f": [fails()]})
    assert "step_failed fan[0]/s retry" in world.journal()
    world.reopen()
    assert world.drive(flow).status == "completed"
    assert world.result() == "fan[0]/s"


def test_a_failure_that_stands_for_several_voids_them_all():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner: output(inner, "s"), item=index) for index in range(2)]
        errors = []
        for fiber in fibers:
            await run.settled([fiber])
            errors += [fiber.error] if fiber.error else []
        if errors:
            errors[0].further_keys = tuple(str(error.step_key) for error in errors[1:])
            raise errors[0]

    world = World()
    world.drive(flow, {"fan[0]/s": [fails()], "fan[1]/s": [fails()]})
    world.reopen()
    assert world.drive(flow).status == "completed"
    assert world.executor.keys == ["fan[0]/s", "fan[1]/s"]


def test_a_failure_that_the_workflow_caught_stays_as_it_was():
    async def flow(run):
        try:
            await run.step("caught", call())
        except Exception:
            await run.step("instead", call())
        await run.step("s", call())

    world = World()
    world.drive(flow, {"caught": [fails()], "s": [fails()]})
    world.reopen()
    assert world.drive(flow).status == "completed"
    assert world.executor.keys == ["s"]


def test_the_values_of_a_reopened_run_stay_as_they_were():
    async def flow(run):
        number = run.note("n", "set", lambda: len(world.journal()))
        await run.step("s", call())
        return number

    world = World()
    world.drive(flow, {"s": [fails()]})
    world.reopen()
    world.drive(flow)
    assert world.result() == 0


def test_a_step_that_failed_and_has_left_the_workflow_does_not_hinder_the_retry():
    world = failed_at_b()
    world.reopen()

    async def without(run):
        return [await output(run, name) for name in "ac"]

    assert world.drive(without).status == "completed"
    assert StepKey("b") not in world.state().records
