"""Finds the code of a workflow: as `file.py:name` or `module:name`, and where a run says that it stands."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from checkpointflow.errors import DocumentError, FileMissingError, UnsupportedError, UsageError
from checkpointflow.frontends.functions.definition import VERSION, FunctionDefinition
from checkpointflow.schemas import did_you_mean
from checkpointflow.values import JsonObject


def load_function(target: str, *, cwd: str) -> FunctionDefinition:
    """Return the workflow that `file.py:name` or `module:name` names; the name may be left out if there is only one.

    Raises:
        FileMissingError: there is no such file or module.
        DocumentError: it cannot be imported.
        UsageError: it holds no workflow of that name, or several.
    """
    place, _, name = target.rpartition(":") if _names_attribute(target) else (target, "", "")
    module = _module_of_file(Path(cwd) / place, place) if place.endswith(".py") else _module(place, cwd)
    found = {key: one for key, one in vars(module).items() if isinstance(one, FunctionDefinition)}
    if name:
        if name in found:
            return found[name]
        named = next((one for one in found.values() if one.id == name), None)
        if named is None:
            hint = did_you_mean(name, found) or _listed(found)
            raise UsageError(f"`{place}` has no workflow `{name}`", hint=hint)
        return named
    if len({id(one) for one in found.values()}) == 1:
        return next(iter(found.values()))
    if not found:
        raise UsageError(f"`{place}` holds no workflow", hint="write `@workflow` above an `async def` with a `ctx`")
    raise UsageError(
        f"`{place}` holds several workflows; name one, as `{place}:{next(iter(found))}`", hint=_listed(found)
    )


def open_function(stored: JsonObject, *, path: str | None) -> FunctionDefinition:
    """Return the workflow that decides a run, found where it was started from, or by its module's name.

    Raises:
        UnsupportedError: it cannot be found here, or is of another version than the run.
    """
    name = str(stored["workflow"])
    where = f"`{stored['attribute']}` of `{path or stored['module']}`"
    if stored.get("version") != VERSION:
        raise UnsupportedError("the stored definition is of a form that this version does not know")
    try:
        found = _attribute(_found_again(str(stored["module"]), path), str(stored["attribute"]))
    except Exception as error:
        raise UnsupportedError(
            f"{where}, which decides this run, cannot be had here: {type(error).__name__}: {error}",
            hint="go on where that code can be imported, or put its folder on PYTHONPATH",
        ) from None
    if not isinstance(found, FunctionDefinition) or found.id != name:
        raise UnsupportedError(f"{where} is no workflow `{name}` any more", hint="go on with the code of the run")
    if found.version != stored["pinned"]:
        raise UnsupportedError(
            f"the run was started with version {stored['pinned']} of `{name}`, and the code here is {found.version}",
            hint="go on with the code of that version",
        )
    return found


def _names_attribute(target: str) -> bool:
    place, colon, name = target.rpartition(":")
    return bool(colon) and bool(place) and (not name or name.isidentifier())


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


def _found_again(module: str, path: str | None) -> ModuleType:
    """Return the module of a run's code: one that is loaded from its file, else from that file, else by its name."""
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


def _loaded_from(path: str) -> Iterator[ModuleType]:
    for one in list(sys.modules.values()):
        if getattr(one, "__file__", None) and Path(str(one.__file__)).resolve() == Path(path):
            yield one


def _imported(file: Path) -> ModuleType:
    """Import a file under its own name; what lies beside it can be imported by it."""
    for loaded in _loaded_from(str(file)):
        return loaded
    _put_on_path(str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"workflow_of_{abs(hash(str(file)))}"
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


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _listed(found: dict[str, FunctionDefinition]) -> str:
    return "it holds " + (", ".join(f"`{name}`" for name in found) or "none")
