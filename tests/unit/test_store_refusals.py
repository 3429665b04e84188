"""Refusals of stores: who drives a run is told as the reader sees it."""

import os
from datetime import UTC, datetime

import pytest

from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import HolderInfo
from checkpointflow.stores.refusals import run_held


@pytest.mark.parametrize(
    ("host", "further", "told"),
    [
        ("here", 0, "driven by this process already, that is process"),
        ("there", 0, "driven by process"),
        ("here", 1, "driven by process"),
    ],
)
def test_a_run_that_this_process_drives_itself_is_told_so(host: str, further: int, told: str) -> None:
    pid = os.getpid() + further
    info = HolderInfo(holder=HolderId("h"), host=host, pid=pid, since=datetime(2030, 1, 1, tzinfo=UTC), alive=True)
    message = run_held(RunId("r"), info, own_host="here").message
    assert f"run `r` is {told} {pid} on host `{host}` since 2030-01-01" in message
    assert ("or end that process" in message) == (told == "driven by process")
