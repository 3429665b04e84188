"""The mutants are of this code: each patch still fits, is Python, and names tests; `just mutants` sees them noticed."""

from __future__ import annotations

import ast
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "mutants.py"))
MUTANTS: list[Any] = SCRIPT["mutants"]()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def changed(mutant: Any) -> list[str]:
    """Return the files that a mutant changes."""
    lines = mutant.path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ ")]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.path.stem)
def test_a_mutant_still_applies_to_the_code(mutant: Any, copy: Path) -> None:
    (name,) = changed(mutant)
    before = (copy / name).read_bytes()
    SCRIPT["apply"](mutant, copy)
    after = (copy / name).read_bytes()
    (copy / name).write_bytes(before)
    assert after != before
    ast.parse(after)


def test_the_tests_that_have_to_notice_are_there() -> None:
    named = {test for mutant in MUTANTS for test in mutant.tests}
    assert [test for test in sorted(named) if not (ROOT / test).is_file()] == []


def test_there_are_as_many_as_were_asked_for_and_no_two_alike() -> None:
    assert len({mutant.path.read_text(encoding="utf-8").partition("@@")[2] for mutant in MUTANTS}) == len(MUTANTS) >= 30


@pytest.mark.parametrize("line", ["-    never there\n", ""], ids=["other code", "ambiguous"])
def test_a_patch_that_does_not_fit_is_refused(line: str, copy: Path, tmp_path: Path) -> None:
    mutant = MUTANTS[0]
    head, mark, _ = mutant.path.read_text(encoding="utf-8").partition("@@ ")
    patch = tmp_path / "other.patch"
    patch.write_text(f"{head}{mark}-1 +1 @@\n{line}+    new\n", encoding="utf-8")
    before = (copy / changed(mutant)[0]).read_bytes()
    with pytest.raises(ValueError, match="write the patch anew"):
        SCRIPT["apply"](type(mutant)(patch, mutant.promise, mutant.tests), copy)
    assert (copy / changed(mutant)[0]).read_bytes() == before
