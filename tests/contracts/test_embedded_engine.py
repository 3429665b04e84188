"""The embedded engine keeps the contract of engines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.config import Settings
from checkpointflow.testing import EngineContract


class TestEmbedded(EngineContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Client]:
        settings = Settings(
            home=tmp_path / "home", cwd=str(tmp_path), actor="ann", host="here", durability="process",
            environment=dict(os.environ),
        )  # fmt: skip
        with Client(settings) as client:
            yield client
