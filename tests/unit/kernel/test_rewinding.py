"""Going back to a step gives up that step and what came after it, and nothing that went on beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checkpointflow.errors import ConcurrencyError, NondeterminismError, RunSettledError, StepFailedError, StepOnceError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.rehearsal import rehearse
from checkpointflow.kernel.revising import Revision, append, forked, revised
from checkpointflow.kernel.rewinding import keys_named
from checkpointflow.kernel.run import Run
from checkpointflow.kernel.state import fold
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.stores.memory import MemoryStore
from unit.kernel.driving import RUN, Flow, Holds, World, event, fails, output


def revision(world: World, *steps: str, definition: str = "d2") -> Revision:
    return Revision(
        at=world.clock.now(), actor="ann", definition=definition, source_path="/w.yaml", workflow_name="W",
        workflow_version="2", steps=tuple(StepKey(step) for step in steps), reason="mended",
    )  # fmt: skip


def go_back(world: World, *steps: str) -> list[str]:
    """Revise the run as somebody would who holds it, and return what it gave up."""
    added = revised(RUN, world.entries(), revision(world, *steps))
    process = world.store.other_process()
    hold = process.acquire(RUN, process.holder(), at=world.clock.now())
    try:
        append(hold, world._surroundings(process, None), added.added, ("d2", {"of": "two"}))
    finally:
        process.die()
    return list(added.plan.voided)


async def three(run: Run) -> list[object]:
    found = [await output(run, name) for name in ("a", "b", "c")]
    await run.wait("gate", event())
    return found


def test_the_step_and_all_after_it_in_its_sequence_run_again_and_what_was_before_does_not() -> None:
    world = World()
    world.drive(three)
    assert go_back(world, "b") == ["b", "c", "gate"]
    assert world.drive(three, {"b": [fails()]}).status == "failed"
    assert world.executor.keys == ["b"]


def test_the_idempotency_key_is_new_for_what_was_given_up_only() -> None:
    world = World()
    world.drive(three)
    go_back(world, "c")
    world.drive(three)
    assert [one.context.idempotency_key for one in world.executor.started] == [f"{RUN}/c/1"]


def test_an_open_wait_that_is_given_up_is_superseded_and_asked_for_anew() -> None:
    world = World()
    world.drive(three)
    go_back(world, "c")
    (closed,) = [x for x in world.entries() if isinstance(x, e.WaitClosed)]
    assert (closed.wait_id, closed.cause) == ("w1", "superseded")
    assert world.store.waits(RUN) == []
    assert world.drive(three).status == "waiting"
    assert [one.wait_id for one in world.store.waits(RUN)] == ["w2"]


def test_an_answer_that_was_accepted_is_not_given_up_unseen() -> None:
    world = World()
    world.drive(three)
    world.answer()
    with pytest.raises(ConcurrencyError, match="has not taken up"):
        go_back(world, "a")
    assert world.drive(three).status == "completed"


async def review(run: Run) -> object:
    for _ in range(3):
        await output(run, "draft")
        answer = await run.wait("review", event())
        if answer.payload == "ok":  # type: ignore[union-attr]
            break
    return await output(run, "publish")


def test_a_later_visit_is_a_place_of_its_own_to_go_back_to() -> None:
    world = World()
    world.drive(review)
    world.answer("again")
    world.drive(review)
    state = fold(world.entries())
    assert [keys_named(state, name) for name in ("draft", "draft#2", "draft#3")] == [["draft"], ["draft#2"], []]
    assert go_back(world, "draft#2") == ["draft#2", "review#2"]
    world.drive(review)
    assert world.executor.keys == ["draft#2"]


async def fan(run: Run) -> object:
    async def member(inner: Run) -> object:
        return [await output(inner, "s"), await output(inner, "t")]

    scope = run.scope("fan", "parallel")
    fibers = [scope.spawn(member, item=item) for item in ("a", "b")]
    found = [await fiber for fiber in fibers]
    scope.close()
    await output(run, "after")
    await run.wait("gate", event())
    return found


def test_what_went_on_beside_a_step_stays_and_what_followed_around_it_does_not() -> None:
    world = World()
    world.drive(fan)
    assert go_back(world, 'fan["a"]/t') == ['fan["a"]/t', "after", "gate"]
    assert fold(world.entries()).records[StepKey("fan")].outcome is None  # type: ignore[union-attr]
    world.drive(fan)
    assert world.executor.keys == ['fan["a"]/t', "after"]
    assert fold(world.entries()).records[StepKey("fan")].outcome == "completed"  # type: ignore[union-attr]


async def around_a_scope(run: Run) -> object:
    await output(run, "before")
    scope = run.scope("sub", "workflow")
    try:
        found = [await output(scope.run, name) for name in ("s", "t")]
    except StepFailedError as error:
        scope.close(error)
        raise
    scope.close()
    await output(run, "after")
    return found


@pytest.mark.parametrize("is_begun_anew", [False, True])
@pytest.mark.parametrize(
    ("step", "performed"),
    [
        ("sub/t", ["sub/t", "after"]),
        ("sub/s", ["sub/s", "sub/t", "after"]),
        ("sub", ["sub/s", "sub/t", "after"]),
        ("before", ["before", "sub/s", "sub/t", "after"]),
    ],
)
def test_what_failed_still_comes_after_what_was_before_it(step: str, performed: list[str], is_begun_anew: bool) -> None:
    world = World()
    world.drive(around_a_scope, {"sub/t": [fails()]})
    if is_begun_anew:
        world.reopen()
        world.drive(around_a_scope, {"sub/t": [fails()]})
    go_back(world, step)
    assert world.drive(around_a_scope).status == "completed"
    assert world.executor.keys == performed


def test_what_was_gone_back_over_before_it_began_anew_has_its_place_where_it_then_begins() -> None:
    world = World()
    world.drive(three, {"c": [fails()]})
    go_back(world, "a")
    assert world.drive(three).status == "waiting"
    assert go_back(world, "b") == ["b", "c", "gate"]


def test_going_back_to_a_scope_gives_up_all_that_lies_in_it() -> None:
    world = World()
    world.drive(fan)
    assert set(go_back(world, "fan")) == {
        "fan", 'fan["a"]/s', 'fan["a"]/t', 'fan["b"]/s', 'fan["b"]/t', "after", "gate",
    }  # fmt: skip


async def racing(run: Run) -> object:
    async def wins(inner: Run) -> object:
        return await output(inner, "quick")

    async def loses(inner: Run) -> object:
        await output(inner, "slow")
        scope = inner.scope("deep", "workflow")
        await scope.run.wait("ask", event("deep"))
        return None

    scope = run.scope("race", "parallel")
    fibers = [scope.spawn(loses, item="l"), scope.spawn(wins, item="w")]
    try:
        await fibers[1]
        scope.close()
        result = "won"
    except Exception as error:
        fibers[0].cancel()
        scope.close(error)
        result = "lost"
    await run.wait("gate", event())
    return result


def test_members_that_were_ended_with_the_failure_of_another_go_on_when_that_is_given_up() -> None:
    world = World()
    world.drive(racing, {'race["w"]/quick': [fails()]}, order=sorted)
    assert [one.key for one in world.store.waits(RUN)] == ["gate"]
    voided = go_back(world, 'race["w"]/quick')
    assert voided[0] == 'race["w"]/quick'
    assert {'race["l"]/deep', 'race["l"]/deep/ask', "gate"} >= set(voided[1:])
    world.drive(racing, {'race["w"]/quick': [Holds()]}, interrupt=None, meanwhile=[world.let_go] * 3)
    assert fold(world.entries()).records[StepKey("race")].outcome == "completed"  # type: ignore[union-attr]


def test_a_step_that_was_ended_by_a_failure_since_given_up_goes_on_though_the_run_had_not_failed() -> None:
    async def catching(run: Run) -> object:
        scope = run.scope("race", "parallel")
        quick = scope.spawn(lambda inner: output(inner, "quick"), item="w")
        slow = scope.spawn(lambda inner: output(inner, "slow"), item="l")
        try:
            await quick
        except StepFailedError:
            slow.cancel()
            await run.wait("gate", event())
        return [await quick, await slow]

    world = World()
    world.drive(catching, {'race["w"]/quick': [fails()], 'race["l"]/slow': [Holds()]})
    assert [one.key for one in world.store.waits(RUN)] == ["gate"]
    assert go_back(world, 'race["w"]/quick') == ['race["w"]/quick', "gate"]
    assert world.drive(catching).status == "completed"
    assert world.result() == ['race["w"]/quick', 'race["l"]/slow']
    assert {one.context.key: one.context.attempt for one in world.executor.started} == {
        'race["w"]/quick': 1,
        'race["l"]/slow': 2,
    }


async def pays(run: Run) -> object:
    await output(run, "prepare")
    await output(run, "pay", once=True)
    await run.wait("gate", event())
    return None


def test_a_step_that_runs_once_is_given_up_only_if_it_is_named() -> None:
    world = World()
    world.drive(pays)
    with pytest.raises(StepOnceError, match="`pay` would run again") as caught:
        go_back(world, "prepare")
    assert caught.value.hint == "--rerun pay"
    assert go_back(world, "prepare", "pay") == ["prepare", "pay", "gate"]


def test_a_step_that_runs_once_and_whose_driver_died_is_in_doubt_though_the_run_goes_on_under_another_text() -> None:
    world = World()
    world.die_in(pays, "pay")
    assert go_back(world) == []
    assert world.drive(pays).status == "waiting"
    assert world.executor.keys == []
    assert [(one.kind, one.key) for one in world.store.waits(RUN)] == [("in_doubt", "pay")]


def test_a_command_that_a_dead_driver_left_is_ended_before_its_step_is_given_up() -> None:
    world = World()
    world.die_in(three, "b")
    assert go_back(world, "b") == ["b"]
    assert world.executor.orphans[-1] == {"b": 1}
    (ended,) = [x for x in world.entries() if isinstance(x, e.StepInterrupted)]
    assert (ended.key, ended.cause, ended.in_doubt) == ("b", "holder_died", False)
    world.drive(three)
    assert [one.context.attempt for one in world.executor.started] == [1, 1]


def test_a_failed_run_goes_on_from_before_the_failed_step() -> None:
    world = World()
    world.drive(three, {"c": [fails()]})
    assert go_back(world, "b") == ["b"]
    assert world.drive(three).status == "waiting"
    assert world.executor.keys == ["b", "c"]


@pytest.mark.parametrize("how", ["completed", "cancelled", "moved"])
def test_what_has_settled_for_good_is_not_revised(how: str) -> None:
    world = World()
    world.drive(three)
    if how == "completed":
        world.answer()
    elif how == "moved":
        world.move()
    else:
        world.cancel()
    world.drive(three)
    length = world.store.head(RUN).length
    with pytest.raises(RunSettledError, match="`cpf fork`"):
        go_back(world, "a")
    assert world.store.head(RUN).length == length


def test_the_head_tells_the_definition_that_a_run_goes_on_with() -> None:
    world = World()
    world.drive(three)
    go_back(world)
    head = world.store.head(RUN)
    assert (head.definition, head.workflow_version, head.source_path, head.status) == ("d2", "2", "/w.yaml", "open")
    assert world.store.definition("d2") == {"of": "two"}


# -- rehearsals ------------------------------------------------------------------------------------


def test_a_rehearsal_tells_what_is_used_asked_for_anew_and_no_more_and_changes_nothing() -> None:
    async def other(run: Run) -> object:
        await output(run, "a")
        await output(run, "new")
        return await output(run, "c")

    world = World()
    world.drive(three)
    before = world.entries()
    found = rehearse(Flow(other), RUN, before, world.clock)
    assert (found.used, found.fresh, found.unused) == (("a",), ("new",), ("b", "c", "gate"))
    assert (found.is_settled, found.changed) == (False, ())
    assert world.entries() == before


def test_a_rehearsal_tells_every_step_that_means_something_else_now() -> None:
    async def other(run: Run) -> object:
        for name in ("a", "b"):
            await output(run, name, {"new": name})
        return await output(run, "c")

    world = World()
    world.drive(three)
    found = rehearse(Flow(other), RUN, world.entries(), world.clock)
    assert [one.step_key for one in found.changed] == ["a", "b"]
    assert all(isinstance(one, NondeterminismError) for one in found.changed)
    assert (found.used, found.is_settled) == (("a", "b", "c"), True)


def test_a_rehearsal_tells_how_the_workflow_would_fail() -> None:
    async def other(run: Run) -> object:
        await output(run, "a")
        raise LookupError("no such thing")

    world = World()
    world.drive(three)
    found = rehearse(Flow(other), RUN, world.entries(), world.clock)
    assert found.is_settled
    assert "no such thing" in str(found.error)


# -- forks -----------------------------------------------------------------------------------------


def fork_of(world: World, step: str) -> World:
    started = world.entries()[0]
    assert isinstance(started, e.RunStarted)
    other = World()
    other.store = MemoryStore(clock=other.clock)
    other.store.create(RUN, forked(world.entries(), StepKey(step), started), holder=None)
    return other


def test_a_fork_takes_over_what_was_recorded_before_a_step_and_runs_the_rest() -> None:
    world = World()
    world.drive(review)
    world.answer("again")
    world.drive(review)
    world.answer("ok")
    assert world.drive(review).status == "completed"
    other = fork_of(world, "draft#2")
    assert other.drive(review).status == "waiting"
    assert other.executor.keys == ["draft#2"]
    assert [one.wait_id for one in other.store.waits(RUN)] == ["w2"]


def test_a_fork_keeps_what_went_on_beside_and_runs_on_its_own_account_what_had_not_ended() -> None:
    async def open_ended(run: Run) -> object:
        async def waits(inner: Run) -> object:
            await inner.wait("ask", event("ask"))
            return await output(inner, "then")

        async def works(inner: Run) -> object:
            await output(inner, "s")
            return await output(inner, "t")

        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(works, item="w"), scope.spawn(waits, item="q")]
        return [await fiber for fiber in fibers]

    world = World()
    world.die_in(open_ended, 'fan["w"]/t')
    other = fork_of(world, 'fan["w"]/s')
    assert [one.wait_id for one in other.store.waits(RUN)] == ["w1"]
    assert other.drive(open_ended).status == "waiting"
    assert other.executor.keys == ['fan["w"]/s', 'fan["w"]/t']
    assert [one.context.attempt for one in other.executor.started] == [1, 1]


def test_a_step_that_had_not_ended_beside_the_fork_runs_in_it_from_its_first_attempt() -> None:
    async def flow(run: Run) -> object:
        async def works(inner: Run) -> object:
            return await output(inner, "s")

        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(works, item="w"), scope.spawn(works, item="v")]
        return [await fiber for fiber in fibers]

    world = World()
    world.die_in(flow, 'fan["v"]/s')
    other = fork_of(world, 'fan["w"]/s')
    assert [e.name_of(one) for one in other.entries()] == ["run_started", "scope_opened"]
    assert other.drive(flow).status == "completed"
    assert [(one.context.key, one.context.attempt) for one in other.executor.started] == [
        ('fan["w"]/s', 1),
        ('fan["v"]/s', 1),
    ]


def test_a_fork_numbers_its_waits_anew_so_that_none_has_the_id_of_another() -> None:
    async def flow(run: Run) -> object:
        async def asks(inner: Run) -> object:
            await inner.wait("ask", event(inner.key[5]))
            return await output(inner, "then")

        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(asks, item="w"), scope.spawn(asks, item="v")]
        return [await fiber for fiber in fibers]

    world = World()
    world.drive(flow)
    other = fork_of(world, 'fan["w"]/ask')
    assert [(one.key, one.wait_id) for one in other.store.waits(RUN)] == [('fan["v"]/ask', "w1")]
    assert other.drive(flow).status == "waiting"
    assert {one.key: one.wait_id for one in other.store.waits(RUN)} == {'fan["v"]/ask': "w1", 'fan["w"]/ask': "w2"}


# -- draining --------------------------------------------------------------------------------------


def test_a_drain_lets_effects_end_in_time_and_leaves_the_run_to_the_next_driver() -> None:
    world, interrupt = World(), Interrupt()
    outcome = world.drive(
        three, {"a": [Holds()]}, interrupt=interrupt, meanwhile=[lambda: interrupt.drain(30), world.let_go]
    )
    assert outcome.status == "interrupted"
    assert world.store.head(RUN).status == "open"
    assert world.store.holder_of(RUN) is None
    assert [e.name_of(x) for x in world.entries()] == ["run_started", "step_started", "step_completed"]
    assert world.drive(three).status == "waiting"
    assert world.executor.keys == ["b", "c"]


def test_a_drain_ends_effects_that_take_longer_and_they_are_tried_again() -> None:
    world, interrupt = World(), Interrupt()
    begun = world.clock.now()
    outcome = world.drive(three, {"a": [Holds()]}, interrupt=interrupt, meanwhile=[lambda: interrupt.drain(5)])
    assert (outcome.status, world.executor.stopped) == ("interrupted", ["a"])
    assert world.clock.now() - begun >= timedelta(seconds=5)
    (ended,) = [x for x in world.entries() if isinstance(x, e.StepInterrupted)]
    assert (ended.cause, ended.in_doubt) == ("drained", False)
    world.drive(three)
    assert [one.context.attempt for one in world.executor.started[:1]] == [2]


def test_a_second_request_ends_what_a_drain_still_waits_for() -> None:
    world, interrupt = World(), Interrupt()
    begun = world.clock.now()
    urge = [lambda: interrupt.drain(1000), lambda: None, lambda: interrupt.drain(0)]
    outcome = world.drive(three, {"a": [Holds()]}, interrupt=interrupt, meanwhile=urge)
    assert (outcome.status, world.executor.stopped) == ("interrupted", ["a"])
    assert world.clock.now() - begun < timedelta(seconds=5)


def test_a_step_that_runs_once_and_is_ended_by_a_drain_is_in_doubt() -> None:
    world, interrupt = World(), Interrupt()
    world.drive(pays, {"pay": [Holds()]}, interrupt=interrupt, meanwhile=[lambda: None, lambda: interrupt.drain(0)])
    assert world.drive(pays).status == "waiting"
    assert [one.kind for one in world.store.waits(RUN)] == ["in_doubt"]
