"""Going on otherwise than before: under an edited document, from before a step, or in a new run beside the old one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from checkpointflow.client.changes import Changed, Changes, changed_of, changes_of, reopened_of
from checkpointflow.client.driving import Driver
from checkpointflow.client.starting import Starter
from checkpointflow.errors import DefinitionChangedError, UnsupportedError, UsageError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.rehearsal import rehearse
from checkpointflow.kernel.revising import Revised, Revision, append, forked, revised
from checkpointflow.kernel.rewinding import first_positions, keys_named, rewinding
from checkpointflow.kernel.scope import last_name, rerun_option
from checkpointflow.kernel.state import RunState, fold
from checkpointflow.kernel.store import Hold, RunHead
from checkpointflow.records import dataclass, replace
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition, Meanings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Proposal:
    """A revision of a run that was looked through: what it records, and what it changes."""

    run_id: RunId
    definition: tuple[str, JsonObject] | None
    revised: Revised
    changes: Changes


@dataclass(frozen=True, kw_only=True)
class Reviser:
    """Looks through revisions before anything is performed, and records them."""

    driver: Driver
    starter: Starter

    def rehearsed(self, run_id: RunId, edited: Definition | None, steps: Sequence[str], reason: str | None) -> Changes:
        """Return what a revision would change; nothing is written.

        Raises:
            DefinitionChangedError, StepOnceError, RunSettledError, UsageError, InputError: it would be refused.
        """
        return self._proposed(run_id, edited, steps, reason).changes

    @contextmanager
    def revised(
        self, run_id: RunId, edited: Definition | None, steps: Sequence[str], reason: str | None
    ) -> Iterator[tuple[Hold, Changes]]:
        """Have a run go on otherwise, and give it, held; nothing is recorded if anything is raised.

        Raises:
            RunHeldError: another process drives it.
            The errors of `rehearsed`.
        """
        hold = self.driver.acquire(run_id)
        try:
            proposal = self._proposed(run_id, edited, steps, reason)
            append(hold, self.driver.surroundings(), proposal.revised.added, proposal.definition)
        except BaseException:
            self.driver.let_go(hold)
            raise
        yield hold, proposal.changes

    def forked(
        self,
        run_id: RunId,
        step: str,
        edited: Definition | None,
        new_id: str | None,
        labels: Mapping[str, str] | None,
    ) -> tuple[RunId, Hold]:
        """Begin a run that shares what was recorded before a step of another, and return its hold.

        Raises:
            RunExistsError: the id is taken.
            The errors of `rehearsed`.
        """
        place = self.driver.place
        head, entries = place.store.head(run_id), place.store.entries(run_id)
        before, after = self._definitions(head, edited, _started(entries).input)
        key = _named(fold(entries), step, before.meanings())
        started = self._forked_start(run_id, entries, key, after, labels)
        kept = forked(entries, key, started)
        meanings = before.meanings(), after.meanings()
        rehearsal = rehearse(after.workflow(), run_id, kept, place.clock)
        if reopened := reopened_of(kept, rehearsal, *meanings):
            kept = forked(entries, key, started, reopened)
            rehearsal = rehearse(after.workflow(), run_id, kept, place.clock)
        changed = changed_of(rehearsal, *meanings)
        _refuse_changed(changed, [], hint=f"--at={changed[0].step_key}" if changed else "")
        new = self.starter.free_id(new_id)
        self._copy_outputs(run_id, new, kept)  # first, so that a run that is there has all of its output
        return new, self.starter.create(new, kept, (after.digest, after.stored))

    def _proposed(
        self, run_id: RunId, edited: Definition | None, steps: Sequence[str], reason: str | None
    ) -> _Proposal:
        place = self.driver.place
        head, entries = place.store.head(run_id), place.store.entries(run_id)
        state = fold(entries)
        before, after = self._definitions(head, edited, _started(entries).input)
        revision = Revision(
            at=place.clock.now(),
            actor=place.settings.actor,
            definition=after.digest,
            source_path=after.path,
            workflow_name=after.name,
            workflow_version=after.version,
            steps=tuple(_named(state, step, before.meanings()) for step in steps),
            reason=reason,
        )
        meanings = before.meanings(), after.meanings()
        found = revised(run_id, entries, revision)
        rehearsal = rehearse(after.workflow(), run_id, [*entries, *found.added], place.clock)
        answered = {wait.key for wait in place.store.waits(run_id) if wait.answered}
        reopened = reopened_of([*entries, *found.added], rehearsal, *meanings, answered)
        if reopened:
            found = revised(run_id, entries, replace(revision, reopen=reopened))
            rehearsal = rehearse(after.workflow(), run_id, [*entries, *found.added], place.clock)
        changes = changes_of(state, found, rehearsal, *meanings, reopened)
        _refuse_changed(changes.changed, _first_of(changes.changed, entries, state))
        return _Proposal(run_id=run_id, definition=(after.digest, after.stored), revised=found, changes=changes)

    def _definitions(
        self, head: RunHead, edited: Definition | None, run_input: JsonValue
    ) -> tuple[Definition, Definition]:
        """Return the definition that a run goes by, and that to go on with; an edited one has to fit the run."""
        if edited is None:
            before = self.driver.place.definition(head)
            return before, before
        if edited.id != head.workflow_id:
            raise UsageError(
                f"run `{head.run_id}` is one of workflow `{head.workflow_id}`, and the file holds "
                f"`{edited.id}`; go on with a definition of the same id"
            )
        from checkpointflow.frontends.opening import with_code_of

        edited = with_code_of(edited, self.driver.place.store.definition(head.definition))
        self.starter.check_revised(edited, run_input)
        try:
            return self.driver.place.definition(head), edited
        except UnsupportedError:  # code that is gone: the journal alone is compared
            return edited, edited

    def _forked_start(
        self,
        run_id: RunId,
        entries: Sequence[e.AnyEntry],
        key: StepKey,
        definition: Definition,
        labels: Mapping[str, str] | None,
    ) -> e.RunStarted:
        first, settings = _started(entries), self.driver.place.settings
        return replace(
            first,
            at=self.driver.place.clock.now(),
            workflow_name=definition.name,
            workflow_version=definition.version,
            definition=definition.digest,
            source_path=definition.path,
            labels=first.labels if labels is None else {**first.labels, **labels},
            actor=settings.actor,
            host=settings.host,
            origin={"run": run_id, "position": first_positions(entries)[key]},
        )

    def _copy_outputs(self, run_id: RunId, new: RunId, kept: Sequence[e.AnyEntry]) -> None:
        """Let the new run have the captured output of the steps that it did not have to perform."""
        import shutil

        from checkpointflow.client.outputs import bring, keep
        from checkpointflow.steps.base import output_paths
        from checkpointflow.steps.outputs import make_folder, sync_output

        place, copied = self.driver.place, []
        bring(place, run_id)
        for entry in kept:
            if isinstance(entry, e.StepCompleted | e.StepFailed):
                paths = (output_paths(place.runs_dir, one, entry.key, entry.attempt) for one in (run_id, new))
                for source, target in zip(*paths, strict=True):
                    if source.exists():
                        make_folder(target.parent)
                        shutil.copy2(source, target)
                        copied.append(target)
        if place.settings.durability == "power":
            sync_output(*copied)
        keep(place, new, copied)


def _started(entries: Sequence[e.AnyEntry]) -> e.RunStarted:
    first = entries[0]
    assert isinstance(first, e.RunStarted)
    return first


def _named(state: RunState, step: str, known: Meanings) -> StepKey:
    """Return the one recorded key that a text means.

    Raises:
        UsageError: none, or several, fit.
    """
    found = keys_named(state, step)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"`{key}`" for key in found[:10])
        raise UsageError(f"several steps fit `{step}`: {shown}; give the whole key")
    if last_name(step) not in known:
        from checkpointflow.schemas import did_you_mean

        hint = did_you_mean(step, known.ids()) or None
        raise UsageError(f"its workflow has no step `{step[:80]}`; `cpf inspect` shows those of the run", hint=hint)
    raise UsageError(f"the run has not come to a step `{step[:80]}`; `cpf inspect` shows its steps by their keys")


def _first_of(changed: Sequence[Changed], entries: Sequence[e.AnyEntry], state: RunState) -> list[StepKey]:
    """Return those of the changed steps that do not come after another of them, and so run again with it."""
    first: list[StepKey] = []
    for one in changed:
        key = StepKey(one.step_key)
        if key not in rewinding(entries, state, first).voided:
            first.append(key)
    return first


def _refuse_changed(changed: Sequence[Changed], first: Sequence[StepKey], *, hint: str = "") -> None:
    if not changed:
        return
    shown = ", ".join(f"`{one.step_key}`" for one in changed)
    listed: list[JsonValue] = [{"step_key": one.step_key, "message": one.message, **one.details} for one in changed]
    again: JsonObject = {"rerun": [*first]} if first else {}
    raise DefinitionChangedError(
        f"{shown} would mean something else than what was recorded, so the run cannot go on like this; "
        "undo that change, or have the first of them run again",
        details={"changed": listed, **again},
        hint=hint or " ".join(map(rerun_option, first)),
        step_key=StepKey(changed[0].step_key),
    )
