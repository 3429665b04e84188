"""Tokens move through a graph as the grammar says; no handler is called here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checkpointflow.frontends.graph.checks import checked_definition
from checkpointflow.frontends.graph.grammar import Graph
from checkpointflow.frontends.graph.machine import Machine, Visit
from frontends.graph.building import graph, node


def machine(nodes: Mapping[str, Any], **fields: Any) -> Machine:
    return Machine(Graph.of(checked_definition(graph(nodes, **fields))))


def took(machine: Machine) -> Visit:
    visit = machine.take()
    assert visit is not None
    return visit


def walk(machine: Machine, labels: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """Visit all that becomes ready; each visit of a node fires its next labels, `ok` if none are left."""
    left = {name: [*turns] for name, turns in labels.items()}
    order = []
    while (visit := machine.take()) is not None:
        order.append(visit.node)
        turns = left.get(visit.node)
        machine.fire(visit, turns.pop(0) if turns else ["ok"])
    return order


def test_labels_fire_in_the_order_returned_and_edges_in_declaration_order() -> None:
    nodes = {"a": node(x="b c", y="d"), "b": node(), "c": node(), "d": node()}
    assert walk(machine(nodes), {"a": [["y", "x"]]}) == ["a", "d", "b", "c"]
    assert walk(machine(nodes), {"a": [["x", "y"]]}) == ["a", "b", "c", "d"]


def test_several_entries_are_visited_in_their_order() -> None:
    assert walk(machine({"a": node(), "b": node()}, entry=["b", "a"]), {}) == ["b", "a"]


def test_loopbacks_open_the_next_wave() -> None:
    nodes = {"a": node(ok="b c"), "b": node(ok="", loops={"again": "a"}), "c": node(ok="d"), "d": node()}
    found = machine(nodes)
    order = []
    turns = {"b": ["again"]}
    while (visit := found.take()) is not None:
        order.append((visit.node, visit.wave, visit.number))
        found.fire(visit, turns.pop(visit.node, ["ok"]))
    first, second = order[:4], order[4:]
    assert first == [("a", 1, 1), ("b", 1, 1), ("c", 1, 1), ("d", 1, 1)]
    assert second == [("a", 2, 2), ("b", 2, 2), ("c", 2, 2), ("d", 2, 2)]


def test_an_or_join_is_visited_once_in_a_wave() -> None:
    nodes = {"a": node(ok="b c"), "b": node(ok="d"), "c": node(ok="e"), "e": node(ok="d"), "d": node()}
    assert walk(machine(nodes), {}) == ["a", "b", "c", "d", "e"]


JOINED = {
    "a": node(ok="b c"), "b": node(ok="j"), "c": node(ok="j"),
    "j": node(join={"mode": "and", "wait_for": ["b", "c"]}, ok="", loops={"again": "a"}),
}  # fmt: skip


def test_an_and_join_waits_for_every_predecessor() -> None:
    assert walk(machine(JOINED), {}) == ["a", "b", "c", "j"]
    assert walk(machine(JOINED), {"j": [["again"]]}) == ["a", "b", "c", "j", "a", "b", "c", "j"]


def test_a_join_counts_one_token_for_each_predecessor_and_not_for_each_wave() -> None:
    nodes = {
        "a": node(ok="b c"), "b": node(ok="j"), "c": node(ok="j", loops={"again": "c"}),
        "j": node(join={"mode": "and"}),
    }  # fmt: skip
    found = machine(nodes)
    assert walk(found, {"c": [["again"], ["ok"]]}) == ["a", "b", "c", "c", "j"]
    assert found.starved() == []


def test_a_loopback_clears_the_tokens_of_predecessors_that_it_reaches() -> None:
    nodes = {
        "a": node(ok="b c"), "b": node(ok="j"), "c": node(ok="j", loops={"again": "a"}),
        "j": node(join={"mode": "and"}),
    }  # fmt: skip
    found = machine(nodes)
    order = walk(found, {"c": [["again"], ["ok"]]})
    assert order == ["a", "b", "c", "a", "b", "c", "j"]
    assert found.starved() == []


def test_a_token_from_before_a_loopback_does_not_stand_for_one_that_did_not_come_again() -> None:
    nodes = {
        "a": node(ok="b c"), "b": node(ok="j", no=""), "c": node(ok="j", loops={"again": "a"}),
        "j": node(join={"mode": "and"}),
    }  # fmt: skip
    found = machine(nodes)
    assert walk(found, {"b": [["ok"], ["no"]], "c": [["again"], ["ok"]]}) == ["a", "b", "c", "a", "b", "c"]
    (starved,) = found.starved()
    assert (starved.arrived, starved.missing) == (("c",), ("b",))


def test_a_loopback_leaves_the_tokens_of_predecessors_that_it_does_not_reach() -> None:
    nodes = {"b": node(ok="j"), "c": node(ok="j", loops={"again": "c"}), "j": node(join={"mode": "and"})}
    assert walk(machine(nodes, entry=["b", "c"]), {"c": [["again"], ["ok"]]}) == ["b", "c", "c", "j"]


def test_tokens_left_over_are_told() -> None:
    found = machine(JOINED)
    assert walk(found, {"c": [[]]}) == ["a", "b", "c"]
    (starved,) = found.starved()
    assert (starved.node, starved.arrived, starved.missing) == ("j", ("b",), ("c",))


def test_a_wave_is_drained_while_visits_wait() -> None:
    nodes = {"a": node(ok="gate b"), "gate": node(ok="end"), "b": node(ok="", loops={"again": "b"}), "end": node()}
    found = machine(nodes)
    found.fire(took(found), ["ok"])
    gate = took(found)
    found.wait(gate)
    found.fire(took(found), ["again"])
    second = took(found)
    assert (second.node, second.wave) == ("b", 2)
    found.fire(second, ["ok"])
    assert found.take() is None
    assert found.waiting == (gate,)
    found.answered(gate)
    assert took(found) == gate
    found.fire(gate, ["ok"])
    assert took(found).node == "end"


def test_the_next_wave_is_not_opened_while_a_visit_runs() -> None:
    found = machine({"a": node(ok="b c"), "b": node(loops={"ok": "a"}), "c": node()})
    found.fire(took(found), ["ok"])
    running_b, running_c = took(found), took(found)
    found.fire(running_b, ["ok"])
    assert found.take() is None
    found.fire(running_c, [])
    assert took(found) == Visit("a", 2, 2)


def test_a_failed_visit_opens_its_on_error_alone() -> None:
    found = machine({"a": node(ok="b", on_error="c"), "b": node(), "c": node()})
    assert found.fail(took(found))
    assert took(found).node == "c"
    assert found.take() is None
    assert not machine({"a": node(ok="b"), "b": node()}).fail(Visit("a", 1, 1))


def test_diverting_drops_all_else() -> None:
    found = machine(JOINED | {"e": node()})
    found.fire(took(found), ["ok"])
    found.fire(took(found), ["ok"])
    found.divert("e")
    assert walk(found, {}) == ["e"]
    assert found.starved() == []


def test_nothing_is_kept_of_waves_that_are_over() -> None:
    found = machine({"a": node(ok="", loops={"again": "a"})})
    walk(found, {"a": [["again"]] * 500})
    assert found.wave == 501
    assert [len(place) for place in (found._opened, found._alive, found._tokens, found._ready)] == [0, 0, 0, 0]
