"""What steps printed, in a store that several machines share: kept there by who performed them, brought from there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from checkpointflow.client.place import Place
from checkpointflow.errors import StoreUnavailable
from checkpointflow.kernel.effects import Perform, Stop
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.run import StepCall, StepContext, StepResult

_NAME = re.compile(r"(?:stdout|stderr)/[^/\0]+")


class OutputKeeper(Protocol):
    """What a store has as `outputs` if files of one machine would be of no use to the others."""

    def keep(self, run_id: RunId, name: str, path: Path) -> None:
        """Keep the content of a file, in place of what was kept under this name."""

    def names(self, run_id: RunId) -> list[str]:
        """Return the names under which something of a run is kept."""

    def bring(self, run_id: RunId, name: str, path: Path) -> bool:
        """Write what is kept to a file; False if nothing is."""


def keeper_of(place: Place) -> OutputKeeper | None:
    """Return what keeps output in a place; None where its files are enough."""
    found: OutputKeeper | None = getattr(place.store, "outputs", None)
    return found


def keeping(perform: Perform, place: Place) -> Perform:
    """Have what an attempt printed kept before its end is told, however it ended."""
    keeper = keeper_of(place)
    if keeper is None:
        return perform

    def kept(call: StepCall, context: StepContext, stop: Stop) -> StepResult:
        from checkpointflow.steps.base import output_paths

        paths = output_paths(place.runs_dir, context.run_id, context.key, context.attempt)
        try:
            return perform(call, context, stop)
        finally:
            keep(place, context.run_id, paths)

    return kept


def keep(place: Place, run_id: RunId, paths: Iterable[Path]) -> None:
    """Keep those files of a run that are there, if that is the place for it.

    Raises:
        PersistenceError: the store cannot be written, or a file not be read.
    """
    keeper = keeper_of(place)
    for path in paths if keeper is not None else ():
        if keeper is not None and path.exists():
            try:
                keeper.keep(run_id, _name(path), path)
            except OSError as error:
                raise _unreadable(path, error) from error


def bring(place: Place, run_id: RunId, paths: Iterable[Path] | None = None) -> None:
    """Have files of a run here that are kept in the store: these, or all.

    Raises:
        PersistenceError: the store cannot be read, or a file not be written.
    """
    keeper = keeper_of(place)
    if keeper is None:
        return
    from checkpointflow.steps.outputs import make_folder

    kept = {place.runs_dir / run_id / name: name for name in keeper.names(run_id) if _NAME.fullmatch(name)}
    for path in kept if paths is None else paths:
        if path in kept and not path.exists():
            try:
                make_folder(path.parent)
                keeper.bring(run_id, kept[path], path)
            except OSError as error:
                raise _unreadable(path, error) from error


def files_of(place: Place, run_id: RunId) -> list[Path]:
    """Return the files with captured output of a run that are here."""
    folder = place.runs_dir / run_id
    return sorted(path for name in ("stdout", "stderr") for path in (folder / name).glob("*") if path.is_file())


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _unreadable(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the output file `{path}` cannot be used: {error.strerror or error}; make room or make its folder writable"
    )
