"""Ten effects of 0.2 seconds beside each other, run twice; words: HOME document|graph|function; times the second run.

The first run loads what a process loads once; what that costs is measured by the commands.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from checkpointflow import Checkpoint, Store, WorkflowContext, task, workflow
from checkpointflow.graph import HandlerResult, NodeContext

DOCUMENT = """
schema_version: checkpointflow/v1
workflow:
  id: fan
  inputs: {type: object, properties: {items: {type: array}}}
  steps:
    - id: each
      kind: foreach
      items: inputs.items
      max_parallel: 10
      body: [{id: one, kind: cli, command: sleep 0.2}]
"""


@task()
def nap(number: int) -> int:
    """Take 0.2 seconds."""
    time.sleep(0.2)
    return number


def graph_nap(ctx: NodeContext) -> HandlerResult:
    """Take 0.2 seconds."""
    del ctx
    time.sleep(0.2)
    return HandlerResult(outputs=["ok"])


def begin(ctx: NodeContext) -> HandlerResult:
    """Do nothing."""
    del ctx
    return HandlerResult(outputs=["ok"])


@workflow(name="fan")
async def fan(ctx: WorkflowContext) -> int:
    """Nap ten times at once."""
    return len(await ctx.parallel(*(ctx.task(nap, number) for number in range(10))))


def document(store: Store) -> None:
    """Run it in a document."""
    from checkpointflow.frontends.document.loader import load_text

    loaded = load_text(DOCUMENT, source_path=None, cwd="/")
    tell(lambda: store.runs().run(loaded, {"items": [*range(10)]}).status == "completed")


def function(store: Store) -> None:
    """Run it in a function."""
    tell(lambda: fan.run_sync({}, checkpoint=Checkpoint.new(store)).result == 10)


def graph(store: Store) -> None:
    """Run it in a graph: one node that leads to ten."""
    from checkpointflow.frontends.graph.definition import load_graph

    names = [f"n{number}" for number in range(10)]
    ends = {name: {"handler": "graph_nap", "outputs": {"ok": []}} for name in names}
    leads = {"handler": "begin", "outputs": {"ok": [{"target_node": name} for name in names]}}
    whole = {
        "workflow_name": "fan",
        "default_entry_node": "begin",
        "engine_policy": {"max_parallel": 10},
        "nodes": {"begin": leads, **ends},
    }
    loaded = load_graph(whole, path=str(Path(__file__).with_suffix(".json")), handlers=__file__, cwd="/")
    tell(lambda: store.runs().run(loaded, {}).status == "completed")


def tell(run: Callable[[], bool]) -> None:
    """Run twice, and print how long the second run took."""
    assert run()
    begun = time.perf_counter()
    assert run()
    print(json.dumps({"wall": time.perf_counter() - begun}))


if __name__ == "__main__":
    with Store(sys.argv[1]) as opened:
        {"document": document, "graph": graph, "function": function}[sys.argv[2]](opened)
