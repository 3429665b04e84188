"""Documents of 1.x give on Temporal, too, the outcomes that 1.x gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seeds.compat import CASES, played
from temporal.service import Service


@pytest.fixture
def served(service: Service) -> Iterator[str]:
    """The address of a service with a worker."""
    with service.served():
        yield service.url


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_document_of_1_x_comes_to_its_recorded_outcome_on_temporal(case: dict, tmp_path: Path, served: str) -> None:
    played(case, tmp_path, CPF_ENGINE=served)
