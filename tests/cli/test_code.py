"""Workflows that are code, from the command line: graphs with their handlers, functions by file and name."""

from __future__ import annotations

import json

from cli.program import Program

GRAPH = {
    "workflow_name": "gate",
    "default_entry_node": "ask",
    "nodes": {"ask": {"handler": "ask", "outputs": {"ok": []}}},
}
HANDLERS = """\
from checkpointflow.graph import HandlerResult


def ask(ctx):
    answer = ctx.state.workflow.get("__resume__")
    if answer is None:
        return HandlerResult(waiting=True, waiting_prompt="Go on?")
    return HandlerResult(outputs=["ok"], node_updates={"said": answer})
"""
FUNCTION = """\
from checkpointflow import workflow


@workflow
async def greet(ctx, name: str):
    return await ctx.step("hello", lambda: f"Hello, {name}!")
"""


def test_a_graph_is_validated_without_handlers_and_never_started_without_them(cpf: Program) -> None:
    cpf.write("graph.json", json.dumps(GRAPH))
    checked = cpf.here("validate", "-f", "graph.json")
    assert checked.exit_code == 0
    assert checked.envelope["next_actions"][0]["argv"][:4] == ["cpf", "run", "-f", "graph.json"]
    assert "--handlers" in checked.envelope["next_actions"][0]["argv"]
    refused = cpf.here("run", "-f", "graph.json")
    assert (refused.exit_code, refused.envelope["error"]["code"]) == (80, "ERR_UNSUPPORTED")
    assert cpf.here("runs").envelope["runs"] == []


def test_a_graph_runs_with_the_handlers_of_a_file_and_goes_on_from_anywhere(cpf: Program) -> None:
    cpf.write("graph.json", json.dumps(GRAPH))
    cpf.write("my_handlers.py", HANDLERS)
    asked = cpf("run", "-f", "graph.json", "--handlers", "my_handlers.py", "--run-id", "gate-1")
    assert asked.exit_code == 40, asked.stdout
    elsewhere = cpf.cwd / "elsewhere"
    elsewhere.mkdir()
    answered = Program(home=cpf.home, cwd=elsewhere)(
        "resume", "--run-id", "gate-1", "--event", "ask", "--input", '"yes"'
    )
    assert answered.exit_code == 0, answered.stdout
    assert answered.envelope["result"]["node"]["ask"] == {"said": "yes"}


def test_handlers_are_for_graphs_alone(cpf: Program) -> None:
    cpf.write("flow.py", FUNCTION)
    refused = cpf.here("run", "-f", "flow.py:greet", "--handlers", "flow.py", "--set", "name=Ada")
    assert (refused.exit_code, refused.envelope["error"]["code"]) == (10, "ERR_USAGE")


def test_a_function_is_run_by_its_file_and_name_and_is_not_planned(cpf: Program) -> None:
    cpf.write("flow.py", FUNCTION)
    done = cpf("run", "-f", "flow.py:greet", "--set", "name=Ada")
    assert done.envelope["result"] == "Hello, Ada!"
    assert cpf("plan", "-f", "flow.py:greet", "--set", "name=Ada").exit_code == 80
