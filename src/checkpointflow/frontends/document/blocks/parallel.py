"""`parallel`: branches that go on beside each other."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, cast

from checkpointflow.errors import StepFailedError
from checkpointflow.frontends.branches import Member, Ok, branches, first_failure
from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step
from checkpointflow.kernel.run import Run
from checkpointflow.records import replace
from checkpointflow.values import JsonValue

Work: TypeAlias = Callable[[Run], Coroutine[Any, Any, JsonValue]]


async def run_parallel(frame: Frame, step: Step) -> Done:
    """Run the branches; the outputs have what each gave, by its step or its id.

    Raises:
        StepFailedError: a branch failed; under `stop` once the others are stopped, else once they have ended.
    """
    members = _members(frame, step)
    scope = frame.run.scope(step.id, "parallel", meaning=[member.item for member in members], members=len(members))
    stop = step.fields.get("on_branch_error", "stop") == "stop"
    try:
        ended = await branches(scope, members, limit=limit_of(step), stop=stop)
        failure = first_failure(ended)
        if failure is not None:
            raise failure
    except StepFailedError as error:
        scope.close(error)
        raise
    scope.close()
    values = [one.value for one in ended if isinstance(one, Ok)]
    return Done(outputs={str(member.item): value for member, value in zip(members, values, strict=True)})


def limit_of(step: Step) -> int | None:
    """Return how many of a step's members may go on at the same time, None for all."""
    limit = step.fields.get("max_parallel")
    return int(limit) if isinstance(limit, int | float) else None


async def list_value(frame: Frame) -> JsonValue:
    """Run a branch's or an iteration's list; its value has the outputs of its steps, and the `result` of an `end`."""
    from checkpointflow.frontends.document.interpreter import run_sequence

    end = await run_sequence(frame)
    return frame.value() | (end.value if end is not None else {})


def _members(frame: Frame, step: Step) -> list[Member[JsonValue]]:
    siblings = {sibling.id: sibling for sibling in frame.steps}
    members: list[Member[JsonValue]] = []
    for branch in cast("list[dict[str, str]]", step.fields["branches"]):
        if "start_at" in branch:
            members.append(Member(branch["start_at"], _started(frame, siblings[branch["start_at"]])))
        else:
            members.append(Member(branch["id"], _branch(frame, step.lists[branch["id"]])))
    return members


def _branch(frame: Frame, steps: tuple[Step, ...]) -> Work:
    return lambda run: list_value(frame.inner(run, steps))


def _started(frame: Frame, step: Step) -> Work:
    """Return the work of a branch that is one step of the list around it, whose state shows there."""

    async def work(run: Run) -> JsonValue:
        from checkpointflow.frontends.document.interpreter import visit

        await visit(replace(frame, run=run), step)
        return frame.completed.get(step.id)

    return work
