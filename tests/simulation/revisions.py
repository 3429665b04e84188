"""Runs of a simulated world that go on otherwise: back to a step, under an edited program, or forked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from checkpointflow.errors import StepOnceError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.revising import Revised, Revision, forked, revised
from checkpointflow.kernel.state import ValueRecord, fold

ORIGINAL, EDITED = "original", "edited"
"""The definitions that a simulated run can be under."""


def chosen_keys(rng: random.Random, entries: Sequence[e.AnyEntry], most: int) -> list[StepKey]:
    """Return some of the recorded steps, waits, sleeps and scopes."""
    keys = [key for key, one in fold(entries).records.items() if not isinstance(one, ValueRecord)]
    return rng.sample(keys, min(len(keys), rng.randint(0, most)))


def revision_of(
    run_id: RunId, entries: Sequence[e.AnyEntry], at: datetime, steps: Sequence[StepKey], definition: str
) -> Revised:
    """Return what going back to these steps records; steps that must not simply run again are named as well."""
    named = list(steps)
    for _ in entries:  # each time one more is named
        revision = Revision(
            at=at, actor="editor", definition=definition, source_path=None, workflow_name=None,
            workflow_version=None, steps=tuple(named), reason="another way",
        )  # fmt: skip
        try:
            return revised(run_id, entries, revision)
        except StepOnceError as error:
            named.append(StepKey(str(error.step_key)))
    raise AssertionError("a step that was named is asked for again")


def fork_of(entries: Sequence[e.AnyEntry], step: StepKey, at: datetime, definition: str) -> list[e.AnyEntry]:
    """Return the beginning of a run that goes its own way from a step on."""
    first = entries[0]
    assert isinstance(first, e.RunStarted)
    started = replace(first, at=at, definition=definition, origin={"run": "other", "position": 1})
    return forked(entries, step, started)
