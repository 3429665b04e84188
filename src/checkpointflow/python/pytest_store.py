"""The pytest plugin with a store for one test: a fixture, which does nothing unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from checkpointflow.python.store import Store


@pytest.fixture
def cpf_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of this test alone, in a new folder; it is closed afterwards.

    `CPF_HOME` names the folder meanwhile, so that `Client()`, and `cpf` as a process, have the same runs. Power
    cuts are not guarded against, which makes commits cheaper.
    """
    from checkpointflow.python.store import Store

    home = tmp_path_factory.mktemp("cpf-store")
    monkeypatch.setenv("CPF_HOME", str(home))
    monkeypatch.setenv("CPF_DURABILITY", "process")
    with Store() as store:
        yield store
