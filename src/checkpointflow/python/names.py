"""Workflows by name: those that were imported, those of the modules in `CPF_WORKFLOWS`, and entry points."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast
from weakref import WeakValueDictionary

from checkpointflow.config import workflow_modules
from checkpointflow.errors import UsageError, said
from checkpointflow.frontends.definition import Definition
from checkpointflow.schemas import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "checkpointflow.workflows"
_imported: WeakValueDictionary[int, object] = WeakValueDictionary()
_given: list[Definition] = []
"""Those that entry points gave."""


def register(definition: object) -> None:
    """Have a definition found by its id from now on, as long as somebody keeps it."""
    _imported[id(definition)] = definition


def named(name: str) -> Definition:
    """Return the workflow with an id.

    Raises:
        UsageError: there is none, or there are several, or a module of `CPF_WORKFLOWS` cannot be imported.
    """
    found = _with_id(name)
    if not found:
        _import_modules()
        found = _with_id(name) or _of_entry_points(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several workflows are called `{name}`; give the one that is meant itself")
    known = sorted({one.id for one in _all()} | {one.name for one in _entry_points()})
    hint = did_you_mean(name, known) or "import its module first, or name it in `CPF_WORKFLOWS`"
    raise UsageError(f"there is no workflow `{name}`", hint=hint)


def _all() -> list[Definition]:
    return [cast(Definition, one) for one in list(_imported.values())]


def _with_id(name: str) -> list[Definition]:
    """Return the workflows with an id that differ; a document may have been read twice."""
    return list({one.digest: one for one in _all() if one.id == name}.values())


def _import_modules() -> None:
    for module in workflow_modules():
        try:
            importlib.import_module(module)
        except Exception as error:
            raise UsageError(
                f"`CPF_WORKFLOWS` names `{module}`, which cannot be imported: {said(error)}",
                hint="mend it, or put its folder on PYTHONPATH",
            ) from None


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _of_entry_points(name: str) -> list[Definition]:
    _given.extend(one.load() for one in _entry_points() if one.name == name)
    return [one for one in _given if one.id == name]
