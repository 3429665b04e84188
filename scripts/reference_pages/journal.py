"""The page on the journal: the closed vocabulary of entries, from its classes, with what their fields mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Literal, get_args, get_origin

from checkpointflow.kernel import entries as e
from reference_pages.envelope import SHAPES, description
from reference_pages.markdown import code, codes, fence, page, paragraphs, record, table
from reference_pages.session import ROOT, session

GROUPS: Mapping[str, str] = {
    "run": "The run",
    "definition": "The run",
    "step": "Steps and their attempts",
    "scope": "`foreach`, `parallel` and `workflow`",
    "wait": "Questions and answers",
    "event": "Questions and answers",
    "timer": "Sleeps",
    "value": "`set`, `switch`, `end` and other values",
}
TYPES: Mapping[str, str] = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "datetime": "instant",
    "JsonObject": "object",
    "JsonValue": "any",
    "list[JsonValue]": "list",
    "StepKey": "text",
    "WaitId": "text",
    "EventId": "text",
    "None": "null",
}


def name_of(cls: type[e.Entry]) -> str:
    """Return an entry's name in a journal."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in cls.__name__).lstrip("_")


def own_fields(cls: type[e.Entry]) -> dict[str, str]:
    """Return the fields of an entry beside `at`, with their types as the code says them."""
    return {field.name: str(field.type) for field in fields(cls) if field.name != "at"}


def type_words(annotation: str) -> str:
    """Return a type in words."""
    alias = getattr(e, annotation, None)
    if get_origin(alias) is Literal:
        return codes(get_args(alias))
    return " or ".join(TYPES[part] for part in annotation.split(" | "))


def entry_tables() -> str:
    """Return a table of entries for each group."""
    groups: dict[str, list[list[str]]] = {heading: [] for heading in GROUPS.values()}
    for cls in e.ENTRY_CLASSES:
        name = name_of(cls)
        row = [code(name), " ".join(paragraphs(cls.__doc__)), codes(own_fields(cls))]
        groups[GROUPS[name.partition("_")[0]]].append(row)
    return "\n".join(
        f"### {heading}\n\n{table(['entry', 'says', 'its fields'], rows)}" for heading, rows in groups.items()
    )


def field_table() -> str:
    """Return the table of all fields; one whose type differs between entries is told for each type."""
    described = record(record(SHAPES["entry"])["properties"])
    used: dict[str, dict[str, list[str]]] = {name: {} for name in described}
    for cls in e.ENTRY_CLASSES:
        for name, annotation in own_fields(cls).items():
            used[name].setdefault(type_words(annotation), []).append(name_of(cls))
    rows = [
        [code(name), _types(used[name]) or _of_all(name), description(record(schema))]
        for name, schema in described.items()
    ]
    return table(["field", "value", "meaning"], rows)


def _of_all(name: str) -> str:
    return {"position": "number", "entry": "text", "at": "instant"}[name]


def _types(found: Mapping[str, list[str]]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{words} ({codes(names)})" for words, names in found.items())


def example() -> str:
    """Return the journal of a run, as it was printed."""
    with session() as here:
        here.write("publish_page.yaml", (ROOT / "examples" / "publish_page.yaml").read_text(encoding="utf-8"))
        words = ("run", "-f", "publish_page.yaml", "--set", "page_id=home", "--run-id", "page-1", "-o", "ndjson")
        *first, _ = here.stream(*words)
        answer = ("--event", "change_approval", "--input", '{"decision": "approve"}')
        *rest, _ = here.stream("resume", "--run-id", "page-1", *answer, "-o", "ndjson")
    return fence("json", "\n".join(json.dumps(entry, ensure_ascii=False) for entry in [*first, *rest]))


def journal_page() -> str:
    """Return the page."""
    return page(
        "The journal",
        "All that a run did or learned is a numbered list of entries, each in the past tense. It only grows, and what "
        "people are shown is computed from it: see [how a run works](../explanation/how-a-run-works.md). The "
        "vocabulary is closed: a version of checkpointflow that meets an entry which it does not know refuses the "
        "journal (`ERR_STORE_VERSION`).\n",
        "`cpf inspect` shows a journal whole, as `result.entries`; `-o ndjson` of the commands that drive a run prints "
        "its entries as they become durable. What steps printed is not in it: that is in files, which `cpf logs` "
        "prints.\n",
        "## Entries\n",
        entry_tables(),
        "## Fields\n",
        "Every entry has the first three.\n",
        field_table(),
        f"JSON of more than {e.BLOB_BYTES // 1024} KiB is kept beside the journal, by its digest, and shown as if it "
        f"stood in it. `arguments` of more than {e.ARGUMENT_BYTES // 1024} KiB are not kept: their digest is.\n",
        "## A journal\n",
        "[publish_page.yaml](../../examples/publish_page.yaml), run and then answered with an approval; `…` stands for "
        "what differs each time.\n",
        example(),
    )
