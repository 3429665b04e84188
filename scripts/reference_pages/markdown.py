"""Markdown and JSON as the pages show them; what is shown is known elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from checkpointflow.values import JsonObject, JsonValue

MARK = "<!-- Written by scripts/reference.py (`just docs`); edit the code or that script, not this page. -->"
WIDTH = 110


def page(title: str, *parts: str) -> str:
    """Return a page of these parts."""
    return "\n".join([f"# {title}\n", f"{MARK}\n", *parts])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; bars inside cells are escaped."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(value: JsonValue) -> str:
    """Return a value as code: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    ticks = "``" if "`" in text else "`"
    padding = " " if "`" in text else ""
    return f"{ticks}{padding}{text}{padding}{ticks}"


def codes(values: Iterable[JsonValue]) -> str:
    """Return values as code, with commas between."""
    return ", ".join(map(code, values))


def fence(language: str, text: str, mark: str = "") -> str:
    """Return a fenced block, behind a comment that says what tests make of it."""
    return (f"<!-- {mark} -->\n" if mark else "") + f"```{language}\n{text.rstrip()}\n```\n"


def paragraphs(docstring: str | None) -> list[str]:
    """Return the paragraphs of a docstring, each on one line."""
    return [" ".join(part.split()) for part in (docstring or "").split("\n\n")]


def capital(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def anchor(heading: str) -> str:
    """Return what a `#` calls a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def shown(value: JsonValue, indent: int = 0, lead: int = 0) -> str:
    """Return JSON that is short on paper: what fits stands on one line, and small fields share lines."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent and indent + lead + len(flat) <= WIDTH:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        items = [(f"{json.dumps(name, ensure_ascii=False)}: ", item) for name, item in value.items()]
        return "{\n" + "\n".join(_filled(items, pad)) + f"\n{' ' * indent}}}"
    if isinstance(value, list):
        return "[\n" + "\n".join(_filled([("", item) for item in value], pad)) + f"\n{' ' * indent}]"
    return flat


def _filled(items: list[tuple[str, JsonValue]], pad: str) -> Iterator[str]:
    line = pad
    for number, (name, item) in enumerate(items):
        comma = "," if number + 1 < len(items) else ""
        text = name + shown(item, len(pad), len(name)) + comma
        is_small = not isinstance(item, dict | list) or not item
        if line.strip() and (not is_small or len(line) + len(text) > WIDTH):
            yield line.rstrip()
            line = pad
        line += text + " "
        if not is_small:
            yield line.rstrip()
            line = pad
    if line.strip():
        yield line.rstrip()


def record(value: JsonValue) -> JsonObject:
    """Return a value that is known to be an object."""
    assert isinstance(value, dict)
    return value
