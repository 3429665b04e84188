"""A few seconds of the torture; `just torture MINUTES` goes on for longer."""

import os
from pathlib import Path

import pytest

from torture.torment import torment

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_some_seconds_of_torture_break_no_promise(request, tmp_path, store):
    url = request.getfixturevalue("postgres_url") if store == "postgres" else None
    figures = torment(tmp_path, dict(os.environ), seed="smoke", workers=2, seconds=4, database=url)
    assert figures.violations == []
    assert min(figures.counts[what] for what in ("runs", "processes", "attempts begun", "sights")) > 0
