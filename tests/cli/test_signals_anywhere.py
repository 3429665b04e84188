"""Signals come between any two lines, also of modules that are not ours; what hears them waits for nothing there."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from checkpointflow.cli.door import Door
from checkpointflow.cli.driving import driving
from checkpointflow.client import Client
from checkpointflow.config import Settings
from cli.program import Program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_modules_are_loaded_is_heard(
    cpf: Program, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bool] = []
    monkeypatch.setenv("CPF_HOME", str(cpf.home))
    door = Door(["resume"])

    def client(**options: Any) -> Client:
        monkeypatch.setitem(sys.modules, "checkpointflow.config", ModuleType("half loaded"))
        os.kill(os.getpid(), number)
        heard.append(options["interrupt"].is_asked)
        raise RuntimeError("enough")

    monkeypatch.setattr(door, "client", client)
    with pytest.raises(RuntimeError, match="enough"), driving(door, None):  # type: ignore[arg-type]
        pass
    assert heard == [True]


@pytest.mark.parametrize("line", range(1, 40))
def test_a_worker_is_stopped_at_any_line_that_it_is_at(tmp_path: Path, line: int) -> None:
    settings = Settings(
        home=tmp_path, cwd=str(tmp_path), actor="ann", host="here", durability="process", environment={}
    )
    with Client(settings) as client:
        worker = client.worker()
        count = 0

        def traced(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal count
            if Path(frame.f_code.co_filename).name in ("working.py", "threading.py"):
                count += event == "line"
                if count == line and event == "line":
                    worker.stop()  # as a signal handler would, in the midst of it
            return traced

        def work() -> None:
            sys.settrace(traced)
            worker.work()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), "it waits for a lock that it holds itself"
        assert count >= line
