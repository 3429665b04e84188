"""A worker outlives the code that it drives: what was edited meanwhile decides from the next drive on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.frontends.edited import Edits

FLOW = """\
from checkpointflow import workflow
from texts import TEXT


@workflow
async def release(ctx):
    answer = await ctx.wait_for_event("go")
    return await ctx.step("deploy", lambda: f"{TEXT}, {answer}")
"""


class Site:
    """A folder of code, a state folder, and a worker that tells of each drive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "flow.py").write_text(FLOW, encoding="utf-8")
        (folder / "texts.py").write_text("TEXT = 'old'\n", encoding="utf-8")
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("CPF_", "PYTHONDONT"))}
        self.environment = inherited | {"CPF_HOME": str(folder / "home"), "CPF_DURABILITY": "process"}
        words = [sys.executable, "-m", "checkpointflow", "worker", "-o", "ndjson"]
        self.worker = subprocess.Popen(
            words, cwd=folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def cpf(self, *words: str) -> dict[str, Any]:
        found = subprocess.run(
            [sys.executable, "-m", "checkpointflow", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return json.loads(found.stdout)  # type: ignore[no-any-return]

    def waiting(self, run_id: str) -> None:
        assert self.cpf("run", "-f", "flow.py", "--run-id", run_id)["status"] == "waiting"

    def answer(self, run_id: str) -> None:
        self.cpf("send", "--run-id", run_id, "--event", "go", "--input", '"yes"')

    def drive(self) -> dict[str, Any]:
        """Return what the worker tells of its next drive."""
        assert self.worker.stdout is not None
        return json.loads(self.worker.stdout.readline())  # type: ignore[no-any-return]

    def result(self, run_id: str) -> Any:
        self.answer(run_id)
        drive = self.drive()
        assert (drive["run_id"], drive.get("status")) == (run_id, "completed"), drive
        return self.cpf("status", "--run-id", run_id)["result"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.worker.send_signal(signal.SIGTERM)
    _, stderr = made.worker.communicate(timeout=60)
    assert made.worker.returncode == 0, stderr


def test_a_living_worker_drives_runs_by_the_code_of_today(site: Site) -> None:
    for number in (1, 2, 3):
        site.waiting(f"run-{number}")
    assert site.result("run-1") == "old, yes"
    (site.folder / "texts.py").write_text("TEXT = 'new'\n", encoding="utf-8")  # as long, and maybe in the same second
    assert site.result("run-2") == "new, yes"
    (site.folder / "flow.py").write_text(FLOW.replace("{answer}", "{answer}!"), encoding="utf-8")
    assert site.result("run-3") == "new, yes!"


def test_code_that_was_broken_is_put_off_and_driven_once_it_is_mended(site: Site) -> None:
    for number in (1, 2):
        site.waiting(f"run-{number}")
    assert site.result("run-1") == "old, yes"
    (site.folder / "flow.py").write_text(FLOW.replace("async def", "async dof"), encoding="utf-8")
    site.answer("run-2")
    drive = site.drive()
    assert drive["error"]["code"] == "ERR_UNSUPPORTED"
    assert "SyntaxError" in drive["error"]["message"]
    (site.folder / "flow.py").write_text(FLOW.replace("{answer}", "mended"), encoding="utf-8")
    assert site.drive()["status"] == "completed"
    assert site.cpf("status", "--run-id", "run-2")["result"] == "old, mended"


def test_code_that_asks_for_something_else_is_refused_as_ever(site: Site) -> None:
    for number in (1, 2):
        site.waiting(f"run-{number}")
    assert site.result("run-1") == "old, yes"
    (site.folder / "flow.py").write_text(FLOW.replace('wait_for_event("go")', 'step("go", lambda: 1)'), "utf-8")
    site.answer("run-2")
    assert site.drive()["error"]["code"] == "ERR_NONDETERMINISM"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_one.py").write_text("import edited_two\nVALUE = edited_two.VALUE\n", encoding="utf-8")
    (tmp_path / "edited_two.py").write_text("VALUE = 1\n", encoding="utf-8")
    yield tmp_path
    sys.modules.clear()
    sys.modules.update(before)


def one() -> Any:
    import edited_one  # type: ignore[import-not-found]

    return edited_one


def test_all_that_may_have_imported_an_edited_file_is_imported_anew(modules: Path) -> None:
    edits = Edits()
    with edits.opening():
        first = one()
    with edits.opening():
        assert one() is first
    (modules / "edited_two.py").write_text("VALUE = 2\n", encoding="utf-8")
    with edits.opening():
        assert (one().VALUE, one() is first) == (2, False)
    assert first.VALUE == 1
    (modules / "edited_two.py").unlink()
    with edits.opening(), pytest.raises(ModuleNotFoundError):
        one()


def test_libraries_are_never_imported_anew(modules: Path) -> None:
    library = sys.modules["json"], sys.modules["pytest"], sys.modules["checkpointflow.frontends.edited"]
    edits = Edits()
    with edits.opening():
        one()
    (modules / "edited_one.py").write_text("VALUE = 3\n", encoding="utf-8")
    with edits.opening():
        assert one().VALUE == 3
    assert library == (sys.modules["json"], sys.modules["pytest"], sys.modules["checkpointflow.frontends.edited"])
