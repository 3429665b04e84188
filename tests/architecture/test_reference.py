"""The reference pages are what the code would write, and the tables in the code that they show leave nothing out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from architecture.pages import ROOT
from checkpointflow.cli.door import COMMANDS
from checkpointflow.cli.envelope import ORDER, schema_text
from checkpointflow.cli.exits import ALWAYS, EXIT_CODES, POSSIBLE
from checkpointflow.config import VARIABLES
from checkpointflow.errors import DocumentError
from checkpointflow.expressions.functions import BUILTINS, MACROS, SPECIAL_FORMS
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.shell import advice
from checkpointflow.frontends.document.shell.reading import Advice, Construct
from checkpointflow.frontends.document.shell.rules import EVALUATING_BUILTINS
from checkpointflow.kernel.entries import ENTRY_CLASSES
from checkpointflow.steps.base import GIVEN_VARIABLES

REFERENCE = ROOT / "docs" / "reference"
ENVELOPE = json.loads(schema_text())
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def test_the_pages_are_as_the_code_would_write_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "reference.py"), "--into", str(tmp_path)], check=True)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.iterdir()}
    assert sorted(written) == sorted(kept)
    assert [name for name in written if written[name] != kept[name]] == [], "run `just docs`"


def test_every_function_of_expressions_stands_on_the_page() -> None:
    text = (REFERENCE / "expressions.md").read_text(encoding="utf-8")
    assert [name for name in (*BUILTINS, *MACROS, *SPECIAL_FORMS) if not re.search(rf"\b{name}\(?", text)] == []


# -- exit codes and envelopes ----------------------------------------------------------------------


def test_every_command_says_its_exit_codes() -> None:
    assert {*POSSIBLE} == {*COMMANDS}
    assert all(ALWAYS <= codes <= {*EXIT_CODES} for codes in POSSIBLE.values())


def test_the_exit_codes_are_those_of_the_envelope() -> None:
    assert [*EXIT_CODES] == ENVELOPE["properties"]["exit_code"]["enum"]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Return the shape of the envelope and the shapes in it."""
    yield schema
    yield from schema["$defs"].values()


def test_every_field_of_the_envelope_says_what_it_means() -> None:
    silent = [
        name
        for shape in objects(ENVELOPE)
        for name, field in shape.get("properties", {}).items()
        if not field.get("description") and "/properties/" not in field.get("$ref", "")
    ]
    assert silent == []
    assert all(shape["title"] and shape["description"] for shape in objects(ENVELOPE))
    assert {*ENVELOPE["properties"]} == {*ORDER}


def test_the_fields_of_entries_are_those_that_the_envelope_describes() -> None:
    held = {field.name for cls in ENTRY_CLASSES for field in fields(cls)}
    assert {*ENVELOPE["$defs"]["entry"]["properties"]} == held | {"position", "entry"}


# -- the environment -------------------------------------------------------------------------------


def code_without_tables() -> str:
    """Return the package's code, without the two tables that tell of variables."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    return re.sub(r"^(GIVEN_)?VARIABLES: .*?^}$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_variable_that_the_code_names_is_told() -> None:
    pattern = r"""get\("([A-Z][A-Z_]+)"|environment\["([A-Z][A-Z_]+)"|"(CPF_[A-Z_]+)\""""
    named = {next(filter(None, found)) for found in re.findall(pattern, code_without_tables())}
    assert {"CPF_HOME", "CPF_ACTOR", "NO_COLOR", "SSL_CERT_FILE"} <= named
    assert named <= {*VARIABLES, *GIVEN_VARIABLES}


def test_every_variable_that_is_told_is_named_in_the_code() -> None:
    text = code_without_tables()
    assert [name for name in (*VARIABLES, *GIVEN_VARIABLES) if name not in text] == []


# -- places in commands ----------------------------------------------------------------------------


def told(command: str, shell: str) -> tuple[str, str]:
    """Return message and hint of the first error about a command in which `${…}` is a text of the input."""
    inputs = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    step = {"id": "probe", "kind": "cli", "shell": shell, "command": command.replace("${…}", "${inputs.name}")}
    tree = {"schema_version": "checkpointflow/v1", "workflow": {"id": "probe", "inputs": inputs, "steps": [step]}}
    with pytest.raises(DocumentError) as refused:
        load_text(json.dumps(tree), source_path=None, cwd=ROOT)
    first = next(problem for problem in refused.value.problems if problem["severity"] == "error")
    return str(first["message"]), str(first["hint"])


def test_the_tables_of_refusals_hold_all_of_them() -> None:
    values = vars(advice).values()
    assert {id(one) for one in values if isinstance(one, Advice)} == {*map(id, advice.PLACES), id(advice.DOLLAR)}
    assert {id(one) for one in values if isinstance(one, Construct)} == {*map(id, advice.CONSTRUCTS)}


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "place", [*advice.PLACES, *map(advice.among_words_of, EVALUATING_BUILTINS)], ids=lambda p: p.place
)
def test_the_sample_of_a_place_is_refused_for_that_place(place: Advice, shell: str) -> None:
    assert told(place.sample, shell) == (f"`${{inputs.name}}` stands {place.place}.", place.hint)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("construct", advice.CONSTRUCTS, ids=lambda one: one.what)
def test_the_sample_of_a_construct_is_refused_for_it(construct: Construct, shell: str) -> None:
    message, hint = told(construct.sample, shell)
    what = re.escape(construct.what.replace("{{", "{").replace("}}", "}")).replace(r"\{name\}", ".+")
    assert re.fullmatch(
        rf"`\$\{{inputs\.name\}}` stands in a text with {what}, which could evaluate its value\.", message
    )
    assert hint == construct.hint
