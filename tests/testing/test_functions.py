"""Functions are tested in memory and in no time: answers and mocks given beforehand, journals over today's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from checkpointflow import Document, Retry, WorkflowContext, task, workflow
from checkpointflow.errors import InputError, NondeterminismError, StepFailedError, UsageError
from checkpointflow.testing import replay, run_to_completion


@dataclass
class Report:
    text: str


def fetch(topic: str, *, limit: int = 1) -> list[str]:
    raise AssertionError("a mock stands for this")


@task(retry=Retry(max_attempts=3, backoff_seconds=3600))
async def analyse(papers: list[str]) -> int:
    raise ConnectionError("there is no service here")


def plain(text: str) -> str:
    return text.upper()


@workflow
async def research(ctx: WorkflowContext, topic: str) -> Report:
    papers = await ctx.task(fetch, topic, limit=2)
    try:
        count = await ctx.task(analyse, papers)
    except StepFailedError:
        count = -1
    await ctx.sleep(86400)
    decision = await ctx.wait_for_user(
        "Publish?", input_type="approval", name="publish", timeout_seconds=60, default="late"
    )
    return Report(f"{await ctx.task(plain, topic)} {count} {decision}")


MOCKS: dict[str, Any] = {"fetch": lambda topic, limit: [topic] * limit, "analyse": 7}


def test_a_workflow_is_played_with_answers_and_mocks_and_time_passes_by_itself() -> None:
    played = run_to_completion(research, "owls", answers={"publish": "approve"}, mocks=MOCKS)
    assert (played.status, played.result, played.error) == ("completed", Report("OWLS 7 approve"), None)
    assert played.keys == ("fetch", "analyse", "plain")
    assert played.elapsed_seconds == 86400


def test_a_wait_without_an_answer_expires_and_retries_pass() -> None:
    played = run_to_completion(research, "owls", mocks={"fetch": []})
    assert played.result == Report("OWLS -1 late")
    assert played.elapsed_seconds == 2 * 3600 + 86400 + 60


async def mock_analyse(papers: list[str]) -> int:
    return len(papers)


@pytest.mark.parametrize(
    ("mock", "text"),
    [
        (5, "OWLS 5 late"),
        (mock_analyse, "OWLS 2 late"),
        (ValueError("no"), "OWLS -1 late"),
        (lambda papers: 9, "OWLS 9 late"),
    ],
)
def test_a_mock_is_an_output_a_function_or_an_error(mock: Any, text: str) -> None:
    assert run_to_completion(research, "owls", mocks=MOCKS | {"analyse": mock}).result == Report(text)


@workflow
async def waits(ctx: WorkflowContext) -> Any:
    return await ctx.parallel(ctx.wait_for_event("a"), ctx.wait_for_event("b"), ctx.wait_for_event("b"))


def test_what_nobody_answers_leaves_the_run_waiting_and_keys_tell_alike_events_apart() -> None:
    played = run_to_completion(waits, answers={"a": 1, "b#2": 3})
    assert (played.status, played.waiting) == ("waiting", ("b",))
    assert run_to_completion(waits, answers={"a": 1, "b": 2, "b#2": 3}).result == [1, 2, 3]


def test_an_answer_or_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="the answer `publish` does not fit"):
        run_to_completion(research, "owls", answers={"publish": "maybe"}, mocks=MOCKS)
    with pytest.raises(InputError):
        run_to_completion(research, {"topic": 1})


@workflow
async def changed(ctx: WorkflowContext, topic: str) -> str:
    papers = await ctx.task(fetch, topic, limit=3)
    return str(papers)


@workflow
async def longer(ctx: WorkflowContext, topic: str) -> Any:
    report = await research(ctx, topic)
    return [report, await ctx.task(plain, "one step more")]


def test_a_journal_is_replayed_over_todays_code_and_nothing_is_performed() -> None:
    journal = run_to_completion(research, "owls", answers={"publish": "approve"}, mocks=MOCKS).journal
    assert replay(research, journal).result == Report("OWLS 7 approve")
    for length in range(1, len(journal)):
        assert replay(research, journal[:length]).status in ("open", "waiting", "completed")
    with pytest.raises(NondeterminismError):
        replay(changed, journal)
    beyond = replay(longer, journal)
    assert (beyond.status, beyond.keys[-1]) == ("open", "plain#2")


DOCUMENT = Document.parse("""
schema_version: checkpointflow/v1
workflow:
  id: gate
  inputs: {type: object}
  steps:
    - {id: say, kind: cli, command: exit 1, parse: text}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: end, kind: end, result: "${steps.say.outputs} ${steps.ask.outputs.said}"}
""")


def test_a_document_is_played_the_same_way() -> None:
    assert run_to_completion(DOCUMENT, answers={"go": {"said": "yes"}}, mocks={"say": "hello"}).result == "hello yes"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mocks": {"analyze": 1}}, "the run came to no step `analyze`, for which `mocks` has an entry; did you mean"),
        ({"answers": {"publsh": "approve"}}, "the run came to no wait `publsh`, for which `answers` has an entry; did"),
        ({"answers": {"fetch": "approve"}}, "the run came to no wait `fetch`, .*; it came to `publish`"),
    ],
)
def test_a_mock_or_an_answer_that_matched_nothing_fails_the_call_with_the_nearest_name(
    given: dict[str, Any], message: str
) -> None:
    mocks = {"fetch": [], "analyse": 1} | given.get("mocks", {})
    with pytest.raises(UsageError, match=message):
        run_to_completion(research, "owls", mocks=mocks, answers=given.get("answers"))


def test_a_strict_run_performs_nothing_that_is_not_mocked() -> None:
    with pytest.raises(UsageError, match="step `fetch` is not mocked; give `fetch` an entry in `mocks`, or leave out"):
        run_to_completion(research, "owls", mocks={"fecth": []}, strict=True)
    assert run_to_completion(research, "owls", mocks=MOCKS | {"plain": "OWLS"}, strict=True).status == "completed"
