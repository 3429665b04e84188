"""A run of many steps that waits at its end, and its replay; words: build|replay HOME document|function COUNT.

Before it is measured, a short run is replayed, so that no module is loaded meanwhile: `starting` measures that.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from typing import cast

from checkpointflow import Store, WorkflowContext, task, workflow
from checkpointflow.clock import SystemClock
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.kernel.effects import Effect, Finished, Succeeded
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import StepResult
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.values import JsonValue

DOCUMENT = """
schema_version: checkpointflow/v1
workflow:
  id: replayed
  inputs: {type: object, properties: {items: {type: array}}}
  steps:
    - id: each
      kind: foreach
      items: inputs.items
      body: [{id: one, kind: cli, command: 'true'}]
    - {id: gate, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
"""


@task()
def one(number: int) -> int:
    """Do next to nothing."""
    return number


@workflow(name="replayed")
async def replayed(ctx: WorkflowContext, count: int) -> None:
    """Perform the task so many times, then wait."""
    for number in range(count):
        await ctx.task(one, number)
    await ctx.wait_for_event("go")


class AtOnce:
    """An executor for which every effect has ended well when it begins."""

    def __init__(self) -> None:
        self._ended: list[Finished] = []

    def start(self, effect: Effect) -> None:
        """Have it ended."""
        result = StepResult({} if effect.context.key.startswith("each") else 1, {})
        self._ended.append(Finished(effect.context.key, effect.context.attempt, Succeeded(result)))

    def stop(self, key: StepKey) -> None:
        """Do nothing: it has ended."""

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        """Return what has ended."""
        del timeout_seconds
        ended, self._ended = self._ended, []
        return ended

    def wake(self) -> None:
        """Do nothing: nobody waits."""

    def end_orphans(self, run_id: RunId, attempts: Mapping[StepKey, int]) -> None:
        """Do nothing: there are none."""


def definition(form: str, count: int) -> tuple[Definition, JsonValue]:
    """Return the workflow and its input."""
    if form == "document":
        items: list[JsonValue] = [*range(count)]
        return load_text(DOCUMENT, source_path=None, cwd="/"), {"items": items}
    return cast(Definition, replayed), count


def build(home: str, form: str, count: int) -> None:
    """Make the run, up to its wait."""
    with Store(home) as store:
        begun(store, form, count)


def begun(store: Store, form: str, count: int) -> None:
    """Make a run in a store, up to its wait."""
    chosen, run_input = definition(form, count)
    run_id = RunId(store.runs().start(chosen, run_input, run_id="the-run").run_id)
    hold = store.port.acquire(run_id, store.port.holder(), at=SystemClock().now())
    world = Surroundings(store=store.port, executor=AtOnce(), clock=SystemClock(), fits=lambda _schema, _payload: True)
    assert drive(chosen.workflow(), hold, world).status == "waiting"


def replay(home: str, form: str, count: int) -> None:
    """Answer the wait and go on with the run, and print what a step of it took."""
    chosen, _ = definition(form, 1)
    with Store("memory:") as store:
        begun(store, form, 10)
        store.runs().advance("the-run", {"go": {}}, definition=chosen)
    with Store(home) as store:
        before, started, cpu = _kilobytes(), time.perf_counter(), time.process_time()
        view = store.runs().advance("the-run", {"go": {}}, definition=chosen)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert view.status == "completed", view
    memory = (_kilobytes() - before) * 1024 / count
    print(json.dumps({"us_per_step": wall / count * 1e6, "cpu_us_per_step": cpu / count * 1e6, "bytes": memory}))


def _kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    {"build": build, "replay": replay}[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
