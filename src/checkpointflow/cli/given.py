"""JSON that came with a command: inline, from a file, from stdin; and fields set over it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from checkpointflow.errors import FileMissingError, InputError, UsageError
from checkpointflow.values import JsonValue, checked, dump, load

_LARGEST = 64 * 1024 * 1024


def input_of(text: str | None, fields: Sequence[tuple[str, str]], cwd: str) -> JsonValue:
    """Return a run's input: that of `--input`, `{}` without one, with the fields of `--set` over it.

    Raises:
        InputError: it is no JSON.
        FileMissingError: its file cannot be read.
        UsageError: fields are set over something that is no object.
    """
    value = {} if text is None else json_of(text, "--input", cwd)
    if not fields:
        return value
    if not isinstance(value, dict):
        raise UsageError("`--set` needs an input that is a JSON object, and `--input` is none")
    return {**value, **{key: _field(key, field) for key, field in fields}}


def json_of(text: str, option: str, cwd: str) -> JsonValue:
    """Return the JSON that an option names: itself, `@file`, or `-` for stdin.

    Raises:
        InputError: it is no JSON.
        FileMissingError: its file cannot be read.
    """
    return _checked(_source(text, option, cwd), option)


def _source(text: str, option: str, cwd: str) -> str | bytes:
    if text == "-":
        return b"" if sys.stdin is None else _bounded(sys.stdin.buffer, option)
    if not text.startswith("@"):
        return text
    try:
        with (Path(cwd) / text[1:]).open("rb") as file:
            return _bounded(file, option)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        message = f"`{text[1:]}`, which `{option}` names, cannot be read: {reason}"
        raise FileMissingError(message, hint="`@FILE` is looked up from the working directory") from None


def _bounded(file: BinaryIO, option: str) -> bytes:
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        message = f"`{option}` is larger than {_LARGEST // 1024**2} MiB"
        raise InputError(message, hint="put large data into a file, and give its name")
    return data


def _checked(source: str | bytes, option: str) -> JsonValue:
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        if not text.strip():
            raise InputError(f"`{option}` is empty", hint="give JSON (`{}` for none), `@FILE`, or `-` for stdin")
        _refuse_repeated(text, option)
        value = checked(load(text), "input")
        dump(value).encode("utf-8")
    except UnicodeError:
        raise InputError(f"`{option}` holds text that is not Unicode; write it in UTF-8") from None
    except ValueError as error:
        message = f"`{option}` is not JSON: {str(error)[:200]}"
        raise InputError(message, hint="give JSON, `@FILE`, or `-` for stdin") from None
    return value


def _refuse_repeated(text: str, option: str) -> None:
    """Refuse a key that stands twice in one object: of its two values one would be dropped in silence."""

    def pairs(found: list[tuple[str, object]]) -> None:
        keys = [key for key, _ in found]
        if len(set(keys)) < len(keys):
            twice = next(key for index, key in enumerate(keys) if key in keys[:index])
            raise InputError(f"`{option}` has the key `{twice[:80]}` twice in one object; write it once")

    with suppress(ValueError, RecursionError):  # what is no JSON is told by who reads it
        json.loads(text, object_pairs_hook=pairs)


def _field(key: str, text: str) -> JsonValue:
    try:
        return checked(load(text), key)
    except ValueError:
        return text
