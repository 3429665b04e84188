"""Code that was edited between workers is never handed what another step gave, nor an answer to another question."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from checkpointflow.testing.engines import fresh
from temporal.service import Service

HEAD = "from checkpointflow import task, workflow\n\n"
TASKS = """
@task()
def alpha(number=1):
    return f"alpha {number}"


@task()
def beta():
    return "beta"


@workflow(name="edited")
async def edited(ctx):
"""
ONE = "    one = await ctx.task(alpha)\n"
EDITED = "# edited\n"
"""Python takes a file of the same second and the same size for the one that it has compiled."""
TWO = "    two = await ctx.task(beta)\n"
DELETION = '    deletion = await ctx.wait_for_event("deletion")\n'
PUBLISH = '    publish = await ctx.wait_for_event("publish")\n'
AGAIN = '    publish = await ctx.wait_for_event("publish", key="again")\n'
END = '    return [one, two, await ctx.wait_for_event("last")]\n'


def shown_once(service: Service, run_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return what is said of the run as soon as a condition holds; the service tries again when it likes."""
    pause = threading.Event()
    for _ in range(200):
        shown = service.cpf("status", "--run-id", run_id)
        if condition(shown):
            return shown
        pause.wait(0.1)
    raise AssertionError(f"{shown}\n{service.history(run_id)}")


def says_why(shown: dict[str, Any]) -> bool:
    return any("have workers use the code that" in one for one in shown.get("warnings", []))


def gone_on(service: Service, before: str, after: str, *events: tuple[str, str]) -> Any:
    """Begin a run, answer all but the last event, edit the code, answer it, put the code back: return the result."""
    run_id = fresh("edited")
    service.write("flow.py", HEAD + TASKS + before)
    with service.worker():
        assert service.cpf("run", "-f", "flow.py:edited", "--run-id", run_id)["status"] == "waiting"
        for name, answer in events[:-1]:
            service.cpf("resume", "--run-id", run_id, "--event", name, "--input", f'"{answer}"')
    service.write("flow.py", HEAD + TASKS + after + EDITED)
    name, answer = events[-1]
    with service.worker():
        sent = service.cpf("send", "--run-id", run_id, "--event", name, "--input", f'"{answer}"')
        assert sent["exit_code"] == 0
        assert shown_once(service, run_id, says_why)["status"] != "failed"
    service.write("flow.py", HEAD + TASKS + before)
    with service.worker():
        return shown_once(service, run_id, lambda shown: shown["status"] == "completed")["result"]


@pytest.mark.parametrize(
    "after",
    [TWO + ONE + END, ONE.replace("alpha", "alpha, 2") + TWO + END],
    ids=["in another order", "with other arguments"],
)
def test_a_step_is_not_handed_what_another_gave(service: Service, after: str) -> None:
    assert gone_on(service, ONE + TWO + END, after, ("last", "yes")) == ["alpha 1", "beta", "yes"]


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [(DELETION + PUBLISH, PUBLISH + DELETION, "deletion"), (PUBLISH + AGAIN, AGAIN + PUBLISH, "publish")],
    ids=["of another name", "of the same name under another key"],
)
def test_an_answer_does_not_count_for_another_wait(service: Service, before: str, after: str, first: str) -> None:
    end = "    return [deletion, publish]\n" if first == "deletion" else "    return publish\n"
    result = gone_on(service, before + end, after + end, (first, "no"), ("publish", "yes"))
    assert result == (["no", "yes"] if first == "deletion" else "yes")
