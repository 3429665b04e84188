"""Faults put into the code on purpose, one patch each: every one has to be noticed by the tests that it names.

`just mutants` applies each patch of `tests/mutants` to a copy of `src` and runs the tests of its first line; if those
do not notice, the whole test run. Words choose patches by a part of their names; with `--named` there is no whole run.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "mutants"
SECONDS = 180.0
"""Tests that take longer have noticed: a drive without an end is a fault, too."""
ALL_SECONDS = 1800.0

Verdict: TypeAlias = Literal["killed", "killed by others", "survived", "has no verdict"]
_AFTER_FILES = re.compile(r"^\+\+\+ b/", re.MULTILINE)
_HUNK_HEAD = re.compile(r"^@@ .*\n", re.MULTILINE)
_FIRST_LINE = re.compile(r"# (?P<promise>.+\.) \| (?P<tests>tests/\S+\.py(?: tests/\S+\.py)*)")


@dataclass(frozen=True)
class Mutant:
    """One patch: the promise that it breaks, and the test files that have to notice."""

    path: Path
    promise: str
    tests: tuple[str, ...]


def mutants(words: Sequence[str] = ()) -> list[Mutant]:
    """Return the mutants whose names have one of these words, or all.

    Raises:
        ValueError: a patch does not begin as it should.
    """
    paths = sorted(FOLDER.glob("*.patch"))
    return [_mutant(path) for path in paths if not words or any(word in path.stem for word in words)]


def _mutant(path: Path) -> Mutant:
    line = path.read_text(encoding="utf-8").partition("\n")[0]
    found = _FIRST_LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"{path.name} begins with {line!r}, not with `# PROMISE. | tests/FILE.py …`")
    return Mutant(path, found["promise"], tuple(found["tests"].split()))


def apply(mutant: Mutant, folder: Path) -> None:
    """Apply a mutant to the copy of the repository's `src` in a folder.

    Raises:
        ValueError: it does not fit any more: what it removes is not there, or more than once.
    """
    head, *hunks = _HUNK_HEAD.split(_AFTER_FILES.split(mutant.path.read_text(encoding="utf-8"))[1])
    path = folder / head.strip()
    text = path.read_text(encoding="utf-8")
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
        if text.count(old) != 1:
            raise ValueError(f"{mutant.path.stem} does not fit `{path.name}` any more; write the patch anew")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def judged(mutant: Mutant) -> tuple[Verdict, str]:
    """Try a mutant on the tests that it names; return what became of it, with the test that noticed first."""
    code, noticed = _tried(mutant, ("-p", "no:xdist", *mutant.tests), SECONDS)
    return ("killed" if code == 1 else "survived" if code == 0 else "has no verdict"), noticed


def judged_by_all(mutant: Mutant) -> tuple[Verdict, str]:
    """Try a mutant that survived the tests that it names on the whole test run."""
    code, noticed = _tried(mutant, ("-n", "auto"), ALL_SECONDS)
    return ("killed by others" if code == 1 else "survived"), noticed


def _tried(mutant: Mutant, words: Sequence[str], seconds: float) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        shutil.copytree(ROOT / "src", Path(name) / "src")
        try:
            apply(mutant, Path(name))
        except ValueError as error:
            return -1, str(error)
        return _tested(Path(name), words, seconds)


def _tested(folder: Path, words: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run tests against the code in a folder; return pytest's exit code (1: something failed) and what failed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", "--tb=no", "-rfE", *words],
        cwd=ROOT, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 1, f"no end within {seconds:g} s"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
    return process.returncode, failed[1] if failed else printed.strip()[-300:]


def _environment(folder: Path) -> dict[str, str]:
    """Let Python find the package in a folder."""
    return {**os.environ, "PYTHONPATH": str(folder / "src")}


def _check_the_tests(chosen: Sequence[Mutant]) -> None:
    """See that the tests which have to notice hold without a mutant, and are run against the copy."""
    named = sorted({test for mutant in chosen for test in mutant.tests})
    with tempfile.TemporaryDirectory(prefix="mutant-none-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "src", folder / "src")
        code = "import checkpointflow; print(checkpointflow.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", code], env=_environment(folder), capture_output=True, text=True, check=True
        )
        if not Path(found.stdout.strip()).resolve().is_relative_to(folder.resolve()):
            sys.exit(f"the tests would be run against {found.stdout.strip()} and not against the copy")
        returned, noticed = _tested(folder, ("-n", "auto", *named), ALL_SECONDS)
        if returned != 0:
            sys.exit(f"the tests do not hold without a mutant: {noticed}")


def main(words: Sequence[str]) -> int:
    """Try mutants, say what became of each, and return 1 if not all were killed."""
    chosen = mutants([word for word in words if word != "--named"])
    if not chosen:
        sys.exit("no mutant has such a name")
    began = time.monotonic()
    _check_the_tests(chosen)
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for mutant, (verdict, noticed) in zip(chosen, pool.map(judged, chosen), strict=True):
            verdicts.append(_told(mutant, verdict, noticed))
    if "--named" not in words:
        for number, mutant in enumerate(chosen):
            if verdicts[number] == "survived":
                verdicts[number] = _told(mutant, *judged_by_all(mutant))
    figures = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).items())
    print(f"{len(chosen)} mutants in {time.monotonic() - began:.0f} s: {figures}")
    return 0 if all(verdict.startswith("killed") for verdict in verdicts) else 1


def _told(mutant: Mutant, verdict: Verdict, noticed: str) -> Verdict:
    print(f"{mutant.path.stem}: {verdict}" + (f" ({noticed})" if noticed else ""), flush=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
