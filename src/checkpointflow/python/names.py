"""Workflows by name: those that were imported, those of the modules in `CPF_WORKFLOWS`, and entry points."""

from __future__ import annotations

import importlib
from typing import cast
from weakref import WeakSet

from checkpointflow.config import workflow_modules
from checkpointflow.errors import UsageError
from checkpointflow.frontends.definition import Definition
from checkpointflow.schemas import did_you_mean

GROUP = "checkpointflow.workflows"
_imported: WeakSet[object] = WeakSet()


def register(definition: object) -> None:
    """Have a definition found by its id from now on, as long as somebody keeps it."""
    _imported.add(definition)


def named(name: str) -> Definition:
    """Return the workflow with an id.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = _with_id(name)
    if not found:
        for module in workflow_modules():
            importlib.import_module(module)
        found = _with_id(name) or _of_entry_points(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several workflows are called `{name}`; give the one that is meant itself")
    known = sorted({one.id for one in _all()})
    hint = did_you_mean(name, known) or "import its module first, or name it in `CPF_WORKFLOWS`"
    raise UsageError(f"there is no workflow `{name}`", hint=hint)


def _all() -> list[Definition]:
    return [cast(Definition, one) for one in list(_imported)]


def _with_id(name: str) -> list[Definition]:
    return [one for one in _all() if one.id == name]


def _of_entry_points(name: str) -> list[Definition]:
    from importlib.metadata import entry_points

    found = [one.load() for one in entry_points(group=GROUP, name=name)]
    for one in found:
        register(one)
    return found
