"""Waits for events: parking with all of them open, and answers that are never lost, whenever they come."""

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.run import Answer, Expired
from unit.kernel.driving import RUN, Holds, World, before, before_release, call, event, output

QUIET = [lambda: None]


async def gate(run, name="gate", **options):
    answer = await run.wait(name, event(**options))
    return answer.payload if isinstance(answer, Answer) else "expired"


def beside(*members):
    """A workflow whose members go on beside each other; it returns what each gave."""

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(member, item=index) for index, member in enumerate(members)]
        return [await fiber for fiber in fibers]

    return flow


def first_of(*members):
    """A workflow that ends with the first of its members, and cancels the others."""

    async def flow(run):
        scope = run.scope("race", "first")
        fibers = [scope.spawn(member, item=index) for index, member in enumerate(members)]
        winner = await run.settled(fibers)
        for fiber in fibers:
            fiber.cancel()
        scope.close()
        return winner.result()

    return flow


# -- parking ---------------------------------------------------------------------------------------


def test_a_run_parks_when_every_fiber_waits_and_lists_all_open_waits():
    world = World()

    async def named(run, name, event_name):
        await run.wait(name, event(event_name))

    members = [lambda run, name=name: named(run, name, name) for name in "ab"]
    outcome = world.drive(beside(*members, lambda run: output(run, "s")))
    assert outcome.status == "waiting"
    assert [(w.key, w.kind, w.event_name, w.audience) for w in world.waits()] == [
        ("fan[0]/a", "external_event", "a", "user"),
        ("fan[1]/b", "external_event", "b", "user"),
    ]
    assert world.is_free()


def test_a_run_does_not_park_while_an_effect_is_in_flight():
    world = World()
    world.drive(beside(gate, lambda run: output(run, "s")))
    names = world.journal()
    assert names.index("step_completed fan[1]/s") < names.index("run_parked")
    assert names.count("run_parked") == 1


def test_wait_ids_are_short_and_no_two_are_the_same():
    world = World()
    world.drive(beside(gate, lambda run: run_gate_after_step(run)))
    assert [wait.wait_id for wait in world.waits()] == ["w1", "w2"]


def test_a_wait_that_was_answered_leaves_its_id_to_no_other():
    async def flow(run):
        answers = [await run.wait(name, event(name)) for name in ("one", "two", "three")]
        return [answer.payload for answer in answers]

    world = World()
    for number, name in enumerate(("one", "two", "three"), 1):
        assert world.drive(flow).status == "waiting"
        assert [wait.wait_id for wait in world.waits()] == [f"w{number}"]
        assert world.answer(number, to=name).outcome == "accepted"
    world.drive(flow)
    assert world.result() == [1, 2, 3]


async def run_gate_after_step(run):
    await run.step("s", call())
    return await gate(run)


def test_parking_records_how_long_the_drive_took_and_people_do_not_count():
    world = World()

    async def flow(run):
        await run.step("s", call())
        await run.wait("gate", event())
        await run.wait("other", event())

    world.drive(flow, {"s": [Holds()]}, meanwhile=[lambda: world.clock.advance(7), world.let_go])
    world.clock.advance(10_000)
    world.answer()
    world.drive(flow)
    elapsed = [x.elapsed_seconds for x in world.entries() if isinstance(x, e.RunParked)]
    assert 7 <= elapsed[0] < 8
    assert elapsed[1] == 0


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_lets_the_run_go_on():
    world = World()
    world.drive(gate)
    assert world.answer({"yes": True}).outcome == "accepted"
    assert world.drive(gate).status == "completed"
    assert world.result() == {"yes": True}
    (received,) = [x for x in world.entries() if isinstance(x, e.EventReceived)]
    assert (received.actor, received.event_id, received.wait_id) == ("ann", "e1", "w1")


def test_an_answer_among_many_waits_reaches_its_own():
    async def named(run, name):
        return (await run.wait("gate", event(name))).payload

    world = World()
    flow = beside(*(lambda run, name=name: named(run, name) for name in "abc"))
    world.drive(flow)
    world.answer("for b", to="b")
    assert world.drive(flow).status == "waiting"
    assert {wait.event_name for wait in world.waits()} == {"a", "c"}
    world.answer("for c", to="c")
    world.answer("for a", to="a")
    world.drive(flow)
    assert world.result() == ["for a", "for b", "for c"]


def test_a_live_holder_takes_accepted_rows_up_within_200_milliseconds():
    world, moments = World(), []

    async def member(run):
        await gate(run)
        moments.append(world.clock.now())

    def answer():
        moments.append(world.clock.now())
        world.answer()

    world.drive(
        beside(member, lambda run: output(run, "s")),
        {"fan[1]/s": [Holds()]},
        meanwhile=[*QUIET * 3, answer, *QUIET * 3, world.let_go],
    )
    assert (moments[1] - moments[0]).total_seconds() <= 0.2
    assert max(world.executor.waited) <= 0.2


def test_an_answer_that_comes_before_the_release_is_found_and_taken_up():
    world = World()
    outcome = world.drive(gate, ambush=before_release(world.answer))
    assert outcome.status == "completed"
    assert world.journal() == ["wait_opened gate", "event_received gate", "run_completed"]
    assert world.is_free()


def test_an_answer_that_comes_before_the_release_of_a_parked_run_is_found_too():
    world = World()
    world.drive(gate)
    outcome = world.drive(gate, ambush=before_release(world.answer))
    assert outcome.status == "completed"
    assert world.journal() == ["wait_opened gate", "run_parked", "event_received gate", "run_completed"]


@pytest.mark.parametrize("closing", ["wait_closed", "run_completed"])
def test_an_answer_accepted_just_before_the_commit_that_would_close_its_wait_is_not_lost(closing):
    world = World()
    flow = first_of(gate, lambda run: output(run, "s"))
    world.drive(flow, ambush=before(closing, lambda: world.answer("in time")))
    assert "event_received race[0]/gate" in world.journal()
    assert "wait_closed race[0]/gate cancelled" not in world.journal()
    assert world.result() == "race[1]/s"  # the step had completed before
    assert [message.state for message in world.store.messages(RUN)] == ["taken"]
    assert world.waits() == []


def test_an_answer_that_was_taken_up_is_not_lost_to_another_message_against_its_commit():
    async def flow(run):
        return (await run.wait("gate", event())).payload

    world = World()
    world.drive(flow)
    world.answer(7)
    other = before("event_received", world.misdirected)
    assert world.drive(flow, ambush=other).status == "completed"
    assert other.done
    assert world.result() == 7
    assert [message.state for message in world.store.messages(RUN)] == ["taken", "taken"]


def test_a_deadline_that_no_calendar_holds_is_a_century_away():
    async def flow(run):
        await run.wait("gate", event(timeout_seconds=1e15))

    world = World()
    assert world.drive(flow).status == "waiting"
    (wait,) = world.waits()
    assert (wait.due_at - wait.opened_at).total_seconds() == 100 * 366 * 86400


def test_an_answer_that_comes_after_its_wait_was_closed_is_refused():
    world = World()

    async def flow(run):
        await first_of(gate, lambda inner: output(inner, "s"))(run)
        await run.wait("other", event("other"))

    world.drive(flow)
    assert [wait.event_name for wait in world.waits()] == ["other"]


# -- early events ----------------------------------------------------------------------------------


async def two_gates(run):
    return [await gate(run, "first"), await gate(run, "second")]


def test_early_events_are_taken_at_the_opening_first_in_first_out():
    world = World()
    assert world.send(1).outcome == "kept"
    assert world.send(2).outcome == "kept"
    assert world.send("other", name="other").outcome == "kept"
    assert world.drive(two_gates).status == "completed"
    assert world.result() == [1, 2]
    assert [(message.payload, message.state) for message in world.store.messages(RUN)] == [
        (1, "taken"),
        (2, "taken"),
        ("other", "kept"),
    ]


def test_an_early_event_that_does_not_fit_is_set_aside_and_the_wait_stays_open():
    world = World(fits=lambda schema, payload: isinstance(payload, int) == (schema == "number"))

    async def flow(run):
        return await gate(run, schema="number")

    world.send("misfit")
    assert world.drive(flow).status == "waiting"
    assert [message.state for message in world.store.messages(RUN)] == ["set_aside"]
    assert len(world.waits()) == 1
    world.answer(7)
    world.drive(flow)
    assert world.result() == 7


def test_the_oldest_early_event_that_fits_is_taken():
    world = World(fits=lambda _schema, payload: payload == "fits")

    async def flow(run):
        return await gate(run, schema="any")

    for payload in ("one", "fits", "three"):
        world.send(payload)
    world.drive(flow)
    assert world.result() == "fits"
    assert [message.state for message in world.store.messages(RUN)] == ["set_aside", "taken", "kept"]


# -- deadlines -------------------------------------------------------------------------------------


async def expiring(run):
    return await gate(run, timeout_seconds=100)


def test_a_deadline_that_passed_ends_the_wait_when_anyone_drives():
    world = World()
    world.drive(expiring)
    (wait,) = world.waits()
    assert (wait.due_at - world.clock.now()).total_seconds() == 100
    world.clock.advance(99)
    assert world.drive(expiring).status == "waiting"
    world.clock.advance(1)
    assert world.drive(expiring).status == "completed"
    assert world.result() == "expired"
    assert world.journal()[-2:] == ["wait_closed gate expired", "run_completed"]


def test_a_wait_that_expired_tells_its_deadline():
    world, seen = World(), []

    async def flow(run):
        seen.append(await run.wait("gate", event(timeout_seconds=10)))

    world.drive(flow)
    deadline = world.waits()[0].due_at
    world.clock.advance(10)
    world.drive(flow)
    assert seen == [Expired(deadline)]


def test_expiry_is_committed_before_any_fiber_sees_it():
    world, seen = World(), []

    async def flow(run):
        await run.wait("gate", event(timeout_seconds=10))
        seen.append(world.journal()[-1])

    world.drive(flow)
    world.clock.advance(10)
    world.drive(flow)
    assert seen == ["wait_closed gate expired"]


def test_an_answer_accepted_in_time_wins_over_the_deadline_that_passed_since():
    world = World()
    world.drive(expiring)
    world.answer("in time")
    world.clock.advance(200)
    world.drive(expiring)
    assert world.result() == "in time"


def test_an_answer_accepted_in_time_wins_even_right_before_the_expiry_is_committed():
    world = World()
    world.drive(expiring)
    in_time = world.clock.now()
    world.clock.advance(200)
    world.drive(expiring, ambush=before("wait_closed", lambda: world.answer("in time", at=in_time)))
    assert world.result() == "in time"
    assert "wait_closed gate expired" not in world.journal()


def test_an_answer_after_the_deadline_is_refused_even_when_nothing_has_fired_it():
    world = World()
    world.drive(expiring)
    world.clock.advance(100)
    assert world.answer().outcome == "late"
    world.drive(expiring)
    assert world.result() == "expired"


def test_a_cancellation_right_before_the_expiry_is_heeded():
    world = World()
    world.drive(expiring)
    world.clock.advance(100)
    assert world.drive(expiring, ambush=before("wait_closed", world.cancel)).status == "cancelled"
    assert world.journal()[-2:] == ["wait_closed gate cancelled", "run_cancelled"]


def test_a_deadline_passes_while_other_work_goes_on():
    world = World()
    flow = beside(expiring, lambda run: output(run, "s"))
    world.drive(
        flow,
        {"fan[1]/s": [Holds()]},
        meanwhile=[*QUIET, lambda: world.clock.advance(100), *QUIET * 2, world.let_go],
    )
    assert world.result() == ["expired", "fan[1]/s"]
    names = world.journal()
    assert names.index("wait_closed fan[0]/gate expired") < names.index("step_completed fan[1]/s")


def test_a_deadline_of_a_member_that_was_cancelled_does_not_fire():
    world = World()
    flow = first_of(expiring, lambda run: output(run, "s"))

    async def then(run):
        won = await flow(run)
        await run.step("after", call())
        return won

    meanwhile = [*QUIET, lambda: world.clock.advance(200), *QUIET, world.let_go]
    world.drive(then, {"after": [Holds()]}, meanwhile=meanwhile)
    assert world.result() == "race[1]/s"
    assert not any("expired" in name for name in world.journal())
