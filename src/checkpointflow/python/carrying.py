"""Runs that travel with the program: told by each commit, dumped as bytes, taken up again from either."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from checkpointflow import clock
from checkpointflow.clock import SystemClock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import EventId, RunId, WaitId
from checkpointflow.kernel.store import Message
from checkpointflow.python.store import Store
from checkpointflow.records import fields
from checkpointflow.stores.carried import CarriedStore
from checkpointflow.values import JsonObject, JsonValue, dump, load

if TYPE_CHECKING:
    from checkpointflow.python.checkpoint import Checkpoint

OnCommit: TypeAlias = Callable[[list[JsonObject], int], object]
"""Is called with the entries of a commit, as JSON, and the length of the journal with them."""

VERSION = 1
_NOT_IN_BODY = ("position", "entry", "at")


def carried() -> Store:
    """Return a store for one run that its owner keeps."""
    return Store.over(CarriedStore(clock=SystemClock()))


def tell(checkpoint: Checkpoint, on_commit: OnCommit | None) -> None:
    """Have the store of a carried checkpoint tell this from now on; meanwhile the checkpoint can be dumped."""
    if on_commit is not None:
        cast(CarriedStore, checkpoint.store.port).told = _told(checkpoint, on_commit)


def dumped(checkpoint: Checkpoint) -> bytes:
    """Return all of a run as JSON.

    Raises:
        ValueError: it has not begun.
    """
    if checkpoint.run_id is None:
        raise ValueError("the checkpoint is new, so there is nothing to dump; run it first")
    port, run_id = checkpoint.store.port, RunId(checkpoint.run_id)
    head = port.head(run_id)
    body: JsonObject = {
        "checkpoint": VERSION,
        "run_id": run_id,
        "digest": head.definition,
        "definition": port.definition(head.definition),
        "entries": [e.as_json(entry, position) for position, entry in enumerate(port.entries(run_id), 1)],
        "messages": [_shown(one) for one in port.messages(run_id) if one.state in ("accepted", "kept")],
    }
    return dump(body).encode("utf-8", "surrogatepass")


def taken_up(data: bytes) -> tuple[Store, str]:
    """Return a store that holds the run of a dump, and its id.

    Raises:
        ValueError: these are no bytes of `dump`, or they are cut off.
    """
    try:
        body = load(data.decode("utf-8", "surrogatepass"))
        if not isinstance(body, dict) or body.get("checkpoint") != VERSION:
            raise ValueError("they are of no form that this version knows")
        entries = [entry_of(cast(JsonObject, one)) for one in cast("list[JsonValue]", body["entries"])]
        messages = [_message(cast(JsonObject, one)) for one in cast("list[JsonValue]", body["messages"])]
        store, run_id = carried(), RunId(str(body["run_id"]))
        definition = (str(body["digest"]), cast(JsonObject, body["definition"]))
        store.port.create(run_id, entries, holder=None, definition=definition, messages=messages)
    except (ValueError, KeyError, TypeError, IndexError, CheckpointflowError) as error:
        raise ValueError(f"these bytes are no checkpoint: {error}; give what `dump` returned") from None
    return store, run_id


def entry_of(shown: JsonObject) -> e.AnyEntry:
    """Return an entry of a journal from its JSON.

    Raises:
        CheckpointflowError: it is none that this version knows.
    """
    body = {name: value for name, value in shown.items() if name not in _NOT_IN_BODY}
    return e.decode(str(shown["entry"]), str(shown["at"]), dump(body), lambda digest: digest)


def _told(checkpoint: Checkpoint, on_commit: OnCommit) -> Callable[[RunId, Sequence[e.AnyEntry], int], object]:
    def told(run_id: RunId, entries: Sequence[e.AnyEntry], position: int) -> None:
        first, before = position - len(entries) + 1, checkpoint.run_id
        checkpoint.run_id = run_id
        try:
            given = on_commit([e.as_json(entry, first + index) for index, entry in enumerate(entries)], position)
            if inspect.iscoroutine(given):
                given.close()
                raise TypeError("it is async, and a commit cannot wait for a loop; write it as a plain function")
        except BaseException:
            checkpoint.run_id = before  # that of a run whose first commit was refused is not there
            raise

    return told


def _shown(message: Message) -> JsonObject:
    found: JsonObject = {one.name: getattr(message, one.name) for one in fields(message) if one.name != "at"}
    return found | {"at": clock.to_text(message.at)}


def _message(shown: JsonObject) -> Message:
    wait_id, actor = shown["wait_id"], shown["actor"]
    return Message(
        run_id=RunId(str(shown["run_id"])),
        event_id=EventId(str(shown["event_id"])),
        kind=shown["kind"],  # type: ignore[arg-type]
        name=str(shown["name"]),
        payload=shown["payload"],
        actor=None if actor is None else str(actor),
        at=clock.from_text(str(shown["at"])),
        wait_id=None if wait_id is None else WaitId(str(wait_id)),
        state=shown["state"],  # type: ignore[arg-type]
    )
