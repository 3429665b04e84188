"""Finds the code of a workflow: as `file.py:name` or `module:name`, and where a run says that it stands."""

from __future__ import annotations

from types import ModuleType

from checkpointflow.errors import UnsupportedError, UsageError, said
from checkpointflow.frontends.code import found_again, imported
from checkpointflow.frontends.functions.definition import VERSION, FunctionDefinition
from checkpointflow.schemas import did_you_mean
from checkpointflow.values import JsonObject, JsonValue


def load_function(target: str, *, cwd: str) -> FunctionDefinition:
    """Return the workflow that `file.py:name` or `module:name` names; the name may be left out if there is only one.

    Raises:
        FileMissingError: there is no such file or module.
        DocumentError: it cannot be imported.
        UsageError: it holds no workflow of that name, or several.
    """
    place, _, name = target.rpartition(":") if _names_attribute(target) else (target, "", "")
    module = imported(place, cwd=cwd)
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
        found = _attribute(found_again(str(stored["module"]), path), str(stored["attribute"]))
    except (Exception, SystemExit) as error:
        raise UnsupportedError(
            f"{where}, which decides this run, cannot be had here: {said(error)}",
            hint="go on where that code can be imported, or put its folder on PYTHONPATH",
        ) from None
    if not isinstance(found, FunctionDefinition) or found.id != name:
        raise UnsupportedError(f"{where} is no workflow `{name}` any more", hint="go on with the code of the run")
    if found.version != stored["pinned"]:
        before, now = _version(stored["pinned"]), _version(found.version)
        raise UnsupportedError(
            f"the run of `{name}` was started {before}, and the code here is {now}",
            hint="go on with the code of the run",
        )
    return found


def _version(version: JsonValue) -> str:
    return "without a version" if version is None else f"with version {version}"


def _names_attribute(target: str) -> bool:
    place, colon, name = target.rpartition(":")
    return bool(colon) and bool(place) and (not name or name.isidentifier())


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _listed(found: dict[str, FunctionDefinition]) -> str:
    return "it holds " + (", ".join(f"`{name}`" for name in found) or "none")
