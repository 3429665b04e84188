"""The envelope: the one kind of answer that commands print, its order of fields, and its text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

SCHEMA_VERSION = "checkpointflow-run/v1"
Form: TypeAlias = Literal["json", "ndjson", "id"]

ORDER = (
    "schema_version", "ok", "command", "status", "exit_code",
    "run_id", "workflow_id", "workflow_name", "workflow_version",
    "current_step_id", "current_step_key", "started_at", "updated_at", "labels", "holder",
    "wait", "waits", "duplicate", "kept", "driven", "forked_from", "copied_from", "bundle", "changes",
    "result", "outputs", "recovered_error", "plan", "deleted", "collected", "output_file",
    "runs", "driven_runs", "drives", "flows", "checks", "file", "problems", "cases", "coverage",
    "next_cursor",
    "warnings", "error", "next_actions",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """What a command answers; `text`, if there is one, is printed in its place.

    `fields` are those of the envelope beside `ok` and `exit_code`, in any order; absent means not applicable.
    `said` are lines for a person at the terminal.
    """

    ok: bool = True
    exit_code: int = 0
    fields: JsonObject = field(default_factory=dict)
    text: str | None = None
    said: tuple[str, ...] = ()

    def as_json(self, command: str) -> JsonObject:
        """Return the envelope as the command's JSON, its fields in the order of the contract."""
        head: JsonObject = {
            "schema_version": SCHEMA_VERSION,
            "ok": self.ok,
            "command": command,
            "exit_code": self.exit_code,
        }
        whole = {"next_actions": [], **self.fields, **head}
        return {name: whole[name] for name in ORDER if name in whole}

    def rendered(self, command: str, form: Form) -> str:
        """Return what is to be printed, its newline included; one line when it ends a stream of facts."""
        if self.text is not None:
            return self.text
        return shown(self.as_json(command), indent=None if form == "ndjson" else 2) + "\n"


def shown(value: JsonValue, *, indent: int | None) -> str:
    """Return JSON text that any stream can take: what is no Unicode is escaped."""
    text = _text(value, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _text(value, ensure_ascii=True, indent=indent)
    return text


def _text(value: JsonValue, *, ensure_ascii: bool, indent: int | None) -> str:
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))
    if indent is None:
        return encoder.encode(value)
    parts: list[str] = []
    _lay_out(value, "\n", " " * indent, encoder.encode, parts.append)
    return "".join(parts)


def _lay_out(
    value: JsonValue, line: str, step: str, encode: Callable[[JsonValue], str], put: Callable[[str], object]
) -> None:
    """Put JSON on lines, as the library's own encoder does at a third of the speed; `line` begins one at this depth."""
    if not value or not isinstance(value, dict | list):
        put(encode(value))
        return
    is_object = isinstance(value, dict)
    deeper, opening = line + step, "{" if is_object else "["
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        put(f"{opening}{deeper}{encode(key)}: " if is_object else opening + deeper)
        if item and isinstance(item, dict | list):
            _lay_out(item, deeper, step, encode, put)
        else:
            put(encode(item))
        opening = ","
    put(line + ("}" if is_object else "]"))


def schema_text() -> str:
    """Return the JSON Schema of envelopes, as it is shipped."""
    return Path(__file__).with_name("envelope.schema.json").read_text(encoding="utf-8")
