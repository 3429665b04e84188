"""Tasks and steps: what is performed, under which name, with what it gives back, and once."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from checkpointflow import Retry, WorkflowContext, current_step, task, workflow
from checkpointflow.errors import NondeterminismError, WorkflowCodeError
from checkpointflow.frontends.functions.context import Asked
from checkpointflow.kernel import entries as e
from functions.replaying import answered, broken_before, gone_on, journal, keys, recorded

done: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()


@dataclass
class Paper:
    title: str
    at: datetime


def fetch(topic: str) -> list[str]:
    done[f"fetch {topic}"] += 1
    return [topic, topic.upper()]


async def analyse(papers: list[str], *, depth: int = 1) -> dict[str, Any]:
    done["analyse"] += 1
    return {"papers": papers, "depth": depth}


def write(title: str) -> Paper:
    return Paper(title, datetime(2030, 1, 1, tzinfo=UTC))


def year_of(paper: Paper) -> int:
    return paper.at.year


async def call_model(prompt: str) -> str:
    done[f"model {prompt}"] += 1
    return prompt.upper()


class Library:
    def find(self, name: str) -> str:
        return f"found {name}"

    async def __call__(self, name: str) -> str:
        return f"called {name}"

    @staticmethod
    def count() -> int:
        return 3


library = Library()


@workflow
async def research(ctx: WorkflowContext, topic: str) -> dict[str, Any]:
    papers = await ctx.task(fetch, topic)
    analysis = await ctx.task(analyse, papers, depth=2)
    note = await ctx.step("synthesis", call_model(f"sum {topic}"))
    more = await ctx.step("more", fetch, "again")
    return {"papers": papers, "analysis": analysis, "note": note, "more": more}


WHOLE = {
    "papers": ["owls", "OWLS"],
    "analysis": {"papers": ["owls", "OWLS"], "depth": 2},
    "note": "SUM OWLS",
    "more": ["again", "AGAIN"],
}


def test_a_workflow_performs_its_tasks_and_steps_and_gives_what_it_returns() -> None:
    outcome = research.run_sync("owls")
    assert (outcome.status, outcome.result, outcome.error, outcome.waits) == ("completed", WHOLE, None, ())
    assert keys(outcome) == ["fetch", "analyse", "synthesis", "more"]


def test_what_was_recorded_is_not_performed_again_wherever_the_process_died() -> None:
    _, kept = recorded(research, "owls")
    assert len(kept) == 6  # the start, the first intent, each end with what follows from it
    for dump in kept:
        before = sum(one["entry"] == "step_completed" for one in json.loads(dump)["entries"])
        done.clear()
        again = gone_on(research, dump)
        assert (again.status, again.result) == ("completed", WHOLE)
        assert sum(done.values()) == 4 - before
    assert done == {}  # of a run that has completed nothing is left to do


@workflow
async def names(ctx: WorkflowContext) -> list[Any]:
    return [
        await ctx.task(fetch, "a"),
        await ctx.task(fetch, "b"),
        await ctx.task(fetch, "c", key="mine"),
        await ctx.task(library.find, "d"),
        await ctx.task(library, "e"),
        await ctx.task(Library.count),
        await ctx.task(functools.partial(fetch, "f")),
        await ctx.task(named),
        await ctx.task(len, [1, 2]),
        await ctx.step("by hand", lambda: 4),
    ]


@task(name="a name of its own")
def named() -> int:
    return 5


def test_a_task_is_named_as_its_function_and_counted_when_it_comes_again() -> None:
    outcome = names.run_sync()
    assert keys(outcome) == [
        "fetch", "fetch#2", "mine", "find", "Library", "count", "fetch#3", "a name of its own", "len", "by hand",
    ]  # fmt: skip
    assert outcome.result is not None
    assert outcome.result[3:] == ["found d", "called e", 3, ["f", "F"], 5, 2, 4]


@workflow
async def anonymous(ctx: WorkflowContext) -> int:
    return await ctx.task(lambda: 1)


def test_a_lambda_needs_a_name() -> None:
    error = anonymous.run_sync().error
    assert error is not None
    assert "a lambda has no name to be recorded under; use `ctx.step(name, …)`" in str(error["message"])


@workflow
async def typed(ctx: WorkflowContext, first: Paper, when: datetime | None = None) -> Paper:
    made = await ctx.task(write, first.title)
    assert isinstance(made, Paper)
    assert await ctx.task(year_of, first) == 2020
    return made


def test_dataclasses_and_instants_are_converted_in_and_out_by_their_annotations() -> None:
    paper = Paper("t", datetime(2020, 1, 1, tzinfo=UTC))
    outcome, kept = recorded(typed, {"first": paper})
    assert outcome.result == write("t")
    assert {gone_on(typed, one).result.title for one in kept} == {"t"}  # type: ignore[union-attr]
    assert typed.run_sync({"first": {"title": "t", "at": "2020-01-01T00:00:00Z"}}).result == write("t")


@workflow
async def handed_out(ctx: WorkflowContext) -> Any:
    given = await ctx.task(fetch, "a")
    given.append("mine")
    return [given, await ctx.task(fetch, "b")]


def test_what_a_workflow_does_to_a_result_is_not_recorded() -> None:
    outcome = handed_out.run_sync()
    first = next(one for one in journal(outcome) if isinstance(one, e.StepCompleted))
    assert first.output == ["a", "A"]
    assert outcome.result == [["a", "A", "mine"], ["b", "B"]]


class Odd:
    pass


def make_odd() -> Odd:
    return Odd()


@workflow
async def takes_odd(ctx: WorkflowContext) -> None:
    await ctx.task(fetch, {"deep": [Odd()]})  # type: ignore[arg-type]


@workflow
async def gives_odd(ctx: WorkflowContext) -> None:
    await ctx.task(make_odd)


@workflow
async def is_odd(ctx: WorkflowContext) -> Any:
    return {"a": Odd()}


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (takes_odd, "`fetch(0).deep[0]` is of type `Odd`"),
        (gives_odd, "`make_odd()` is of type `Odd`"),
        (is_odd, "`is_odd().a` is of type `Odd`"),
    ],
)
def test_what_cannot_be_journaled_fails_the_run_naming_the_value(odd: Any, told: str) -> None:
    outcome = odd.run_sync()
    assert outcome.status == "failed"
    assert told in outcome.error["message"]


# -- laziness --------------------------------------------------------------------------------------


@workflow
async def lazy(ctx: WorkflowContext) -> str:
    one = ctx.task(fetch, "never")
    two = ctx.task(fetch, "later")
    assert isinstance(one, Asked)
    three = await ctx.task(fetch, "now")
    return f"{one.key} {two.key} {three[0]} {(await two)[0]} {(await two)[0]}"


def test_a_verb_begins_when_it_is_awaited_and_gives_the_same_to_whoever_awaits_it_again() -> None:
    with pytest.warns(RuntimeWarning, match="`fetch` was called but never awaited"):
        outcome = lazy.run_sync()
    assert outcome.result == "fetch fetch#2 now later later"
    assert keys(outcome) == ["fetch#3", "fetch#2"]
    assert done == {"fetch now": 1, "fetch later": 1}
    assert outcome.warnings == ("`fetch` was called but never awaited, so nothing happened",)


# -- threads and loops -----------------------------------------------------------------------------


def my_thread() -> str:
    return threading.current_thread().name


async def my_loop() -> int:
    return id(asyncio.get_running_loop())


@workflow
async def places(ctx: WorkflowContext) -> list[Any]:
    return [await ctx.task(my_thread), await ctx.task(my_loop), await ctx.task(my_loop)]


def test_async_tasks_run_on_the_event_loop_of_the_caller_and_others_in_threads() -> None:
    async def main() -> tuple[Any, int]:
        return (await places.run()).result, id(asyncio.get_running_loop())

    (thread, first, second), loop = asyncio.run(main())
    assert thread == "step my_thread"
    assert first == second == loop


def test_without_a_loop_one_is_made_for_the_purpose() -> None:
    outcome = places.run_sync()
    assert outcome.result is not None
    assert outcome.result[1] == outcome.result[2]


# -- coroutines ------------------------------------------------------------------------------------


@workflow
async def coroutines(ctx: WorkflowContext) -> list[Any]:
    first = await ctx.step("first", call_model("a"))
    ctx.step("never awaited", call_model("b"))
    decision = await ctx.wait_for_event("go")
    last = await ctx.step("last", call_model("c"))
    return [first, decision, last]


def test_coroutines_that_replay_does_not_need_are_closed_in_silence() -> None:
    outcome, kept = recorded(coroutines)
    assert outcome.status == "waiting"
    for dump in kept[1:-1]:
        assert gone_on(coroutines, dump).status == "waiting"
    with pytest.warns(RuntimeWarning, match="`never awaited` was called but never awaited"):
        assert gone_on(coroutines, kept[-1], {"go": 1}).status == "completed"
    assert done == {"model a": 2, "model c": 1}


@workflow
async def twice_the_same(ctx: WorkflowContext) -> list[Any]:
    work = call_model("a")
    return [await ctx.step("one", work), await ctx.step("two", work)]


def test_a_coroutine_can_be_a_step_only_once() -> None:
    outcome = twice_the_same.run_sync()
    assert outcome.status == "failed"
    assert done == {"model a": 1}
    assert "awaited" in str(outcome.error)


def grows(items: list[int], *, more: dict[str, int]) -> int:
    items.append(4)
    more["b"] = 2
    return len(items)


@workflow
async def lends(ctx: WorkflowContext) -> list[Any]:
    items, more = [1], {"a": 1}
    verb = ctx.task(grows, items, more=more)
    items.append(2)  # too late for the step, which was asked for before
    length = await verb
    await ctx.task(len, items)  # another list on replay would be another argument
    answer = await ctx.wait_for_event("go")
    return [items, more, length, answer]


def test_a_task_gets_copies_so_that_what_it_does_to_its_arguments_changes_no_decision() -> None:
    outcome, kept = recorded(lends)
    first = answered(lends, outcome, go=1).result
    assert first == gone_on(lends, kept[-1], {"go": 1}).result == [[1, 2], {"a": 1}, 2, 1]


@workflow
async def not_callable(ctx: WorkflowContext) -> None:
    await ctx.step("x", 5)  # type: ignore[call-overload]


@workflow
async def hidden_coroutine(ctx: WorkflowContext) -> None:
    await ctx.step("x", lambda: call_model("p"))


@workflow
async def task_is_workflow(ctx: WorkflowContext) -> None:
    await ctx.task(research, "owls")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (not_callable, "`ctx.step('x', …)` takes a function or a coroutine, and got 5"),
        (hidden_coroutine, "give `ctx.step` the coroutine itself"),
        (task_is_workflow, "`research` is a workflow and no task; call it with `ctx.call`"),
    ],
)
def test_what_is_no_task_is_refused_with_what_to_do(wrong: Any, told: str) -> None:
    outcome = wrong.run_sync()
    assert outcome.status == "failed"
    assert told in outcome.error["message"]


# -- policies --------------------------------------------------------------------------------------


@task(retry=Retry(max_attempts=3, backoff_seconds=0))
def flaky() -> list[Any]:
    step = current_step()
    if step.attempt < 3:
        raise ValueError(f"not at attempt {step.attempt}")
    return [step.key, step.attempt, step.idempotency_key, step.run_id]


@task(retry=Retry(max_attempts=2, backoff_seconds=0))
async def flaky_async() -> int:
    if current_step().attempt < 2:
        raise ValueError("not yet")
    return current_step().attempt


@workflow
async def tries(ctx: WorkflowContext) -> list[Any]:
    return [await ctx.task(flaky), await ctx.task(flaky_async), ctx.run_id]


def test_a_task_is_tried_as_often_as_it_says_and_knows_its_step() -> None:
    (key, attempt, idempotency, run_id), second, mine = tries.run_sync().result or []
    assert (key, attempt, second) == ("flaky", 3, 2)
    assert run_id == mine
    assert idempotency == f"{mine}/flaky/0"


def test_current_step_is_refused_outside_a_task() -> None:
    with pytest.raises(WorkflowCodeError, match="outside a task"):
        current_step()


released = threading.Event()


@task(timeout_seconds=0.01)
async def endless() -> None:
    await asyncio.Event().wait()


@task(timeout_seconds=0.01)
def endless_thread() -> None:
    released.wait(60)


@workflow
async def too_long(ctx: WorkflowContext, is_async: bool) -> None:
    await ctx.task(endless if is_async else endless_thread)


@pytest.mark.parametrize("is_async", [True, False])
def test_a_task_that_takes_too_long_fails(is_async: bool) -> None:
    released.clear()
    outcome = too_long.run_sync(is_async)
    released.set()
    assert outcome.error is not None
    assert outcome.error["code"] == "ERR_TIMEOUT"


@task(effect="once")
def pay() -> str:
    done["pay"] += 1
    return "paid"


@workflow
async def payment(ctx: WorkflowContext) -> str:
    return await ctx.task(pay)


def test_a_task_that_may_run_once_is_in_doubt_after_a_crash() -> None:
    left = broken_before(payment, "step_completed pay")
    assert done == {"pay": 1}
    outcome = gone_on(payment, left)
    assert (outcome.status, outcome.waits[0].kind) == ("waiting", "in_doubt")
    assert done == {"pay": 1}


def test_a_task_called_directly_is_the_function_it_was() -> None:
    assert pay() == "paid"
    assert inspect.isfunction(flaky)


# -- verbs where they do not belong ------------------------------------------------------------------


@workflow
async def inside_a_step(ctx: WorkflowContext) -> None:
    def work() -> None:
        ctx.emit("no")

    await ctx.step("work", work)


def test_a_verb_inside_a_step_is_refused() -> None:
    error = inside_a_step.run_sync().error
    assert error is not None
    assert "a verb of `ctx` was used outside its workflow's code" in str(error["message"])


@workflow
async def sleeps_by_itself(ctx: WorkflowContext) -> None:
    await asyncio.sleep(0.01)


@workflow
async def yields_by_itself(ctx: WorkflowContext) -> None:
    await asyncio.sleep(0)


async def _branch(ctx: WorkflowContext) -> None:
    await asyncio.sleep(0.01)


@workflow
async def sleeps_in_a_branch(ctx: WorkflowContext) -> None:
    await ctx.parallel(_branch(ctx))


@pytest.mark.parametrize("wrong", [sleeps_by_itself, yields_by_itself, sleeps_in_a_branch])
def test_nothing_but_verbs_may_be_awaited_and_the_place_is_told(wrong: Any) -> None:
    outcome = wrong.run_sync()
    assert (outcome.status, outcome.error["code"]) == ("failed", "ERR_WORKFLOW_CODE")
    assert "awaited something that is none of its verbs" in outcome.error["message"]
    assert "`ctx.parallel`" in outcome.error["message"] or "`parallel`" in outcome.error["message"]
    assert f"{__file__}:" in outcome.error["message"]


def test_a_changed_argument_is_an_error_of_the_code_and_no_outcome() -> None:
    left = broken_before(research, "step_started analyse", "owls")
    assert b"owls" in left
    with pytest.raises(NondeterminismError):
        gone_on(research, left.replace(b'"topic":"owls"', b'"topic":"bees"'))
