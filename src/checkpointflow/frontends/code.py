"""Imports the code of workflows and handlers: by file or module, now or when a run says where it stands."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from checkpointflow.errors import DocumentError, FileMissingError, said
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
    root = _root_of(module, Path(path))
    if root is not None:
        _put_on_path(str(root))
        found = importlib.import_module(module)
        if _is_of(found, path):
            return found
    return _imported(Path(path))


def _root_of(module: str, file: Path) -> Path | None:
    """Return the folder in which a module's file is a part of a package, None where it stands alone."""
    names = module.split(".")
    if file.name == "__init__.py":
        names.append("__init__")
    root = Path(*file.parts[: -len(names)])
    return root if len(names) > 1 and root.joinpath(*names).with_suffix(".py") == file else None


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
        if not isinstance(error, Exception | SystemExit) or isinstance(error, DocumentError):
            return
        if isinstance(error, ModuleNotFoundError) and error.name == self._what.partition(".")[0]:
            raise FileMissingError(f"there is no module `{self._what}` here", hint="check its name") from None
        line = error.lineno if isinstance(error, SyntaxError) else _line_of(error)
        message = f"`{self._what}` cannot be imported: {said(error)}"
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
    return (one for one in list(sys.modules.values()) if _is_of(one, path))


def _is_of(module: ModuleType, path: str) -> bool:
    """Tell whether a module was loaded from a file."""
    file = str(getattr(module, "__file__", None) or "")
    return file.endswith(Path(path).name) and Path(file).resolve() == Path(path)


def _imported(file: Path) -> ModuleType:
    """Import a file under its own name; what lies beside it can be imported by it."""
    for loaded in _loaded_from(str(file)):
        return loaded
    _put_on_path(str(file.parent))
    _forget_namesakes(file.parent)
    is_taken = file.stem in sys.modules or file.stem in sys.stdlib_module_names
    name = f"{file.stem}_{fingerprint_text(str(file))[:12]}" if is_taken else file.stem
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


_ours: list[str] = []
"""The folders that were put on the path here, that of the code imported last before the others."""


def _put_on_path(folder: str) -> None:
    """Have modules of a folder found: after those of Python and of what is installed, before other folders of ours."""
    if folder in sys.path and folder not in _ours:
        return
    for one in _ours:
        if one in sys.path:
            sys.path.remove(one)
    _ours[:] = [folder, *(one for one in _ours if one != folder)]
    sys.path += _ours


def _forget_namesakes(folder: Path) -> None:
    """Have code import what lies beside it, not what another folder of ours has under the same name.

    Code that was imported before keeps what it has; what it imports later, inside a function, is looked up anew.
    """
    others = [one for one in _ours if one != str(folder)]
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        lies_elsewhere = any(file.startswith(one + os.sep) for one in others) and "site-packages" not in file
        if lies_elsewhere and (folder / f"{name.partition('.')[0]}.py").exists():
            del sys.modules[name]
