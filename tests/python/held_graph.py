"""The graph of `test_graph_processes.py`: calls are written to a file, and that of a victim holds until it is told."""

from __future__ import annotations

import os
from pathlib import Path

from checkpointflow.graph import Graph, HandlerResult, NodeContext

HERE = Path(os.environ.get("HELD_FOLDER", "."))


def may_hold(name: str) -> None:
    with (HERE / "performed").open("a") as file:
        file.write(f"{name}\n")
    if os.environ.get("VICTIM") == name:
        (HERE / "begun").write_text(os.environ.get("CALLER", name))  # FIFOs: the one returns once the test has read it,
        (HERE / "go").read_text()  # the other once it has written


def plan(ctx: NodeContext) -> HandlerResult:
    may_hold("plan")
    return HandlerResult(outputs=["ok"], node_updates={"tasks": ["links", "spelling"]})


def check(ctx: NodeContext) -> HandlerResult:
    may_hold(f"check {ctx.item}")
    return HandlerResult(node_updates={"checked": ctx.item})


async def review(ctx: NodeContext) -> HandlerResult:
    if not ctx.is_resumed:
        may_hold("review")
        return HandlerResult(waiting=True, waiting_prompt="Publish?")
    return HandlerResult(outputs=["ok"], workflow_updates={"answer": ctx.resume_input})


def publish(ctx: NodeContext) -> HandlerResult:
    may_hold("publish")
    return HandlerResult(outputs=["ok"], workflow_updates={"published": ctx.state.node["checks"]["results"]})


graph = Graph(
    {
        "workflow_name": "held",
        "default_entry_node": "plan",
        "nodes": {
            "plan": {"handler": "plan", "outputs": {"ok": [{"target_node": "checks"}]}},
            "checks": {
                "map": {"items": "node.plan.tasks", "handler": "check", "max_parallel": 2},
                "outputs": {"ok": [{"target_node": "review"}]},
            },
            "review": {"handler": "review", "outputs": {"ok": [{"target_node": "publish"}]}},
            "publish": {"handler": "publish", "outputs": {"ok": []}},
        },
    },
    "held_graph",
)
