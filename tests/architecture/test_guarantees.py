"""Every row of *what is guaranteed* names tests, and each of those is there under its name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from architecture.pages import ROOT

PAGE = ROOT / "docs" / "explanation" / "what-is-guaranteed.md"
PROOF = re.compile(r"\[`(?P<name>test_\w+)`\]\((?P<path>[^)\s]+\.py)\)")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "][2:]
PROMISES = [row for row in ROWS if not row[0].startswith("**")]


@cache
def functions(path: Path) -> set[str]:
    """Return the names of the functions in a file, those in its classes included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_there_is_a_row_for_each_promise_and_no_two_are_alike() -> None:
    assert len({row[0] for row in PROMISES}) == len(PROMISES) > 40


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[0])
def test_a_row_is_proved_by_tests_that_are_there(row: list[str]) -> None:
    assert len(row) == 3
    proofs = list(PROOF.finditer(row[2]))
    assert proofs
    assert PROOF.sub("", row[2]).replace("<br>", "") == ""
    for proof in proofs:
        path = (PAGE.parent / proof["path"]).resolve()
        assert proof["name"] in functions(path), f"{path.name} has no `{proof['name']}`"
