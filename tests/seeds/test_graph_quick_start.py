"""The quick start of the engine from which graphs come runs with nothing but its import changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2].parent / "shared" / "seeds").glob("003_*.txt"))


def quick_start(page: str) -> str:
    """Return the program on a page that has lost its indentation."""
    found = re.search(
        r"^from zeroflow import HandlerResult.*?^print\(result\.success.*?$", page, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    lines, is_inside = [], False
    for line in found[0].splitlines():
        is_inside = is_inside and not line.startswith(("def ", "engine ")) and bool(line)
        lines.append(f"    {line}" if is_inside else line)
        is_inside = is_inside or line.startswith("def ")
    return "\n".join(lines)


def test_the_quick_start_runs(capsys: pytest.CaptureFixture[str]) -> None:
    if not PAGES:
        pytest.skip("the page is not beside this repository")
    program = quick_start(PAGES[0].read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    exec(program.replace("from zeroflow import", "from checkpointflow.graph import"), names)
    assert capsys.readouterr().out == "True ['plan', 'exec', 'review']\n"
