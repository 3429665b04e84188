"""Keeping a store small: which runs are old enough to forget, and what lies in its folders that belongs to no run."""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from checkpointflow.client.place import Place
from checkpointflow.errors import ConcurrencyError, PersistenceError, RunNotFoundError, RunNotSettledError
from checkpointflow.kernel import ids
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import RunHead, Swept
from checkpointflow.records import dataclass

Settled: TypeAlias = Literal["completed", "cancelled", "failed", "moved"]

ENDED: tuple[Settled, ...] = ("completed", "cancelled")
"""The statuses of runs with which nothing can be done any more; a failed run can be retried, a moved one exported."""

EVERY: tuple[Settled, ...] = (*ENDED, "failed", "moved")
FRESH_SECONDS = 3600.0
"""For so long a folder without a run is let be, since a run may be about to come to it."""

_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What was removed, or would be: runs, folders of no run, and what the store kept for neither.

    `files_bytes` is the size of their files; `left` says how many settled runs of each status stay.
    """

    runs: Sequence[RunId]
    folders: Sequence[Path]
    files_bytes: int
    swept: Swept
    left: Mapping[str, int]
    warnings: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How much is kept: runs by status, how many have ended long ago, and the size of their files and of the store."""

    settled: Mapping[str, int]
    old: int
    files_bytes: int
    store_bytes: int


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Forgets old runs and removes what no run needs; what could still go on is never touched."""

    place: Place

    def collect(self, older_than_seconds: float, statuses: Sequence[Settled], *, dry_run: bool) -> Collected:
        """Forget the runs of these statuses that settled so long ago, and remove what belongs to no run.

        A crash in between leaves nothing that the next time does not remove.

        Raises:
            PersistenceError: the store cannot be used.
        """
        heads = self._heads(EVERY)
        before = self._before(older_than_seconds)
        old = [head.run_id for head in heads if head.status in statuses and head.updated_at <= before]
        warnings: list[str] = []
        size = sum(_size(self.place.runs_dir / run_id) for run_id in old)
        gone = old if dry_run else [run_id for run_id in old if self._forget(run_id, warnings)]
        folders = self._folders(warnings)
        size += sum(map(_size, folders))
        for folder in () if dry_run else folders:
            _remove(folder, warnings)
        return Collected(
            runs=gone,
            folders=folders,
            files_bytes=size,
            swept=self._sweep(warnings, dry_run=dry_run),
            left=Counter(head.status for head in heads if head.run_id not in set(gone)),
            warnings=warnings,
        )

    def retention(self, older_than_seconds: float) -> Retention:
        """Return how much is kept; nothing is changed."""
        heads = self._heads(EVERY)
        before = self._before(older_than_seconds)
        return Retention(
            settled=Counter(head.status for head in heads),
            old=sum(head.status in ENDED and head.updated_at <= before for head in heads),
            files_bytes=_size(self.place.runs_dir),
            store_bytes=getattr(self.place.store, "size_bytes", int)(),
        )

    def _before(self, seconds: float) -> datetime:
        return self.place.clock.now() - timedelta(seconds=seconds)

    def _heads(self, statuses: Sequence[Settled]) -> list[RunHead]:
        found: list[RunHead] = []
        last: tuple[datetime, RunId] | None = None
        while page := self.place.store.heads(statuses=statuses, limit=_PAGE, before=last):
            found += page
            last = (page[-1].started_at, page[-1].run_id)
        return found

    def _forget(self, run_id: RunId, warnings: list[str]) -> bool:
        """Forget a run, unless it has been taken up again since; tell whether it is gone."""
        try:
            self.place.store.delete(run_id, sweeps=False)
        except (RunNotFoundError, RunNotSettledError, ConcurrencyError):
            return False
        _remove(self.place.runs_dir / run_id, warnings)
        return True

    def _folders(self, warnings: list[str]) -> list[Path]:
        try:
            return list(self._lost())
        except OSError as error:
            warnings.append(f"`{self.place.runs_dir}` cannot be looked through: {error.strerror or error}")
            return []

    def _lost(self) -> Iterator[Path]:
        """Yield the folders that have the name of a run, which is not there, and in which nothing was done lately."""
        before = self._before(FRESH_SECONDS).timestamp()
        for path in sorted(self.place.runs_dir.iterdir()) if self.place.runs_dir.is_dir() else ():
            if path.is_dir() and not path.is_symlink() and _is_run_id(path.name) and _newest(path) < before:
                try:
                    self.place.store.head(RunId(path.name))
                except RunNotFoundError:
                    yield path

    def _sweep(self, warnings: list[str], *, dry_run: bool) -> Swept:
        try:
            return self.place.store.sweep(dry_run=dry_run)
        except PersistenceError as error:
            warnings.append(f"the store could not be made smaller: {error.message}")
            return Swept()


def _is_run_id(name: str) -> bool:
    try:
        ids.run_id(name)
    except ValueError:
        return False
    return True


def _stats(folder: Path) -> Iterator[os.stat_result]:
    """Yield what the system knows of a folder and all in it; no link is followed."""
    for path, names, files in os.walk(folder):
        for inner in (Path(path), *(Path(path, name) for name in (*names, *files))):
            try:
                yield inner.lstat()
            except FileNotFoundError:
                continue


def _size(folder: Path) -> int:
    return sum(one.st_size for one in _stats(folder) if stat.S_ISREG(one.st_mode))


def _newest(folder: Path) -> float:
    return max((one.st_mtime for one in _stats(folder)), default=0.0)


def _remove(folder: Path, warnings: list[str]) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        warnings.append(f"`{folder}` cannot be removed: {error.strerror or error}; remove it yourself")
