"""A child of this process that acts and ends, for stores that were opened before it was forked."""

from __future__ import annotations

import os
from collections.abc import Callable


def forked(act: Callable[[], None]) -> int:
    """Act in a forked child and return its exit code."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
