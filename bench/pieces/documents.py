"""The documents that commands are measured with; they run under 1.x, too."""

from __future__ import annotations

from pathlib import Path

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: measured\n  inputs: {type: object}\n  steps:\n"


def in_a_row(path: Path, count: int) -> Path:
    """Write a document of so many `cli` steps, and return its path."""
    steps = (f"    - {{id: s{number}, kind: cli, command: echo step {number}}}\n" for number in range(count))
    path.write_text(HEAD + "".join(steps))
    return path


def changed(path: Path, number: int) -> Path:
    """Write a document of one step that no store has seen, and return its path."""
    path.write_text(f"# number {number}\n{HEAD}    - {{id: s0, kind: cli, command: 'echo step'}}\n")
    return path
