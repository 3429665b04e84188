"""The manual: every document in it is one, every command in it can be said, and its examples end as it says."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from checkpointflow.cli.arguments import parser_of
from checkpointflow.cli.commands.guide import TOPICS, text_of
from checkpointflow.cli.door import COMMANDS
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.specs import KINDS
from cli.program import Program

FENCE = re.compile(r"^```(\w+) *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHER = """\
schema_version: checkpointflow/v1
workflow:
  id: deploy
  inputs: {type: object, properties: {stage: {}, version: {}}}
  steps: [{id: done, kind: end, result: deployed}]
"""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what stands behind it, and its text."""

    topic: str
    number: int
    language: str
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


def blocks(language: str) -> list[Block]:
    found = [
        Block(topic, number, match[1], tuple(match[2].split()), match[3])
        for topic in TOPICS
        for number, match in enumerate(FENCE.finditer(text_of(topic)))
    ]
    return [block for block in found if block.language == language]


def documents() -> list[Block]:
    return [block for block in blocks("yaml") if block.marks[0] != "cases"]


def document(block: Block) -> str:
    if block.marks[0] == "document":
        return block.text
    names = sorted(set(re.findall(r"inputs\.([a-z_]+)", block.text)) | {"page id"})
    header = {"id": "fragment", "inputs": {"type": "object", "properties": {name: {} for name in names}}}
    tree = {"schema_version": "checkpointflow/v1", "workflow": header}
    steps = "".join(f"    {line}\n" for line in block.text.splitlines())
    return yaml.safe_dump(tree, sort_keys=False) + f"  steps:\n{steps}"


def test_every_topic_is_a_page_and_every_page_a_topic(cpf: Program) -> None:
    import checkpointflow.cli.guide as folder  # a folder of data, so a namespace

    pages = {page.stem for page in Path(next(iter(folder.__path__))).glob("*.md")}
    assert pages == set(TOPICS)
    for topic in TOPICS:
        answer = cpf.here("guide", "--topic", topic)
        assert (answer.exit_code, answer.stderr) == (0, "")
        assert answer.stdout.startswith("# ")
        assert answer.stdout == text_of(topic)


def test_the_guide_without_a_topic_names_them_all(cpf: Program) -> None:
    text = cpf.here("guide").stdout
    assert text.startswith(text_of("overview"))
    assert re.findall(r"^  ([a-z_-]+) {2,}\S", text, re.MULTILINE) == list(TOPICS)
    assert cpf.here("guide", "--topic", "all").stdout.count("\n# ") >= len(TOPICS) - 1


def test_an_unknown_topic_is_refused_in_an_envelope_that_names_those_there_are(cpf: Program) -> None:
    refused = cpf.here("guide", "--topic", "loops").envelope
    assert refused["exit_code"] == 10
    assert "'foreach'" in refused["error"]["message"]


def test_every_kind_has_a_topic() -> None:
    assert set(KINDS) <= set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_on_few_screens(topic: str) -> None:
    lines = text_of(topic).splitlines()
    assert len(lines) <= 60 or topic == "examples"
    assert max(map(len, lines)) <= 125


@pytest.mark.parametrize("block", documents(), ids=str)
def test_every_document_of_the_manual_is_valid_without_a_warning(block: Block, tmp_path: Path) -> None:
    assert block.marks[0] in ("document", "steps")
    for name in ("deploy.yaml", "other.yaml"):
        (tmp_path / name).write_text(OTHER)
    loaded = load_text(document(block), source_path=tmp_path / "workflow.yaml", cwd=tmp_path)
    doubts = [problem for problem in loaded.problems if not str(problem["path"]).endswith(".call")]
    assert doubts == []  # that the module of a `call` is not kept with the run is said of each


def test_the_cases_of_the_manual_hold_and_reach_what_it_says(cpf: Program) -> None:
    written, cases = (block for block in blocks("yaml") if block.topic == "testing")
    cpf.write("publish.yaml", written.text)
    cpf.write("publish.test.yaml", cases.text)
    assert cases.marks[0] == "cases"
    (shown,) = (block for block in blocks("sh") if block.topic == "testing")
    for _, *words in commands(shown):
        answer = cpf.here(*words)
        assert answer.exit_code == 0, answer.stdout


def test_the_manual_marks_what_is_no_yaml_and_has_blocks_of_every_kind() -> None:
    assert {block.language for block in blocks("json") + blocks("sh")} == {"json", "sh"}
    for block in blocks("json"):
        json.loads(block.text)
    languages = {match[1] for topic in TOPICS for match in FENCE.finditer(text_of(topic))}
    assert languages == {"yaml", "json", "sh"}
    shown = {kind for block in blocks("yaml") for kind in re.findall(r"kind: (\w+)", block.text)}
    assert shown == set(KINDS)


# -- commands --------------------------------------------------------------------------------------


def commands(block: Block) -> list[list[str]]:
    found = [shlex.split(line, comments=True) for line in block.text.splitlines() if line.startswith("cpf ")]
    assert len(found) == len([line for line in block.text.splitlines() if line.strip()])
    return found


def parser(name: str) -> argparse.ArgumentParser:
    return parser_of(import_module(f"checkpointflow.cli.commands.{name}"))


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_every_command_of_the_manual_can_be_said(block: Block) -> None:
    for _, name, *words in commands(block):
        assert name in COMMANDS
        _, rest = parser(name).parse_known_args(words)
        assert rest == []


@pytest.mark.parametrize("topic", TOPICS)
def test_every_option_that_the_manual_names_in_a_sentence_is_one(topic: str) -> None:
    text = FENCE.sub("", text_of(topic))
    for said in re.findall(r"`(cpf [^`]+)`", text):
        words = said.split()[1:]
        if words[0].startswith("-") or words[0].isupper():
            continue
        known = {flag for action in parser(words[0])._actions for flag in action.option_strings}
        flags = {word.strip("[],").partition("=")[0] for word in words[1:] if word.strip("[").startswith("-")}
        assert flags <= known, said


# -- examples --------------------------------------------------------------------------------------


class _Service(BaseHTTPRequestHandler):
    """A service that is busy once and then well."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        status, body = (503, b"{}") if self.asked == 1 else (200, b'{"healthy": true}')
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    """The base address of a service."""
    _Service.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def example(name: str) -> tuple[Block, list[list[str]]]:
    """Return an example, and the commands in the block behind it."""
    number, block = next((n, one) for n, one in enumerate(all_examples()) if f"runs={name}" in one.marks)
    return block, commands(all_examples()[number + 1])


def all_examples() -> list[Block]:
    return [
        Block("examples", number, match[1], tuple(match[2].split()), match[3])
        for number, match in enumerate(FENCE.finditer(text_of("examples")))
    ]


def codes(block: Block) -> list[int]:
    """The exit codes that the comments behind the commands promise."""
    return [int(re.findall(r"#.*?\b(\d+)\b", line)[0]) for line in block.text.splitlines()]


def driven(cpf: Program, name: str, **replaced: str) -> list[dict]:
    block, said = example(name)
    cpf.write(next(word for word in said[0] if word.endswith(".yaml")), block.text)
    envelopes = []
    promised = codes(all_examples()[all_examples().index(block) + 1])
    for words, code in zip(said, promised, strict=True):
        answer = cpf.here(*(replaced.get(word, word) for word in words[1:]))
        assert answer.exit_code == code, answer.stdout
        envelopes.append(answer.envelope)
    return envelopes


def test_the_example_of_a_decision_runs_to_its_end(cpf: Program) -> None:
    last = driven(cpf, "approval")[-1]
    assert (last["status"], last["result"]) == ("completed", {"status": "published", "page": "home"})
    promised = re.search(r'`"result": (\{.*?\})`', text_of("examples"))
    assert promised
    assert json.loads(promised[1]) == last["result"]


def test_the_example_with_waits_per_item_runs_to_its_end(cpf: Program) -> None:
    *waiting, last = driven(cpf, "triage")
    assert [[wait["wait_id"] for wait in one["waits"]] for one in waiting] == [["w1", "w2"], ["w2"], ["w3"]]
    assert last["result"] == {"urgent": ["it burns"], "confirmed": True}


def test_the_example_of_a_request_beside_an_approval_runs_to_its_end(cpf: Program, service: str) -> None:
    first, last = driven(cpf, "release", **{"service=http://localhost:8000": f"service={service}"})
    assert first["wait"]["step_key"] == 'checks["human"]/sign_off'
    assert last["result"] == {"status": "released", "said": "released 1.2.0\n"}
    assert _Service.asked == 2
