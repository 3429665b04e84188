"""The verbs of a run: lazy, keyed, replayed in the journal's order, and compared with what was recorded."""

import asyncio
from datetime import timedelta

import pytest

from checkpointflow.errors import NondeterminismError, StepFailedError, WorkflowCodeError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.run import Parked
from checkpointflow.kernel.surroundings import Interrupt
from unit.kernel.driving import World, before, before_release, call, event, fails, local, ok, output

# -- lazy ------------------------------------------------------------------------------------------


def test_a_verb_begins_only_when_it_is_awaited():
    world, began = World(), []

    async def flow(run):
        first = run.step("first", call())
        await run.step("second", call())
        began.extend(world.executor.keys)
        await first

    world.drive(flow)
    assert began == ["second"]
    assert world.executor.keys == ["second", "first"]


def test_a_verb_never_awaited_is_reported_when_the_run_settles():
    world = World()

    async def flow(run):
        run.step("forgotten", call())

    outcome = world.drive(flow)
    assert outcome.status == "completed"
    assert outcome.warnings == ["`forgotten` was called but never awaited, so nothing happened"]
    assert world.executor.keys == []


def test_a_verb_never_awaited_is_reported_when_the_run_parks():
    world = World()

    async def flow(run):
        run.sleep("nap", timedelta(hours=1))
        await run.wait("gate", event())

    outcome = world.drive(flow)
    assert outcome.status == "waiting"
    assert outcome.warnings == ["`nap` was called but never awaited, so nothing happened"]


def test_the_key_is_taken_when_the_verb_is_called():
    world = World()

    async def flow(run):
        first, second = run.step("s", call("first")), run.step("s", call("second"))
        await second
        await first

    world.drive(flow)
    assert [(x.key, x.arguments) for x in world.entries() if isinstance(x, e.StepStarted)] == [
        ("s#2", "second"),
        ("s", "first"),
    ]


def test_a_verb_awaited_twice_is_asked_for_once():
    world = World()

    async def flow(run):
        step = run.step("s", call())
        return [(await step).output, (await step).output]

    world.drive(flow, {"s": [ok(1)]})
    assert world.result() == [1, 1]
    assert world.executor.keys == ["s"]


def test_verbs_cannot_be_used_outside_the_drive():
    world, kept = World(), []

    async def flow(run):
        kept.append(run.step("s", call()))

    world.drive(flow)
    with pytest.raises(Parked):
        next(kept[0].__await__())


# -- keys ------------------------------------------------------------------------------------------


def test_keys_are_paths_of_names_items_and_visits():
    world = World()

    async def member(run):
        await run.step("s", call())
        await run.step("s", call())

    async def flow(run):
        for _ in range(2):
            scope = run.scope("each", "foreach")
            await scope.spawn(member, item=0)
            await scope.spawn(member, item="e/u")
            scope.close()
        await run.scope("sub", "workflow").run.step("s", call())

    world.drive(flow)
    visits = [f"{scope}[{item}]/{name}" for scope in ("each", "each#2") for item in ("0", '"e%2Fu"') for name in "ss"]
    expected = [key + "#2" if index % 2 else key for index, key in enumerate(visits)]
    assert world.executor.keys == [*expected, "sub/s"]


def test_a_run_tells_its_scope_and_the_visits_of_a_name():
    world, seen = World(), []

    async def member(run):
        seen.append((run.key, run.visits("s")))
        run.note("s", "set", lambda: 1)
        seen.append((run.key, run.visits("s")))

    async def flow(run):
        seen.append((run.key, run.visits("s")))
        await run.scope("fan", "parallel").spawn(member, item="a")

    world.drive(flow)
    assert seen == [("", 0), ('fan["a"]', 0), ('fan["a"]', 1)]


def test_a_workflow_sees_its_input_and_the_facts_about_its_run():
    world = World(input={"n": 1})

    async def flow(run):
        info = run.info
        return [run.input, info.run_id, info.workflow_id, info.workflow_version, info.cwd, str(info.started_at)]

    started_at = world.clock.now()
    world.clock.advance(100)
    world.drive(flow)
    assert world.result() == [{"n": 1}, "run-1", "w", "1", "/there", str(started_at)]


def test_two_members_of_a_scope_cannot_have_one_key():
    world = World()

    async def member(run):
        return await output(run, "s")

    async def flow(run):
        scope = run.scope("fan", "parallel")
        first, second = scope.spawn(member, item=0), scope.spawn(member, item=0)
        return [await first, await second]

    assert world.drive(flow).status == "failed"
    assert world.state().failure["code"] == "ERR_WORKFLOW_CODE"
    assert "fan[0]" in world.state().failure["message"]


# -- replay ----------------------------------------------------------------------------------------


def two_members(seen):
    async def member(run):
        seen.append(f"{run.key} began")
        await run.step("s", call())
        seen.append(f"{run.key} went on")
        await run.step("t", call())
        seen.append(f"{run.key} ended")

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(member, item=index) for index in range(2)]
        for fiber in fibers:
            await fiber
        await run.wait("gate", event())

    return flow


@pytest.mark.parametrize("order", [min, max], ids=["the first is faster", "the last is faster"])
def test_replay_hands_results_back_in_the_order_of_the_journal(order):
    world, live, replayed = World(), [], []
    world.drive(two_members(live), order=lambda keys: [order(keys)] if keys else [])
    assert world.drive(two_members(replayed)).status == "waiting"
    assert replayed == live
    assert world.executor.keys == []


def test_the_two_orders_are_different_indeed():
    seen = {min: [], max: []}
    for order, found in seen.items():
        World().drive(two_members(found), order=lambda keys, order=order: [order(keys)] if keys else [])
    assert seen[min] != seen[max]


def test_results_that_came_together_are_handed_back_one_by_one():
    world, live, replayed = World(), [], []
    world.drive(two_members(live), order=lambda keys: keys)
    world.drive(two_members(replayed))
    assert replayed == live
    assert live.index("fan[0] went on") < live.index("fan[1] went on")


def test_a_decision_that_depended_on_who_finished_first_is_taken_again_as_it_was():
    async def member(run):
        await run.step("s", call())
        return run.key

    async def flow(run):
        scope = run.scope("race", "first")
        fibers = [scope.spawn(member, item=index) for index in range(3)]
        winner = await run.settled(fibers)
        for fiber in fibers:
            fiber.cancel()
        await run.wait("gate", event())
        return winner.result()

    world = World()
    world.drive(flow, order=lambda keys: keys[-1:])
    world.answer()
    world.drive(flow)
    assert world.result() == "race[2]"


def test_settled_gives_a_fiber_that_had_settled_before_at_once():
    world = World()

    async def member(run):
        return run.key

    async def flow(run):
        fibers = [run.scope("s", "x").spawn(member, item=index) for index in range(2)]
        first = await run.settled(fibers)
        again = await run.settled(fibers)
        other = await run.settled([fibers[1]])
        return [first is fibers[0], again is first, other is fibers[1]]

    world.drive(flow)
    assert world.result() == [True, True, True]


def test_settled_needs_a_fiber():
    async def flow(run):
        await run.settled([])

    assert World().drive(flow).status == "failed"


def test_recorded_values_are_the_same_on_every_replay():
    world, seen = World(), []

    async def flow(run):
        seen.append([run.now(), run.random(), run.uuid4(), run.now(), run.note("n", "set", lambda: len(seen))])
        run.skip("skipped", "not needed")
        await run.wait("gate", event())

    world.drive(flow)
    world.clock.advance(5)
    world.drive(flow)
    assert seen[0] == seen[1]
    assert [x for x in world.journal() if x.startswith("value")] == [
        "value_recorded %now",
        "value_recorded %random",
        "value_recorded %uuid4",
        "value_recorded %now#2",
        "value_recorded n",
    ]


def test_new_names_do_not_shift_others_and_records_never_asked_for_are_a_warning():
    world = World()

    async def old(run):
        await run.step("a", call())
        await run.step("b", call())
        await run.wait("gate", event())

    async def new(run):
        await run.step("new", call())
        await run.step("b", call())
        await run.wait("gate", event())

    world.drive(old)
    outcome = world.drive(new)
    assert world.executor.keys == ["new"]
    assert outcome.warnings == ["recorded but not asked for any more: `a`"]


def test_thousands_of_recorded_steps_are_replayed_without_a_commit_for_each():
    world = World()

    async def flow(run):
        for number in range(2000):
            run.note("n", "set", lambda number=number: number)
        await run.wait("gate", event())

    world.drive(flow)
    world.drive(flow)
    assert world.batches == [[]]


# -- values belong to the journal --------------------------------------------------------------------


def test_a_workflow_that_changes_a_result_does_not_change_what_is_recorded():
    async def flow(run):
        found = await output(run, "find")
        found.append("mine")
        await run.step("use", call(found))
        await run.wait("gate", event())
        return found

    world = World()
    world.drive(flow, {"find": [ok(["theirs"])]})
    world.answer()
    world.drive(flow)
    assert world.result() == ["theirs", "mine"]


def test_a_note_gives_what_was_recorded_and_not_what_happened():
    seen = []

    async def flow(run):
        seen.append(run.note("n", "set", lambda: (1, 2)))
        await run.wait("gate", event())

    world = World()
    world.drive(flow)
    world.drive(flow)
    assert seen[0] == seen[1]


def test_a_workflow_that_changes_its_input_is_given_the_recorded_one_in_the_next_pass():
    seen = []

    async def flow(run):
        seen.append(list(run.input))
        run.input.append("mine")
        run.note("late", "set", lambda: 1)
        await run.wait("gate", event())

    world = World(input=["theirs"])
    world.drive(flow, ambush=before("value_recorded late", world.misdirected))
    assert seen == [["theirs"], ["theirs"]]


@pytest.mark.parametrize("value", [object(), {1: "a"}, float("nan"), {1, 2}], ids=["object", "key", "nan", "set"])
def test_a_value_that_is_no_json_is_an_error_of_the_workflow(value):
    async def flow(run):
        run.note("n", "set", lambda: value)

    world = World()
    assert world.drive(flow).status == "failed"
    failure = world.state().failure
    assert (failure["code"], failure["step_key"]) == ("ERR_WORKFLOW_CODE", "n")


# -- mismatch --------------------------------------------------------------------------------------


async def parked_after_a_step(run):
    await run.step("s", call({"n": 1}))
    await run.wait("gate", event())


def asks(verb):
    async def flow(run):
        await verb(run)
        await run.wait("gate", event())

    return flow


OTHER = {
    "a step of another kind": lambda run: run.step("s", call({"n": 1}, kind="other")),
    "a local effect": lambda run: run.perform("s", local(lambda: 1)),
    "a wait": lambda run: run.wait("s", event()),
    "a sleep": lambda run: run.sleep("s", timedelta(1)),
}


@pytest.mark.parametrize("verb", OTHER.values(), ids=OTHER)
def test_a_record_of_something_else_is_a_mismatch_that_is_never_journaled(verb):
    world = World()
    world.drive(parked_after_a_step)
    before = world.journal()
    with pytest.raises(NondeterminismError, match="`s`") as caught:
        world.drive(asks(verb))
    assert caught.value.step_key == "s"
    assert world.journal() == before
    assert world.is_free()


def test_a_mismatch_of_arguments_shows_recorded_and_asked():
    world = World()
    world.drive(parked_after_a_step)
    with pytest.raises(NondeterminismError, match="`s`") as caught:
        world.drive(asks(lambda run: run.step("s", call({"n": 2}))))
    assert caught.value.details == {"key": "s", "recorded": {"n": 1}, "asked": {"n": 2}}
    assert world.status() == "waiting"


def test_arguments_over_4_kib_are_compared_but_not_kept():
    world = World()
    large = "x" * (e.ARGUMENT_BYTES - 1)
    world.drive(asks(lambda run: run.step("s", call(large))))
    assert [x.arguments for x in world.entries() if isinstance(x, e.StepStarted)] == [None]
    assert world.drive(asks(lambda run: run.step("s", call(large)))).status == "waiting"
    with pytest.raises(NondeterminismError) as caught:
        world.drive(asks(lambda run: run.step("s", call("small"))))
    assert caught.value.details == {"key": "s", "recorded": None, "asked": "small"}


def test_arguments_of_4_kib_are_kept_inline():
    world, text = World(), "x" * (e.ARGUMENT_BYTES - 2)
    world.drive(asks(lambda run: run.step("s", call(text))))
    assert [x.arguments for x in world.entries() if isinstance(x, e.StepStarted)] == [text]


@pytest.mark.parametrize(
    "verb",
    [
        lambda run: run.step("gate", call()),
        lambda run: run.wait("gate", event("other")),
        lambda run: run.sleep("gate", timedelta(1)),
    ],
    ids=["a step", "another event", "a sleep"],
)
def test_a_wait_recorded_under_a_key_stays_that_wait(verb):
    world = World()
    world.drive(asks(lambda run: run.wait("other", event("other"))))
    world.answer(to="other")
    world.drive(asks(lambda run: run.wait("other", event("other"))))
    with pytest.raises(NondeterminismError, match="`gate`"):
        world.drive(lambda run: gate(run, verb))


async def gate(run, verb):
    await run.wait("other", event("other"))
    await verb(run)


def test_values_and_scopes_are_compared_too():
    async def flow(run):
        run.note("n", "set", lambda: 1)
        run.skip("k", "why")
        run.scope("s", "parallel", meaning=1)
        await run.wait("gate", event())

    world = World()
    world.drive(flow)
    for verb in (
        lambda run: run.note("n", "switch", lambda: 1),
        lambda run: run.skip("n", "why"),
        lambda run: run.note("k", "set", lambda: 1),
        lambda run: run.note("s", "set", lambda: 1),
        lambda run: run.skip("gate", "why"),
        lambda run: run.scope("s", "parallel", meaning=2),
        lambda run: run.scope("s", "foreach", meaning=1),
        lambda run: run.scope("gate", "parallel", meaning=1),
    ):

        async def other(run, verb=verb):
            verb(run)

        with pytest.raises(NondeterminismError):
            world.drive(other)


def test_policy_is_no_part_of_what_a_step_means():
    world = World()
    world.drive(parked_after_a_step)
    outcome = world.drive(asks(lambda run: run.step("s", call({"n": 1}, once=True))))
    assert outcome.status == "waiting"


def test_a_local_effect_is_compared_by_identity_and_arguments():
    world = World()
    world.drive(asks(lambda run: run.perform("s", local(lambda: 1, "here:a"))))
    assert world.drive(asks(lambda run: run.perform("s", local(lambda: 2, "here:a")))).status == "waiting"
    with pytest.raises(NondeterminismError):
        world.drive(asks(lambda run: run.perform("s", local(lambda: 1, "here:b"))))


def mismatch_in_a_member(run_step, after):
    """A member whose step has changed, while the workflow waits for something else."""

    async def member(run):
        run.scope("inner", "workflow")
        await run.step("s", run_step)

    async def flow(run):
        run.scope("fan", "parallel").spawn(member, item=0)
        for name in after:
            await run.step(name, call())
        await run.wait("gate", event())

    return flow


def test_a_mismatch_in_a_member_is_never_journaled_and_never_overlooked():
    world = World()
    world.drive(mismatch_in_a_member(call(1), ["a"]))
    with pytest.raises(NondeterminismError):
        world.drive(mismatch_in_a_member(call(2), ["a", "b"]))
    assert "scope_closed fan[0]/inner failed" not in world.journal()


def test_a_workflow_cannot_catch_a_mismatch():
    async def flow(run):
        try:
            await run.step("s", call(2))
        except Exception:
            await run.step("instead", call())
        await run.wait("gate", event())

    world = World()
    world.drive(asks(lambda run: run.step("s", call(1))))
    with pytest.raises(NondeterminismError):
        world.drive(flow)
    assert "step_started instead 1" not in world.journal()


# -- what a workflow cannot do ---------------------------------------------------------------------


class Foreign:
    def __await__(self):
        yield object()


def test_awaiting_something_foreign_is_an_error_with_file_and_line():
    async def inner():
        await Foreign()

    async def flow(run):
        await inner()

    world = World()
    assert world.drive(flow).status == "failed"
    failure = world.state().failure
    line = inner.__code__.co_firstlineno + 1
    assert failure["code"] == "ERR_WORKFLOW_CODE"
    assert failure["message"].startswith(f"{__file__}:{line}: a workflow awaited something that is none of its verbs")
    assert "`sleep`" in failure["message"]


def test_the_place_is_the_workflows_own_and_not_that_of_a_library():
    async def flow(run):
        await asyncio.sleep(0)

    world = World()
    world.drive(flow)
    assert world.state().failure["message"].startswith(f"{__file__}:{flow.__code__.co_firstlineno + 1}: ")


def test_a_workflow_whose_members_wait_for_each_other_is_an_error():
    async def flow(run):
        scope, fibers = run.scope("fan", "parallel"), []

        async def member(inner):
            await fibers[1 - int(inner.key[-2])]

        fibers += [scope.spawn(member, item=index) for index in range(2)]
        await fibers[0]

    world = World()
    with pytest.raises(WorkflowCodeError, match="members that wait for each other"):
        world.drive(flow)
    assert world.status() == "open"
    assert world.is_free()


def test_awaiting_in_finally_while_parking_does_no_harm():
    left = []

    async def flow(run):
        try:
            await run.wait("gate", event())
        finally:
            left.append("entered")
            await run.step("cleanup", call())
            left.append("done")

    world = World()
    assert world.drive(flow).status == "waiting"
    assert left == ["entered"]
    assert world.journal() == ["wait_opened gate", "run_parked"]
    world.answer()
    world.drive(flow)
    assert left == ["entered", "entered", "done"]
    assert world.journal()[-1] == "run_completed"


def test_a_verb_called_before_and_awaited_in_finally_while_parking_does_no_harm():
    async def flow(run):
        cleanup = run.step("cleanup", call())
        try:
            await run.wait("gate", event())
        finally:
            await cleanup

    world = World()
    assert world.drive(flow).status == "waiting"
    assert world.journal() == ["wait_opened gate", "run_parked"]


def test_awaiting_something_foreign_in_finally_while_parking_does_no_harm():
    async def flow(run):
        try:
            await run.wait("gate", event())
        finally:
            await Foreign()

    world = World()
    assert world.drive(flow).status == "waiting"
    assert world.journal() == ["wait_opened gate", "run_parked"]


def test_an_error_in_finally_while_parking_does_no_harm():
    async def flow(run):
        try:
            answer = await run.wait("gate", event())
        finally:
            str(answer)

    world = World()
    assert world.drive(flow).status == "waiting"
    assert world.status() == "waiting"
    assert world.drive(flow, interrupt=asked()).status == "paused"


def asked():
    interrupt = Interrupt()
    interrupt.ask("ann")
    return interrupt


@pytest.mark.parametrize("verb", ["note", "skip", "now", "random", "uuid4", "scope", "spawn", "cancel"])
def test_no_verb_does_anything_while_the_workflow_is_being_left(verb):
    async def forever(run):
        await run.wait("other", event("other"))

    async def flow(run):
        scope = run.scope("fan", "parallel")
        member = scope.spawn(forever, item=0)
        acts = {
            "note": lambda: run.note("n", "set", lambda: 1),
            "skip": lambda: run.skip("k", "why"),
            "now": run.now,
            "random": run.random,
            "uuid4": run.uuid4,
            "scope": lambda: run.scope("late", "parallel"),
            "spawn": lambda: scope.spawn(forever, item=1),
            "cancel": member.cancel,
        }
        try:
            await run.wait("gate", event())
        finally:
            acts[verb]()

    world = World()
    world.drive(flow)
    opened = world.journal()
    assert opened == ["scope_opened fan", "wait_opened gate", "wait_opened fan[0]/other", "run_parked"]
    # a message that comes before the release makes the drive leave the workflow, and go on
    world.drive(flow, ambush=before_release(world.misdirected))
    assert world.journal() == opened
    assert {wait.key for wait in world.waits()} == {"gate", "fan[0]/other"}


def leaving(act):
    """A workflow that does something in `finally`, and whose decisions a message makes undone once."""

    async def forever(run):
        await run.wait("other", event("other"))

    async def flow(run):
        scope = run.scope("fan", "parallel")
        member = scope.spawn(forever, item=0)
        try:
            await run.step("s", call())
            run.note("n", "set", lambda: 1)
            await run.wait("gate", event())
        finally:
            act(scope, member)

    return flow


def test_cancelling_in_finally_closes_no_wait_when_decisions_are_dropped():
    world, flow = World(), leaving(lambda _scope, member: member.cancel())
    world.drive(flow, ambush=before("value_recorded n", world.misdirected))
    assert {wait.key for wait in world.waits()} == {"gate", "fan[0]/other"}


def test_closing_a_scope_in_finally_closes_nothing_when_decisions_are_dropped():
    world, flow = World(), leaving(lambda scope, _member: scope.close())
    world.drive(flow, ambush=before("value_recorded n", world.misdirected))
    assert "scope_closed fan completed" not in world.journal()


# -- fibers of a run -------------------------------------------------------------------------------


def test_a_member_that_is_cancelled_ends_its_effects_and_closes_its_waits():
    async def waits(run):
        run.scope("inner", "workflow")
        await run.wait("gate", event())

    async def sleeps(run):
        await run.sleep("nap", timedelta(days=1))

    async def works(run):
        await run.step("s", call())

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(member, item=index) for index, member in enumerate([waits, sleeps, works])]
        await run.step("a", call())
        for fiber in fibers:
            fiber.cancel()
        scope.close()
        await run.step("b", call())

    world = World()
    world.drive(flow, order=lambda keys: [key for key in keys if key in "ab"])
    assert world.executor.stopped == ["fan[2]/s"]
    assert world.batches[1][1:] == [
        "wait_closed fan[0]/gate cancelled",
        "scope_closed fan[0]/inner cancelled",
        "wait_closed fan[1]/nap cancelled",
        "step_interrupted fan[2]/s stopped",
        "scope_closed fan completed",
        "step_started b 1",
    ]
    assert world.waits() == []


def test_no_verb_does_anything_while_a_cancelled_member_is_being_left():
    async def tidies(run):
        try:
            await run.wait("gate", event())
        finally:
            run.note("late", "set", lambda: 1)

    async def flow(run):
        scope = run.scope("fan", "parallel")
        fiber = scope.spawn(tidies, item=0)
        await run.step("a", call())
        fiber.cancel()
        scope.close()
        return "done"

    world = World()
    assert world.drive(flow).status == "completed"
    assert [line for line in world.journal() if "late" in line] == []
    assert world.result() == "done"


def test_an_effect_that_was_given_up_is_ended_while_the_run_goes_on():
    async def works(run):
        await run.step("s", call())

    async def flow(run):
        fiber = run.scope("fan", "parallel").spawn(works, item=0)
        await run.step("a", call())
        fiber.cancel()
        await run.step("b", call())
        await run.wait("gate", event())

    world, seen = World(), []
    order = lambda keys: seen.append((keys, list(world.executor.stopped))) or [key for key in keys if key in "ab"]  # noqa: E731
    assert world.drive(flow, order=order).status == "waiting"
    assert world.executor.stopped == ["fan[0]/s"]
    assert [stopped for keys, stopped in seen if "b" in keys] == [["fan[0]/s"]] * len(
        [1 for keys, _ in seen if "b" in keys]
    )
    assert world.journal()[-1] == "run_parked"


def test_awaiting_a_cancelled_member_says_so():
    async def forever(run):
        await run.wait("gate", event())

    async def flow(run):
        fiber = run.scope("fan", "parallel").spawn(forever, item=0)
        await run.step("s", call())
        fiber.cancel()
        await fiber

    world = World()
    world.drive(flow)
    assert world.state().failure["message"] == "`fan[0]` was cancelled"


def test_a_verb_that_two_members_await_ends_for_both_when_its_own_is_cancelled():
    async def flow(run):
        shared = run.wait("gate", event())

        async def member(_inner):
            return await shared

        scope = run.scope("fan", "parallel")
        fibers = [scope.spawn(member, item=index) for index in range(2)]
        await run.step("s", call())
        fibers[0].cancel()
        await fibers[1]

    world = World()
    assert world.drive(flow).status == "failed"
    assert world.state().failure["message"] == "`fan[0]` was cancelled"


def test_members_end_with_the_fiber_that_began_them():
    async def forever(run):
        await run.wait("gate", event())

    async def flow(run):
        run.scope("fan", "parallel").spawn(forever, item=0)
        await run.step("s", call())

    world = World()
    assert world.drive(flow).status == "completed"
    assert "wait_closed fan[0]/gate cancelled" in world.journal()
    assert world.journal()[-2:] == ["scope_closed fan completed", "run_completed"]


def test_a_scope_that_nobody_closed_is_closed_with_how_its_fiber_ended():
    async def flow(run):
        run.scope("fan", "parallel")
        await run.step("s", call())

    world = World()
    assert world.drive(flow, {"s": [fails("boom")]}).status == "failed"
    (closed,) = [x for x in world.entries() if isinstance(x, e.ScopeClosed)]
    assert (closed.outcome, closed.error["message"]) == ("failed", "boom")


def test_a_failed_step_raises_where_it_is_awaited_with_its_key_and_details():
    seen = []

    async def flow(run):
        try:
            await run.step("s", call())
        except StepFailedError as error:
            seen.append((error.message, error.step_key, error.details))

    world = World()
    world.drive(flow, {"s": [fails("boom", exit_code=3)]})
    assert seen == [("boom", "s", {"exit_code": 3})]
    assert world.journal()[-1] == "run_completed"
