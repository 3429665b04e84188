"""What users write is checked by their type checker as it should be: mypy in its strict mode."""

from __future__ import annotations

import re
import subprocess
import sys

from architecture.pages import ROOT

FOLDER = ROOT / "tests" / "typing"


def checked(name: str) -> dict[int, set[str]]:
    """Return the codes of the errors that mypy finds in a file, by line."""
    words = ["-m", "mypy", "--strict", "--config-file", "", "--no-error-summary", "--cache-dir", "/dev/null"]
    environment = {"MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *words, str(FOLDER / name)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[int, set[str]] = {}
    for line, code in re.findall(rf"{re.escape(name)}:(\d+): error: .*\[([\w-]+)\]", done.stdout):
        found.setdefault(int(line), set()).add(code)
    assert bool(found) == bool(done.returncode), done.stdout
    return found


def test_what_is_right_is_accepted() -> None:
    assert checked("good.py") == {}


def test_what_is_wrong_is_refused_where_it_stands() -> None:
    lines = (FOLDER / "bad.py").read_text(encoding="utf-8").splitlines()
    marked = {
        number: set(line.partition("# refused: ")[2].split(", "))
        for number, line in enumerate(lines, 1)
        if "# refused: " in line
    }
    assert checked("bad.py") == marked
