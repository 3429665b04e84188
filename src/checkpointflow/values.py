"""JSON values: what may stand in a journal, their one canonical text, and its fingerprint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

MAX_DEPTH = 200


def dump(value: JsonValue) -> str:
    """Return the compact JSON text of a value, keys in their order.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value is no JSON.
    """
    return _COMPACT.encode(value)


def load(text: str | bytes) -> JsonValue:
    """Return the value of a JSON text; NaN and infinities, which JSON lacks, are refused.

    Raises:
        ValueError: the text is not JSON, or is nested more deeply than Python can follow.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    if text.startswith("\ufeff"):
        raise ValueError("JSON does not begin with a byte order mark")
    try:
        return cast(JsonValue, _DECODER.decode(text))
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def canonical(value: JsonValue) -> str:
    """Return the one JSON text that equal values share: keys sorted, no blanks."""
    return _CANONICAL.encode(value)


def fingerprint(value: JsonValue) -> str:
    """Return the SHA-256 of a value's canonical text, as 64 hexadecimal digits."""
    return fingerprint_text(canonical(value))


def fingerprint_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits."""
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def copied(value: JsonValue) -> JsonValue:
    """Return a deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def checked(value: object, what: str = "value") -> JsonValue:
    """Return a deep copy of a value made of JSON only, so that later changes by its owner do not show.

    Tuples become lists, and what derives from text or numbers becomes those; anything else that JSON cannot hold is
    refused, naming where it stands.

    Raises:
        TypeError: something inside is not JSON.
        ValueError: a number is not finite, or the nesting is deeper than 200.
    """
    return _checked(value, what, 0)


def _checked(value: object, where: str, depth: int) -> JsonValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"`{where}` is {value}, which JSON cannot hold")
        return float(value)
    if depth >= MAX_DEPTH:
        raise ValueError(f"`{where}` is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {_key(key, where): _checked(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_checked(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    raise TypeError(f"`{where}` is of type `{type(value).__name__}`, which JSON cannot hold")


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"`{where}` has the key {key!r}; keys of JSON objects are text")
    return str.__str__(key)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a JSON number")
    return number


_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_CANONICAL = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
