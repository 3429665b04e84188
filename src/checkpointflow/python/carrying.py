"""Runs that travel with the program: told by each commit, dumped as bytes, taken up again from either."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from checkpointflow import clock
from checkpointflow.clock import SystemClock
from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.functions.accepting import shown as words_for
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
_NOT_IN_BODY = ("position", "entry", "at", "run_id", "stored")
_WITH_DEFINITION = ("run_started", "definition_changed")


def carried() -> Store:
    """Return a store for one run that its owner keeps."""
    return Store.over(CarriedStore(clock=SystemClock()))


def refuse_callback(on_commit: object) -> None:
    """Refuse what cannot be called at a commit.

    Raises:
        TypeError: it cannot be called, or is async.
    """
    if on_commit is not None and not callable(on_commit):
        raise TypeError(f"`on_commit` is {words_for(on_commit)}; give it a plain function of entries and position")
    if inspect.iscoroutinefunction(on_commit) or inspect.iscoroutinefunction(getattr(on_commit, "__call__", None)):  # noqa: B004
        raise TypeError(_ASYNC)


def refuse_no_position(position: object) -> None:
    """Refuse what cannot be a position of a journal.

    Raises:
        TypeError: it is no whole number.
    """
    if not isinstance(position, int) or isinstance(position, bool):
        raise TypeError(f"`position` is {words_for(position)}; give it a whole number, from 1 on")


_ASYNC = "`on_commit` is async, and a commit cannot wait for a loop; write it as a plain function"


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


def taken_up(data: bytes | Iterable[Mapping[str, JsonValue]]) -> tuple[Store, str]:
    """Return a store that holds the run of a dump, or of all entries that `on_commit` got, and its id.

    Raises:
        ValueError: these are no bytes of `dump`, or they are cut off; or an entry is missing.
        TypeError: this is neither.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return _from_dump(bytes(data))
    if isinstance(data, str | Mapping) or not isinstance(data, Iterable):
        raise TypeError(
            f"a checkpoint cannot be loaded from {words_for(data)}; give what `dump` returned, as bytes, or the list "
            "of all entries that `on_commit` got"
        )
    return _from_entries(list(data))


def without_commands(envelope: JsonObject) -> JsonObject:
    """Return the envelope of a run that no command reaches: it says how the program that keeps it goes on."""
    shown: JsonObject = {**envelope, "next_actions": []}
    waits = [_answered_here(cast(JsonObject, one)) for one in cast("list[JsonValue]", envelope.get("waits") or [])]
    if waits:
        first = [one for one in waits if not one.get("answered")] or waits
        shown |= {"wait": first[0], "waits": [*waits]}
    return shown


def _answered_here(wait: JsonObject) -> JsonObject:
    """Return a wait without commands, with what to call in their place."""
    kept: JsonObject = {name: value for name, value in wait.items() if name not in ("resume", "decide", "instructions")}
    named = dump(wait["step_key"])
    said = {
        "in_doubt": f'Find out what the step did, then give `responses={{{named}: {{"decision": "done"}}}}` (with its '
        '`output`), or `"again"`, or `"fail"`, and the checkpoint to `run`.',
        "timer": "Nobody has to do anything: give the checkpoint to `run` from `due_at` on.",
    }.get(
        str(wait["kind"]), f"Give `responses={{{named}: …}}`, which fits `input_schema`, and the checkpoint to `run`."
    )
    return kept | {"instructions": [said]}


def _from_entries(shown: Sequence[Mapping[str, JsonValue]]) -> tuple[Store, str]:
    if not shown:
        raise ValueError(
            "there are no entries, so this is no checkpoint; give all that `on_commit` got, from the first on"
        )
    try:
        for index, one in enumerate(shown, 1):
            if one["position"] != index:
                raise ValueError(f"in place of entry {index} there is entry {one['position']}")
        first, last = shown[0], [one for one in shown if one["entry"] in _WITH_DEFINITION][-1]
        store, run_id = carried(), RunId(str(first["run_id"]))
        definition = (str(last["definition"]), cast(JsonObject, last["stored"]))
        store.port.create(run_id, [entry_of(one) for one in shown], holder=None, definition=definition)
    except (ValueError, KeyError, TypeError, IndexError, CheckpointflowError) as error:
        why = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
        why = "none of them is `run_started`" if isinstance(error, IndexError) else why
        raise ValueError(
            f"these entries are no checkpoint: {why}; give all that `on_commit` got, in the order of their positions"
        ) from None
    return store, run_id


def _from_dump(data: bytes) -> tuple[Store, str]:
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


def entry_of(shown: Mapping[str, JsonValue]) -> e.AnyEntry:
    """Return an entry of a journal from its JSON.

    Raises:
        CheckpointflowError: it is none that this version knows.
    """
    body = {name: value for name, value in shown.items() if name not in _NOT_IN_BODY}
    return e.decode(str(shown["entry"]), str(shown["at"]), dump(body), lambda digest: digest)


def _told(checkpoint: Checkpoint, on_commit: OnCommit) -> Callable[[RunId, Sequence[e.AnyEntry], int], object]:
    def shown(run_id: RunId, entry: e.AnyEntry, position: int) -> JsonObject:
        found = e.as_json(entry, position)
        if isinstance(entry, e.RunStarted):
            found["run_id"] = run_id
        if isinstance(entry, e.RunStarted | e.DefinitionChanged):
            found["stored"] = checkpoint.store.port.definition(entry.definition)
        return found

    def told(run_id: RunId, entries: Sequence[e.AnyEntry], position: int) -> None:
        first, before = position - len(entries) + 1, checkpoint.run_id
        checkpoint.run_id = run_id
        try:
            given = on_commit([shown(run_id, entry, first + index) for index, entry in enumerate(entries)], position)
            if inspect.iscoroutine(given):
                given.close()
                raise TypeError(_ASYNC)
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
