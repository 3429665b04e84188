"""The page on documents: every field of every kind, from the schema that the loader checks with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from checkpointflow.cli.commands.guide import text_of
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.frontends.document.schema import document_schema
from checkpointflow.frontends.document.specs import KINDS, KindSpec
from checkpointflow.testing.beside import is_case_file
from checkpointflow.values import JsonObject, JsonValue
from reference_pages.markdown import code, codes, fence, page, record, table
from reference_pages.session import ROOT

EXAMPLES = ROOT / "examples"
_EXAMPLE = re.compile(r"^```yaml steps\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACES: Mapping[str, str] = {
    "shell": "[shell text](shell-places.md)",
    "word": "text, no null",
    "url": "text, no null",
    "template": "text",
    "expression": "expression",
    "condition": "condition",
    "schema": "–",
    "steps": "steps",
    "literal": "–",
    "note": "–",
}
HOW_TO: Mapping[str, str] = {
    "cli": "write-a-safe-command",
    "api": "call-a-web-service",
    "python": "call-python",
    "await_event": "answer-a-wait",
}
TYPES = {"string": "text", "object": "mapping", "array": "list"}


# -- values ----------------------------------------------------------------------------------------


def type_words(schema: JsonObject) -> str:
    """Return what kind of value a schema asks for."""
    if "enum" in schema:
        options = schema["enum"]
        assert isinstance(options, list)
        return codes(options)
    if "const" in schema:
        return code(schema["const"])
    if schema.get("x-place") == "schema":
        return "JSON Schema"
    kinds = schema.get("type", "any")
    names = [str(kind) for kind in kinds] if isinstance(kinds, list) else [str(kinds)]
    return " or ".join(TYPES.get(name, name) for name in names)


def place_words(schema: JsonObject, place: str) -> str:
    """Return how texts at a place are read, and whether secrets may stand there."""
    items = schema.get("items")
    kinds = items.get("type") if isinstance(items, dict) and place != "steps" else schema.get("type")
    names = {None if kind is None else str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])}
    if "enum" in schema or "const" in schema or names.isdisjoint({"string", "object", "array", None}):
        return "–"
    return PLACES[place] + (", secrets" if schema.get("x-secrets") else "")


def meaning(schema: JsonObject) -> str:
    """Return what a field means, with what it is when it is left out."""
    text = str(schema.get("title", ""))
    items = schema.get("items")
    if isinstance(items, dict) and isinstance(items.get("oneOf"), list):
        text += f"; each has {choices(items['oneOf'])}"
    if isinstance(items, dict) and "x-says" in items:
        text += f": {items['x-says']}"
    return text + (f" ({code(schema['default'])})" if "default" in schema else "")


def choices(rules: JsonValue) -> str:
    """Return `a`, or `b` and `c` for alternatives of required fields."""
    assert isinstance(rules, list)
    names = [record(rule)["required"] for rule in rules]
    ways = [" and ".join(code(name) for name in one) for one in names if isinstance(one, list)]
    return (", or " if any(" and " in way for way in ways) else " or ").join(ways)


# -- fields ----------------------------------------------------------------------------------------


def inner_fields(name: str, schema: JsonObject) -> tuple[str, JsonObject] | None:
    """Return the name and schema of the object whose fields stand below a field, if it has any."""
    items = schema.get("items")
    if isinstance(schema.get("properties"), dict):
        return f"{name}.", schema
    if isinstance(items, dict) and isinstance(items.get("properties"), dict):
        return f"{name}[].", items
    return None


def field_rows(owner: JsonObject, prefix: str = "", place: str = "template") -> Iterator[list[str]]:
    """Return a row for each field of an object, those below them included."""
    needed = owner.get("required", [])
    assert isinstance(needed, list)
    for name, field in record(owner["properties"]).items():
        schema = record(field)
        here = str(schema.get("x-place", place))
        inner = inner_fields(prefix + name, schema)
        is_needed = "yes" if name in needed else ""
        words = "" if inner else place_words(schema, here)
        is_told_below = prefix + name == "workflow.defaults.retry"
        told = meaning(schema) + (", as for a step" if is_told_below else "")
        yield [code(prefix + name), is_needed, type_words(schema), words, told]
        if inner is not None and not is_told_below:
            yield from field_rows(inner[1], inner[0], here)


def field_table(owner: JsonObject) -> str:
    """Return the table of an object's fields."""
    return table(["field", "required", "value", "`${…}` in", "meaning (default)"], field_rows(owner))


def only(schema: JsonObject, names: Iterable[str]) -> JsonObject:
    """Return a schema with some of its fields."""
    kept = set(names)
    return {
        **schema,
        "properties": {name: field for name, field in record(schema["properties"]).items() if name in kept},
    }


# -- kinds -----------------------------------------------------------------------------------------


def examples_by_kind() -> dict[str, list[Path]]:
    """Return for every kind the examples that use it."""
    found: dict[str, list[Path]] = {name: [] for name in KINDS}
    for path in (path for path in sorted(EXAMPLES.rglob("*.yaml")) if not is_case_file(path)):
        for name in {step.kind for step in load_file(path, cwd=ROOT).document.all_steps()}:
            found[name].append(path)
    return found


def steps_of_guide(kind: str) -> str:
    """Return the steps that the manual shows for a kind."""
    found = _EXAMPLE.search(text_of(kind))
    assert found, f"the guide shows no steps of {kind}"
    return found[1]


def kind_section(spec: KindSpec, schema: JsonObject, examples: list[Path]) -> str:
    """Return what the page says of one kind."""
    own = only(schema, spec.fields)
    if "retry" in spec.fields:  # what stands in it is told with the fields of every step
        own["properties"] = {name: _closed(name, field) for name, field in record(own["properties"]).items()}
    parts = [f"### {spec.name}\n", f"A step that {spec.summary}.\n", field_table(own)]
    if spec.one_of:
        parts.append(f"It has exactly one of {choices([{'required': [*names]} for names in spec.one_of])}.\n")
    for rule in spec.rules:
        parts.append(f"{rule['x-says']}.\n")
    parts.append(f"**Outputs.** {spec.outputs}\n")
    for names, fact in ((spec.refused, "Refused here"), (spec.idle, "Accepted with a warning, without effect")):
        if names:
            parts.append(f"{fact}: {codes(names)}.\n")
    parts.append(fence("yaml", steps_of_guide(spec.name), "steps"))
    return "\n".join([*parts, _more(spec.name, examples)])


def _more(kind: str, examples: list[Path]) -> str:
    """Return where more is said and shown of a kind."""
    links = ", ".join(f"[{path.name}](../../{path.relative_to(ROOT).as_posix()})" for path in examples)
    name = HOW_TO.get(kind)
    how_to = f"[{name.replace('-', ' ').capitalize()}](../how-to/{name}.md). " if name else ""
    return f"{how_to}`cpf guide --topic {kind}`. Examples: {links}.\n"


def _closed(name: str, field: JsonValue) -> JsonObject:
    """Return a field, `retry` without what stands in it."""
    return {key: value for key, value in record(field).items() if name != "retry" or key != "properties"}


def document_page() -> str:
    """Return the page."""
    whole = document_schema()
    definitions = record(whole["$defs"])
    steps = {name: record(definitions[f"step_{name}"]) for name in KINDS}
    examples = examples_by_kind()
    any_kind = {"kind": record(record(definitions["step"])["properties"])["kind"]}
    properties = record(steps["cli"]["properties"]) | any_kind
    common = [name for name in properties if name not in KINDS["cli"].fields]
    kinds = ", ".join(f"[{name}](#{name})" for name in KINDS)
    return page(
        "Documents",
        f"[The document](#the-document) · [Fields of every step](#fields-of-every-step) · Kinds: {kinds}\n",
        "`cpf schema` prints the JSON Schema from which this page is made. Any other field is refused. The column "
        "`${…}` in says what a text may hold:\n",
        table(
            ["`${…}` in", "means"],
            [
                ["text", "[expressions](expressions.md) may stand inside it"],
                ["text, no null", "the same; one that gives null fails the step"],
                ["shell text", "the same, by the rules of [places in commands](shell-places.md)"],
                ["expression, condition", "it is an expression, with or without `${ }`"],
                ["secrets", "[secrets](../how-to/keep-a-secret.md) may stand there, too"],
                ["–", "it takes none"],
            ],
        ),
        "## The document\n",
        field_table(whole),
        "A property of `workflow.outputs` may say `from: steps.ID.outputs.NAME`; outputs of steps that did not "
        "complete are left out.\n",
        "## Fields of every step\n",
        field_table(only(steps["cli"] | {"properties": properties}, common)),
        "Steps run in the order of their list. `next`, `switch`, `transitions`, `on_error` and `on_timeout` move "
        "to another step of the same list, and the order goes on from there; `next: end` ends the list unless a "
        "step has that id. A step that `if` skips does not take its `next`.\n",
        "## Kinds\n",
        *(kind_section(spec, steps[name], examples[name]) for name, spec in KINDS.items()),
    )
