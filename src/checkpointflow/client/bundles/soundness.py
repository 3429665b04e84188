"""Whether an entry or a message that anybody may have written has fields of the sorts that it has to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.store import MessageKind, MessageState
from checkpointflow.records import fields
from checkpointflow.schemas import is_valid
from checkpointflow.values import dump

Test = Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and _is_unicode(value)


def _is_unicode(value: Any) -> bool:
    """Tell whether a value of JSON holds no half of a surrogate pair, which no text of ours has."""
    try:
        dump(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_schema(value: Any) -> bool:
    """Tell whether payloads can be checked against it; rules for authors are no matter here."""
    if not isinstance(value, dict | bool) or not _is_unicode(value):
        return False
    try:
        is_valid(None, value)
    except ValueError:
        return False
    return True


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _or_none(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _one_of(literal: object) -> Test:
    known = get_args(literal)
    return lambda value: isinstance(value, str) and value in known


def _instance(*sorts: type) -> Test:
    return lambda value: isinstance(value, sorts)


SORTS: Mapping[str, Test] = {
    **dict.fromkeys(("str", "StepKey", "WaitId", "EventId"), _is_text),
    "str | None": _or_none(_is_text),
    "int": lambda value: _is_number(value) and value > 0,
    "int | None": _or_none(_is_number),
    "float": lambda value: type(value) in (int, float) and value >= 0,
    "bool": _instance(bool),
    "datetime": _instance(datetime),
    "datetime | None": _instance(datetime, type(None)),
    "JsonValue": lambda _value: True,
    "JsonObject": _instance(dict),
    "JsonObject | None": _instance(dict, type(None)),
    "list[JsonValue]": _instance(list),
    "EffectClass": _one_of(e.EffectClass),
    "Cause": _one_of(e.Cause),
    "Decision": _one_of(e.Decision),
    "WaitClosing": _one_of(e.WaitClosing),
    "ScopeOutcome": _one_of(e.ScopeOutcome),
}
"""What a field's value has to be, by the annotation of the field."""

_ERROR: Mapping[str, Test] = {
    "code": _is_text, "message": _is_text, "details": _instance(dict), "hint": _is_text, "retryable": _instance(bool),
}  # fmt: skip
_REQUEST: Mapping[str, Test] = {
    "event_name": _is_text,
    **dict.fromkeys(("audience", "prompt", "summary"), _or_none(_is_text)),
    "risk_level": lambda value: value in (None, "low", "medium", "high"),
    "input_schema": _or_none(lambda value: _is_schema(value)),
}
_MESSAGE: Mapping[str, Test] = {
    "event_id": _is_text,
    "kind": _one_of(MessageKind),
    "name": _is_text,
    "wait_id": _or_none(_is_text),
    "payload": lambda _value: True,
    "actor": _or_none(_is_text),
    "at": _is_text,
    "state": _one_of(MessageState),
}


def is_entry(entry: e.AnyEntry) -> bool:
    """Tell whether each field of an entry is of its sort, and whether people can be shown what they are shown of it."""
    return all(_fits(getattr(entry, field.name), str(field.type), field.name) for field in fields(entry))


def _fits(value: Any, annotation: str, name: str) -> bool:
    if not SORTS[annotation](value):
        return False
    if name == "labels":
        return all(_is_text(text) for pair in value.items() for text in pair)
    if name == "voided":
        return all(map(_is_text, value))
    if name == "error" and value is not None:
        return _is_error(value)
    if name == "failed_members":
        return all(_is_error(one) and _is_text(one.get("key")) for one in value)
    if name == "details":
        return _or_none(lambda code: type(code) is int)(value.get("exit_code"))
    return name != "request" or ("event_name" in value and _all_fit(value, _REQUEST))


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and {"code", "message"} <= set(value) and _all_fit(value, _ERROR)


def _all_fit(value: Mapping[str, Any], tests: Mapping[str, Test]) -> bool:
    return all(name not in value or test(value[name]) for name, test in tests.items())


def is_message(told: Mapping[str, Any]) -> bool:
    """Tell whether a line of the inbox has just the fields of a message, each of its sort."""
    if set(told) != set(_MESSAGE) or not _all_fit(told, _MESSAGE):
        return False
    if told["kind"] == "event":
        return True
    payload = told["payload"]
    if not isinstance(payload, dict) or not _or_none(_is_text)(payload.get("reason")):
        return False
    return told["kind"] == "cancel" or _one_of(e.Decision)(payload.get("decision"))
