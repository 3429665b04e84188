"""`checkpointflow.graph` needs the standard library alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import checkpointflow

_PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("apsw", "yaml", "jsonschema_rs", "urllib3", "re2"):
            raise ImportError(f"{name} is not to be had")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from checkpointflow.graph import GraphDefinition, HandlerResult, JsonFileWorkflowStore, WorkflowEngine
from checkpointflow.viz import mermaid_to_html, workflow_to_mermaid
assert "asyncio" not in set(sys.modules) - before

def work(ctx):
    if ctx.node_name == "ask" and not ctx.is_resumed:
        return HandlerResult(waiting=True)
    return HandlerResult(outputs=["ok"], node_updates={"answer": ctx.resume_input})

async def think(ctx):
    return HandlerResult(outputs=["ok"])

nodes = {
    "ask": {"handler": "work", "outputs": {"ok": [{"target_node": "think"}]}},
    "think": {"handler": "think", "outputs": {"ok": []}},
}
definition = {"workflow_name": "alone", "default_entry_node": "ask", "nodes": nodes}
handlers = {"work": work, "think": think}
store = JsonFileWorkflowStore(sys.argv[2])
WorkflowEngine(definition, handlers, store=store).run(run_id="r1")
engine = WorkflowEngine(definition, handlers, store=store)
result = engine.run_from_checkpoint(engine.load_snapshot("r1"), "yes")
assert GraphDefinition.of(definition, handlers).workflow_hash == engine.workflow_hash
mermaid_to_html(workflow_to_mermaid(definition, done_nodes=result.trace), sys.argv[2] + "/g.html")
own = [name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names]
print(result.trace, sorted({name.partition(".")[0] for name in own}))
"""


def test_graphs_run_with_no_third_party_package(tmp_path: Path) -> None:
    source = Path(checkpointflow.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", _PROGRAM, str(source), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "['ask', 'think'] ['checkpointflow']\n"
