"""The part of PORT Store that only whoever drives needs: on Temporal that is a worker, and nobody here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NoReturn

from checkpointflow.errors import UnsupportedError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import HolderId, RunId
from checkpointflow.kernel.store import Backoff, Commit, DriverInfo, Fits, Hold, HolderInfo, Swept
from checkpointflow.stores import refusals
from checkpointflow.values import JsonObject


def refuse(what: str) -> NoReturn:
    """Refuse something.

    Raises:
        UnsupportedError: always.
    """
    raise UnsupportedError(f"{what} is not possible on Temporal; do it with the embedded engine")


class Unheld:
    """Nobody who uses this store gets the hold of a run; `target` is the service whose workers have it."""

    def __init__(self, target: str) -> None:
        self._target = target

    def acquire(self, run_id: RunId, holder: HolderId, *, at: datetime) -> Hold:
        """Refuse: workers drive the run.

        Raises:
            RunHeldError: always.
        """
        del holder
        info = HolderInfo(holder=HolderId("temporal"), host=self._target, pid=0, since=at, alive=True)
        raise refusals.run_held(run_id, info)

    def commit(
        self,
        hold: Hold,
        length: int,
        entries: Sequence[e.AnyEntry],
        *,
        taken: Sequence[int] = (),
        release: bool = False,
        fits: Fits | None = None,
        definition: tuple[str, JsonObject] | None = None,
    ) -> Commit:
        """Refuse: a journal is its worker's."""
        del hold, length, entries, taken, release, fits, definition
        refuse("writing a run's journal")

    def release(self, hold: Hold) -> None:
        """Nothing is held here."""

    def delete(self, run_id: RunId, *, sweeps: bool = True) -> None:
        """Refuse: the service forgets runs by the retention of the namespace."""
        del run_id, sweeps
        refuse("deleting runs")

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """Refuse: as `delete`."""
        del dry_run
        refuse("collecting garbage")

    def drivable(self, at: datetime, *, pool: str, limit: int) -> list[RunId]:
        """Return nothing: the service hands out what is to be driven."""
        del at, pool, limit
        return []

    def back_off(self, backoff: Backoff) -> None:
        """Nothing is put off here."""

    def forget_backoff(self, run_id: RunId, pool: str) -> None:
        """Nothing was put off here."""

    def backoffs(self, run_id: RunId | None = None) -> list[Backoff]:
        """Return nothing: see `remarks`."""
        del run_id
        return []

    def enroll(self, kind: Literal["worker", "tick"], pool: str, *, at: datetime) -> None:
        """Workers enroll with the service."""

    def drivers(self) -> list[DriverInfo]:
        """Return nothing: the service knows them."""
        return []
