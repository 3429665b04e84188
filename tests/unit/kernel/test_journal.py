"""A run's journal as its holder loads it."""

import pytest

from checkpointflow.kernel.journal import folded
from checkpointflow.kernel.state import fold
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing import samples as s
from checkpointflow.testing.clock import FakeClock


@pytest.mark.parametrize("steps", [0, 1, 499, 500, 999, 1000, 1001])
def test_a_journal_read_in_parts_adds_up_to_the_same(steps):
    store = MemoryStore(clock=FakeClock())
    hold = s.begin(store)
    entries = [entry for n in range(steps) for entry in (s.step_started(f"s{n}"), s.step_completed(f"s{n}"))]
    if entries:
        assert store.commit(hold, 1, entries).written
    assert folded(store, s.RUN) == fold(store.entries(s.RUN))
