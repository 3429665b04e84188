"""Code that differs between systems stands where ARCHITECTURE.md says, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "checkpointflow"
ASKS = re.compile(r"\bsys\.platform\b|\bos\.name\b|\bplatform\.system\b")


def test_the_files_that_ask_for_the_platform_are_those_that_the_page_names() -> None:
    section = re.search(r"^## Platforms\n(.*?)^## ", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE | re.DOTALL)
    assert section
    named = set(re.findall(r"^\| `([^`]+\.py)` \|", section[1], re.MULTILINE))
    asking = {
        file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if ASKS.search(file.read_text("utf-8"))
    }
    assert asking == named
