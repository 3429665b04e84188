"""The example of a graph runs offline, and does what its page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from architecture.pages import ROOT, blocks
from checkpointflow.frontends.graph.checks import problems_of

FILE = ROOT / "examples" / "graph_plan_exec_review.py"
PAGE = ROOT / "docs" / "how-to" / "write-a-graph.md"


def test_the_example_runs_to_its_end() -> None:
    done = subprocess.run([sys.executable, "-W", "error", str(FILE)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Are these 2 results good? → {'approved': False, 'note': 'the title'}",
        "Are these 3 results good? → {'approved': True}",
        "completed ['plan', 'exec', 'review', 'plan', 'exec', 'review']",
    ]


def test_its_graph_has_no_problems() -> None:
    assert problems_of(json.loads(FILE.with_suffix(".json").read_text())) == []


def test_graphs_on_the_page_have_no_problems() -> None:
    graphs = [block.text for block in blocks(PAGE) if block.language == "json"]
    assert graphs
    for text in graphs:
        assert problems_of(json.loads(text)) == []


def test_programs_on_the_page_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    shown = []
    for block in blocks(PAGE):
        if block.language == "json":
            (tmp_path / "page.json").write_text(block.text)
        if block.language == "python":
            monkeypatch.setitem(names, "print", lambda *values: shown.append(" ".join(map(str, values))))
            exec(block.text, names)
            said = re.findall(r"print\(.*?\)\s+# (.*)", block.text)
            assert shown[len(shown) - len(said) :] == said
    assert len(shown) >= 3
