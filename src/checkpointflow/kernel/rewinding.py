"""Which records a run gives up when it goes back to a step, decided from its journal; pure, nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.scope import last_name, path_of, place_of
from checkpointflow.kernel.state import RunState, ScopeRecord, StepRecord, TimerRecord, ValueRecord, WaitRecord
from checkpointflow.records import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewinding:
    """What going back means: the keys that are given up, in journal order.

    `effects` are the steps among them whose attempts have begun, `once` those of these that must not simply run again,
    `waits` the open waits and sleeps that end with it.
    """

    voided: tuple[StepKey, ...]
    effects: tuple[StepKey, ...]
    once: tuple[StepKey, ...]
    waits: tuple[StepKey, ...]


def keys_named(state: RunState, name: str) -> list[StepKey]:
    """Return the recorded keys that a text means: the key itself, else those of a step with this id."""
    if name in state.records:
        return [StepKey(name)]
    return [key for key, one in state.records.items() if not isinstance(one, ValueRecord) and last_name(key) == name]


def rewinding(entries: Sequence[e.AnyEntry], state: RunState, steps: Iterable[StepKey]) -> Rewinding:
    """Return what going back to these steps means: each, what came after it in its scope, and in those around it.

    Members beside each other (branches, iterations) do not come after one another, so those of others stay.
    `state` is what the entries add up to.
    """
    begun = _order(entries)
    named = list(steps)
    given_up = {key for key in begun for step in named if _comes_after(key, step, begun)}
    around = {scope for step in named for scope in path_of(step)[:-1]}
    ended = {key for key in begun if _ended_with_others(state, key) and around.intersection(path_of(key)[:-1])}
    voided = [key for key in begun if key in given_up | ended and key in state.records]
    records = {key: state.records[key] for key in voided}
    effects = [key for key, one in records.items() if isinstance(one, StepRecord)]
    open_keys = set(state.waiting.values())
    return Rewinding(
        voided=tuple(voided),
        effects=tuple(effects),
        once=tuple(key for key in effects if state.records[key].effect == "once"),  # type: ignore[union-attr]
        waits=tuple(key for key in voided if key in open_keys),
    )


def first_positions(entries: Iterable[e.AnyEntry]) -> dict[StepKey, int]:
    """Return where each key that still counts was first recorded, in that order."""
    begun: dict[StepKey, int] = {}
    for position, entry in enumerate(entries, 1):
        if isinstance(entry, e.RunReopened | e.DefinitionChanged):
            for key in entry.voided:
                begun.pop(StepKey(str(key)), None)
        elif (found := key_of(entry)) is not None:
            begun.setdefault(found, position)
    return begun


def _order(entries: Iterable[e.AnyEntry]) -> dict[StepKey, int]:
    """Return where each key began; one that a failure had given up keeps its place until it begins anew."""
    begun: dict[StepKey, int] = {}
    failed: set[StepKey] = set()
    for position, entry in enumerate(entries, 1):
        key = key_of(entry)
        if isinstance(entry, e.RunReopened):
            failed.update(StepKey(str(one)) for one in entry.voided)
        elif isinstance(entry, e.DefinitionChanged):
            for one in entry.voided:
                begun.pop(StepKey(str(one)), None)
        elif key in failed or (key is not None and key not in begun):
            failed.discard(key)
            begun.pop(key, None)
            begun[key] = position
    return begun


def key_of(entry: e.AnyEntry) -> StepKey | None:
    """Return the key that an entry is about, None if it is about the run."""
    return getattr(entry, "key", None)


def _comes_after(key: StepKey, step: StepKey, begun: Mapping[StepKey, int]) -> bool:
    """Tell whether a key is the step, lies in it, or began after it where both lie in the same sequence of steps."""
    for mine, its in zip(path_of(key), path_of(step), strict=False):
        if mine != its:
            return place_of(mine) == place_of(its) and begun.get(mine, 0) > begun.get(its, 0)
        if its == step:
            return True
        if _member(key, mine) != _member(step, its):
            return False
    return False


def _member(key: StepKey, scope: StepKey) -> str:
    """Return the member of a scope in which a key lies, such as `["a"]`; empty for a sub-workflow's own steps."""
    return key[len(scope) :].partition("/")[0]


def _ended_with_others(state: RunState, key: StepKey) -> bool:
    record = state.records.get(key)
    return isinstance(record, WaitRecord | TimerRecord | ScopeRecord) and record.undone
