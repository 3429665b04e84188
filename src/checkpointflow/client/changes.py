"""What a revision of a run makes of its steps, seen before anything is performed; nothing is read or written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from checkpointflow.errors import NondeterminismError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.rehearsal import Rehearsal, open_waits
from checkpointflow.kernel.revising import Revised
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.state import Record, RunState, StepRecord, TimerRecord, WaitRecord
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Meanings


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A step that was recorded and means something else now."""

    step_key: str
    message: str
    details: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What becomes of a run's steps, waits and sleeps when it goes on otherwise, each by its key.

    `reused` keep what was recorded, `rerun` were given up and come again, `new` come next, or are new in the document,
    `gone` are recorded and asked for no more. `reopened` are open waits that ask otherwise now, so that they are closed
    and opened anew: who answers sees what is asked now. `later` are recorded and lie behind what is new: they are
    reused when they are reached. `changed` mean something else now, so that the run cannot go on unless they are
    rerun. `error` is how the run would fail at once.
    """

    reused: tuple[str, ...]
    rerun: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    later: tuple[str, ...]
    reopened: tuple[str, ...]
    changed: tuple[Changed, ...]
    error: str | None


def changes_of(
    state: RunState,
    found: Revised,
    rehearsal: Rehearsal,
    before: Meanings,
    after: Meanings,
    reopened: tuple[StepKey, ...] = (),
) -> Changes:
    """Return what a revision changes: `state` is the run as it is, `rehearsal` how its workflow would go on.

    `reopened` are the open waits that are opened anew.
    """
    shown = [key for key in _voided(found) if _is_shown(state.records.get(key))]
    fresh = [key for key in rehearsal.fresh if key not in shown]
    voided = [key for key in shown if key not in reopened]
    later = _behind(rehearsal, after)
    changed = changed_of(rehearsal, before, after)
    unlike = {one.step_key for one in changed}
    return Changes(
        reused=tuple(key for key in rehearsal.used if not _is_open(state.records.get(key))),
        rerun=tuple(key for key in voided if last_name(key) in after),
        new=tuple(dict.fromkeys([*fresh, *(one for one in after.ids() if one not in before)])),
        gone=(
            *(key for key in voided if last_name(key) not in after),
            *(key for key in rehearsal.unused if key not in voided and key not in later),
        ),
        later=tuple(key for key in later if key not in unlike),
        reopened=reopened,
        changed=changed,
        error=None if rehearsal.error is None else str(rehearsal.error),
    )


def changed_of(rehearsal: Rehearsal, before: Meanings, after: Meanings) -> tuple[Changed, ...]:
    """Return the recorded steps that mean something else now.

    What the rehearsal could not reach, since something new comes first, is compared by the texts of both documents.
    """
    unlike = [key for key in _behind(rehearsal, after) if before.means(last_name(key)) != after.means(last_name(key))]
    return (*map(_changed, rehearsal.changed), *map(_reworded, unlike))


def reopened_of(
    entries: Sequence[e.AnyEntry],
    rehearsal: Rehearsal,
    before: Meanings,
    after: Meanings,
    answered: Collection[StepKey] = (),
) -> tuple[StepKey, ...]:
    """Return the open waits without an answer that ask otherwise now than they were opened with.

    What the rehearsal could not reach is compared by the texts of both documents.
    """
    behind = [key for key in _behind(rehearsal, after) if before.asks(last_name(key)) != after.asks(last_name(key))]
    otherwise = {*rehearsal.reworded, *(key for key in behind if after.asks(last_name(key)) is not None)}
    return tuple(key for key in open_waits(entries) if key in otherwise and key not in answered)


def _behind(rehearsal: Rehearsal, after: Meanings) -> list[StepKey]:
    """Return what is recorded and may be asked for yet, once the rehearsed workflow goes on."""
    return [] if rehearsal.is_settled else [key for key in rehearsal.unused if last_name(key) in after]


def _voided(found: Revised) -> list[StepKey]:
    """Return the keys that a revision gives up, those of a failure that it reopens among them."""
    keys: list[StepKey] = []
    for entry in found.added:
        if isinstance(entry, e.RunReopened | e.DefinitionChanged):
            keys += [StepKey(str(key)) for key in entry.voided]
    return keys


def _is_shown(record: Record | None) -> bool:
    return isinstance(record, StepRecord | WaitRecord | TimerRecord)


def _is_open(record: Record | None) -> bool:
    return isinstance(record, StepRecord | WaitRecord | TimerRecord) and record.position is None


def _changed(mismatch: NondeterminismError) -> Changed:
    shown: JsonObject = {name: mismatch.details[name] for name in ("recorded", "asked") if name in mismatch.details}
    return Changed(step_key=str(mismatch.step_key), message="it was recorded with other arguments", details=shown)


def _reworded(key: StepKey) -> Changed:
    return Changed(step_key=key, message="the document asks for something else under this id", details={})
