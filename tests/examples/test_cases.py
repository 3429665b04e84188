"""Every example and every template has cases, which hold and reach all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.cli.commands import init
from checkpointflow.testing import run_cases
from checkpointflow.testing.beside import case_file_of, is_case_file
from checkpointflow.testing.coverage import told
from examples.stories import EXAMPLES

TEMPLATES = Path(init.__file__).parent.parent / "templates"
DOCUMENTS = sorted(
    path for folder in (EXAMPLES, TEMPLATES) for path in folder.rglob("*.yaml") if not is_case_file(path)
)


def test_no_cases_lie_about_without_a_document() -> None:
    files = {path for folder in (EXAMPLES, TEMPLATES) for path in folder.rglob("*.yaml") if is_case_file(path)}
    assert files == {case_file_of(path) for path in DOCUMENTS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_cases_hold_and_reach_every_step_and_transition(path: Path) -> None:
    report = run_cases(path)
    assert [line for result in report.results for line in [result.name, *result.lines] if not result.ok] == []
    assert [f"{line}: {told(place)}" for line, place in report.coverage.lines()] == []
