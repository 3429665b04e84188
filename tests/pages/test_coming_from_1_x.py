"""What the page on 1.x says of this version is so: what is refused and how, what is read otherwise, what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from architecture.pages import ROOT, marked
from checkpointflow.client import Client
from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.loader import Loaded, load_file
from checkpointflow.frontends.document.strict_yaml import parse
from cli.program import Program
from examples.stories import settings

PAGE = ROOT / "docs" / "how-to" / "come-from-1.x.md"
INPUTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "text": {"type": "string"},
        "line": {"type": "string"},
        "absent": {"type": "string"},
        "n": {"type": "integer"},
        "list": {"type": "array"},
        "flag": {"type": "boolean"},
    },
    "required": ["name", "text", "line", "n", "list", "flag"],
}
INPUT = {"name": "Ada", "text": "this and that", "line": "echo hello", "n": 1, "list": ["a", "b"], "flag": True}
WORDS = {"text": "one two three"}
"""What the entries about words are given in place of the text that has `and` in it."""
SUBS = {
    "sub.yaml": {"inputs": {"properties": {"n": {"type": "integer"}}}, "result": {"n": "${inputs.n}"}},
    "each.yaml": {"inputs": {"type": "object"}, "result": {"v": "${inputs._foreach_item}"}},
}


def entries(mark: str) -> list[dict[str, Any]]:
    """Return the entries of all blocks with a mark, read as documents are."""
    found: list[dict[str, Any]] = []
    for text in marked(PAGE, mark):
        indented = "".join(f"  {line}\n" for line in text.splitlines())
        found += parse(f"entries:\n{indented}").tree["entries"]  # type: ignore[arg-type]
    return found


def named(entry: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", json.dumps(entry["was"], ensure_ascii=False))[:100]


def document(folder: Path, steps: Any, inputs: Any = INPUTS) -> Loaded:
    """Load a document of these steps, or of this one; `after` follows them, and two sub-workflows lie beside it."""
    folder.mkdir(exist_ok=True)
    for name, sub in SUBS.items():
        ends = [{"id": "end_of_sub", "kind": "end", "result": sub["result"]}]
        (folder / name).write_text(json.dumps(_tree(ends, sub["inputs"], name.partition(".")[0])))
    own = [steps] if isinstance(steps, dict) else list(steps)
    (folder / "w.yaml").write_text(json.dumps(_tree([*own, {"id": "after", "kind": "end"}], inputs, "probe")))
    return load_file(folder / "w.yaml", cwd=str(folder))


def _tree(steps: list[Any], inputs: Any, name: str) -> dict[str, Any]:
    return {"schema_version": "checkpointflow/v1", "workflow": {"id": name, "inputs": inputs, "steps": steps}}


def messages(error: CheckpointflowError) -> Iterator[str]:
    problems = getattr(error, "problems", None) or error.details["problems"]
    return (problem["message"] for problem in problems if problem["severity"] == "error")


@pytest.mark.parametrize("entry", entries("fragment: refused"), ids=named)
def test_what_is_refused_gets_the_message_that_the_page_shows(entry: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointflowError) as refused:
        document(tmp_path, entry["was"])
    assert list(messages(refused.value)) == [entry["says"]]
    document(tmp_path, entry["write"])


@pytest.mark.parametrize("entry", entries("fragment: refused text"), ids=named)
def test_texts_that_are_no_yaml_of_ours_get_the_message_that_the_page_shows(
    entry: dict[str, Any], tmp_path: Path
) -> None:
    head = "schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {}\n  steps:\n  - "
    (tmp_path / "w.yaml").write_text(f"{head}{entry['was']}\n")
    with pytest.raises(CheckpointflowError) as refused:
        load_file(tmp_path / "w.yaml", cwd=str(tmp_path))
    assert refused.value.code == "ERR_YAML_PARSE"
    assert entry["says"] in list(messages(refused.value))


def outcome(folder: Path, steps: Any) -> dict[str, Any]:
    """Run a document and return its result, or the code of its error."""
    place = settings(folder)
    words = WORDS if re.search(r"set --|sub\.yaml", json.dumps(steps)) else {}
    with Client(place) as client:
        view = client.run(document(Path(place.cwd), steps), INPUT | words)
    assert view.status in ("completed", "failed")
    return {"error": view.error["code"]} if view.error else {"result": view.value.get("result")}


def told(entry: dict[str, Any], name: str) -> dict[str, Any]:
    error = entry.get(f"{name}_error")
    return {"error": error} if error else {"result": entry[name]}


@pytest.mark.parametrize("entry", entries("fragment: differs"), ids=named)
def test_what_is_read_otherwise_gives_what_the_page_says(entry: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "was").mkdir()
    assert outcome(tmp_path / "was", entry["was"]) == told(entry, "gives")
    if "write" in entry:
        (tmp_path / "write").mkdir()
        assert outcome(tmp_path / "write", entry["write"]) == told(entry, "gave")


@pytest.mark.parametrize("entry", entries("fragment: kept"), ids=named)
def test_what_is_kept_runs_and_is_warned_about_as_the_page_says(entry: dict[str, Any], tmp_path: Path) -> None:
    assert outcome(tmp_path, entry["was"]) == told(entry, "gives")
    loaded = document(tmp_path / "w", entry["was"])
    assert entry["says"] in [problem["message"] for problem in loaded.problems]
    assert not _warned(document(tmp_path / "w", entry["write"]))


def _warned(loaded: Loaded) -> list[Any]:
    """Return the warnings that are not about the step that every document here ends with."""
    return [problem for problem in loaded.problems if "`after` is never reached" not in str(problem["message"])]


# -- commands and envelopes ------------------------------------------------------------------------

GATE = """\
schema_version: checkpointflow/v1
workflow:
  id: gate
  description: what it is for
  inputs: {properties: {day: {type: string, format: date}}}
  steps:
    - {id: say, kind: cli, command: echo hello}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
"""


@pytest.fixture
def cpf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(home=tmp_path / "home", cwd=tmp_path / "here")
    program.cwd.mkdir()
    monkeypatch.setenv("CPF_HOME", str(program.home))
    monkeypatch.chdir(program.cwd)
    program.write("gate.yaml", GATE)
    return program


def test_words_are_refused_as_the_table_says(cpf: Program) -> None:
    for words in (["-v"], ["init", "--file", "x.yaml"], ["gui"], ["run"]):
        refused = cpf.here(*words)
        assert (refused.exit_code, refused.envelope["error"]["code"]) == (10, "ERR_USAGE")
    assert cpf.here("init").envelope["file"] == "workflow.yaml"
    assert cpf.here("flows", "--detail", "nowhere").exit_code == 10
    assert cpf.here("flows").envelope["flows"] == []
    assert "status" not in cpf.here("validate", "-f", "gate.yaml").envelope


def test_a_run_is_told_of_as_the_table_says(cpf: Program) -> None:
    assert cpf.here("run", "-f", "gate.yaml", "--set", "day=today").envelope["error"]["code"] == "ERR_VALIDATION_INPUT"
    waiting = cpf.here("run", "-f", "gate.yaml").envelope
    run_id = waiting["run_id"]
    assert re.fullmatch("[0-9A-Z]{26}", run_id)
    assert "workflow_description" not in waiting
    assert waiting["wait"]["resume"]["command"].endswith("--input @response.json")
    assert cpf.here("delete", "--run-id", run_id).envelope["error"]["code"] == "ERR_RUN_NOT_SETTLED"
    refused = cpf.here("resume", "--run-id", run_id, "--event", "other").envelope
    assert (refused["ok"], refused["status"]) == (False, "waiting")
    cpf.write("gate.yaml", GATE.replace("echo hello", "exit 1"))
    assert cpf.here("resume", "--run-id", run_id[-4:], "--event", "go").envelope["status"] == "completed"
    result = cpf.here("inspect", "--run-id", run_id).envelope["result"]
    assert [list(event) for event in result["events"]] == [["event_id", "wait_id", "key", "payload", "actor", "at"]]
    assert result["step_results"][0]["stdout_path"].endswith("stdout/say.1.txt")
    assert cpf.here("delete", "--run-id", run_id).envelope["deleted"] is True


def test_a_cancelled_run_is_told_of_as_the_table_says(cpf: Program) -> None:
    cpf.write("input.json", "{}")
    (cpf.cwd / "inner").mkdir()
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1", "--input", "@inner/../input.json")
    for _ in range(2):
        cancelled = cpf.here("cancel", "--run-id", "gate-1", "--reason", "too late").envelope
        assert (cancelled["exit_code"], "result" in cancelled) == (0, False)
    assert "too late" in cpf.here("inspect", "--run-id", "gate-1").stdout
    assert cpf.here("status", "--run-id", "gate-1").exit_code == 50
