"""The worker on Temporal: it serves the workflow and the attempts of a task queue until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import Address
from checkpointflow.engines.temporal.connection import connected

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.worker import Worker as TemporalWorker
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

    from checkpointflow.engines.temporal.performing import Performer

CONCURRENCY = 100
STICKY = timedelta(seconds=3)
"""How long the worker that knows a run is waited for before any other may go on with it."""

_HEARTBEAT_EVERY = timedelta(seconds=1)


class Worker:
    """Serves a task queue: `concurrency` attempts at a time, and the deciding of any number of runs.

    After `stop` it takes nothing more, lets attempts end for `drain_seconds`, and ends the others, which other workers
    begin again. So many runs are kept in memory (`cached_runs`), and the others replayed when they go on. `serving` is
    called once the service is reached.
    """

    def __init__(
        self,
        address: Address,
        settings: Settings,
        *,
        concurrency: int = CONCURRENCY,
        drain_seconds: float = 20.0,
        cached_runs: int = 1_000,
        serving: Callable[[], None] = lambda: None,
    ) -> None:
        self._address = address
        self._settings = settings
        self._concurrency = concurrency
        self._drain_seconds = drain_seconds
        self._cached_runs = cached_runs
        self._serving = serving
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._asked = 0
        self._performer: Performer | None = None

    def stop(self) -> None:
        """Stop serving; a second time: at once. For signal handlers and other threads."""
        self._asked += 1
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(self._heard)

    def work(self) -> None:
        """Serve until `stop` is called.

        Raises:
            MissingExtraError: `temporalio` is not installed.
            StoreUnavailable: the service cannot be reached; once it was, it is waited for.
        """
        asyncio.run(self._work())

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._heard()
        client = await connected(self._address, self._settings)
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="attempt") as threads:
            await self._serve(self.on(client, threads))
        self._loop = None

    async def _serve(self, worker: TemporalWorker) -> None:
        assert self._stopping is not None
        serving = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(self._stopping.wait())
        self._serving()
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not serving.done():
            await worker.shutdown()
        await serving

    def _heard(self) -> None:
        assert self._stopping is not None
        if self._asked:
            self._stopping.set()
        if self._asked > 1 and self._performer is not None:
            self._performer.hurry()

    def on(self, client: Client, threads: ThreadPoolExecutor) -> TemporalWorker:
        """Return what serves by a client, with threads for as many attempts as it performs at a time."""
        from temporalio.worker import Worker as TemporalWorker

        from checkpointflow.engines.temporal.performing import Performer
        from checkpointflow.engines.temporal.workflow import RunWorkflow
        from checkpointflow.steps.base import StepSettings

        performer = self._performer = Performer(
            StepSettings(
                runs_dir=self._settings.home / "runs",
                sync=self._settings.durability == "power",
                environment=self._settings.environment,
            )
        )
        return TemporalWorker(
            client,
            task_queue=self._address.task_queue,
            workflows=[RunWorkflow],
            activities=[performer.step],
            activity_executor=threads,
            max_concurrent_activities=self._concurrency,
            max_cached_workflows=self._cached_runs,
            sticky_queue_schedule_to_start_timeout=STICKY,
            workflow_runner=sandbox(),
            max_heartbeat_throttle_interval=_HEARTBEAT_EVERY,
            default_heartbeat_throttle_interval=_HEARTBEAT_EVERY,
            graceful_shutdown_timeout=timedelta(seconds=self._drain_seconds),
        )


def sandbox() -> SandboxedWorkflowRunner:
    """Return the sandbox of workflow code: our package and what is installed pass, a project's own code stays inside.

    What stays inside is imported for each run anew, and may not read the clock, draw lots or touch files.
    """
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
    from temporalio.workflow import SandboxImportNotificationPolicy

    restrictions = SandboxRestrictions.default.with_passthrough_modules("checkpointflow", *_installed())
    return SandboxedWorkflowRunner(
        restrictions=restrictions.with_import_notification_policy(SandboxImportNotificationPolicy.SILENT)
    )


@cache
def _installed() -> list[str]:
    """Return the modules of installed packages: those that a run's code imports are loaded once, not for each run."""
    from importlib.metadata import packages_distributions

    return [name for name in packages_distributions() if name.isidentifier()]
