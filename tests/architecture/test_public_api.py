"""What may be imported by others; a change here is a change for them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

PUBLIC = {
    "checkpointflow": [
        "Checkpoint",
        "Client",
        "Document",
        "Event",
        "Outcome",
        "Retry",
        "Store",
        "WorkflowContext",
        "__version__",
        "current_step",
        "task",
        "workflow",
    ],
    "checkpointflow.viz": ["mermaid_to_html", "workflow_to_mermaid"],
    "checkpointflow.graph": [
        "EVENT_CHECKPOINT",
        "EVENT_NODE_END",
        "EVENT_NODE_ERROR",
        "EVENT_NODE_RETRY",
        "EVENT_NODE_START",
        "EVENT_NODE_WARNING",
        "EVENT_STORE_SAVED",
        "EVENT_WF_CANCELLED",
        "EVENT_WF_END",
        "EVENT_WF_RESUMED",
        "EVENT_WF_START",
        "EVENT_WF_WAITING",
        "EnginePolicy",
        "Event",
        "EventCallback",
        "Graph",
        "GraphDefinition",
        "GraphWorkflow",
        "Handler",
        "HandlerResult",
        "InMemoryWorkflowStore",
        "JsonFileWorkflowStore",
        "NodeContext",
        "RunMetadata",
        "RunSnapshot",
        "StepRecord",
        "WorkflowContext",
        "WorkflowEngine",
        "WorkflowError",
        "WorkflowResult",
        "WorkflowState",
        "WorkflowStore",
        "graph_schema",
        "problems_of",
    ],
    "checkpointflow.testing": [
        "CaseResult",
        "CasesReport",
        "Crash",
        "CrashingStore",
        "EngineContract",
        "FakeClock",
        "Played",
        "StoreContract",
        "replay",
        "run_case",
        "run_cases",
        "run_to_completion",
    ],
}
_LOOK = """
import importlib, json, sys, types
before = set(sys.modules)
module = importlib.import_module(sys.argv[1])
names = [name for name, value in vars(module).items()
         if not name.startswith("_") and not isinstance(value, types.ModuleType)
         and getattr(value, "__module__", None) not in ("typing", "importlib", "__future__")]
heavy = {"yaml", "jsonschema_rs", "apsw", "asyncio", "json", "pathlib", "subprocess"}
print(json.dumps([names, sorted(heavy & (set(sys.modules) - before))]))
"""


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == PUBLIC[module]
    for name in found.__all__:
        assert getattr(found, name) is not None


@pytest.mark.parametrize("module", PUBLIC)
def test_nothing_else_looks_public_and_importing_is_cheap(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", _LOOK, module], capture_output=True, text=True, check=True)
    names, heavy = json.loads(done.stdout)
    assert set(names) <= {*PUBLIC[module], "TYPE_CHECKING"}
    assert [name for name in heavy if name != "json"] == []


_USED = """
import sys
import checkpointflow
{use}
heavy = {{"yaml", "jsonschema_rs", "apsw", "msgspec", "asyncio", "urllib3", "pydantic", "sqlite3"}}
own = sorted(name for name in sys.modules if name.startswith("checkpointflow."))
print(sorted(heavy & set(sys.modules)), *own, sep="\\n")
"""
_FLOW = """
async def flow(ctx, name: str = "you") -> str:
    return name
"""


@pytest.mark.parametrize(
    ("use", "heavy"),
    [
        ("", []),
        ("checkpointflow.__version__, checkpointflow.Retry", []),
        ("from checkpointflow import Checkpoint, task, workflow, WorkflowContext, current_step", []),
        (f"from checkpointflow import workflow{_FLOW}workflow(flow)", []),
        ("from checkpointflow import Document, Client, Store, Outcome", []),
    ],
    ids=["nothing", "a policy", "the decorators", "a workflow", "the doors"],
)
def test_only_what_is_used_is_loaded(use: str, heavy: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _USED.format(use=use)], capture_output=True, text=True, check=True)
    found, *own = done.stdout.splitlines()
    assert found == str(heavy)
    if use == "":
        assert own == ["checkpointflow.version"]
    assert not [name for name in own if name.startswith(("checkpointflow.cli.", "checkpointflow.stores.sqlite"))]
