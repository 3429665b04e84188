"""Changing a run that nobody drives: it is opened again, goes back, gets another definition, is forked or moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from checkpointflow.errors import ConcurrencyError, RunNotFailedError, RunSettledError, StepOnceError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey, WaitId
from checkpointflow.kernel.journal import Journal, folded
from checkpointflow.kernel.rewinding import Rewinding, first_positions, key_of, rewinding
from checkpointflow.kernel.scope import path_of, rerun_option
from checkpointflow.kernel.state import RunState, StepRecord, fold
from checkpointflow.kernel.store import Hold
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.records import dataclass, replace
from checkpointflow.values import JsonObject, JsonValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """How a run is to go on: under this definition, from before these steps, with these open waits opened anew."""

    at: datetime
    actor: str | None
    definition: str
    source_path: str | None
    workflow_name: str | None
    workflow_version: str | None
    steps: tuple[StepKey, ...] = ()
    reason: str | None = None
    reopen: tuple[StepKey, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Revised:
    """What a revision adds to a journal, and what that gives up."""

    added: tuple[e.AnyEntry, ...]
    plan: Rewinding


def reopened(state: RunState, at: datetime, actor: str | None, reason: str | None) -> e.RunReopened:
    """Return the entry that makes a failed run one that can be driven again.

    The failed step starts anew, at attempt 1; so does what its failure had cancelled. All else stays recorded.

    Raises:
        RunNotFailedError: the run has not failed.
    """
    if state.status != "failed":
        raise RunNotFailedError("the run has not failed; only a failed run can be retried")
    voided: list[JsonValue] = list(state.undone_keys())
    return e.RunReopened(at=at, voided=voided, actor=actor, reason=reason)


def revised(run_id: RunId, entries: Sequence[e.AnyEntry], revision: Revision) -> Revised:
    """Return what has to be recorded so that a run goes on as revised; a failed one is opened again first.

    Attempts that a dead driver left count as interrupted, and open waits that are given up as superseded.

    Raises:
        RunSettledError: the run has completed, been cancelled or moved.
        StepOnceError: a step that must not simply run again is among what would be given up, and was not named.
    """
    state = fold(entries)
    if state.status in ("completed", "cancelled", "moved"):
        raise RunSettledError(
            f"run `{run_id}` is {state.status}; `cpf fork` begins a new one from any of its steps", run_id=run_id
        )
    added = [*_ended_attempts(state, revision.at)]
    if state.status == "failed":
        added.append(reopened(state, revision.at, revision.actor, revision.reason))
    fold(added, state)
    plan = rewinding([*entries, *added], state, revision.steps)
    _refuse_unnamed(run_id, plan, revision.steps)
    wait_ids = {key: wait_id for wait_id, key in state.waiting.items()}
    anew = [key for key in revision.reopen if key in wait_ids and key not in plan.voided]
    closed = [*plan.waits, *anew]
    added += [e.WaitClosed(at=revision.at, key=k, wait_id=wait_ids[k], cause="superseded") for k in closed]
    added.append(
        e.DefinitionChanged(
            at=revision.at,
            definition=revision.definition,
            source_path=revision.source_path,
            workflow_name=revision.workflow_name,
            workflow_version=revision.workflow_version,
            voided=[*plan.voided, *anew],
            actor=revision.actor,
            reason=revision.reason,
        )
    )
    return Revised(added=tuple(added), plan=plan)


def forked(
    entries: Sequence[e.AnyEntry], step: StepKey, started: e.RunStarted, reopen: Collection[StepKey] = ()
) -> list[e.AnyEntry]:
    """Return a new run's beginning: all that a run recorded and would not give up by going back to a step.

    Of steps that had not ended nothing is taken over, so that they run in the new run on its own account, nor of the
    waits of `reopen`, which the new run opens itself.
    """
    state = fold(entries)
    begun = first_positions(entries)
    unended = {key for key, one in state.records.items() if isinstance(one, StepRecord) and one.position is None}
    left_out = unended.union(reopen, rewinding(entries, state, [step]).voided)
    around = set(path_of(step)[:-1])
    kept: list[e.AnyEntry] = []
    for position, entry in enumerate(entries, 1):
        key = key_of(entry)
        is_of_record = key in begun and position >= begun[key] and key not in left_out
        if is_of_record and not (isinstance(entry, e.ScopeClosed) and key in around):
            kept.append(entry)
    return [started, *_renumbered(kept)]


def append(
    hold: Hold, world: Surroundings, added: Sequence[e.AnyEntry], definition: tuple[str, JsonObject] | None = None
) -> None:
    """Record entries in the journal of a held run, in one commit; what a dead driver left running is ended first.

    Raises:
        ConcurrencyError: a message to the run stands against it; nothing was changed.
        PersistenceError, JournalConflictError: nothing was changed.
    """
    journal = Journal(world.store, hold, fits=world.fits, observer=world.observer)
    world.executor.end_orphans(hold.run_id, journal.state.open_attempts())
    for entry in added:
        journal.record(entry)
    if journal.commit(definition=definition) is None:
        raise ConcurrencyError(
            f"somebody sent a message to run `{hold.run_id}` that it has not taken up; "
            f"`cpf resume --run-id {hold.run_id}` does, then try again",
            run_id=hold.run_id,
        )


def reopen(hold: Hold, world: Surroundings, reason: str | None) -> None:
    """Make a failed run, which is held, one that can be driven again.

    Raises:
        RunNotFailedError, PersistenceError, JournalConflictError: nothing was changed.
    """
    state = folded(world.store, hold.run_id)
    append(hold, world, [reopened(state, world.clock.now(), world.actor, reason)])


def move(hold: Hold, world: Surroundings) -> None:
    """Have a run, which is held, go on elsewhere alone: from here on nothing takes it up, and the hold is given up.

    The messages that it has not taken up go with it. What a dead driver left running is ended first.

    Raises:
        RunSettledError: it has completed or been cancelled; or it was moved before.
        PersistenceError, JournalConflictError: nothing was changed.
    """
    state = folded(world.store, hold.run_id)
    if state.status in ("completed", "cancelled", "moved"):
        raise RunSettledError(
            f"run `{hold.run_id}` is {state.status}, so it does not go on anywhere; export it without `--move`",
            run_id=hold.run_id,
        )
    world.executor.end_orphans(hold.run_id, state.open_attempts())
    moved = e.RunMoved(at=world.clock.now(), actor=world.actor)
    world.store.commit(hold, state.length, [moved], release=True)
    world.observer([moved], state.length + 1)


def _ended_attempts(state: RunState, at: datetime) -> list[e.AnyEntry]:
    """Say of the attempts that a dead driver left that nobody saw how they ended."""
    ended: list[e.AnyEntry] = []
    for key, attempt in state.open_attempts().items():
        record = state.records[key]
        in_doubt = isinstance(record, StepRecord) and record.effect == "once"
        ended.append(e.StepInterrupted(at=at, key=key, attempt=attempt, cause="holder_died", in_doubt=in_doubt))
    return ended


def _renumbered(entries: Iterable[e.AnyEntry]) -> Iterator[e.AnyEntry]:
    """Number the waits anew, because a run mints its next wait id by their count."""
    numbers: dict[WaitId, WaitId] = {}
    for entry in entries:
        if isinstance(entry, e.WaitOpened | e.TimerSet):
            numbers[entry.wait_id] = WaitId(f"w{len(numbers) + 1}")
        if isinstance(entry, e.WaitOpened | e.TimerSet | e.WaitClosed | e.EventReceived | e.TimerFired):
            entry = replace(entry, wait_id=numbers[entry.wait_id])
        yield entry


def _refuse_unnamed(run_id: RunId, plan: Rewinding, named: tuple[StepKey, ...]) -> None:
    unnamed = [key for key in plan.once if key not in named]
    if unnamed:
        shown = ", ".join(f"`{key}`" for key in unnamed)
        raise StepOnceError(
            f"{shown} would run again, and must not without a word (`effect: once`); if it may, name it too",
            details={"rerun": [*unnamed]},
            hint=" ".join(map(rerun_option, unnamed)),
            run_id=run_id,
            step_key=unnamed[0],
        )
