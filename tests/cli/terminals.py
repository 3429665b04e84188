"""A terminal for tests, where the machine has one to give."""

from __future__ import annotations

import pytest


def terminal() -> tuple[int, int]:
    """Return both ends of a new terminal, ours first; skip the test where there is none to be had."""
    pty = pytest.importorskip("pty")
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no terminal: {error}")
    return ours, theirs
