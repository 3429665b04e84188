"""Notices that files of imported code were edited, and has them imported anew; for a process that outlives its code."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

Look: TypeAlias = "tuple[int, int] | None"
"""When a file was written, and its size; None if it is not there."""

_PATIENCE = 100
_PAUSE_SECONDS = 0.01


class Edits:
    """The files of code that this process has imported from outside of its libraries, as they were then.

    Safe for threads. Code that is being driven keeps the modules that it has.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, Look] = {}
        paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        self._libraries = (*(f"{path}{os.sep}" for path in paths), f"{Path(__file__).parents[1]}{os.sep}")
        self._look()

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Import code meanwhile, one thread after the other; where a file was edited, all such code is imported anew.

        All of it, because modules keep what they have imported from each other.
        """
        with self._lock:
            edited = [file for file, look in self._seen.items() if _look_of(file) != look]
            if edited:
                self._forget(edited)
            try:
                yield
            finally:
                self._look()

    def _look(self) -> None:
        """Take note of what was imported since the last time."""
        for module in list(sys.modules.values()):
            file = self._own_file(module)
            if file is not None and file not in self._seen:
                self._seen[file] = _look_of(file)

    def _forget(self, edited: list[str]) -> None:
        _let_others_import()
        for name, module in list(sys.modules.items()):
            if self._own_file(module) in self._seen:
                del sys.modules[name]
        for file in edited:  # what Python compiled counts by the second and the size alone
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(file)).unlink()
        self._seen.clear()
        importlib.invalidate_caches()

    def _own_file(self, module: ModuleType) -> str | None:
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py") or module.__name__ == "__main__":
            return None
        return None if file.startswith(self._libraries) else file


def _look_of(file: str) -> Look:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _let_others_import() -> None:
    """Wait for steps that import something at this moment, which needs the modules around it."""
    pause = threading.Event()
    for _ in range(_PATIENCE):
        specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
        if not any(getattr(spec, "_initializing", False) for spec in specs):
            return
        pause.wait(_PAUSE_SECONDS)
