"""Documents of 1.x give the outcomes that 1.x gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from seeds.compat import CASES, played


def test_the_recorded_outcomes_are_there() -> None:
    if not CASES:
        pytest.skip("the documents of 1.x with their outcomes are not beside this repository")
    assert len(CASES) > 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_document_of_1_x_comes_to_its_recorded_outcome(case: dict, tmp_path: Path) -> None:
    played(case, tmp_path)
