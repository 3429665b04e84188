"""Processes that go on when the one that started them ends, and its terminal too; nothing of steps is known here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkpointflow.steps.outputs import make_folder

if sys.platform == "win32":
    _FLAGS = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _FLAGS = 0


def start_detached(
    arguments: Sequence[str], *, cwd: str, environment: Mapping[str, str], output: Path
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with nothing to read, and what it prints appended to a private file.

    Raises:
        OSError: it cannot be started, or its file cannot be made.
    """
    make_folder(output.parent)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            arguments,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=sys.platform != "win32",
            creationflags=_FLAGS,
        )
    finally:
        os.close(descriptor)
