"""The pytest plugin: it collects our files of cases and nobody else's, reports well, and costs nothing without them."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from architecture.pages import ROOT, marked
from frontends.running import document

PLUGIN = "checkpointflow.testing.pytest_plugin"
STORE = "checkpointflow.python.pytest_store"
INSTALLED = {point.value for point in entry_points(group="pytest11")}
CASES = """\
schema_version: checkpointflow-test/v1
cases:
- name: it ends
  expect: {result: 1}
- name: it ends otherwise
  expect: {result: {a: 2}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.yaml").write_text(document("- {id: e, kind: end, result: 1}"))
    (tmp_path / "flow.test.yaml").write_text(CASES)
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str]:
    """Run pytest in a folder, in a process of its own."""
    missing = [one for one in (PLUGIN, STORE) if one not in INSTALLED]  # an editable install from before an entry point
    given = [word for one in missing for word in ("-p", one)]
    without = [word for name in ("cacheprovider", "xdist", "hypothesispytest") for word in ("-p", f"no:{name}")]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *without, *given, *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_pytest_finds_the_plugin_where_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"checkpointflow": PLUGIN, "checkpointflow-store": STORE}


def test_each_case_is_a_test_and_a_failed_one_shows_its_differences_alone(folder: Path) -> None:
    code, out = run(folder)
    assert code == 1
    assert "1 failed, 1 passed" in out
    assert f"{folder / 'flow.test.yaml'}:5: case `it ends otherwise` did not come out as expected:" in out
    assert 'result: expected {"a":2}, was 1' in out
    assert "workflows.py" not in out
    assert "FAILED flow.test.yaml::it ends otherwise" in out


def test_a_case_is_chosen_by_its_name(folder: Path) -> None:
    code, out = run(folder, "flow.test.yaml::it ends")
    assert code == 0
    assert "1 passed" in out


def test_a_file_that_cannot_be_used_is_an_error_with_its_places(folder: Path) -> None:
    (folder / "flow.test.yaml").write_text(CASES.replace("expect", "expcet", 1))
    code, out = run(folder)
    assert code == 2
    assert f"{folder / 'flow.test.yaml'}:4:3: unknown field `expcet`" in out
    assert "Traceback" not in out


def test_files_of_other_tools_are_left_to_them(folder: Path) -> None:
    (folder / "flow.test.yaml").write_text("suite: something else\n\tnot even YAML")
    assert run(folder)[0] == 5  # no tests were collected


def test_a_run_without_cases_loads_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import json, pathlib, sys\n"
        "def test_it():\n"
        "    loaded = [name for name in sys.modules if name.split('.')[0] in ('checkpointflow', 'yaml')]\n"
        "    pathlib.Path('loaded').write_text(json.dumps(loaded))\n"
    )
    assert run(tmp_path)[0] == 0
    ours = {
        "checkpointflow",
        "checkpointflow.version",
        "checkpointflow.testing",
        "checkpointflow.testing.beside",
        "checkpointflow.python",
        PLUGIN,
        STORE,
    }
    assert set(json.loads((tmp_path / "loaded").read_text())) == ours


# -- a store for a test ------------------------------------------------------------------------------

STORES = """
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointflow import Checkpoint, Client, workflow
from checkpointflow.errors import UsageError

seen = []


@workflow
async def one(ctx):
    return await ctx.step("one", lambda: 1)


def test_there_are_no_runs_but_its_own(cpf_store):
    assert Client(cpf_store).runs() == []
    run_id = one.run_sync({}, checkpoint=Checkpoint.new(cpf_store)).run_id
    listed = subprocess.run([sys.executable, "-m", "checkpointflow", "runs"], capture_output=True, text=True).stdout
    assert run_id in listed
    seen.append((os.environ["CPF_HOME"], cpf_store))


def test_nor_those_of_the_test_before(cpf_store, tmp_path):
    assert Client(cpf_store).runs() == []
    home, before = seen[0]
    assert home != os.environ["CPF_HOME"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError):
        before.port


def test_a_test_that_does_not_ask_is_let_be(tmp_path):
    assert os.environ["CPF_HOME"] == "as it was"
"""


def test_a_test_that_asks_for_a_store_has_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPF_HOME", "as it was")
    (tmp_path / "test_stores.py").write_text(STORES)
    code, out = run(tmp_path)
    assert code == 0, out
    assert "3 passed" in out


def test_the_test_on_the_page_passes(tmp_path: Path) -> None:
    (code,) = marked(ROOT / "docs" / "how-to" / "test-a-workflow.md", "runs: a store for a test")
    (tmp_path / "test_page.py").write_text(code)
    found, out = run(tmp_path)
    assert found == 0, out
    assert "1 passed" in out


def test_the_fixture_is_listed_with_what_it_gives(tmp_path: Path) -> None:
    _, out = run(tmp_path, "--fixtures")
    assert "cpf_store" in out
    assert "A store of this test alone" in out
