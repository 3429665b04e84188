"""When an engine commits, what a commit holds, and what is kept when a commit cannot be made."""

import pytest

from checkpointflow.errors import (
    JournalConflictError,
    MissingExtraError,
    NondeterminismError,
    StoreUnavailable,
    UnknownKindError,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Broken, Finished
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.store import Hold
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.testing.crashing import Crash
from unit.kernel.driving import (
    RUN,
    Flow,
    Holds,
    World,
    before,
    before_release,
    behind,
    breaks,
    call,
    event,
    fails,
    ok,
    output,
    shown,
    tries,
)


async def three_steps(run):
    return [await output(run, name) for name in "abc"]


def test_n_steps_in_a_row_cost_n_plus_1_commits_after_creation():
    world = World()
    world.drive(three_steps)
    assert world.batches == [
        ["step_started a 1"],
        ["step_completed a", "step_started b 1"],
        ["step_completed b", "step_started c 1"],
        ["step_completed c", "run_completed"],
    ]


def test_recorded_values_scopes_and_members_ride_along():
    async def member(run):
        run.note("n", "set", lambda: 1)
        await run.step("s", call())

    async def flow(run):
        run.now()
        scope = run.scope("fan", "parallel")
        for fiber in [scope.spawn(member, item=index) for index in range(2)]:
            await fiber
        scope.close()

    world = World()
    world.drive(flow, order=lambda keys: keys)
    assert world.batches == [
        [
            "value_recorded %now",
            "scope_opened fan",
            "value_recorded fan[0]/n",
            "value_recorded fan[1]/n",
            "step_started fan[0]/s 1",
            "step_started fan[1]/s 1",
        ],
        ["step_completed fan[0]/s", "step_completed fan[1]/s", "scope_closed fan completed", "run_completed"],
    ]


def test_an_effect_starts_only_after_its_intent_is_durable():
    world = World()
    world.drive(three_steps)  # the scripted executor looks into the store whenever an effect starts
    assert world.executor.keys == ["a", "b", "c"]
    refused = World()
    with pytest.raises(StoreUnavailable):
        refused.drive(three_steps, ambush=before("step_started b", unavailable))
    assert refused.executor.keys == ["a"]


def unavailable():
    raise StoreUnavailable("the disk is full; make room")


def test_effects_know_their_place_and_the_key_that_their_attempts_share():
    world = World()
    world.drive(three_steps)
    context = world.executor.started[1].context
    assert (context.run_id, context.key, context.attempt, context.cwd) == ("run-1", "b", 1, "/there")
    assert context.idempotency_key == "run-1/b/0"


def test_the_observer_follows_the_commit_with_positions():
    world, seen = World(), []

    def observer(entries, position):
        assert world.entries()[position - 1 : position - 1 + len(entries)] == list(entries)
        seen.append((position, [shown(entry) for entry in entries]))

    world.drive(three_steps, observer=observer)
    assert [position for position, _ in seen] == [2, 3, 5, 7]
    assert [names for _, names in seen] == world.batches


def test_driving_a_run_that_waits_does_not_grow_its_journal():
    async def flow(run):
        await run.step("s", call())
        await run.wait("gate", event())

    world = World()
    world.drive(flow)
    before_it = world.entries()
    assert world.drive(flow).status == "waiting"
    assert world.entries() == before_it
    assert world.is_free()


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled", "moved"])
def test_driving_a_settled_run_does_nothing_and_gives_it_up(ending):
    world = World()

    async def flow(run):
        await run.step("s", call())

    if ending == "cancelled":
        world.cancel()
    if ending == "moved":
        world.move()
    world.drive(flow, {"s": [fails()]} if ending == "failed" else {})
    settled = world.entries()
    assert world.drive(flow).status == ending
    assert world.entries() == settled
    assert world.executor.keys == []
    assert world.is_free()


# -- commits that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["step_started a", "step_completed a", "step_completed b", "run_completed"])
def test_if_a_commit_fails_the_drive_is_abandoned_at_once_and_the_next_goes_on_from_the_last(name):
    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(three_steps, ambush=before(name, unavailable))
    world.face.die()
    assert world.drive(three_steps).status == "completed"
    assert world.result() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["step_started a", "step_completed a", "step_completed b", "run_completed"])
def test_a_commit_that_was_written_but_not_confirmed_is_not_written_again(name):
    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(three_steps, aftermath=behind(name, unavailable))
    world.face.die()
    world.drive(three_steps)
    assert [x.key for x in world.entries() if isinstance(x, e.StepCompleted)] == ["a", "b", "c"]
    assert world.result() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["step_started a", "step_completed a", "step_completed b"])
def test_a_run_whose_commit_was_written_but_not_confirmed_is_let_go_with_all_its_facts(name):
    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(three_steps, aftermath=behind(name, unavailable))
    assert world.is_free()
    assert world.drive(three_steps).status == "completed"
    assert world.result() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["step_started a 1", "step_completed a"])
def test_an_observer_that_fails_breaks_no_run_and_is_told_no_more(name):
    world, told = World(), []

    def observer(entries, _position):
        told.append(shown(entries[0]))
        if told[-1] == name:
            raise BrokenPipeError

    assert world.drive(three_steps, observer=observer).status == "completed"
    assert told[-1] == name
    assert world.result() == ["a", "b", "c"]


def test_a_drive_whose_hold_was_lost_writes_nothing_more():
    world = World()

    def steal():
        world.face.die()
        thief = world.store.other_process()
        thief.acquire(RUN, thief.holder(), at=world.clock.now())

    with pytest.raises(JournalConflictError):
        world.drive(three_steps, ambush=before("step_completed b", steal))
    assert world.journal()[-1] == "step_started b 1"
    assert not world.is_free()


def test_a_drive_that_is_abandoned_ends_its_effects():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner: output(inner, "s"), item=index) for index in range(2)]
        for fiber in fibers:
            await fiber

    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(flow, {"fan[1]/s": [Holds()]}, ambush=before("step_completed", unavailable))
    assert world.executor.stopped == ["fan[1]/s"]


def test_a_drive_whose_store_can_not_even_be_read_any_more_ends_its_effects():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner: output(inner, "s"), item=index) for index in range(2)]
        for fiber in fibers:
            await fiber

    def lose_the_store():
        world.lose_the_store()
        unavailable()

    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(flow, {"fan[1]/s": [Holds()]}, ambush=before("step_completed", lose_the_store))
    assert world.executor.stopped == ["fan[1]/s"]


def test_a_journal_without_a_beginning_is_no_run():
    world = World()
    surroundings = Surroundings(
        store=world.store, executor=world.executor, clock=world.clock, fits=lambda _schema, _payload: True
    )
    with pytest.raises(NondeterminismError, match="no beginning"):
        drive(Flow(three_steps), Hold(run_id=RunId("nowhere"), holder=world.store.holder(), epoch=1), surroundings)


@pytest.mark.parametrize("commits", range(4))
def test_after_a_crash_behind_any_commit_completed_steps_are_not_performed_again(commits):
    world = World()

    def crash(_entries, _release):
        if len(world.batches) == commits:
            world.die()

    with pytest.raises(Crash):
        world.drive(three_steps, ambush=crash)
    completed = [x.key for x in world.entries() if isinstance(x, e.StepCompleted)]
    assert len(completed) == max(0, commits - 1)
    world.drive(three_steps)
    assert world.executor.keys == list("abc")[len(completed) :]
    assert world.result() == ["a", "b", "c"]


# -- what is not the run's fault -------------------------------------------------------------------


class DefectError(Exception):
    """An error that is none of ours."""


NOT_ITS_FAULT = [
    MissingExtraError("a package is missing; install it"),
    UnknownKindError("no such kind"),
    DefectError("a defect"),
]


@pytest.mark.parametrize("error", NOT_ITS_FAULT, ids=lambda error: type(error).__name__)
def test_an_error_that_is_not_the_runs_fault_leaves_it_interrupted_and_released(error):
    world = World()
    with pytest.raises(type(error)):
        world.drive(three_steps, {"b": [breaks(error)]})
    assert world.status() == "open"
    assert world.is_free()
    assert world.journal()[-2:] == ["step_started b 1", "step_interrupted b not_performed"]
    world.drive(three_steps)
    assert [(x.key, x.attempt) for x in world.entries() if isinstance(x, e.StepStarted)] == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
        ("c", 1),
    ]


def test_an_error_of_ours_names_the_step_that_could_not_be_performed():
    error = MissingExtraError("a package is missing; install it")
    with pytest.raises(MissingExtraError):
        World().drive(three_steps, {"b": [breaks(error)]})
    assert error.step_key == "b"


def test_an_effect_that_cannot_write_its_files_leaves_the_run_released_too():
    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(three_steps, {"b": [breaks(StoreUnavailable("the output folder is in the way"))]})
    assert world.is_free()


@pytest.mark.parametrize(("once", "status"), [(True, "waiting"), (False, "completed")])
def test_an_effect_that_began_and_whose_outcome_was_not_kept_is_asked_about_if_it_runs_once(once, status):
    async def flow(run):
        return {"result": await output(run, "pay", once=once)}

    world = World()
    with pytest.raises(StoreUnavailable):
        world.drive(flow, {"pay": [Broken(StoreUnavailable("the disk is full"), has_begun=True)]})
    assert world.journal()[-1].startswith("step_interrupted pay outcome_lost")
    assert world.drive(flow).status == status


def test_what_ended_together_with_a_broken_effect_is_recorded():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner: output(inner, "s"), item=index) for index in range(2)]
        for fiber in fibers:
            await fiber

    world = World()
    with pytest.raises(MissingExtraError):
        world.drive(flow, {"fan[0]/s": [breaks(MissingExtraError("no"))]}, order=lambda keys: keys)
    assert "step_completed fan[1]/s" in world.journal()


def test_an_error_that_is_not_the_runs_fault_ends_what_else_goes_on():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [
            scope.spawn(lambda inner, once=once: output(inner, "s", once=once), item=index)
            for index, once in enumerate([False, False, True, False])
        ]
        for fiber in fibers:
            await fiber

    world = World()
    with pytest.raises(MissingExtraError):
        world.drive(
            flow,
            {"fan[0]/s": [breaks(MissingExtraError("no"))], **{f"fan[{index}]/s": [Holds()] for index in (1, 2, 3)}},
            late={"fan[3]/s": breaks(MissingExtraError("neither"))},
        )
    assert world.journal()[-4:] == [
        "step_interrupted fan[0]/s not_performed",
        "step_interrupted fan[1]/s paused",
        "step_interrupted fan[2]/s paused in doubt",
        "step_interrupted fan[3]/s paused",
    ]
    assert world.is_free()


def test_a_defect_in_a_workflows_own_process_drops_its_decisions_and_keeps_the_facts():
    async def flow(run):
        await run.step("s", call())
        run.note("n", "set", lambda: 1)
        raise DefectError

    world = World()
    with pytest.raises(DefectError):
        world.drive(flow)
    assert world.journal() == ["step_started s 1", "step_completed s"]
    assert world.is_free()


def test_giving_up_takes_up_an_answer_that_came_before_the_release():
    async def flow(run):
        waiting = run.scope("fan", "parallel").spawn(lambda inner: wait(inner), item=0)
        await run.step("s", call())
        del waiting
        raise DefectError

    world = World()
    with pytest.raises(DefectError):
        world.drive(flow, ambush=before_release(world.answer))
    assert world.journal()[-2:] == ["step_completed s", "event_received fan[0]/gate"]
    assert world.is_free()


async def wait(run):
    return await run.wait("gate", event())


def test_giving_up_heeds_a_cancellation_that_came_before_the_release():
    async def flow(run):
        await run.step("s", call())
        raise DefectError

    world = World()
    with pytest.raises(DefectError):
        world.drive(flow, ambush=before_release(world.cancel))
    assert world.journal()[-1] == "run_cancelled"
    assert world.is_free()


def test_an_end_of_an_attempt_that_is_none_of_ours_is_not_recorded():
    world = World()

    def strays():
        world.executor.stray += [
            Finished(StepKey("a"), 7, ok("another attempt")),
            Finished(StepKey("nobody"), 1, ok("another step")),
        ]

    world.drive(three_steps, meanwhile=[strays])
    assert world.result() == ["a", "b", "c"]
    assert "step_completed nobody" not in world.journal()


# -- conflicts -------------------------------------------------------------------------------------


def test_a_message_against_a_commit_keeps_the_facts_and_takes_the_decisions_again():
    async def flow(run):
        found = await output(run, "s")
        run.note("n", "set", lambda: found)
        await run.step("t", call(found))

    world = World()
    world.drive(flow, ambush=before("step_completed s", world.misdirected))
    assert world.journal() == [
        "step_started s 1",
        "step_completed s",
        "value_recorded n",
        "step_started t 1",
        "step_completed t",
        "run_completed",
    ]
    assert world.executor.keys == ["s", "t"]
    assert [message.state for message in world.store.messages(RUN)] == ["taken"]


def test_effects_go_on_while_decisions_are_dropped_and_taken_again():
    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(lambda inner: output(inner, "s"), item=index) for index in range(2)]
        return [await fiber for fiber in fibers]

    world = World()
    world.drive(flow, ambush=before("step_completed", world.misdirected))
    assert world.executor.keys == ["fan[0]/s", "fan[1]/s"]
    assert world.executor.stopped == []
    assert world.result() == ["fan[0]/s", "fan[1]/s"]


def test_a_message_against_the_last_commit_lets_the_workflow_decide_again():
    passes = []

    async def flow(run):
        passes.append(await output(run, "s"))

    world = World()
    world.drive(flow, ambush=before("step_completed s", world.misdirected))
    assert passes == ["s", "s"]
    assert world.journal() == ["step_started s 1", "step_completed s", "run_completed"]


def test_a_step_whose_attempts_are_retried_keeps_its_failures_over_a_conflict():
    async def flow(run):
        return await output(run, "s", retry=tries(2))

    world = World()
    world.drive(
        flow,
        {"s": [fails(), ok("well")]},
        ambush=before("step_failed s", world.misdirected),
    )
    assert world.result() == "well"
    assert world.journal() == [
        "step_started s 1",
        "step_failed s retry",
        "step_started s 2",
        "step_completed s",
        "run_completed",
    ]


def test_a_process_that_dies_after_each_start_performs_the_step_again():
    world = World()
    world.die_in(three_steps, "b")
    assert isinstance(world.entries()[-1], e.StepStarted)
    world.drive(three_steps)
    assert world.executor.orphans == [{"b": 1}]
    assert world.executor.keys == ["b", "c"]
