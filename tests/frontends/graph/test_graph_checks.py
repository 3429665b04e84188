"""A definition is judged before anything runs: every problem with its place, in words and by the schema alike."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from checkpointflow.errors import GraphError
from checkpointflow.frontends.graph.checks import checked_definition, problems_of
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.schema import graph_schema
from frontends.graph.building import graph, node

GOOD: dict[str, Any] = graph(
    {
        "a": node(ok="b c", run_policy={"max_retries": 2, "retry_sleep_seconds": 0.5, "strategy": "exponential"}),
        "b": node(ok="j", config={"deep": [1]}, state_contract={"reads_from": ["input.goal"], "writes_to": ["node.b"]}),
        "c": node(ok="j", loops={"again": "a"}, run_policy={"timeout_seconds": 3}, on_error="e"),
        "j": node(join={"mode": "and", "await_for": ["b", "c"]}, ok="s"),
        "s": node(subflow={"graph": "inner", "input": {"goal": "input.goal"}}, ok="m"),
        "m": node(map={"items": "workflow.tasks", "handler": "go", "max_parallel": 2, "on_item_error": "continue"}),
        "e": node(),
    },
    error="e",
    strict_outputs=False,
    max_steps=9,
    workflow_timeout_seconds=5.5,
    persist_checkpoints=True,
    max_parallel=3,
) | {"subflows": {"inner": graph({"x": node()})}, "x-note": 1, "description": "d", "version": "1"}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good definition with another value at a place; `DROP` takes it away."""
    definition = copy.deepcopy(GOOD)
    *outer, last = path.split("/")
    place: Any = definition
    for name in outer:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value == "DROP":
        del place[last]
    else:
        place[last] = value
    return definition


SHAPES = [
    ("workflow_name", "DROP", "$", "lacks `workflow_name`"),
    ("workflow_name", "", "$.workflow_name", "has to be text"),
    ("nodes", {}, "$.nodes", "has no node"),
    ("nodes", [], "$.nodes", "has to be an object"),
    ("default_entry_node", "DROP", "$", "give it one of the two"),
    ("entry_nodes", ["a"], "$", "give it one of the two"),
    ("node", {}, "$.node", "has no field `node`"),
    ("engine_policy/max_steps", 0, "$.engine_policy.max_steps", "1 or more"),
    ("engine_policy/workflow_timeout_seconds", 0, "$.engine_policy.workflow_timeout_seconds", "more than 0"),
    ("engine_policy/max_paralel", 2, "$.engine_policy.max_paralel", "has no field"),
    ("nodes/a/outputs", "DROP", "$.nodes.a", "lacks `outputs`"),
    ("nodes/a/handler", "DROP", "$.nodes.a", "needs one of `handler`"),
    ("nodes/a/subflow", {"graph": "inner"}, "$.nodes.a", "needs one of `handler`"),
    ("nodes/a/outputs/ok", {}, "$.nodes.a.outputs.ok", "has to be a list"),
    ("nodes/a/outputs/ok", [{}], "$.nodes.a.outputs.ok[0]", "lacks `target_node`"),
    ("nodes/a/outputs/ok/0/is_loopback", "yes", "$.nodes.a.outputs.ok[0].is_loopback", "true or false"),
    ("nodes/a/run_policy/max_retries", -1, "$.nodes.a.run_policy.max_retries", "0 or more"),
    ("nodes/a/run_policy/strategy", "slow", "$.nodes.a.run_policy.strategy", "`fixed` or `exponential`"),
    ("nodes/b/state_contract/reads_from", ["goal"], "$.nodes.b.state_contract.reads_from[0]", "no path"),
    ("nodes/j/join/mode", "xor", "$.nodes.j.join.mode", "`or` or `and`"),
    ("nodes/m/map/items", "tasks", "$.nodes.m.map.items", "no path"),
    ("nodes/m/map/handler", "DROP", "$.nodes.m.map", "needs one of"),
    ("nodes/s/subflow/input", {"goal": "goal"}, "$.nodes.s.subflow.input.goal", "no path"),
    ("subflows/inner/nodes/x/outputs", 1, "$.subflows.inner.nodes.x.outputs", "has to be an object"),
]
REFERENCES = [
    ("default_entry_node", "aa", "$.default_entry_node", "there is no node `aa`"),
    ("default_error_node", "f", "$.default_error_node", "there is no node `f`"),
    ("nodes/a/outputs/ok/0/target_node", "bb", "$.nodes.a.outputs.ok[0].target_node", "there is no node `bb`"),
    ("nodes/c/on_error", "ee", "$.nodes.c.on_error", "there is no node `ee`"),
    ("nodes/j/join/await_for", ["b"], "$.nodes.j.join", "from `c`, which `wait_for` does not name"),
    ("nodes/j/join/await_for", ["b", "c", "a"], "$.nodes.j.join", "names `a`, from which no forward edge leads here"),
    ("nodes/j/join", {"wait_for": ["b", "c"]}, "$.nodes.j.join", "an `or` join waits for nobody"),
    ("nodes/a/join", {"mode": "and"}, "$.nodes.a.join", "would wait for ever"),
    ("nodes/s/subflow/graph", "outer", "$.nodes.s.subflow.graph", "no graph `outer` under `subflows`"),
    ("nodes/s/outputs", {"done": []}, "$.nodes.s.outputs.done", "fires `ok` alone"),
    ("nodes/m/outputs", {"ok": [{"target_node": "a"}]}, "$.nodes.a", "in a circle: a → b → j → s → m → a"),
]  # fmt: skip


def test_a_good_definition_has_no_problems() -> None:
    assert problems_of(GOOD) == []
    assert Draft202012Validator(graph_schema()).is_valid(GOOD)


@pytest.mark.parametrize(("path", "value", "place", "words"), [*SHAPES, *REFERENCES])
def test_a_problem_is_told_with_its_place(path: str, value: Any, place: str, words: str) -> None:
    found = problems_of(changed(path, value))
    assert (place, True) in [(one["path"], words in str(one["message"])) for one in found]


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, value, _, _ in SHAPES])
def test_the_schema_refuses_the_shapes_that_the_checks_refuse(path: str, value: Any) -> None:
    assert not Draft202012Validator(graph_schema()).is_valid(changed(path, value))


def test_a_mistyped_name_is_told_with_the_nearest() -> None:
    (problem,) = problems_of(changed("engine_policy/max_paralel", 2))
    assert problem["hint"] == "did you mean `max_parallel`?"


def test_forward_edges_are_acyclic() -> None:
    circle = graph({"a": node(ok="b"), "b": node(ok="a")})
    with pytest.raises(GraphError, match="in a circle: a → b → a"):
        checked_definition(circle)
    checked_definition(graph({"a": node(ok="b"), "b": node(loops={"ok": "a"})}))


def test_a_graph_that_is_very_deep_is_checked() -> None:
    nodes = {f"n{i}": node(ok=f"n{i + 1}") for i in range(5000)} | {"n5000": node()}
    assert problems_of(graph(nodes)) == []


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(GraphError, match=r"has to be JSON: `definition\.nodes` is of type `set`"):
        checked_definition({"workflow_name": "w", "nodes": {"a"}})
    circle: dict[str, Any] = {"workflow_name": "w"}
    circle["nodes"] = {"a": circle}
    with pytest.raises(GraphError, match="holds itself"):
        checked_definition(circle)


@pytest.mark.parametrize("definition", [None, 1, "w", [], True])
def test_what_is_no_object_is_refused(definition: Any) -> None:
    with pytest.raises(ValueError, match="has to be an object"):
        checked_definition(definition)


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    turned = dict(reversed(GOOD.items()))
    assert Graph.of(checked_definition(turned)).digest == Graph.of(checked_definition(GOOD)).digest
    other = changed("nodes/b/config", {"deep": [2]})
    assert Graph.of(checked_definition(other)).digest != Graph.of(checked_definition(GOOD)).digest


def test_the_error_of_a_graph_shows_all_its_problems_a_line_each() -> None:
    definition = graph({"a": node(ok="b"), "b": node(ok="nowhere")}) | {"default_entry_node": "gone", "colour": 1}
    with pytest.raises(GraphError) as refused:
        checked_definition(definition)
    first, *lines = str(refused.value).splitlines()
    assert first == f"the graph cannot be used; it has {len(refused.value.problems)} problems:"
    assert lines == [f"  {one['path']}: {one['message']}" for one in refused.value.problems]
    assert len(lines) >= 3


def test_the_error_of_a_graph_shows_twenty_problems_and_how_many_are_left() -> None:
    with pytest.raises(GraphError) as refused:
        checked_definition(graph({f"n{number}": node(ok=f"gone{number}") for number in range(30)}))
    lines = str(refused.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == f"  … and {len(refused.value.problems) - 20} more, in `problems`"


def test_the_error_of_a_graph_with_one_problem_is_one_sentence() -> None:
    with pytest.raises(GraphError, match=r"^the graph cannot be used: .*$") as refused:
        checked_definition(graph({"a": node(ok="gone")}))
    assert "\n" not in str(refused.value)
