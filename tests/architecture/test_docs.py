"""What the pages say is so: links, commands, documents, tables; each is read and tried."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from architecture.pages import PAGES, ROOT, Block, anchors, blocks, links, marked
from checkpointflow.cli.arguments import parsed
from checkpointflow.cli.door import COMMANDS
from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_file, load_text
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.testing import run_cases
from checkpointflow.testing.beside import is_case_file
from checkpointflow.testing.case_schema import cases_schema
from checkpointflow.values import dump
from examples.stories import UNPINNED

EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if not is_case_file(path))
REFERENCE = ROOT / "docs" / "reference"
SAFE = ROOT / "docs" / "how-to" / "write-a-safe-command.md"
ONE_STEP = (ROOT / "tests" / "architecture" / "test_one_step.py").read_text(encoding="utf-8")
ALL_TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


@pytest.mark.parametrize("start", [ROOT / "README.md", ROOT / "docs" / "README.md"], ids=page_id)
def test_every_page_can_be_reached(start: Path) -> None:
    reached, waiting = set(), [start]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"]
    assert {page for page in PAGES if "docs" in page.parts} <= reached


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_on_pages_are_words_that_cpf_takes(page: Path) -> None:
    for block in blocks(page):
        for line in block.text.splitlines() if block.language == "sh" else ():
            words = shlex.split(line, comments=True)
            if words[:1] == ["cpf"]:
                assert words[1] in COMMANDS, line
                parsed(import_module(f"checkpointflow.cli.commands.{words[1]}"), words[2:])


def test_every_recipe_and_script_on_pages_is_there() -> None:
    recipes = set(re.findall(r"^([a-z]+)(?: [^:\n]*)?:", (ROOT / "justfile").read_text(encoding="utf-8"), re.MULTILINE))
    told = set(re.findall(r"^just ([a-z]+)", ALL_TEXT, re.MULTILINE)) | set(re.findall(r"`just ([a-z]+)", ALL_TEXT))
    assert told
    assert told <= recipes
    for script in re.findall(r"\bsh (scripts/\w+)", ALL_TEXT):
        assert (ROOT / script).is_file(), script


YAML = [(page, block) for page in PAGES for block in blocks(page) if block.language == "yaml"]


def as_document(text: str) -> str:
    """Return steps as a document; what they name and do not have, inputs and targets, is put beside them."""
    names = sorted(set(re.findall(r"inputs\.([a-z_]+)", text)) | {"page id"})
    targets = (
        set(re.findall(r"(?:next|default): ([a-z_]+)", text)) - set(re.findall(r"\bid: ([a-z_]+)", text)) - {"end"}
    )
    inputs = {"type": "object", "properties": {name: {} for name in names}}
    tree = {"schema_version": "checkpointflow/v1", "workflow": {"id": "fragment", "inputs": inputs}}
    steps = "".join(f"    {line}\n" for line in text.splitlines())
    ends = "".join(f"    - {{id: {target}, kind: end}}\n" for target in sorted(targets))
    return f"{yaml.safe_dump(tree, sort_keys=False)}  steps:\n{steps}{ends}"


@pytest.mark.parametrize(
    ("page", "block"), YAML, ids=[f"{page.stem}-{number}" for number, (page, _) in enumerate(YAML)]
)
def test_yaml_on_pages_is_a_document_or_steps_of_one(page: Path, block: Block, tmp_path: Path) -> None:
    if block.mark.startswith("runs: "):
        assert block.mark in Path(__file__).read_text(encoding="utf-8") + ONE_STEP, f"nothing reads `{block.mark}`"
        return
    if block.mark.startswith(("fragment: ", "file: ")):  # it says of what; files are those of a session that is typed
        return
    text = block.text if block.text.startswith("schema_version:") else as_document(block.text)
    for name in ("deploy.yaml", "other.yaml"):
        other = "{id: w, inputs: true, steps: [{id: done, kind: end, result: 1}]}"
        (tmp_path / name).write_text(f"schema_version: checkpointflow/v1\nworkflow: {other}\n")
    loaded = load_text(text, source_path=tmp_path / "workflow.yaml", cwd=tmp_path)
    assert list(loaded.document.all_steps()), page


# -- kinds and examples ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_example(kind: str) -> None:
    assert any(step.kind == kind for path in EXAMPLES for step in load_file(path, cwd=ROOT).document.all_steps())


def test_every_kind_has_a_heading() -> None:
    assert {*KINDS} <= anchors(REFERENCE / "document.md")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_named_and_valid_without_a_warning(example: Path) -> None:
    assert example.relative_to(ROOT).as_posix() in ALL_TEXT
    problems = load_file(example, cwd=ROOT).problems
    assert [problem for problem in problems if UNPINNED not in str(problem["message"])] == []


# -- the README ------------------------------------------------------------------------------------


class Shell:
    """A folder with a `cpf` on its PATH, and a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "stubs"
        self.bin.mkdir()
        self.put("cpf", f'exec {shlex.quote(sys.executable)} -m checkpointflow "$@"')

    def put(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, line: str) -> tuple[int, str]:
        """Run a line and return its exit code and what it printed."""
        environment = {
            **os.environ,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "CPF_HOME": str(self.folder / "home"),
            "HOME": str(self.folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        done = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    def envelope(self, line: str, expected: int) -> dict[str, Any]:
        code, out = self.run(line)
        envelope: dict[str, Any] = json.loads(out)
        assert code == envelope["exit_code"] == expected, out
        return envelope


def test_the_session_of_the_readme_runs_to_its_end(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    identity = "-c user.name=A -c user.email=a@b.example"
    code, _ = shell.run(f"git init -q && git add examples && git {identity} commit -q -m 'Add examples'")
    assert code == 0
    (start,) = re.findall(
        r"^\.venv/bin/(cpf run .+?)(?: \|\|.*)?$",
        (ROOT / "scripts" / "start").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert shell.run("mkdir -p out")[0] == 0  # the script makes it, too
    waiting = shell.envelope(start, 40)
    assert "Add examples" in waiting["wait"]["prompt"]
    (session,) = marked(ROOT / "README.md", "runs: session")
    lines = [line for line in session.splitlines() if not line.startswith("export PATH")]
    assert len(lines) >= 5
    for line in lines:
        told = re.search(r"# exit (\d+)$", line)
        expected = int(told.group(1)) if told else 0
        code, out = shell.run(line.replace("RUN ", f"{waiting['run_id'][-6:]} "))
        assert code == expected, f"{line}\n{out}"
        if line.startswith("cat "):
            assert "> Our first release." in out
            assert "Add examples" in out


@pytest.fixture
def site(tmp_path: Path) -> Shell:
    """A shell with the document of the README as `page.yaml`, and a `site` that prints JSON and keeps a record."""
    shell = Shell(tmp_path)
    (document,) = marked(ROOT / "README.md", "runs: document")
    (tmp_path / "page.yaml").write_text(document, encoding="utf-8")
    shell.put(
        "site",
        """echo "$@" >> calls
case $1 in
  plan) printf '{"plan_file": "plans/%s.json", "summary": "1 page changes"}' "$3" ;;
  apply) echo '{"page_url": "https://example.com/home"}' ;;
esac""",
    )
    return shell


def test_the_document_of_the_readme_is_valid_without_a_warning(site: Shell) -> None:
    assert site.envelope("cpf validate -f page.yaml --strict", 0)["problems"] == []


def test_the_document_of_the_readme_publishes_once_approved(site: Shell) -> None:
    waiting = site.envelope("cpf run -f page.yaml --set page_id=home", 40)
    assert waiting["wait"]["prompt"] == "Review `plans/home.json` before it is applied."
    answer = f"cpf resume --run-id {waiting['run_id']} --event change_approval --input"
    ended = site.envelope(f"""{answer} '{{"decision": "approve"}}'""", 0)
    assert ended["result"] == {"status": "published", "page_url": "https://example.com/home"}
    assert ended["outputs"] == {"page_url": "https://example.com/home"}
    calls = (site.folder / "calls").read_text(encoding="utf-8").splitlines()
    assert calls == ["plan --page home", "apply --plan plans/home.json"]


def test_the_document_of_the_readme_applies_nothing_once_rejected(site: Shell) -> None:
    waiting = site.envelope("cpf run -f page.yaml --set page_id=home", 40)
    answer = f"cpf resume --run-id {waiting['run_id']} --event change_approval --input"
    ended = site.envelope(f"""{answer} '{{"decision": "reject", "comment": "not yet"}}'""", 0)
    assert ended["result"] == {"status": "rejected", "comment": "not yet"}
    assert (site.folder / "calls").read_text(encoding="utf-8").splitlines() == ["plan --page home"]


def test_the_document_without_its_end_is_warned_about_as_the_readme_says(site: Shell) -> None:
    (document,) = marked(ROOT / "README.md", "runs: document")
    broken = re.sub(r"    - id: published\n.*\n.*\n\n", "", document)
    assert broken != document
    (problem,) = load_text(broken, source_path=None, cwd=site.folder).problems
    assert problem["severity"] == "warning"
    assert "`apply` goes on to the end `rejected`" in str(problem["message"])


# -- safe commands ---------------------------------------------------------------------------------


def problems_of(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the problems of a `cli` step with these fields."""
    tree = {
        "schema_version": "checkpointflow/v1",
        "workflow": {
            "id": "probe",
            "inputs": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
                "required": ["name", "n"],
                "additionalProperties": False,
            },
            "steps": [{"id": "probe", "kind": "cli", **fields}],
        },
    }
    try:
        return load_text(json.dumps(tree), source_path=None, cwd=ROOT).problems
    except DocumentError as error:
        return error.problems


def pairs(mark: str) -> list[dict[str, Any]]:
    return [pair for text in marked(SAFE, mark) for pair in yaml.safe_load(text)]


@pytest.mark.parametrize("fields", pairs("runs: accepted"), ids=dump)
def test_places_that_the_page_allows_are_accepted_in_silence(fields: dict[str, Any]) -> None:
    assert problems_of(fields) == []


@pytest.mark.parametrize("pair", pairs("runs: refused"), ids=lambda pair: dump(pair["refused"]))
def test_places_that_the_page_refuses_are_refused_and_the_rewrite_is_not(pair: dict[str, Any]) -> None:
    refused = [problem for problem in problems_of(pair["refused"]) if problem["severity"] == "error"]
    assert refused
    assert all(problem["hint"] for problem in refused)
    assert problems_of(pair["instead"]) == []


@pytest.mark.parametrize("pair", pairs("runs: warned"), ids=lambda pair: dump(pair["warned"]))
def test_places_that_the_page_warns_of_are_warned_about_and_the_rewrite_is_not(pair: dict[str, Any]) -> None:
    assert [problem["severity"] for problem in problems_of(pair["warned"])] == ["warning"]
    assert problems_of(pair["instead"]) == []


# -- secrets and Python ----------------------------------------------------------------------------

KEEP = ROOT / "docs" / "how-to" / "keep-a-secret.md"


def problems_with_secret(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the problems of a `cli` step with these fields, in a document that declares the secret `token`."""
    workflow = {"id": "probe", "inputs": {}, "secrets": {"token": {"env": "T"}}}
    tree = {
        "schema_version": "checkpointflow/v1",
        "workflow": workflow | {"steps": [{"id": "s", "kind": "cli", **fields}]},
    }
    return load_text(json.dumps(tree), source_path=None, cwd=ROOT).problems


def test_the_documents_on_the_pages_are_valid() -> None:
    (document,) = marked(KEEP, "runs: secrets")
    assert load_text(document, source_path=None, cwd=ROOT).problems == []
    (document,) = marked(ROOT / "docs" / "how-to" / "call-python.md", "runs: python")
    (problem,) = load_text(document, source_path=None, cwd=ROOT).problems
    assert UNPINNED in str(problem["message"])


@pytest.mark.parametrize(
    "pair", yaml.safe_load(marked(KEEP, "runs: warned secrets")[0]), ids=lambda pair: dump(pair["warned"])
)
def test_arguments_that_the_page_warns_of_are_warned_about_and_the_rewrite_is_not(pair: dict[str, Any]) -> None:
    assert ["process list" in str(problem["message"]) for problem in problems_with_secret(pair["warned"])] == [True]
    assert problems_with_secret(pair["instead"]) == []


# -- tests of workflows -----------------------------------------------------------------------------

TEST = ROOT / "docs" / "how-to" / "test-a-workflow.md"


@pytest.fixture
def page_of_cases(tmp_path: Path) -> Path:
    """A folder with the example and the cases that the page shows for it."""
    shutil.copy(ROOT / "examples" / "publish_page.yaml", tmp_path)
    (cases,) = marked(TEST, "runs: cases of publish_page")
    (tmp_path / "publish_page.test.yaml").write_text(cases, encoding="utf-8")
    return tmp_path


def test_the_cases_on_the_page_hold(page_of_cases: Path) -> None:
    report = run_cases(page_of_cases / "publish_page.yaml")
    assert len(report.results) == 3
    for result in report.results:
        result.check()


def test_the_python_on_the_page_runs(page_of_cases: Path) -> None:
    (code,) = marked(TEST, "runs: from Python")
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=page_of_cases, check=True)


def test_every_field_of_a_case_stands_on_the_page() -> None:
    text = TEST.read_text(encoding="utf-8")
    known = set(_fields(cases_schema()))
    assert {"after_seconds", "in_order", "prompt", "exit_code"} <= known
    assert [name for name in sorted(known) if f"`{name}`" not in text and f"{name}:" not in text] == []


def _fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _fields(item)
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from _fields(inner)
