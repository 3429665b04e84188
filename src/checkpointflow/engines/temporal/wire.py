"""What doors, workflow and worker tell each other, as JSON and back; nothing of Temporal's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from checkpointflow import clock
from checkpointflow.errors import UnsupportedError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Effect, Ending, Failed, Lost, Succeeded, Unseen
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import LocalEffect, Origin, Policy, StepCall, StepContext, StepResult
from checkpointflow.kernel.store import Delivery, Message, OpenWait, RunHead
from checkpointflow.records import dataclass, fields
from checkpointflow.values import JsonObject, JsonValue


def entry_json(entry: e.AnyEntry) -> JsonObject:
    """Return an entry as JSON."""
    encoded = e.encode(entry)
    return {"name": encoded.name, "at": encoded.at, "body": encoded.body, "blobs": dict(encoded.blobs)}


def entry_of(told: JsonObject) -> e.AnyEntry:
    """Return the entry of its JSON."""
    blobs = cast("dict[str, str]", told["blobs"])
    return e.decode(str(told["name"]), str(told["at"]), str(told["body"]), blobs.__getitem__)


def head_json(head: RunHead) -> JsonObject:
    """Return a head as JSON."""
    return _plain(head)


def head_of(told: JsonObject) -> RunHead:
    """Return the head of its JSON."""
    return RunHead(**_instants(told, "started_at", "updated_at"))


def wait_json(wait: OpenWait) -> JsonObject:
    """Return an open wait as JSON."""
    return _plain(wait)


def wait_of(told: JsonObject) -> OpenWait:
    """Return the open wait of its JSON."""
    return OpenWait(**_instants(told, "opened_at", "due_at"))


def message_json(message: Message, wait_key: StepKey | None = None) -> JsonObject:
    """Return a message as JSON; one for a wait is told with the key that the wait has."""
    return _plain(message) | ({} if wait_key is None else {"wait_key": wait_key})


def message_of(told: JsonObject) -> Message:
    """Return the message of its JSON."""
    return Message(**{name: value for name, value in _instants(told, "at").items() if name != "wait_key"})


def wait_key_of(told: JsonObject) -> StepKey | None:
    """Return the key of the wait that a message is for, if it names one."""
    key = told.get("wait_key")
    return None if key is None else StepKey(str(key))


def delivery_json(delivery: Delivery) -> JsonObject:
    """Return what became of a message as JSON."""
    message = None if delivery.message is None else message_json(delivery.message)
    return {"outcome": delivery.outcome, "message": message}


def delivery_of(told: JsonObject) -> Delivery:
    """Return what became of a message from its JSON."""
    message = told["message"]
    return Delivery(
        outcome=cast(Any, told["outcome"]),
        message=message_of(message) if isinstance(message, dict) else None,
    )


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt as its worker is told of it: a call as data, or the recipe of an effect, with the policy."""

    call: StepCall | None
    recipe: JsonObject | None
    policy: Policy
    context: StepContext


def order_json(effect: Effect) -> JsonObject:
    """Return an attempt as JSON.

    Raises:
        UnsupportedError: only this process could perform it.
    """
    told: JsonObject = {"policy": _policy_json(effect.call.policy), "context": _plain(effect.context)}
    if isinstance(effect.call, StepCall):
        return told | {"call": _call_json(effect.call)}
    return told | {"recipe": _recipe(effect.call, effect.context.key)}


def order_of(told: JsonObject) -> Order:
    """Return the attempt of its JSON."""
    policy = _policy_of(cast("dict[str, Any]", told["policy"]))
    call, recipe = told.get("call"), told.get("recipe")
    return Order(
        call=_call_of(cast("dict[str, Any]", call), policy) if call is not None else None,
        recipe=cast(JsonObject, recipe),
        policy=policy,
        context=StepContext(**cast("dict[str, Any]", told["context"])),
    )


def _recipe(effect: LocalEffect, key: StepKey) -> JsonObject:
    recipe = effect.recipe()
    if recipe is None:
        raise UnsupportedError(
            f"step `{key}` calls what only this process has (a lambda, a closure, a coroutine or a bound method), "
            "and a worker has to find it by its name; move it to the top of a module as a function",
            step_key=key,
        )
    return recipe


def _call_json(call: StepCall) -> JsonObject:
    origin: JsonObject = {
        "folder": call.origin.folder,
        "secrets": dict(call.origin.secrets),
        "withheld": [*sorted(call.origin.withheld)],
    }
    return {"kind": call.kind, "arguments": call.arguments, "outputs": call.outputs, "origin": origin}


def _call_of(told: dict[str, Any], policy: Policy) -> StepCall:
    origin = told["origin"]
    return StepCall(
        kind=told["kind"],
        arguments=told["arguments"],
        policy=policy,
        outputs=told["outputs"],
        origin=Origin(
            folder=origin["folder"],
            secrets=origin["secrets"],
            withheld=frozenset(cast("list[str]", origin["withheld"])),
        ),
    )


def _policy_json(policy: Policy) -> JsonObject:
    retry = _plain(policy.retry)
    return {"retry": retry, "timeout_seconds": policy.timeout_seconds, "effect": policy.effect}


def _policy_of(told: dict[str, Any]) -> Policy:
    retry = {**told["retry"], "on": tuple(told["retry"]["on"])}
    return Policy(retry=RetryPolicy(**retry), timeout_seconds=told["timeout_seconds"], effect=told["effect"])


def ending_json(ending: Succeeded | Failed | Unseen | Lost) -> JsonObject:
    """Return how an attempt ended as JSON."""
    match ending:
        case Succeeded(result=result):
            return {"ending": "succeeded", "output": result.output, "details": result.details}
        case Failed(error=error):
            return {"ending": "failed", "error": error}
        case Unseen(cause=cause, error=error):
            return {"ending": "unseen", "cause": cause, "error": error}
        case Lost(is_drained=is_drained):
            return {"ending": "lost", "is_drained": is_drained}


def ending_of(told: JsonObject) -> Ending:
    """Return how an attempt ended from its JSON."""
    values = cast("dict[str, Any]", told)
    match told["ending"]:
        case "succeeded":
            return Succeeded(StepResult(values["output"], values["details"]))
        case "failed":
            return Failed(values["error"])
        case "unseen":
            return Unseen(values["cause"], values["error"])
        case _:
            return Lost(values["is_drained"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a workflow begins with: the run's first entry, its definition, and the file that this comes from."""

    run_id: RunId
    entries: Sequence[e.AnyEntry]
    digest: str
    stored: JsonObject
    path: str | None


def start_json(start: Start) -> JsonObject:
    """Return what a workflow begins with as JSON."""
    return {
        "run_id": start.run_id,
        "entries": [entry_json(one) for one in start.entries],
        "digest": start.digest,
        "stored": start.stored,
        "path": start.path,
    }


def start_of(told: JsonObject) -> Start:
    """Return what a workflow begins with from its JSON."""
    path = told["path"]
    return Start(
        run_id=RunId(str(told["run_id"])),
        entries=[entry_of(cast(JsonObject, one)) for one in cast("list[JsonValue]", told["entries"])],
        digest=str(told["digest"]),
        stored=cast(JsonObject, told["stored"]),
        path=None if path is None else str(path),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a workflow's memo tells of its run: enough for lists, status and answers while no worker lives.

    `last` is the last entry where a status needs it; `messages` are the inbox, as far as it is short enough.
    """

    head: RunHead
    waits: Sequence[OpenWait] = ()
    messages: Sequence[Message] = ()
    last: e.AnyEntry | None = None
    warnings: Sequence[str] = ()


def summary_json(summary: Summary) -> JsonObject:
    """Return what a memo tells as JSON."""
    return {
        "head": head_json(summary.head),
        "waits": [wait_json(one) for one in summary.waits],
        "messages": [message_json(one) for one in summary.messages],
        "last": None if summary.last is None else entry_json(summary.last),
        "warnings": [*summary.warnings],
    }


def summary_of(told: JsonObject) -> Summary:
    """Return what a memo tells from its JSON."""
    values = cast("dict[str, Any]", told)
    return Summary(
        head=head_of(values["head"]),
        waits=[wait_of(one) for one in values["waits"]],
        messages=[message_of(one) for one in values["messages"]],
        last=None if values["last"] is None else entry_of(values["last"]),
        warnings=values["warnings"],
    )


def _plain(record: Any) -> JsonObject:
    """Return the fields of a record that holds JSON and instants."""
    found: dict[str, Any] = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: _plain_value(value) for name, value in found.items()}


def _plain_value(value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return clock.to_text(value)
    if isinstance(value, tuple):
        return [*value]
    return dict(value) if isinstance(value, Mapping) else cast(JsonValue, value)


def _instants(told: JsonObject, *names: str) -> dict[str, Any]:
    """Return fields with the instants among them read."""
    read = {name: None if told[name] is None else clock.from_text(str(told[name])) for name in names}
    return {**told, **read}
