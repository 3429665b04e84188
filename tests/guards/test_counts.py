"""What costs time is counted, which gives the same answer on every machine; `just bench` measures it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Checkpoint, Store, WorkflowContext, task, workflow
from checkpointflow.frontends.document.loader import load_text

DOCUMENT = """
schema_version: checkpointflow/v1
workflow:
  id: counted
  inputs: {type: object}
  steps: [{id: a, kind: cli, command: 'true'}]
"""
COUNTING = """
import json, sys
opened = []
sys.addaudithook(lambda event, words: opened.append(str(words[0])) if event == "open" else None)
before = set(sys.modules)
from checkpointflow.cli import main
code = main(sys.argv[1:])
loaded = sorted(set(sys.modules) - before)
files = [path for path in opened if not path.endswith((".py", ".pyc", ".so"))]
print(json.dumps({"code": code, "modules": loaded, "files": files}), file=sys.stderr)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder in which a run of `counted.yaml` has settled."""
    home = tmp_path / "home"
    (tmp_path / "counted.yaml").write_text(DOCUMENT)
    counted(home, "run", "-f", "counted.yaml", "--run-id", "the-run")
    return home


def counted(home: Path, *words: str) -> dict[str, Any]:
    """Run a command in a process of its own, and return what it loaded and opened."""
    ended = subprocess.run(
        [sys.executable, "-c", COUNTING, *words],
        cwd=home.parent, env={"CPF_HOME": str(home), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ended.stderr.splitlines()[-1])
    assert found["code"] == 0
    return found


@pytest.mark.parametrize(
    ("words", "ours", "others"),
    [
        (("--version",), 4, 3),
        (("status", "--run-id", "the-run"), 44, 37),
        (("runs",), 44, 37),
        (("waits",), 44, 37),
        (("run", "-f", "counted.yaml"), 130, 52),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_commands_load_no_more_modules_than_they_did(
    home: Path, words: tuple[str, ...], ours: int, others: int
) -> None:
    modules = counted(home, *words)["modules"]
    own = [name for name in modules if name.startswith("checkpointflow")]
    assert (len(own) <= ours, len(modules) - len(own) <= others) == (True, True), (len(own), len(modules) - len(own))
    assert not {"dataclasses", "inspect", "asyncio", "jsonschema_rs", "yaml"}.intersection(modules)


def test_status_opens_no_file_but_the_store(home: Path) -> None:
    files = counted(home, "status", "--run-id", "the-run")["files"]
    assert len(files) <= 3, files  # SQLite opens its own without Python's knowledge


# -- steps -----------------------------------------------------------------------------------------


@task()
def give(number: int) -> str:
    return "x" * 1000


@workflow(name="counted")
async def in_a_row(ctx: WorkflowContext, count: int) -> None:
    for number in range(count):
        await ctx.task(give, number)


def commits(store: Store) -> list[int]:
    """Have the commits of a store counted, each by how many entries it writes."""
    sizes: list[int] = []
    commit = store.port.commit

    def counting(hold: Any, length: int, entries: Sequence[Any], **more: Any) -> Any:
        sizes.append(len(entries))
        return commit(hold, length, entries, **more)

    store.port.commit = counting  # type: ignore[method-assign]
    return sizes


def test_steps_of_a_function_in_a_row_cost_a_commit_each_and_one_more(tmp_path: Path) -> None:
    with Store(tmp_path / "home") as store:
        sizes = commits(store)
        in_a_row.run_sync(20, checkpoint=Checkpoint.new(store))
    assert len(sizes) == 21
    assert sum(sizes) == 41


def test_steps_of_a_document_in_a_row_cost_a_commit_each_and_one_more(tmp_path: Path) -> None:
    steps = "\n".join(f"    - {{id: s{number}, kind: cli, command: 'true'}}" for number in range(5))
    text = f"schema_version: checkpointflow/v1\nworkflow:\n  id: row\n  inputs: {{type: object}}\n  steps:\n{steps}\n"
    with Store(tmp_path / "home") as store:
        sizes = commits(store)
        assert store.runs().run(load_text(text, source_path=None, cwd=tmp_path), {}).status == "completed"
    assert len(sizes) == 6


def test_a_step_writes_as_many_bytes_late_in_a_run_as_early(tmp_path: Path) -> None:
    def written(count: int) -> int:
        home = tmp_path / str(count)
        with Store(home) as store:
            in_a_row.run_sync(count, checkpoint=Checkpoint.new(store))
        return (home / "runs.db").stat().st_size

    few, some, many = written(50), written(100), written(300)
    early, late = (some - few) / 50, (many - some) / 200
    assert late / early == pytest.approx(1, rel=0.1)
    assert late < 2200
