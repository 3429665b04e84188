"""The page on envelopes, from the schema that `cpf schema envelope` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator

from checkpointflow.cli.envelope import ORDER, schema_text
from checkpointflow.values import JsonObject, JsonValue
from reference_pages.markdown import anchor, code, codes, page, record, table
from reference_pages.session import ROOT, session

SCHEMA: JsonObject = record(json.loads(schema_text()))
SHAPES: JsonObject = record(SCHEMA["$defs"])
INLINE = {"instant", "argv"}
"""Shapes that are no objects, and told where they are used."""
TYPES = {"string": "text", "array": "list"}


def resolved(reference: str) -> JsonObject:
    """Return what a `$ref` of the schema points to."""
    value: JsonValue = SCHEMA
    for part in reference.removeprefix("#/").split("/"):
        value = record(value)[part]
    return record(value)


def title_of(shape: str) -> str:
    """Return the heading of a shape."""
    return str(record(SHAPES[shape])["title"])


def value_words(schema: JsonObject) -> str:
    """Return what kind of value a field has."""
    if "$ref" in schema:
        return _reference_words(str(schema["$ref"]))
    if "enum" in schema:
        options = schema["enum"]
        assert isinstance(options, list)
        return codes(options)
    if "const" in schema:
        return code(schema["const"])
    if "anyOf" in schema:
        ways = schema["anyOf"]
        assert isinstance(ways, list)
        return " or ".join(value_words(record(way)) for way in ways)
    if schema.get("type") == "array":
        items = record(schema.get("items", {}))
        return f"list of {value_words(items)}" if items else "list"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {value_words(record(schema['additionalProperties']))}"
    return _type_words(schema.get("type", "any"))


def _type_words(kinds: JsonValue) -> str:
    names = kinds if isinstance(kinds, list) else [kinds]
    return " or ".join(TYPES.get(str(name), str(name)) for name in names)


def _reference_words(reference: str) -> str:
    kind, _, name = reference.removeprefix("#/").partition("/")
    if kind != "$defs" or "/" in name:
        return value_words(resolved(reference))
    if name == "instant":
        return "instant"
    if name == "argv":
        return "list of text"
    return f"[{name.replace('_', ' ')}](#{anchor(title_of(name))})"


def description(schema: JsonObject) -> str:
    """Return what a field means."""
    if "description" not in schema and "$ref" in schema:
        return description(resolved(str(schema["$ref"])))
    return str(schema["description"])


def field_rows(owner: JsonObject) -> Iterator[list[str]]:
    """Return a row for each field of an object."""
    needed = owner.get("required", [])
    assert isinstance(needed, list)
    for name, field in record(owner["properties"]).items():
        schema = record(field)
        yield [code(name), "yes" if name in needed else "", value_words(schema), description(schema)]


def field_table(owner: JsonObject) -> str:
    """Return the table of an object's fields."""
    return table(["field", "always", "value", "meaning"], field_rows(owner))


def shape_section(name: str) -> str:
    """Return what the page says of one shape."""
    shape = record(SHAPES[name])
    return "\n".join([f"## {shape['title']}\n", f"{str(shape['description']).rstrip('.')}.\n", field_table(shape)])


def first_envelopes() -> str:
    """Return the envelope of a run that waits, as it was printed."""
    with session() as here:
        text = (ROOT / "examples" / "publish_page.yaml").read_text(encoding="utf-8")
        here.write("publish_page.yaml", text)
        words = ("run", "-f", "publish_page.yaml", "--set", "page_id=home", "--run-id", "page-1")
        return here.say(*words).block("waits")


def envelope_page() -> str:
    """Return the page."""
    assert set(record(SCHEMA["properties"])) == set(ORDER)
    rules = SCHEMA["allOf"]
    assert isinstance(rules, list)
    shapes = [name for name in SHAPES if name not in INLINE and name != "entry"]
    return page(
        "Envelopes",
        "`cpf schema envelope` prints the JSON Schema from which this page is made.\n",
        "## Streams\n",
        "- **stdout is data.** Exactly one JSON envelope per command, also for words that do not fit, a defect or "
        "Ctrl-C. `guide`, `schema`, `logs`, `completion`, `--help` and `--version` print their text in its place, and "
        "an envelope where they fail.\n"
        "- `-o ndjson` prints the [entries](journal.md) of the journal as they become durable, one JSON object a line, "
        "and the envelope on the last line. `-o id` prints the run's id alone.\n"
        "- **stderr is talk.** The id of a new run; at a terminal progress, and a summary with the next command. "
        "`--quiet` silences it, `--debug` adds tracebacks. Nothing on it is meant for programs.\n"
        "- A reader of stdout that goes away is no failure; a stdout that cannot be written makes the exit code 60.\n",
        "## The envelope\n",
        f"{SCHEMA['description']} Fields stand in this order.\n",
        field_table(SCHEMA),
        "\n".join(f"- {record(rule)['description']}." for rule in rules) + "\n",
        "A run that waits, as it was printed; `…` stands for what differs each time, and `waits` holds what `wait` "
        "does:\n",
        first_envelopes(),
        _contents(shapes),
        *map(shape_section, shapes),
        "## An entry\n",
        f"{record(SHAPES['entry'])['description']} All of them stand on the page on [the journal](journal.md).\n",
    )


def _contents(shapes: list[str]) -> str:
    listed = ", ".join(f"[{name.replace('_', ' ')}](#{anchor(title_of(name))})" for name in shapes)
    instant = str(record(SHAPES["instant"])["description"])
    return (
        f"The shapes that stand in it: {listed}, [entry](#an-entry). "
        f"An instant is text {instant[0].lower()}{instant[1:]}.\n"
    )
