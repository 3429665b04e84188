"""What verbs and decorators are given by mistake is refused in one sentence that says what to give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from checkpointflow import Checkpoint, Client, Retry, WorkflowContext, task, workflow
from checkpointflow.errors import RunNotFoundError, UsageError


def fetch(topic: str = "owls") -> str:
    return topic


async def fetch_async(topic: str = "owls") -> str:
    return topic


@workflow
async def inner(ctx: WorkflowContext) -> int:
    return 1


async def numbers() -> Any:
    yield 1


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a task by its name": (lambda ctx: ctx.task("fetch"), "`ctx.task` takes a function, and got the text 'fetch'"),
    "a task that is nothing": (lambda ctx: ctx.task(None), "`ctx.task` takes a function, and got None"),
    "a task that was called": (lambda ctx: ctx.task(fetch_async()), "got a coroutine of `fetch_async`"),
    "a task with a number for its key": (lambda ctx: ctx.task(fetch, key=3), "`key` of `ctx.task` is 3"),
    "a task with an empty key": (lambda ctx: ctx.task(fetch, key=""), "is an empty text; give it a text that is not"),
    "a step without a name": (lambda ctx: ctx.step(fetch, 1), "the name of `ctx.step` is a `function`"),
    "a step with an empty name": (lambda ctx: ctx.step("", fetch), "the name of `ctx.step` is an empty text"),
    "a step of nothing": (lambda ctx: ctx.step("x", None), "takes a function or a coroutine, and got None"),
    "a step of a workflow": (lambda ctx: ctx.step("x", inner), "`inner` is a workflow and no task"),
    "a coroutine with arguments": (lambda ctx: ctx.step("x", fetch_async(), 3), "give it the function instead"),
    "a list beside": (lambda ctx: ctx.parallel([1]), "a `list`; unpack it, as `ctx.parallel(*items)`"),
    "numbers beside": (lambda ctx: ctx.parallel(1), "number 1 is 1"),
    "coroutines and a number": (lambda ctx: ctx.parallel(fetch_async(), 1), "number 2 is 1"),
    "a limit of text": (lambda ctx: ctx.parallel(fetch_async(), limit="2"), "`limit` is the text '2'"),
    "a limit of half": (lambda ctx: ctx.map(fetch, [1], limit=1.5), "`limit` is 1.5"),
    "a limit of nobody": (lambda ctx: ctx.map(fetch, [1], limit=0), "`limit` is 0; it is how many"),
    "a scope with a number for its key": (lambda ctx: ctx.first(fetch_async(), key=3), "`key` of `ctx.first` is 3"),
    "a map of a number": (lambda ctx: ctx.map(fetch, 5), "takes a function and a list of items, and got 5"),
    "a map the other way round": (lambda ctx: ctx.map([1], fetch), "`ctx.map` takes a function, and got a `list`"),
    "a map of a stream": (lambda ctx: ctx.map(fetch, numbers()), "got a `async_generator` for the items"),
    "a map of a set": (lambda ctx: ctx.map(fetch, {"a", "b"}), "give it `sorted(…)`"),
    "a map with a number for its key": (lambda ctx: ctx.map(fetch, [1], key=7), "`key` of `ctx.map` is 7"),
    "a key that no key can be": (lambda ctx: ctx.map(fetch, [1], key=lambda one: 1.5), "gave 1.5 for an item"),
    "a list in a race": (lambda ctx: ctx.first([1]), "unpack it, as `ctx.first(*items)`"),
    "a call by name": (lambda ctx: ctx.call("x"), "`ctx.call` takes a workflow (a function with `@workflow`"),
    "a call of a function": (lambda ctx: ctx.call(fetch), "a plain function is called with `ctx.task`"),
    "a call of what was called": (lambda ctx: ctx.call(inner(ctx)), "give it the workflow and its input"),
    "a call with a number for its key": (lambda ctx: ctx.call(inner, key=4), "`key` of `ctx.call` is 4"),
    "an event without a name": (lambda ctx: ctx.wait_for_event(None), "the event of `ctx.wait_for_event` is None"),
    "an event with a number for its key": (lambda ctx: ctx.wait_for_event("e", key=3), "`ctx.wait_for_event` is 3"),
    "a deadline of text": (lambda ctx: ctx.wait_for_event("e", timeout_seconds="3"), "a number of seconds, 0 at least"),
    "a deadline that is none": (lambda ctx: ctx.wait_for_event("e", timeout_seconds=float("nan")), "is nan; give it a"),
    "a deadline before": (lambda ctx: ctx.wait_for_user("?", timeout_seconds=-1), "is -1; give it a number"),
    "a deadline of another type": (lambda ctx: ctx.wait_for_user("?", timeout_seconds=timedelta(1)), "a `timedelta`"),
    "a prompt of no text": (lambda ctx: ctx.wait_for_event("e", prompt={"a": 1}), "is a `dict`; give it a text"),
    "an audience of no text": (lambda ctx: ctx.wait_for_event("e", audience=3), "`audience` of `ctx.wait_for_event`"),
    "a question of no text": (lambda ctx: ctx.wait_for_user(3), "the question of `ctx.wait_for_user` is 3"),
    "a question named by a number": (lambda ctx: ctx.wait_for_user("?", name=3), "`name` of `ctx.wait_for_user` is 3"),
    "options in one text": (lambda ctx: ctx.wait_for_user("?", input_type="choice", options="abc"), "list of ids"),
    "options in a dict": (lambda ctx: ctx.wait_for_user("?", input_type="choice", options={"a": "A"}), "list of ids"),
    "options that are numbers": (lambda ctx: ctx.wait_for_user("?", input_type="choice", options=[1]), "option is 1"),
    "a sleep of text": (lambda ctx: ctx.sleep("3"), "takes seconds, a timedelta or a datetime, and got the text"),
    "a sleep of true": (lambda ctx: ctx.sleep(True), "takes seconds, a timedelta or a datetime, and got True"),
    "a sleep beyond all calendars": (lambda ctx: ctx.sleep(timedelta.max), "more than a century"),
    "an emit without a kind": (lambda ctx: ctx.emit(None), "the kind of `ctx.emit` is None"),
    "state under a number": (lambda ctx: ctx.state.set(3, 1), "a key of `ctx.state` is 3; give it a text"),
    "state got by a list": (lambda ctx: ctx.state.get(["a"]), "a key of `ctx.state` is a `list`"),
    "state deleted by nothing": (lambda ctx: ctx.state.delete(None), "a key of `ctx.state` is None"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_verb_cannot_use_is_refused_in_one_sentence_that_says_what_to_give(case: str) -> None:
    wrong, told = WRONG[case]

    @workflow(name="wrong")
    async def wrongly(ctx: WorkflowContext) -> None:
        asked = wrong(ctx)
        if asked is not None:
            await asked

    outcome = wrongly.run_sync()
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error["code"] == "ERR_WORKFLOW_CODE"
    message = str(outcome.error["message"])
    assert told in message
    assert "Error:" not in message


POLICIES: dict[str, tuple[Callable[[], Any], str]] = {
    "retries as a number": (lambda: task(retry=3), r"`retry` is 3; give it `Retry\(max_attempts=…\)`"),
    "no attempt": (lambda: task(retry=Retry(max_attempts=0)), "`max_attempts` is 0; it counts the first try"),
    "attempts as text": (lambda: task(retry=Retry(max_attempts="2")), "`max_attempts` is the text '2'"),  # type: ignore[arg-type]
    "a strategy of its own": (lambda: task(retry=Retry(strategy="random")), "give `fixed` or `exponential`"),  # type: ignore[arg-type]
    "a pause before": (lambda: task(retry=Retry(backoff_seconds=-1)), "`backoff_seconds` is -1"),
    "one error as text": (lambda: task(retry=Retry(on="timeout")), r"give it a tuple of texts, as `on=\('timeout',\)`"),  # type: ignore[arg-type]
    "no time": (lambda: task(timeout_seconds=0), "`timeout_seconds` is 0; give it seconds, above 0"),
    "time as text": (lambda: task(timeout_seconds="3"), "`timeout_seconds` is the text '3'"),
    "time without end": (lambda: task(timeout_seconds=float("inf")), "`timeout_seconds` is inf"),
    "an effect of its own": (lambda: task(effect="twice"), "give `idempotent` or `once`"),
    "a task named by a number": (lambda: task(name=3), "`name` of `task` is 3"),
    "a workflow named by a number": (lambda: workflow(name=3), "`name` of `workflow` is 3"),
    "a workflow without a name": (lambda: workflow(name=""), "`name` of `workflow` is an empty text"),
    "a version as a number": (lambda: workflow(version=2), "`version` of `workflow` is 2"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_decorator_refuses_what_it_could_not_keep(case: str) -> None:
    decorator, told = POLICIES[case]

    async def decorated(ctx: WorkflowContext) -> None: ...

    with pytest.raises((TypeError, ValueError), match=told):
        decorator()(decorated)


def test_a_task_of_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="`task` says how a function is tried, and got 5"):
        task(5)  # type: ignore[type-var]


async def keep_async(entries: Any, position: int) -> None: ...


class Keeper:
    async def __call__(self, entries: Any, position: int) -> None: ...


RUNS: dict[str, tuple[Callable[[], Any], str]] = {
    "a checkpoint as text": (lambda: inner.run_sync({}, checkpoint="run-1"), "`checkpoint` is the text 'run-1'"),
    "responses in a list": (
        lambda: inner.run_sync(checkpoint=Checkpoint.new(), responses=["yes"]),
        "`responses` is a `list`; give it an object of answers",
    ),
    "a store by its path": (lambda: Checkpoint.new("state"), r"the text 'state'; give it `Store\(…\)`"),
    "a callback that is none": (lambda: Checkpoint.new(on_commit=3), "`on_commit` is 3; give it a plain function"),
    "a callback that is async": (lambda: Checkpoint.new(on_commit=keep_async), "a commit cannot wait for a loop"),
    "a callable that is async": (lambda: Checkpoint.new(on_commit=Keeper()), "a commit cannot wait for a loop"),
    "a dump that is text": (lambda: Checkpoint.load("{}"), "give what `dump` returned"),
}


CLIENTS: dict[str, tuple[Callable[[Client], Any], str]] = {
    "a number": (lambda client: client.run(3), "by its name or itself, and not by 3"),  # type: ignore[arg-type]
    "a function": (lambda client: client.run(fetch), "by its name or itself, and not by a `function`"),  # type: ignore[arg-type]
    "an id as a number": (lambda client: client.run(inner, run_id=3), "`run_id` is 3; give it a text"),  # type: ignore[arg-type]
    "labels in a list": (lambda client: client.run(inner, labels=["a"]), "`labels` is a `list`; give it an object of"),  # type: ignore[arg-type]
    "responses in a list": (lambda client: client.resume("run-1", ["a"]), "`responses` is a `list`"),  # type: ignore[arg-type]
    "a stream of no run": (lambda client: list(client.stream("nobody")), "there is no run `nobody`"),
}


@pytest.mark.parametrize("case", CLIENTS)
def test_what_a_client_cannot_use_is_refused_in_one_sentence(case: str) -> None:
    call, told = CLIENTS[case]
    with Client("memory:") as client, pytest.raises((TypeError, UsageError, RunNotFoundError), match=told):
        call(client)


@pytest.mark.parametrize("case", RUNS)
def test_what_a_call_cannot_use_is_refused_before_anything_begins(case: str) -> None:
    call, told = RUNS[case]
    with pytest.raises((TypeError, ValueError), match=told):
        call()
