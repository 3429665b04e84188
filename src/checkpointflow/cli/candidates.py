"""`cpf __complete`: what may stand at a place of a command line, for the scripts of `cpf completion`; never fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from checkpointflow.errors import CheckpointflowError

if TYPE_CHECKING:
    from checkpointflow.config import Settings
    from checkpointflow.kernel.ids import RunId
    from checkpointflow.kernel.store import RunHead, Store, StoredStatus

WORD = "__complete"
_MOST = 50
_UNSETTLED: tuple[StoredStatus, ...] = ("open", "waiting", "paused")
_SETTLED: tuple[StoredStatus, ...] = ("completed", "failed", "cancelled", "moved")

Candidate: TypeAlias = tuple[str, str]
"""A word and what it stands for."""


def main(words: Sequence[str]) -> int:
    """Print what of a sort (first word) begins with a text (second), of a run (third): `WORD<TAB>MEANING` lines."""
    from checkpointflow.cli import streams

    streams.prepare()
    sort, begun, run = [*words, "", "", ""][:3]
    lines = [f"{_line(word)}\t{_line(meaning)}\n" for word, meaning in _candidates(sort, begun, run)]
    return streams.put("".join(lines))


def _candidates(sort: str, begun: str, run: str) -> list[Candidate]:
    from checkpointflow.config import load_settings

    try:
        settings = load_settings()
        if sort == "flows":
            return [one for one in _flows(settings) if one[0].startswith(begun)]
        return _of_store(settings, sort, begun, run)
    except CheckpointflowError:
        return []  # somebody presses a key; whoever runs the command then is told what is wrong


def _line(text: str) -> str:
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)


def _flows(settings: Settings) -> Iterator[Candidate]:
    from checkpointflow.cli.flows import found

    for flow in found(settings):
        header = flow.header or {}
        if isinstance(header.get("id"), str):
            yield str(header["id"]), str(header.get("name") or flow.file)


def _of_store(settings: Settings, sort: str, begun: str, run: str) -> list[Candidate]:
    from checkpointflow.clock import SystemClock
    from checkpointflow.stores import open_store
    from checkpointflow.stores.sqlite.checkup import sort_of

    if settings.store is None and sort_of(settings.home) != "ours":  # opening it would make or rename it
        return []
    store = open_store(settings.store or settings.home, clock=SystemClock(), durability=settings.durability)
    try:
        if sort in _RUNS:
            return _runs(store, _RUNS[sort], begun)
        if sort == "workflows":
            heads = store.heads(limit=_MOST)
            return [(name, "") for name in dict.fromkeys(head.workflow_id for head in heads) if name.startswith(begun)]
        ids = store.find(run) if len(run) >= 4 and sort in _INSIDE else []
        return [one for one in _INSIDE[sort](store, ids[0]) if one[0].startswith(begun)] if len(ids) == 1 else []
    finally:
        store.close()


def _runs(store: Store, statuses: Sequence[StoredStatus], begun: str) -> list[Candidate]:
    """Runs whose id begins with a text; if there is none, the one whose id ends with it."""
    if not begun:
        heads = store.heads(statuses=statuses, limit=_MOST)
    else:
        found = [store.head(run_id) for run_id in store.find(begun)]
        fitting = [head for head in found if head.status in statuses]
        starting = [head for head in fitting if head.run_id.startswith(begun)]
        heads = starting or (fitting if len(fitting) == 1 else [])
    return [(head.run_id, _about(head)) for head in heads]


def _about(head: RunHead) -> str:
    status = "running or interrupted" if head.status == "open" else head.status
    return f"{status}: {head.workflow_name or head.workflow_id}"


def _waits(store: Store, run_id: RunId) -> Iterator[Candidate]:
    for wait in store.waits(run_id):
        if wait.kind == "external_event" and wait.wait_id is not None and not wait.answered:
            yield wait.wait_id, f"{wait.key} waits for {wait.event_name}"


def _events(store: Store, run_id: RunId) -> Iterator[Candidate]:
    asked = [wait for wait in store.waits(run_id) if wait.kind == "external_event" and not wait.answered]
    for name in dict.fromkeys(str(wait.event_name) for wait in asked):
        yield name, ", ".join(wait.key for wait in asked if wait.event_name == name)


def _steps(store: Store, run_id: RunId) -> Iterator[Candidate]:
    from checkpointflow.kernel.entries import StepStarted

    started = [entry for entry in store.entries(run_id) if isinstance(entry, StepStarted)]
    yield from {entry.key: entry.kind for entry in started}.items()


def _doubts(store: Store, run_id: RunId) -> Iterator[Candidate]:
    for wait in store.waits(run_id):
        if wait.kind == "in_doubt":
            yield wait.key, "nobody knows whether it took effect"


_RUNS: Mapping[str, tuple[StoredStatus, ...]] = {
    "runs": (*_UNSETTLED, *_SETTLED),
    "unsettled-runs": _UNSETTLED,
    "failed-runs": ("failed",),
    "settled-runs": _SETTLED,
}
_INSIDE: Mapping[str, Callable[[Store, RunId], Iterator[Candidate]]] = {
    "waits": _waits,
    "events": _events,
    "steps": _steps,
    "doubts": _doubts,
}
