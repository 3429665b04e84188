"""A graph as doors know it: stored with a run, opened again, its handlers found in a module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.errors import InputError, UnsupportedError, UsageError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.graph.definition import GraphDefinition, handler_names, open_definition
from checkpointflow.frontends.inputs import checked_input
from checkpointflow.frontends.opening import open_stored
from checkpointflow.graph import Graph, WorkflowEngine
from frontends.graph.building import graph, node, ok

GRAPH = graph(
    {
        "a": node("first", ok="m"),
        "m": node(map={"items": "input.x", "handler": "each"}, ok="s"),
        "s": node(subflow={"graph": graph({"x": node("inner")})}),
    }
) | {"version": "3"}


def test_what_is_stored_opens_as_it_was() -> None:
    one = GraphDefinition.of(GRAPH, {"go": ok})
    assert (one.id, one.name, one.version) == ("w", "w", "3")
    assert (one.stored["kind"], one.stored["version"], one.stored["handlers"]) == ("graph", 1, None)
    again = open_definition(one.stored, {"go": ok})
    assert (again.digest, again.workflow_hash, again.stored) == (one.digest, one.workflow_hash, one.stored)
    assert GraphDefinition.of(GRAPH, module="m").digest != one.digest


def test_a_graph_is_a_definition_that_doors_start_and_open() -> None:
    one: Definition = GraphDefinition.of(GRAPH, {"go": ok}, path="/g.json")
    assert (one.path, one.labels, one.problems, one.secrets()) == ("/g.json", {}, [], [])
    assert checked_input(one, None) == {}
    with pytest.raises(InputError, match="does not fit workflow `w`"):
        checked_input(one, [1])
    assert [*one.meanings().ids()] == ["a", "m", "each", "s", "x"]
    assert one.meanings().means("a") == [["first", {}]]
    assert one.step("a#2") is not None
    assert one.step("m[0]/each") is not None
    assert one.step("other") is None
    opened = open_stored(one.stored, path="/g.json")
    assert (opened.digest, opened.path) == (one.digest, "/g.json")


def test_a_newer_form_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="a form that this version does not know"):
        open_definition({"kind": "graph", "version": 2, "graph": {}})


def test_all_handlers_are_named() -> None:
    assert sorted(handler_names(GraphDefinition.of(GRAPH).graph)) == ["each", "first", "inner"]


def test_handlers_are_those_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graph_mod_a.py").write_text("def first(ctx): ...\ndef other(ctx): ...\n")
    (tmp_path / "graph_mod_b.py").write_text("HANDLERS = {'first': len}\n")
    (tmp_path / "graph_mod_c.py").write_text("HANDLERS = [len]\n")
    monkeypatch.syspath_prepend(tmp_path)
    plain = GraphDefinition.of(GRAPH, module="graph_mod_a").workflow()
    assert list(plain.shop.handlers) == ["first"]
    assert GraphDefinition.of(GRAPH, module="graph_mod_b").workflow().shop.handlers == {"first": len}
    with pytest.raises(UsageError, match="no mapping"):
        GraphDefinition.of(GRAPH, module="graph_mod_c").workflow()
    for name in ("graph_mod_a", "graph_mod_b", "graph_mod_c"):
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("handlers", "told"),
    [(["go"], "the handlers are a `list`; give functions by the names"), ({"go": 3}, "the handler 'go' is a `int`")],
)
def test_what_are_no_handlers_is_refused_at_once(handlers: Any, told: str) -> None:
    for kind in (Graph, WorkflowEngine):
        with pytest.raises(TypeError, match=told):
            kind(GRAPH, handlers)


def test_a_graph_whose_handlers_are_named_by_module_tells_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graph_mod_d.py").write_text("def first(ctx): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    one = Graph(GRAPH, "graph_mod_d")
    assert "graph_mod_d" not in sys.modules  # it is imported when a run needs it
    monkeypatch.undo()  # another process, where nothing is on the path
    assert list(open_definition(one.stored).workflow().shop.handlers) == ["first"]
    assert one.digest == open_definition(one.stored).digest
    sys.modules.pop("graph_mod_d")
    for name in ("no_such_module_here", "no_such.module", "json.nothing"):
        assert Graph(GRAPH, name).stored["code_path"] is None


def test_handlers_that_are_not_here_leave_the_run_to_others() -> None:
    with pytest.raises(UnsupportedError, match="cannot be imported"):
        GraphDefinition.of(GRAPH, module="no_such_module_here").workflow()
    with pytest.raises(UnsupportedError, match="are not known here"):
        open_definition(GraphDefinition.of(GRAPH, {"go": ok}).stored).workflow()
