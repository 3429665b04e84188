"""The picture of a document has each of its steps and each way from one to another, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from architecture.pages import ROOT
from checkpointflow.frontends.document import picture as pictures
from checkpointflow.frontends.document.loader import load_file, load_text
from checkpointflow.frontends.document.picture import picture_of
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.pictures.picture import Picture
from checkpointflow.testing.beside import is_case_file

EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if not is_case_file(path))
Way = tuple[str, str, str, str]


def drawn(steps: list[dict[str, Any]], folder: Path = ROOT, **workflow: Any) -> Picture:
    tree = {"schema_version": "checkpointflow/v1", "workflow": {"id": "w", "inputs": {}, **workflow, "steps": steps}}
    return picture_of(load_text(json.dumps(tree), source_path=folder / "w.yaml", cwd=folder).document)


def ways(picture: Picture) -> list[Way]:
    """Return the edges as (source, kind, label, target) by keys; what has no key by its label."""
    name = {one.id: one.key or one.label for one in picture.by_id.values()}
    return [(name[edge.source], edge.kind, edge.label, name[edge.target]) for edge in picture.edges]


def echo(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "kind": "cli", "command": "echo", **fields}


def wait(name: str, **fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"d": {"enum": ["a", "b"]}}, "required": ["d"]}
    return {"id": name, "kind": "await_event", "audience": "user", "event_name": "e", "input_schema": schema, **fields}


# -- ways ------------------------------------------------------------------------------------------


def test_order_and_jumps() -> None:
    picture = drawn([echo("a", next="c"), echo("b"), echo("c", next="a")])
    assert ways(picture) == [
        ("start", "next", "", "a"), ("a", "jump", "", "c"), ("b", "next", "", "c"), ("c", "jump", "", "a"),
    ]  # fmt: skip


def test_the_end_of_the_list_is_a_place_if_anything_leads_there() -> None:
    assert ways(drawn([echo("a")]))[-1] == ("a", "next", "", "(end)")
    assert ways(drawn([echo("a", next="end"), echo("b")]))[1:] == [
        ("a", "jump", "", "(end)"), ("b", "next", "", "(end)"),
    ]  # fmt: skip
    assert "(end)" not in str(ways(drawn([{"id": "a", "kind": "end"}])))


def test_a_step_of_the_name_end_is_the_end() -> None:
    assert ways(drawn([echo("a", next="end"), {"id": "end", "kind": "end"}]))[1:] == [("a", "jump", "", "end")]


def test_switch_cases_and_default_carry_their_conditions() -> None:
    cases = [{"when": "1 < 2", "next": "b"}, {"when": True, "next": "c"}]
    picture = drawn([{"id": "s", "kind": "switch", "cases": cases, "default": "b"}, echo("b"), echo("c")])
    assert ways(picture)[1:4] == [
        ("s", "case", "1 < 2", "b"),
        ("s", "case", "true", "c"),
        ("s", "case", "otherwise", "b"),
    ]
    assert sum(way[0] == "s" for way in ways(picture)) == 3


def test_answers_lead_on_and_none_falls_through_where_all_are_covered() -> None:
    both = [{"when": "event.d == 'a'", "next": "x"}, {"when": "event.d == 'b'", "next": "y"}]
    ends = [echo("x"), echo("y")]
    covered = ways(drawn([wait("w", transitions=both), *ends]))
    assert [way[1:] for way in covered if way[0] == "w"] == [
        ("case", "event.d == 'a'", "x"), ("case", "event.d == 'b'", "y"),
    ]  # fmt: skip
    open_ = ways(drawn([wait("w", transitions=both[1:], next="y"), *ends]))
    assert [way[1:] for way in open_ if way[0] == "w"] == [("case", "event.d == 'b'", "y"), ("case", "otherwise", "y")]


def test_deadlines_errors_and_false_conditions_lead_where_the_run_would_go() -> None:
    late = wait(
        "w", timeout_seconds=1, on_timeout={"outputs": {"d": "a"}}, next="c", on_error={"next": "c"}, **{"if": "1 < 2"}
    )
    picture = drawn([late, echo("b"), echo("c")])
    assert [way[1:] for way in ways(picture) if way[0] == "w"] == [
        ("jump", "", "c"), ("timeout", "", "c"), ("skip", "", "b"), ("error", "", "c"),
    ]  # fmt: skip
    elsewhere = wait("w", timeout_seconds=1, on_timeout={"next": "b"})
    assert ("w", "timeout", "", "b") in ways(drawn([elsewhere, echo("a"), echo("b")]))


def test_an_end_under_a_condition_can_be_passed_by() -> None:
    picture = drawn([{"id": "e", "kind": "end", "if": "1 < 2"}, echo("a")])
    assert [way[1:] for way in ways(picture) if way[0] == "e"] == [("skip", "", "a")]


def test_the_failure_that_a_workflow_recovers_from_leads_to_its_step() -> None:
    picture = drawn([echo("a"), echo("b")], on_error={"next": "b"})
    assert ("on any failure", "error", "", "b") in ways(picture)


# -- groups ----------------------------------------------------------------------------------------


def test_iterations_branches_and_started_steps_stand_inside_their_step() -> None:
    body = [echo("x"), {"id": "f", "kind": "foreach", "items": "[1]", "body": [echo("x")]}]
    fan = {
        "id": "p",
        "kind": "parallel",
        "branches": [{"start_at": "one"}, {"id": "two.2", "steps": [echo("x")]}],
    }
    picture = drawn([{"id": "f", "kind": "foreach", "items": "[1]", "body": body}, echo("one"), fan, echo("last")])
    assert {one.key for one in picture.by_id.values() if one.key} == {
        "f", "f[*]/x", "f[*]/f", "f[*]/f[*]/x", "p", 'p["one"]/one', 'p["two.2"]', 'p["two.2"]/x', "last",
    }  # fmt: skip
    assert ("f[*]/x", "next", "", "f[*]/f") in ways(picture)
    assert [way for way in ways(picture) if way[0] in ("f", "p")] == [("f", "next", "", "p"), ("p", "next", "", "last")]
    one = next(node for node in picture.nodes if node.label == "one")
    assert picture.by_id[str(one.group)].key == "p"
    assert not picture.leaving.get(one.id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, steps in {
        "leaf": [echo("leaf")],
        "loop": [{"id": "again", "kind": "workflow", "workflow_ref": "loop.yaml"}],
        "wide": [{"id": f"r{n}", "kind": "workflow", "workflow_ref": f"wide{n}.yaml"} for n in range(2)],
        **{
            f"wide{n}": [{"id": f"r{m}", "kind": "workflow", "workflow_ref": f"wide{m}.yaml"} for m in range(n + 1, 16)]
            or [echo("x")]
            for n in range(16)
        },
    }.items():
        tree = {"schema_version": "checkpointflow/v1", "workflow": {"id": name, "inputs": {}, "steps": steps}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(tree))
    return tmp_path


def test_a_sub_workflow_stands_inside_the_step_that_runs_it(folder: Path) -> None:
    run = {"id": "sub", "kind": "workflow", "workflow_ref": "leaf.yaml"}
    each = {"id": "each", "kind": "foreach", "items": "[1]", "workflow_ref": "leaf.yaml"}
    picture = drawn([run, each], folder)
    assert {node.key for node in picture.nodes if node.key} == {"sub/leaf", "each[*]/leaf"}
    assert {group.key for group in picture.groups} == {"sub", "each"}


def test_recursion_is_shown_as_a_reference(folder: Path) -> None:
    picture = drawn([{"id": "sub", "kind": "workflow", "workflow_ref": "loop.yaml"}], folder)
    (reference,) = (node for node in picture.nodes if node.shape == "reference")
    assert reference.key == "sub/again"
    assert "loop.yaml" in dict(reference.details)["shown"]


def test_documents_that_would_fill_the_world_are_cut_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BOXES", 500)
    picture = drawn([{"id": "sub", "kind": "workflow", "workflow_ref": "wide.yaml"}], folder)
    assert 500 <= len(picture.boxes) < 1_000
    assert any("left out" in dict(node.details).get("shown", "") for node in picture.nodes)


# -- what is told ----------------------------------------------------------------------------------


def test_handed_on_values_are_not_told() -> None:
    picture = drawn([echo("a", env={"TOKEN": "hunter2"}, stdin="hunter2", description="why")])
    assert "hunter2" not in str(picture)
    assert dict(picture.nodes[1].details) == {"description": "why", "command": "echo"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_step_of_an_example_is_in_its_picture_and_every_box_is_reached(path: Path) -> None:
    document = load_file(path, cwd=ROOT).document
    picture = picture_of(document)
    labels = [one.label for one in picture.by_id.values()]
    assert {step.id for step in document.all_steps()} <= set(labels)
    assert len(picture.by_id) == len(picture.boxes) == len(picture.nodes) + len(picture.groups)
    keys = [one.key for one in picture.by_id.values() if one.key]
    assert len(keys) == len(set(keys))
    for edge in picture.edges:
        assert picture.by_id[edge.source].group == picture.by_id[edge.target].group
    reached = {edge.target for edge in picture.edges}
    parallel = {group.id for group in picture.groups if group.kind == "parallel"}
    for one in picture.by_id.values():
        assert one.id in reached or one.label in ("start", "on any failure") or one.group in parallel, one.label


def test_every_kind_has_a_box() -> None:
    seen = {one.kind for path in EXAMPLES for one in picture_of(load_file(path, cwd=ROOT).document).by_id.values()}
    assert {*KINDS} <= seen


def as_run(steps: list[Any], group: str) -> set[Way]:
    """Return the ways of a list as the interpreter goes them, told apart from how pictures are made."""
    started = {target for step in steps for _, target in step.started()}
    order = [step for step in steps if step.id not in started]
    known = {step.id for step in steps}
    found: set[Way] = {("start", "", order[0].id, group)}
    for step, after in zip(order, [*order[1:], None], strict=True):
        following = "(end)" if after is None else after.id
        targets = [target for path, target in step.jumps() if path != ("next",)]
        goes_on = step.kind not in ("switch", "end") and not (step.kind == "await_event" and len(targets) > 1)
        targets += [step.next or following] if goes_on else []
        targets += [following] if step.when is not None else []
        found |= {(step.id, "", "(end)" if one == "end" and "end" not in known else one, group) for one in targets}
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_ways_of_an_example_are_those_that_its_run_may_take(path: Path) -> None:
    document = load_file(path, cwd=ROOT).document
    picture = picture_of(document)
    name = {one.id: one.label for one in picture.by_id.values()}
    main = {
        (name[edge.source], "", name[edge.target], "")
        for edge in picture.edges
        if picture.by_id[edge.source].group is None and name[edge.source] != "on any failure"
    }
    undecided = {("confirm", "", "deploy", "")}  # its one transition leaves an answer to the order of the list
    assert main - undecided == as_run(list(document.steps), "") - undecided
