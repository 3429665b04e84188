"""A verb that nobody awaits does nothing, and the code that forgot it is told where it stands, whatever runs it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Checkpoint, Client, Outcome, Store, WorkflowContext, workflow
from checkpointflow.testing import run_to_completion

done: list[str] = []


def charge(amount: int = 1) -> int:
    done.append("charged")
    return amount


@workflow
async def forgets(ctx: WorkflowContext) -> str:
    ctx.task(charge)
    return "done"


async def streamed() -> Any:
    return [event async for event in forgets.run_stream()][-1].outcome


def by_client() -> Outcome[Any]:
    with Store("memory:") as store, Client(store) as client:
        return client.run(forgets)


WAYS: dict[str, Callable[[], Any]] = {
    "run_sync": forgets.run_sync,
    "run": lambda: asyncio.run(forgets.run()),
    "run_stream": lambda: asyncio.run(streamed()),
    "a checkpoint": lambda: forgets.run_sync({}, checkpoint=Checkpoint.new()),
    "Client": by_client,
    "run_to_completion": lambda: run_to_completion(forgets),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_verb_that_was_never_awaited_is_told_with_its_line_by_every_way_to_run(way: str) -> None:
    done.clear()
    with pytest.warns(RuntimeWarning, match="`charge` was called but never awaited, so nothing happened") as told:
        assert WAYS[way]().result == "done"
    line = Path(__file__).read_text(encoding="utf-8").splitlines()[told[0].lineno - 1]
    assert (told[0].filename, line.strip()) == (__file__, "ctx.task(charge)")
    assert done == []


def test_cpf_run_tells_it_too(tmp_path: Path) -> None:
    code = "from checkpointflow import workflow\n@workflow\nasync def w(ctx):\n    ctx.sleep(3)\n    return 1\n"
    (tmp_path / "flow.py").write_text(code, encoding="utf-8")
    words = [sys.executable, "-m", "checkpointflow", "run", "-f", "flow.py"]
    found = subprocess.run(
        words,
        cwd=tmp_path,
        env={"CPF_HOME": str(tmp_path / "home"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0
    assert "flow.py:4: RuntimeWarning: `sleep` was called but never awaited" in found.stderr
    assert "`sleep` was called but never awaited" in found.stdout


@workflow
async def forgets_all(ctx: WorkflowContext) -> int:
    ctx.parallel(ctx.task(charge))
    ctx.map(charge, [1, 2])
    ctx.first(ctx.task(charge), key="race")
    ctx.wait_for_event("go")
    return 1


def test_what_goes_on_beside_each_other_is_told_once_and_for_all_in_it() -> None:
    with pytest.warns(RuntimeWarning) as told:
        forgets_all.run_sync()
    names = [str(one.message).partition(" was called")[0] for one in told]
    assert names == ["`parallel`", "`charge`", "`race`", "`go`"]


def test_where_warnings_are_errors_the_run_fails_with_the_line() -> None:
    outcome = forgets.run_sync()  # they are in these tests
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert "test_unawaited.py:" in str(outcome.error["message"])
    assert "`charge` was called but never awaited" in str(outcome.error["message"])


@workflow
async def awaits_late(ctx: WorkflowContext) -> list[Any]:
    asked = ctx.task(charge)
    answer = await ctx.wait_for_event("go")
    return [answer, await asked]


@workflow
async def gives_up(ctx: WorkflowContext) -> str:
    try:
        await ctx.parallel(ctx.step("fails", lambda: 1 / 0), ctx.task(charge), limit=1)
    except Exception as error:
        return type(error).__name__
    return ""


def test_what_is_awaited_later_or_given_up_with_its_siblings_was_not_forgotten() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = awaits_late.run_sync()
        assert outcome.status == "waiting"
        assert awaits_late.run_sync(checkpoint=outcome.checkpoint, responses={"go": 1}).result == [1, 1]
        assert gives_up.run_sync().result == "StepFailedError"


@workflow
async def calls(ctx: WorkflowContext) -> list[Any]:
    return [await ctx.call(forgets), await ctx.task(charge)]


def test_a_called_workflow_that_forgets_is_told_as_well() -> None:
    with pytest.warns(RuntimeWarning, match="`forgets/charge` was called but never awaited"):
        assert calls.run_sync().result == ["done", 1]
