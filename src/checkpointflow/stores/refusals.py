"""The refusals that every store words alike; what leads to one is each store's own."""

from __future__ import annotations

import os

from checkpointflow import clock
from checkpointflow.errors import (
    JournalConflictError,
    RunExistsError,
    RunHeldError,
    RunNotFoundError,
    RunNotSettledError,
    StoreCorrupt,
)
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Hold, HolderInfo


def no_such_run(run_id: RunId) -> RunNotFoundError:
    """Return the error for a run that is not there."""
    return RunNotFoundError(f"there is no run `{run_id}`; `cpf runs` lists those there are", run_id=run_id)


def run_exists(run_id: RunId) -> RunExistsError:
    """Return the error for a run that was to be created and is there."""
    return RunExistsError(f"a run `{run_id}` exists already; resume it or choose another id", run_id=run_id)


def run_held(run_id: RunId, info: HolderInfo, *, own_host: str | None = None) -> RunHeldError:
    """Return the error for a run that somebody alive drives, which may be this process on `own_host`."""
    since = clock.to_text(info.since)
    is_ours = (info.host, info.pid) == (own_host, os.getpid())
    who = f"{'this process already, that is ' if is_ours else ''}process {info.pid} on host `{info.host}`"
    remedy = "wait for that drive" if is_ours else "wait for it, or end that process"
    return RunHeldError(
        f"run `{run_id}` is driven by {who} since {since}; {remedy}",
        details={"host": info.host, "pid": info.pid, "since": since},
        run_id=run_id,
    )


def not_settled(run_id: RunId) -> RunNotSettledError:
    """Return the error for a run that was to be deleted and could still go on."""
    return RunNotSettledError(
        f"run `{run_id}` has not settled, so it cannot be deleted; "
        f"end it first with `cpf cancel --run-id {run_id} --reason TEXT`",
        run_id=run_id,
    )


def hold_lost(hold: Hold, epoch: int | None) -> JournalConflictError:
    """Return the error for a commit under a hold that is no longer in force; `epoch` is the present one."""
    return JournalConflictError(
        f"the hold of run `{hold.run_id}` was lost, so nothing was written; resume the run",
        details={"epoch": hold.epoch, "present_epoch": epoch},
        run_id=hold.run_id,
    )


def other_length(hold: Hold, asked: int, found: int) -> JournalConflictError:
    """Return the error for a commit that expected a journal of another length."""
    return JournalConflictError(
        f"the journal of run `{hold.run_id}` has {found} entries instead of {asked}, so nothing was written; "
        "read it again",
        details={"expected_length": asked, "length": found},
        run_id=hold.run_id,
    )


def no_definition(digest: str) -> StoreCorrupt:
    """Return the error for a definition that a run names and the store has not."""
    return StoreCorrupt(f"the store has no definition `{digest[:80]}`; restore the store from a copy")
