"""Writes the generated pages of docs/reference from the code: the document schema, the error tree, the parsers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from checkpointflow.cli.arguments import EVERYWHERE
from checkpointflow.cli.door import COMMANDS
from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.frontends.document.schema import document_schema
from checkpointflow.frontends.document.specs import KINDS, KindSpec
from checkpointflow.testing.beside import is_case_file
from checkpointflow.values import JsonObject, JsonValue

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
MARK = "<!-- Written by scripts/reference.py (`just docs`); edit the code or that script, not this page. -->"

OUTPUTS: Mapping[str, str] = {
    "cli": "What the command printed, read as `parse` says: under `auto` one JSON object if stdout is one (with an "
    "`outputs` schema it has to be), else an empty object. Beside the outputs stand `steps.ID.exit_code` and, "
    "under `auto` when nothing was parsed, `steps.ID.stdout` (its first 64 KiB). More than 8 MiB is not parsed.",
    "api": "The JSON object that was answered; anything else as `{body}`, which is JSON where the answer says so, else "
    "text. Beside the outputs stands `steps.ID.status_code`. More than 8 MiB is not taken.",
    "python": "What the function returned: JSON, at most 8 MiB. What it prints is captured. An exception fails the "
    "step: `steps.ID.error.details` has the names of its classes in `exceptions`, and `traceback_path`. See "
    "[Call Python](../how-to/call-python.md).",
    "set": "The values, computed once and then recorded.",
    "sleep": "None.",
    "await_event": "The payload of the answer, or `on_timeout.outputs` once the deadline has passed.",
    "switch": "`{matched}`: the id of the step that it led to.",
    "foreach": "`{iterations}`: one object per item, in item order: the outputs of its steps by id, `result` where "
    "it reached an `end`, and `error` if it failed under `on_item_error: continue`. With `workflow_ref`, the value of "
    "each sub-workflow. Inside stand `item` and `item_index`.",
    "parallel": "An object with the outputs of each branch, by the id of its `start_at` step or by its own `id`.",
    "workflow": "The sub-workflow's result; without one its outputs; without those an object of its steps' outputs.",
    "end": "The result. `fail` ends its list as a failed step does: `on_error` of the step itself, of the step around "
    "it or of the workflow may lead on, else the run fails.",
}
PLACES: Mapping[str, str] = {
    "shell": "shell text",
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
TYPES = {"string": "text", "object": "mapping", "array": "list"}
EXIT_CODES: Mapping[int, str] = {
    10: "the request is wrong",
    20: "the run does not allow it",
    30: "a step failed",
    60: "the store",
    70: "somebody else is at it",
    80: "not here",
    90: "a defect of ours",
    130: "interrupted",
}


# -- Markdown --------------------------------------------------------------------------------------


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; bars inside cells are escaped."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(value: JsonValue) -> str:
    """Return a value as code: text as it is, anything else as JSON."""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def page(title: str, *parts: str) -> str:
    """Return a page of these parts."""
    return "\n".join([f"# {title}\n", f"{MARK}\n", *parts])


def sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((text or "").split("\n\n")[0].split())


# -- documents -------------------------------------------------------------------------------------


def record_of(schema: JsonValue) -> JsonObject:
    """Return a value of a schema that is an object."""
    assert isinstance(schema, dict)
    return schema


def type_words(schema: JsonObject) -> str:
    """Return what kind of value a schema asks for."""
    if "enum" in schema:
        options = schema["enum"]
        assert isinstance(options, list)
        return ", ".join(code(option) for option in options)
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


def inner_fields(name: str, schema: JsonObject) -> tuple[str, JsonObject] | None:
    """Return the name and schema of the object whose fields stand below a field, if it has any."""
    items = schema.get("items")
    if isinstance(schema.get("properties"), dict):
        return f"{name}.", schema
    if isinstance(items, dict) and isinstance(items.get("properties"), dict):
        return f"{name}[].", items
    return None


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
    names = [record_of(rule)["required"] for rule in rules]
    ways = [" and ".join(code(name) for name in one) for one in names if isinstance(one, list)]
    return (", or " if any(" and " in way for way in ways) else " or ").join(ways)


def field_rows(owner: JsonObject, prefix: str = "", place: str = "template") -> Iterator[list[str]]:
    """Return a row for each field of an object, those below them included."""
    needed = owner.get("required", [])
    assert isinstance(needed, list)
    for name, field in record_of(owner["properties"]).items():
        schema = record_of(field)
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
        "properties": {name: field for name, field in record_of(schema["properties"]).items() if name in kept},
    }


def kinds_used(path: Path) -> set[str]:
    """Return the kinds of the steps of a document."""
    return {step.kind for step in load_file(path, cwd=ROOT).document.all_steps()}


def examples_by_kind() -> dict[str, list[Path]]:
    """Return for every kind the examples that use it."""
    found: dict[str, list[Path]] = {name: [] for name in KINDS}
    for path in (path for path in sorted(EXAMPLES.rglob("*.yaml")) if not is_case_file(path)):
        for name in kinds_used(path):
            found[name].append(path)
    return found


def _closed(name: str, field: JsonValue) -> JsonObject:
    """Return a field, `retry` without what stands in it."""
    return {key: value for key, value in record_of(field).items() if name != "retry" or key != "properties"}


def kind_section(spec: KindSpec, schema: JsonObject, examples: list[Path]) -> str:
    """Return what the page says of one kind."""
    own = only(schema, spec.fields)
    if "retry" in spec.fields:  # what stands in it is told with the fields of every step
        own["properties"] = {name: _closed(name, field) for name, field in record_of(own["properties"]).items()}
    parts = [f"### {spec.name}\n", f"A step that {spec.summary}.\n", field_table(own)]
    if spec.one_of:
        parts.append(f"It has exactly one of {choices([{'required': [*names]} for names in spec.one_of])}.\n")
    for rule in spec.rules:
        parts.append(f"{rule['x-says']}.\n")
    parts.append(f"**Outputs.** {OUTPUTS[spec.name]}\n")
    for names, fact in ((spec.refused, "Refused here"), (spec.idle, "Accepted with a warning, without effect")):
        if names:
            parts.append(f"{fact}: {', '.join(code(name) for name in names)}.\n")
    links = ", ".join(f"[{path.name}](../../{path.relative_to(ROOT).as_posix()})" for path in examples)
    return "\n".join([*parts, f"Examples: {links}.\n"] if links else parts)


def document_page() -> str:
    """Return the page on the format of documents."""
    whole = document_schema()
    definitions = record_of(whole["$defs"])
    steps = {name: record_of(definitions[f"step_{name}"]) for name in KINDS}
    examples = examples_by_kind()
    any_kind = {"kind": record_of(record_of(definitions["step"])["properties"])["kind"]}
    properties = record_of(steps["cli"]["properties"]) | any_kind
    common = [name for name in properties if name not in KINDS["cli"].fields]
    return page(
        "Documents",
        "`cpf schema` prints the JSON Schema from which this page is made. Any other field is refused. The column "
        "`${…}` in says what a text may hold: `text` takes [expressions](expressions.md) inside it, `text, no null` "
        "fails the step where one gives null, `shell text` follows the rules of "
        "[safe commands](../how-to/write-a-safe-command.md), an `expression` or `condition` stands with or "
        "without `${ }`, and `–` takes none. `secrets`: [secrets](../how-to/keep-a-secret.md) may stand there.\n",
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


# -- errors ----------------------------------------------------------------------------------------


def error_classes(root: type[CheckpointflowError] = CheckpointflowError) -> Iterator[type[CheckpointflowError]]:
    """Return the package's own error classes below a root, the root left out."""
    for cls in root.__subclasses__():
        if cls.__module__.partition(".")[0] == "checkpointflow":
            yield cls
            yield from error_classes(cls)


def errors_page() -> str:
    """Return the page on errors."""
    parts = []
    for number, title in EXIT_CODES.items():
        rows = [
            [code(cls.code), f"`{cls.__name__}`", "yes" if cls.retryable else "", sentence(cls.__doc__)]
            for cls in error_classes()
            if cls.exit_code == number
        ]
        parts += [f"## {number}: {title}\n", table(["code", "class", "retryable", "when"], rows)]
    return page(
        "Errors",
        "A refusal or failure stands as `error` in the envelope: `code`, `message` (the fact, then the remedy), "
        "`details` for machines, `retryable`, and where they are known `step_id`, `step_key`, `hint`. The number "
        "is the exit code of the command. A failed run keeps its error, so `cpf status` exits with the same number "
        "as the command that saw it fail.\n",
        "Outcomes that are no errors: 0 for completed, 40 for waiting, 50 for cancelled, 130 for a run that Ctrl-C "
        "or SIGTERM paused. `cpf status` exits with 20 for an interrupted run.\n",
        *parts,
    )


# -- commands --------------------------------------------------------------------------------------


def parser_of(name: str) -> tuple[str, argparse.ArgumentParser]:
    """Return a command's summary and a parser with its words."""
    command = import_module(f"checkpointflow.cli.commands.{name}")
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    return str(command.SUMMARY), parser


def action_row(action: argparse.Action) -> list[str]:
    """Return the row of one option or word."""
    value = ""
    if action.nargs != 0:
        value = ", ".join(code(str(choice)) for choice in action.choices) if action.choices else code(_value(action))
    words = ", ".join(code(word) for word in action.option_strings) or code(_value(action))
    return [words, value, "yes" if action.required else "", str(action.help)]


def _value(action: argparse.Action) -> str:
    return str(action.metavar or action.dest).upper()


def command_section(name: str) -> str:
    """Return what the page says of one command."""
    summary, parser = parser_of(name)
    rows = [action_row(action) for action in parser._actions]
    parts = [f"## cpf {name}\n", f"{summary[0].upper()}{summary[1:]}.\n"]
    return "\n".join([*parts, table(["word", "value", "required", "meaning (default)"], rows)] if rows else parts)


def commands_page() -> str:
    """Return the page on commands."""
    everywhere = ", ".join(code(word) for word in EVERYWHERE)
    return page(
        "Commands",
        "Every command prints one JSON envelope to stdout, also when it refuses; `cpf schema envelope` prints what "
        "an envelope may hold. `schema`, `logs`, `--help` and `--version` print their text in its place. Talk goes "
        "to stderr. `next_actions` in the envelope are whole commands that lead on. Exit codes are on the page on "
        "[errors](errors.md).\n",
        f"Everywhere: {everywhere} (nothing on stderr; tracebacks there), `--help`. `cpf --version` prints the "
        "version.\n",
        "State is kept in `$CPF_HOME`, else `$CHECKPOINTFLOW_BASE_DIR`, else `~/.checkpointflow`. `CPF_ACTOR` names "
        "who acts (else user and host), `CPF_DURABILITY` is `power` (default) or `process`.\n",
        *(command_section(name) for name in COMMANDS),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "document.md": document_page,
    "errors.md": errors_page,
    "commands.md": commands_page,
}


def main(argv: list[str]) -> None:
    """Write the pages, into docs/reference unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "reference", help="the folder to write to")
    folder = parser.parse_args(argv).into
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
