"""Pictures as text: every format is what it claims to be, whatever stands in a document, and tells the same."""

from __future__ import annotations

import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from architecture.pages import ROOT
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.frontends.document.picture import picture_of
from checkpointflow.pictures import FORMATS, SUFFIXES, rendered
from checkpointflow.pictures.mermaid import encoded
from checkpointflow.pictures.picture import STATUSES, Edge, Node, Picture, State
from checkpointflow.pictures.texts import cells, cut, mono, one_line, wrapped
from checkpointflow.testing.beside import is_case_file
from pictures.reading import HOSTILE, Page, edges_of, hostile_picture, read_mermaid, read_svg, texts_of

EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if not is_case_file(path))


def example(path: Path) -> Picture:
    return picture_of(load_file(path, cwd=ROOT).document)


# -- the examples ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_edge_of_an_example_is_in_every_format_once(path: Path) -> None:
    picture = example(path)
    assert len(picture.edges) >= 2
    ends = [(edge.source, edge.target) for edge in picture.edges]
    assert [edge[:2] for edge in read_mermaid(rendered(picture, "mermaid")).edges] == ends
    named = sorted(
        f"{picture.by_id[edge.source].label} → {picture.by_id[edge.target].label}"
        + (f": {one_line(edge.words)}" if edge.words else "")
        for edge in picture.edges
    )
    assert sorted(edges_of(read_svg(rendered(picture, "svg")))) == named
    arrows = [line for line in rendered(picture, "text").splitlines() if line.lstrip().startswith("→ ")]
    assert len(arrows) == len(ends)
    starts = {node.id for node in picture.nodes if node.shape == "start"}
    told = "".join(Page(rendered(picture, "html")).articles)
    assert told.count("then") >= sum(edge.source not in starts for edge in picture.edges)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_box_of_an_example_is_in_every_format(path: Path) -> None:
    picture = example(path)
    steps = [one for one in picture.by_id.values() if one.kind]
    chart, page = read_mermaid(rendered(picture, "mermaid")), Page(rendered(picture, "html"))
    drawn, told = texts_of(read_svg(rendered(picture, "svg"))), rendered(picture, "text")
    assert chart.groups == {one.id: one.group for one in picture.by_id.values()}
    for one in steps:
        assert one.id in page.ids
        assert one.label in drawn
        assert f"{one.label} " in told
        assert one.label in chart.labels[one.id]


def test_the_same_document_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import sys; from checkpointflow.frontends.document.loader import load_file;"
        "from checkpointflow.frontends.document.picture import picture_of; from checkpointflow.pictures import *;"
        "p = picture_of(load_file(sys.argv[1], cwd='.').document);"
        "sys.stdout.buffer.write(''.join(rendered(p, f) for f in FORMATS).encode())"
    )
    path = ROOT / "examples" / "parallel_checks.yaml"
    written = [
        subprocess.run([sys.executable, "-c", code, str(path)], env={"PYTHONHASHSEED": seed}, cwd=ROOT,
                       capture_output=True, check=True).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert written[0] == written[1] == "".join(rendered(example(path), form) for form in FORMATS).encode()


def test_a_format_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        rendered(Picture(title="x"), "layout")
    assert set(SUFFIXES.values()) == set(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_picture_is_one_all_the_same(form: str) -> None:
    assert "nothing" in rendered(Picture(title="nothing"), form)


# -- hostile texts ---------------------------------------------------------------------------------


def test_hostile_texts_stay_texts_in_mermaid() -> None:
    picture = hostile_picture()
    chart = read_mermaid(rendered(picture, "mermaid"))
    assert len(chart.labels) == len(picture.boxes)
    assert len(chart.edges) == len(picture.edges)
    for one in picture.nodes:
        assert chart.labels[one.id].startswith(cut(one_line(one.label), 60))
    assert set(chart.classes) == {one.id for one in picture.by_id.values() if one.state}


def test_mermaid_finds_no_icons_formulas_breaks_or_placeholders_in_labels() -> None:
    parted = {"fa:fa-car": "fa#58;#8203;fa", "$$x$$": "#36;#8203;#36;x", "a\\nb": "a#92;#8203;nb"}
    for text, expected in parted.items():
        assert encoded(text).startswith(expected)
    assert encoded("ﬂ°¶ß") == "#64258;#176;#182;#223;"
    assert encoded("a.b_c-d/e (f, g) == h!") == "a.b_c-d/e (f, g) == h!"


def test_hostile_texts_stay_texts_in_svg() -> None:
    picture = hostile_picture()
    root = read_svg(rendered(picture, "svg"))
    assert len(edges_of(root)) == len(picture.edges)
    assert "<script>alert(1)</script>" in texts_of(root)


def test_hostile_texts_stay_texts_in_html() -> None:
    picture = hostile_picture()
    page = Page(rendered(picture, "html"))
    ids = {one.id for one in picture.by_id.values() if getattr(one, "shape", "") != "exit"}
    assert set(page.ids) == ids
    assert any("<script>alert(1)</script>" in article for article in page.articles)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_that_steers_hides_or_reorders_is_in_a_picture(form: str) -> None:
    text = rendered(hostile_picture(), form)
    text.encode("utf-8")
    found = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn")}
    assert found <= {"\n", "\t", "\u200d"}


def test_hostile_texts_keep_to_their_line_in_text() -> None:
    picture = hostile_picture()
    lines = rendered(picture, "text").splitlines()
    left = len(HOSTILE)  # the markers in the groups, which nothing leads to, are told too
    assert len(lines) == 4 + len(picture.nodes) - left + len(picture.groups) + len(picture.edges) + left
    assert max(map(len, lines)) < 600


def test_no_text_is_wider_than_its_box() -> None:
    long = Node(id="b0", shape="step", label="W" * 400, kind="cli", about="日" * 400)
    drawn = texts_of(read_svg(rendered(Picture(title="x", nodes=(long,), boxes=("b0",)), "svg")))
    assert [text[-1] for text in drawn if text[0] in "Wc"] == ["…", "…"]
    assert max(map(len, drawn)) < 40


# -- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_states_are_told_in_words_and_not_by_colour_alone(form: str) -> None:
    nodes = tuple(
        Node(id=f"b{index}", shape="step", label=f"s{index}", kind="cli", state=State(status=status))
        for index, status in enumerate(STATUSES)
    )
    text = rendered(Picture(title="x", nodes=nodes, boxes=tuple(node.id for node in nodes)), form)
    for mark, words in STATUSES.values():
        assert encoded(f"{mark} {words}") in text if form == "mermaid" else f"{mark} {words}" in text


def test_counts_stand_beside_the_status() -> None:
    assert State(status="completed", visits=1).words == "completed"
    assert State(status="completed", visits=3).words == "completed ×3"
    assert State(status="waiting", visits=3, done=1, total=3).words == "waiting 1/3"
    assert State(status="waiting", visits=5, done=1, total=3).words == "waiting 1/3 ×5"


# -- texts and size --------------------------------------------------------------------------------


def test_cut_texts_fit_and_tear_no_character_apart() -> None:
    family = "👩\u200d👩\u200d👧"
    for text in ("abcdef", "日本語日本語", "é" * 9, family * 3):
        for most in range(1, 12):
            short = cut(text, most, cells)
            assert cells(short) <= most or short == "…"
            assert "\u200d…" not in short


def test_wrapped_texts_lose_nothing_but_blanks_until_the_rows_are_full() -> None:
    text = "steps.each.outputs.iterations.exists(one, one.result.decision == 'reject')"
    rows = wrapped(text, 200, 4, lambda row: mono(row, 10))
    assert all(mono(row, 10) <= 200 for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert wrapped(text, 200, 2, lambda row: mono(row, 10))[-1].endswith("…")


def test_a_thousand_steps_are_drawn_in_seconds() -> None:
    count = 1_000
    nodes = tuple(Node(id=f"b{index}", shape="step", label=f"step {index}", kind="cli") for index in range(count))
    chain = [Edge(source=f"b{index}", target=f"b{index + 1}") for index in range(count - 1)]
    far = [Edge(source=f"b{index}", target=f"b{index * 7919 % count}", kind="error") for index in range(count)]
    near = [
        Edge(source=f"b{index}", target=f"b{index // 3}", kind="case", label="n > 1") for index in range(0, count, 3)
    ]
    picture = Picture(title="big", nodes=nodes, edges=(*chain, *far, *near), boxes=tuple(node.id for node in nodes))
    began = time.process_time()
    root = read_svg(rendered(picture, "svg"))
    assert time.process_time() - began < 3
    assert len(edges_of(root)) == len(picture.edges)
