"""A graph is drawn with every way that it may take, whatever its names are."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.graph.definition import GraphDefinition
from checkpointflow.frontends.graph.picture import picture_of
from checkpointflow.pictures import rendered
from checkpointflow.pictures.mermaid_reader import read
from checkpointflow.viz import mermaid_to_html, workflow_to_mermaid
from frontends.graph.building import graph, node
from pictures.reading import HOSTILE, edges_of, read_mermaid, read_svg

INNER = graph({"x": node(ok="y"), "y": node()})
DRAWN = graph(
    {
        "plan": node("think", ok="exec review"),
        "exec": node(ok="join", loops={"retry": "exec"}, on_error="mend"),
        "review": node(ok="join"),
        "mend": node(ok="join"),
        "join": node(join={"mode": "and"}, ok="sub"),
        "sub": node(subflow={"graph": "inner"}, ok="each"),
        "each": node(map={"items": "input.todo", "handler": "go"}),
        "late": node(),
    },
    error="late",
) | {"subflows": {"inner": INNER}}


def test_every_way_that_a_graph_may_take_is_drawn() -> None:
    chart = read_mermaid(workflow_to_mermaid(DRAWN, fenced=False))
    outermost = sorted(chart.labels, key=lambda one: chart.groups[one] is None)
    name = {chart.labels[one].splitlines()[0].split(" · ")[0]: one for one in outermost}
    drawn = {(source, words, target) for source, target, words in chart.edges}
    for source, words, target in [
        ("start", "", "plan"), ("plan", "ok", "exec"), ("plan", "ok", "review"), ("exec", "retry ↺", "exec"),
        ("exec", "on error", "mend"), ("on any failure", "on error", "late"), ("join", "ok", "sub"),
        ("sub", "ok", "each"), ("each", "ok", "(end)"),
    ]:  # fmt: skip
        assert (name[source], words, name[target]) in drawn, (source, words, target)
    assert chart.groups[name["y"]] == name["sub"]


@pytest.mark.parametrize("form", ["svg", "html", "text", "mermaid"])
def test_a_graph_is_drawn_in_every_format(form: str) -> None:
    picture = picture_of(GraphDefinition.of(DRAWN).graph)
    text = rendered(picture, form)
    assert all(name in text for name in ("plan", "mend", "each"))
    if form == "svg":
        assert len(edges_of(read_svg(text))) == len(picture.edges)


def test_keys_are_those_of_the_steps() -> None:
    picture = picture_of(GraphDefinition.of(graph({"a/b": node(ok="s"), "s": node(subflow={"graph": INNER})})).graph)
    assert [one.key for one in picture.nodes if one.key] == ["a%2Fb", "s/x", "s/y"]


def test_done_active_and_failed_nodes_are_marked() -> None:
    def classes(**marks: object) -> dict[str, str]:
        chart = read_mermaid(workflow_to_mermaid(DRAWN, fenced=False, **marks))  # type: ignore[arg-type]
        return {chart.labels[name].splitlines()[0]: status for name, status in chart.classes.items()}

    running = classes(done_nodes=["plan"], active_node="exec")
    assert (running["plan"], running["exec"], running["review"]) == ("completed", "running", "not_reached")
    assert classes(done_nodes=["plan"], active_node="exec", failed=True)["exec"] == "failed"
    assert classes() == {}


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_any_node_name_is_safe(name: str, tmp_path: Path) -> None:
    definition = graph({name: node(ok="z"), "z": node(**{name: "z2"} if name not in ("go",) else {}), "z2": node()})
    source = workflow_to_mermaid(definition, done_nodes=[name], active_node=name)
    assert len(read_mermaid(source.removeprefix("```mermaid\n").removesuffix("```\n")).edges) == 5
    page = mermaid_to_html(source, tmp_path / "g.html", title=name).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<article") == 3


def test_a_flowchart_that_was_written_is_read_back() -> None:
    picture = picture_of(GraphDefinition.of(DRAWN).graph)
    again = read(rendered(picture, "mermaid"))
    assert [(one.source, one.target, one.words, one.kind) for one in again.edges] == [
        (one.source, one.target, one.words, one.kind) for one in picture.edges
    ]
    assert [(one.id, one.shape, one.label, one.group) for one in again.nodes] == [
        (one.id, one.shape, one.label, one.group) for one in picture.nodes
    ]
    assert [(one.id, one.label) for one in again.groups] == [(one.id, one.label) for one in picture.groups]


def test_a_page_with_the_drawing_needs_nothing_else(tmp_path: Path) -> None:
    path = mermaid_to_html(workflow_to_mermaid(DRAWN), tmp_path / "deep" / "g.html", title="My graph")
    page = path.read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<title>My graph</title>" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert [*path.parent.iterdir()] == [path]


def test_documents_are_drawn_alike(tmp_path: Path) -> None:
    text = (
        "schema_version: checkpointflow/v1\nworkflow: {id: w, inputs: true, steps: [{id: a, kind: cli, command: ls}]}\n"
    )
    document = load_text(text, source_path=tmp_path / "w.yaml", cwd=tmp_path).document
    assert "a<br/>cli · ls" in workflow_to_mermaid(document)


def test_other_mermaid_and_other_files_are_refused(tmp_path: Path) -> None:
    for source in ("sequenceDiagram\n A->>B: hi", "flowchart TD\n  a[Hard]", "flowchart TD\n  b0 --> b1"):
        with pytest.raises(ValueError, match="is nothing that `workflow_to_mermaid` writes"):
            mermaid_to_html(source, tmp_path / "x.html")
    with pytest.raises(ValueError, match=r"unsupported output extension '\.png'"):
        mermaid_to_html(workflow_to_mermaid(DRAWN), tmp_path / "x.png")
    assert [*tmp_path.iterdir()] == []
