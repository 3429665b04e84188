"""Imports the code of workflows and handlers: by file or module, now or when a run says where it stands."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from checkpointflow.errors import DocumentError, FileMissingError
from checkpointflow.values import JsonObject, fingerprint_text


def imported(place: str, *, cwd: str) -> ModuleType:
    """Return the module of a file (`flows.py`) or of a name (`project.flows`), looked for in `cwd` first.

    Raises:
        FileMissingError: there is no such file or module.
        DocumentError: it cannot be imported.
    """
    return _module_of_file(Path(cwd) / place, place) if place.endswith(".py") else _module(place, cwd)


def name_of(module: ModuleType) -> str:
    """Return the name under which another process finds a module: the program's own is that of its file."""
    file = getattr(module, "__file__", None)
    return Path(file).stem if module.__name__ == "__main__" and file else module.__name__


def found_again(module: str, path: str | None) -> ModuleType:
    """Return the module of a run's code: one that is loaded from its file, else from that file, else by its name.

    Raises:
        Whatever importing it raises.
    """
    if path is None or not Path(path).is_file():
        return importlib.import_module(module)
    for loaded in _loaded_from(path):
        return loaded
    names = module.split(".")
    root = Path(path).parents[len(names) - 1]
    if Path(path).stem in (names[-1], "__init__") and root.joinpath(*names).with_suffix(".py") == Path(path):
        _put_on_path(str(root))
        return importlib.import_module(module)
    return _imported(Path(path))


def _module(name: str, cwd: str) -> ModuleType:
    with _Importing(name):
        _put_on_path(cwd)
        return importlib.import_module(name)


def _module_of_file(file: Path, shown: str) -> ModuleType:
    if not file.is_file():
        raise FileMissingError(f"`{shown}` cannot be read: no such file or directory", hint="check the path")
    with _Importing(shown):
        return _imported(file.resolve())


class _Importing:
    """Turns whatever importing somebody's code raises into one sentence with the line."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Turn an error."""
        if not isinstance(error, Exception) or isinstance(error, DocumentError):
            return
        if isinstance(error, ModuleNotFoundError) and error.name == self._what.partition(".")[0]:
            raise FileMissingError(f"there is no module `{self._what}` here", hint="check its name") from None
        line = error.lineno if isinstance(error, SyntaxError) else _line_of(error)
        message = f"`{self._what}` cannot be imported: {type(error).__name__}: {error}"
        problem: JsonObject = {"severity": "error", "file": self._what, "line": line or 1, "column": 1}
        problem |= {"code": DocumentError.code, "path": "", "message": message, "hint": ""}
        raise DocumentError(message, problems=[problem]) from None


def _line_of(error: BaseException) -> int | None:
    """Return the last line outside the machinery of importing."""
    line, trace = None, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<frozen") and name != __file__ and "importlib" not in name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _loaded_from(path: str) -> Iterator[ModuleType]:
    name = Path(path).name
    for one in list(sys.modules.values()):
        file = str(getattr(one, "__file__", None) or "")
        if file.endswith(name) and Path(file).resolve() == Path(path):
            yield one


def _imported(file: Path) -> ModuleType:
    """Import a file under its own name; what lies beside it can be imported by it."""
    for loaded in _loaded_from(str(file)):
        return loaded
    _put_on_path(str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_{fingerprint_text(str(file))[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"`{file}` is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _put_on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)
