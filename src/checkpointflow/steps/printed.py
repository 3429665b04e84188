"""What a command printed, read from its files: parsed in bounded memory, or refused in one sentence."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import signal
from pathlib import Path

from checkpointflow.errors import StepOutputError
from checkpointflow.kernel.run import StepResult
from checkpointflow.records import dataclass
from checkpointflow.steps.outputs import sync_output
from checkpointflow.values import MAX_DEPTH, JsonObject, JsonValue, checked, dump, load

_LARGEST_PARSED = 8 * 1024 * 1024
_KEPT = 64 * 1024
_SHOWN = 200
_TAIL_BYTES = 4096
_TAIL_LINES = 20
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """The output of the attempt of step `key` that ended with `exit_code`."""

    stdout_path: Path
    stderr_path: Path
    key: str
    exit_code: int

    def sync(self) -> None:
        """Have what was printed reach the disk, and the names of its files.

        Raises:
            OSError: the disk does not take it.
        """
        sync_output(self.stdout_path, self.stderr_path)

    def result(self, parse: str, *, has_schema: bool) -> StepResult:
        """Return the step's result, stdout read as `parse` says: `auto`, `json`, `lines` or `text`.

        `details` has `exit_code`; and `stdout`, its first 64 KiB, when nothing was parsed. Under `auto` that is fine
        unless the output `has_schema` to fit.

        Raises:
            StepOutputError: it is not what was asked for, or larger than 8 MiB.
            OSError: the files cannot be read.
        """
        if parse == "auto":
            return self._auto(has_schema=has_schema)
        if parse == "json":
            return self._parsed(self._json())
        if parse == "lines":
            return self._parsed(_lines(self._text()))
        if parse == "text":
            return self._parsed(self._text())
        raise TypeError(f"`{parse}` is no way to parse what a command printed")

    def ending(self) -> str:
        """Return how the attempt's process ended, as the rest of a sentence."""
        code = self.exit_code
        return f"exited with code {code}" if code >= 0 else f"was ended by signal {_signal_name(-code)}"

    def stderr_tail(self) -> str:
        """Return the last lines of stderr, at most 20 and 4 KiB."""
        with self.stderr_path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).decode("utf-8", "replace").rstrip().split("\n")
        if size > _TAIL_BYTES and len(lines) > 1:
            del lines[0]  # it began before what was read
        return "\n".join(line.rstrip("\r") for line in lines[-_TAIL_LINES:])

    def _auto(self, *, has_schema: bool) -> StepResult:
        if has_schema:
            return self._parsed(self._object())
        head = self._head()
        begins_as_object = head.lstrip("\ufeff \t\n\r\v\f").startswith("{")
        if begins_as_object and self._size() <= _LARGEST_PARSED:
            with contextlib.suppress(ValueError):
                value = parse_json(self._whole())
                if isinstance(value, dict):
                    return self._parsed(value)
        return StepResult({}, {"exit_code": self.exit_code, "stdout": head})

    def _object(self) -> JsonObject:
        reason = "it is JSON, but no object"
        try:
            value = parse_json(self._whole())
            if isinstance(value, dict):
                return value
        except ValueError as error:
            reason = str(error)
        raise self._misfit("printed no JSON object, which its `outputs` schema asks for", reason)

    def _json(self) -> JsonValue:
        try:
            return parse_json(self._whole())
        except ValueError as error:
            raise self._misfit("printed no JSON, which `parse: json` asks for", str(error)) from None

    def _text(self) -> str:
        return self._whole().decode("utf-8", "replace")

    def _parsed(self, output: JsonValue) -> StepResult:
        return StepResult(output, {"exit_code": self.exit_code})

    def _misfit(self, fact: str, reason: str) -> StepOutputError:
        head = self._head()
        shown = dump(head[:_SHOWN]) + ("…" if len(head) > _SHOWN else "") if head else "nothing"
        details: JsonObject = {"exit_code": self.exit_code, "stdout": head}
        return StepOutputError(
            f"step `{self.key}` {fact} ({reason}); it printed {shown}", details=details, step_key=self.key
        )

    def _whole(self) -> bytes:
        """Return all of stdout, which must not be more than can be parsed in memory."""
        with self.stdout_path.open("rb") as file:
            data = file.read(_LARGEST_PARSED + 1)
        if len(data) <= _LARGEST_PARSED:
            return data
        raise StepOutputError(
            f"step `{self.key}` printed more than {_LARGEST_PARSED // 1024**2} MiB, too much to be parsed; "
            f"all of it is in `{self.stdout_path}`: print less, or write to a file and print its name",
            details={"exit_code": self.exit_code, "bytes": self._size(), "stdout_path": str(self.stdout_path)},
            step_key=self.key,
        )

    def _size(self) -> int:
        return self.stdout_path.stat().st_size

    def _head(self) -> str:
        """Return the beginning as text; a character that the limit cuts in two is left out."""
        with self.stdout_path.open("rb") as file:
            data = file.read(_KEPT)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(data, final=len(data) < _KEPT)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)


def _lines(text: str) -> JsonValue:
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    return [line.removesuffix("\r") for line in lines]


def parse_json(data: bytes) -> JsonValue:
    """Return the one JSON value of a text, surely one that a journal can hold.

    Raises:
        ValueError: it is not UTF-8, not JSON, nested too deeply, or holds half of a surrogate pair.
    """
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    value = load(text)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        checked(value, "stdout")
    if _HALF_PAIR.search(text):
        _refuse_half_pairs(value)
    return value


def _refuse_half_pairs(value: JsonValue) -> None:
    try:
        dump(value).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
