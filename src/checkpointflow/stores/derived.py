"""What a commit does beside the journal, decided without knowing how a store keeps it; no reading, no writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.store import Fits, Message, OpenWait, RunHead, advance, first_head, wait_change
from checkpointflow.records import dataclass, replace


def head_of(run_id: RunId, entries: Sequence[e.AnyEntry]) -> RunHead:
    """Return the head of a journal that begins with these entries.

    Raises:
        ValueError: the first is no `run_started`.
    """
    if not entries or not isinstance(entries[0], e.RunStarted):
        raise ValueError("a journal begins with `run_started`")
    return advance(first_head(run_id, entries[0]), entries[1:])


@dataclass(frozen=True, slots=True)
class WaitEffects:
    """What a batch of entries does to a run's open waits: those of `closed` keys (or all) go, `opened` come."""

    closes_all: bool
    closed: frozenset[StepKey]
    opened: tuple[OpenWait, ...]


def wait_effects(run_id: RunId, entries: Iterable[e.AnyEntry]) -> WaitEffects:
    """Return what entries do to the waits that were open before them, and which of their own stay open."""
    closes_all, closed, opened = False, set[StepKey](), list[OpenWait]()
    for entry in entries:
        change = wait_change(run_id, entry)
        if change is None:
            continue
        if change.closes_all:
            closes_all = True
            opened.clear()
        if change.closed:
            closed.update(change.closed)
            opened = [wait for wait in opened if wait.key not in change.closed]
        if change.opened is not None:
            opened.append(change.opened)
    return WaitEffects(closes_all, frozenset(closed), tuple(opened))


def take_kept(opened: Iterable[OpenWait], kept: Sequence[Message], fits: Fits | None) -> list[Message]:
    """Return the kept events, oldest first, that newly opened waits change, in their new state.

    Each wait accepts the oldest of its name that fits its schema; those before it are set aside.
    """
    left, changed = list(kept), list[Message]()
    for wait in opened:
        if wait.kind != "external_event":
            continue
        for message in [row for row in left if row.name == wait.event_name]:
            left.remove(message)
            if _fits(wait, message, fits):
                changed.append(replace(message, state="accepted", wait_id=wait.wait_id))
                break
            changed.append(replace(message, state="set_aside"))
    return changed


def _fits(wait: OpenWait, message: Message, fits: Fits | None) -> bool:
    schema = wait.request.get("input_schema")
    return fits is None or schema is None or fits(schema, message.payload)
