"""A process that could not do what it was asked keeps no run to itself, and goes on with it when it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.config import load_settings
from checkpointflow.errors import ConcurrencyError, StoreUnavailable
from checkpointflow.frontends.document.loader import load_file
from cli.documents import GATE
from cli.program import Program

RUN = "held-run"


@pytest.fixture
def client(cpf: Program) -> Iterator[Client]:
    """A client whose run waits at its gate."""
    with Client(load_settings()) as client:
        client.run(load_file(Path(cpf.write("gate.yaml", GATE)), cwd=cpf.cwd), {"who": "ann"}, run_id=RUN)
        yield client


def in_time(client: Client) -> str:
    """Go on with the run, in a thread, since what follows itself does so for ever."""
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(client.resume(RUN).run.status), daemon=True)
    thread.start()
    thread.join(30)
    assert ended, "it follows itself"
    return ended[0]


def test_a_run_whose_revision_was_refused_for_a_message_is_open_to_all(client: Client) -> None:
    wait = client.get(RUN).waits[0]
    payload = {"decision": "approve"}
    client.resume(RUN, wait=wait.wait_id, payload=payload, has_payload=True, follow=False)
    with pytest.raises(ConcurrencyError, match="sent a message"):
        client.revise(RUN, rerun=[wait.step_key])
    with Client(load_settings()) as other:
        assert other.get(RUN).status == "waiting"
    assert in_time(client) == "completed"


def test_a_drive_that_a_failing_store_broke_off_can_be_taken_up_by_its_own_process(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = client._store
    with monkeypatch.context() as patched:
        patched.setattr(type(store), "commit", _full)
        with pytest.raises(StoreUnavailable):
            client.resume(RUN)
    assert in_time(client) == "waiting"


def _full(*_arguments: object, **_options: object) -> None:
    raise StoreUnavailable("the disk is full")
