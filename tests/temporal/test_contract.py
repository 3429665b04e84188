"""Temporal keeps the contract of engines, as far as it declares what it can do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checkpointflow.engines.temporal.client import TemporalClient
from checkpointflow.testing import EngineContract
from temporal.service import Service


class TestTemporal(EngineContract):
    @pytest.fixture
    def engine(self, service: Service) -> Iterator[TemporalClient]:
        with service.served(), service.client() as client:
            yield client


class TestTemporalThatForgets(EngineContract):
    """A worker that keeps no run in memory: every decision is a replay from the beginning."""

    @pytest.fixture
    def engine(self, service: Service) -> Iterator[TemporalClient]:
        with service.served(cached_runs=0), service.client() as client:
            yield client
