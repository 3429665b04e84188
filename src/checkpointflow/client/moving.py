"""Taking a run elsewhere, and taking one over: what a bundle is written from, and what becomes of one that comes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from checkpointflow.client.bundles import layout
from checkpointflow.client.bundles.reading import Bundle
from checkpointflow.client.bundles.writing import Draft
from checkpointflow.client.driving import Driver
from checkpointflow.errors import (
    BundleError,
    ConcurrencyError,
    FileExistsAlreadyError,
    RunExistsError,
    RunNotFoundError,
    RunSettledError,
    StoreUnavailable,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.revising import move
from checkpointflow.kernel.store import RunHead
from checkpointflow.records import dataclass, replace
from checkpointflow.steps.outputs import new_file, sync_output
from checkpointflow.values import JsonObject

_LOOKS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """A run that came in a bundle, and what deserves a word about it; `copied_from` is the run it is a copy of."""

    run_id: RunId
    copied_from: RunId | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mover:
    """Writes bundles of runs of this place, and takes over those of others."""

    driver: Driver

    def export(self, run_id: RunId, path: Path, *, moves: bool, force: bool) -> layout.Run:
        """Write a run's bundle; one that `moves` goes on from there alone, which is recorded before it is written.

        Raises:
            FileExistsAlreadyError: there is such a file, and `force` was not said; nothing was changed.
            RunHeldError: another process drives a run that is to be moved; nothing was changed.
            RunSettledError: a run that is to be moved has completed or been cancelled; nothing was changed.
            StoreUnavailable: the bundle cannot be written; a run that was moved stays so, until that succeeds.
        """
        place = self.driver.place
        head = place.store.head(run_id)
        if path.exists() and not force:
            raise FileExistsAlreadyError(f"`{path}` exists; choose another name, or say `--force` to write over it")
        if moves and head.status in ("completed", "cancelled"):
            raise RunSettledError(
                f"run `{run_id}` is {head.status}, so it does not go on anywhere; export it without `--move`",
                run_id=run_id,
            )
        draft = Draft(path)
        try:
            if moves and head.status != "moved":
                self._fence(run_id)
            run = self._as_it_stands(run_id)
            draft.write(run, place.runs_dir / run_id)
        finally:
            draft.drop()
        return run

    def take_over(self, bundle: Bundle, *, copies: bool) -> Imported:
        """Keep the run of a bundle here; as a copy it has a new id, and nothing is performed under the old keys.

        Raises:
            BundleError: another place may go on with the run, and no copy was asked for.
            RunExistsError: the run is here, and was not moved away, or has gone on since.
            StoreUnavailable: its files cannot be kept.
        """
        run = bundle.contents.run
        if copies:
            return self._keep(bundle, self._copy(run), copied_from=run.run_id, over_moved=False, warnings=())
        if run.is_only_a_copy:
            raise BundleError(
                f"run `{run.run_id}` was not moved into this bundle, so the place that it comes from may go on with "
                "it; export it with `--move`, or import a copy with an id of its own by `--copy`",
                details={"only_a_copy": True},
            )
        over_moved, warnings = self._place_for(run)
        return self._keep(bundle, run, copied_from=None, over_moved=over_moved, warnings=warnings)

    def _fence(self, run_id: RunId) -> None:
        hold = self.driver.acquire(run_id)
        try:
            move(hold, self.driver.surroundings())
        except BaseException:
            self.driver.let_go(hold)
            raise

    def _as_it_stands(self, run_id: RunId) -> layout.Run:
        """Return a run as it was at one moment, also while it is driven."""
        store = self.driver.place.store
        for _ in range(_LOOKS):
            head, messages = store.head(run_id), store.messages(run_id)
            entries = store.entries(run_id)
            definition = store.definition(head.definition)
            if store.head(run_id).length == head.length == len(entries) and store.messages(run_id) == messages:
                is_moved = isinstance(entries[-1], e.RunMoved)
                kept = entries[:-1] if is_moved else entries
                return layout.Run(
                    run_id=run_id, entries=kept, messages=messages, definition=definition, is_moved=is_moved
                )
        raise ConcurrencyError(
            f"run `{run_id}` goes on faster than it can be read; wait until it stands still", run_id=run_id
        )

    def _copy(self, run: layout.Run) -> layout.Run:
        first, *rest = run.entries
        assert isinstance(first, e.RunStarted)
        origin: JsonObject = {"run": run.run_id, "position": len(run.entries) + 1}
        new = ids.new_run_id(self.driver.place.clock.now())
        return replace(run, run_id=new, entries=[replace(first, origin=origin), *rest])

    def _place_for(self, run: layout.Run) -> tuple[bool, tuple[str, ...]]:
        """Return whether the run takes the place of itself, moved away before, and what deserves a word."""
        store = self.driver.place.store
        try:
            head = store.head(run.run_id)
        except RunNotFoundError:
            return False, ()
        self._refuse_other(run, head)
        if head.length - 1 < len(run.entries):
            return True, ()
        return True, (
            f"run `{run.run_id}` comes back as it left, so its move is undone; import this bundle nowhere else",
        )

    def _refuse_other(self, run: layout.Run, head: RunHead) -> None:
        entries = self.driver.place.store.entries(run.run_id)[:-1]
        if head.status != "moved":
            raise RunExistsError(
                f"a run `{run.run_id}` is here already and was not moved away; it stays as it is", run_id=run.run_id
            )
        if entries != [*run.entries[: len(entries)]]:
            raise RunExistsError(
                f"the bundle of run `{run.run_id}` does not go on from where the run left this place: it is older, or "
                "of another run; it stays as it is",
                run_id=run.run_id,
            )

    def _keep(
        self,
        bundle: Bundle,
        run: layout.Run,
        *,
        copied_from: RunId | None,
        over_moved: bool,
        warnings: tuple[str, ...],
    ) -> Imported:
        """Keep files first, so that a run that is there has all of its own."""
        self._refuse_taken(run.run_id, over_moved=over_moved)
        self._keep_files(bundle, self.driver.place.runs_dir / run.run_id)
        definition = (run.head.definition, run.definition)
        self.driver.place.store.create(
            run.run_id, run.entries, holder=None, definition=definition, messages=run.messages, over_moved=over_moved
        )
        return Imported(
            run_id=run.run_id, copied_from=copied_from, warnings=(*warnings, *self._warnings(run.head, copied_from))
        )

    def _refuse_taken(self, run_id: RunId, *, over_moved: bool) -> None:
        try:
            self.driver.place.store.head(run_id)
        except RunNotFoundError:
            return
        if not over_moved:
            raise RunExistsError(f"a run `{run_id}` is here already; it stays as it is", run_id=run_id)

    def _keep_files(self, bundle: Bundle, folder: Path) -> None:
        """Write captured output, each file under another name until it is whole."""
        path, outputs = folder, bundle.outputs()
        try:
            for name, inside in outputs.items():
                path = folder / inside
                draft = path.with_name(f".{ids.new_event_id()}.part")
                with new_file(draft) as file:
                    for piece in bundle.pieces(name):
                        rest = memoryview(piece)
                        while rest:
                            rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
                draft.replace(path)
            sync_output(*(folder / inside for inside in outputs.values()))
        except OSError as error:
            raise StoreUnavailable(
                f"the file `{path}` of the bundle cannot be kept: {error.strerror or error}; "
                "make room or make its folder writable, then import it again"
            ) from None

    def _warnings(self, head: RunHead, copied_from: RunId | None) -> Iterable[str]:
        if not Path(head.cwd).is_dir():
            yield (f"the run's folder `{head.cwd}` is not here; its commands begin there, so make it or bring it along")
        if copied_from is not None and head.status in layout.CAN_GO_ON:
            yield f"run `{copied_from}` may go on elsewhere; what the copy goes on with happens beside that"
