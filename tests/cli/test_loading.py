"""Each command loads only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cli.documents import GATE
from cli.program import Program

CODE = """
import json, sys
before = set(sys.modules)
from checkpointflow.cli import main
main(sys.argv[1:])
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
"""
PLAIN = """
schema_version: checkpointflow/v1
workflow:
  id: plain
  inputs: {type: object}
  steps: [{id: a, kind: cli, command: 'true'}]
"""
DOCUMENTS = {"yaml", "jsonschema_rs", "checkpointflow.expressions", "checkpointflow.frontends"}


def loaded(cpf: Program, *words: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=cpf.cwd, env=cpf.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(json.loads(ended.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [("status", "--run-id", "mine-1"), ("runs",), ("waits",)])
def test_looking_at_runs_loads_nothing_that_reads_documents(cpf: Program, words: tuple[str, ...]) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "mine-1")
    modules = loaded(cpf, *words)
    assert "checkpointflow.client" in modules
    assert not modules & (DOCUMENTS | {"asyncio"})


def test_a_run_loads_no_asyncio(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    modules = loaded(cpf, "run", "-f", "gate.yaml")
    assert {"yaml", "checkpointflow.kernel.engine"} <= modules
    assert not modules & {"asyncio", "checkpointflow.cli.progress"}


def test_a_document_that_is_known_is_neither_parsed_nor_checked_again(cpf: Program) -> None:
    cpf.write("plain.yaml", PLAIN)
    assert {"yaml", "jsonschema_rs"} <= loaded(cpf, "run", "-f", "plain.yaml")
    assert not loaded(cpf, "run", "-f", "plain.yaml", "--strict") & {"yaml", "_yaml", "jsonschema_rs"}
    cpf.write("plain.yaml", PLAIN + "# edited\n")
    assert {"yaml", "jsonschema_rs"} <= loaded(cpf, "run", "-f", "plain.yaml")


def test_a_document_with_warnings_is_checked_each_time(cpf: Program) -> None:
    doubtful = PLAIN.replace("kind: cli", "kind: api, url: 'https://localhost', method: POST").replace(
        "command: 'true'", "if: 'false'"
    )
    cpf.write("doubtful.yaml", doubtful)
    assert cpf.here("run", "-f", "doubtful.yaml").exit_code == 0
    answer = cpf.here("run", "-f", "doubtful.yaml", "--strict")
    assert (answer.exit_code, {one["severity"] for one in answer.envelope["problems"]}) == (10, {"warning"})


def test_version_loads_next_to_nothing(cpf: Program) -> None:
    ours = {name for name in loaded(cpf, "--version") if name.startswith("checkpointflow")}
    assert ours == {"checkpointflow", "checkpointflow.cli", "checkpointflow.cli.streams", "checkpointflow.version"}


def test_a_usage_error_opens_no_store(cpf: Program) -> None:
    modules = loaded(cpf, "rum")
    assert not modules & (DOCUMENTS | {"asyncio", "apsw", "checkpointflow.client", "checkpointflow.kernel.engine"})
