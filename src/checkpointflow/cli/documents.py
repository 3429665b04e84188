"""The workflow that `-f` names: a document or code by its file, or a workflow that is found by its id or name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import DocumentError, PersistenceError, UnsupportedError, UsageError
from checkpointflow.values import JsonValue
from checkpointflow.values import load as json_value

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.definition import Definition
    from checkpointflow.frontends.document.definition import Loaded

_CODE = re.compile(r".+\.py(:.*)?|[A-Za-z_][\w.]*:\w+")
_PATH = re.compile(r".*([/\\]|\.ya?ml$|\.json$).*|\.*", re.DOTALL)


def load(door: Door, target: str, *, strict: bool = False, handlers: str | None = None) -> Definition:
    """Return the workflow of a target, checked; under `strict` it has no warnings either.

    A document's file wins; else it is the workflow with that id, or name, in `./.checkpointflow` or the base folder;
    else code, as `file.py:name` or `module:name`. `handlers` names the module, or its file, of a graph's handlers.

    Raises:
        UsageError: the target names several workflows, or none of those in the code; or handlers for what is no graph.
        FileMissingError, YamlError, DocumentError, UnknownKindError: as the loader says.
    """
    loaded = _graph(door, target, handlers) or _loaded(door, target)
    if handlers is not None and loaded.stored["kind"] != "graph":
        raise UsageError(f"`--handlers` is for graphs, and `{target}` is none; leave it out")
    door.inputs = loaded.inputs
    if strict and loaded.problems:
        count = f"{len(loaded.problems)} warnings" if len(loaded.problems) > 1 else "a warning"
        message = f"`{target}` has {count}, which `--strict` does not let pass; mend what `problems` names"
        raise DocumentError(message, problems=loaded.problems)
    return loaded


def load_document(door: Door, target: str, *, strict: bool = False) -> Loaded:
    """Return the document of a target.

    Raises:
        UnsupportedError: it is code.
        The errors of `load`.
    """
    from checkpointflow.frontends.document.definition import Loaded

    loaded = load(door, target, strict=strict)
    if not isinstance(loaded, Loaded):
        message = f"what `{target}` will do is known only when it runs; plans are for documents"
        raise UnsupportedError(message, hint="`cpf validate` tells whether it can be run, and what input it takes")
    return loaded


def _loaded(door: Door, target: str) -> Definition:
    from checkpointflow.cli import flows
    from checkpointflow.frontends.document.loader import load_file

    settings = door.settings
    if _is_document(Path(settings.cwd) / target):
        return _known(door, Path(settings.cwd) / target) or load_file(target, cwd=settings.cwd)
    flow = flows.named(settings, target)
    if flow is not None:
        return flow.load()
    if _CODE.fullmatch(target):
        from checkpointflow.frontends.functions.loading import load_function

        return load_function(target, cwd=settings.cwd)
    if _PATH.fullmatch(target):
        return load_file(target, cwd=settings.cwd)  # which says why it cannot be read
    raise flows.missing(settings, target)


def _known(door: Door, path: Path) -> Loaded | None:
    """Return a document that a run here was started with before, from the store: nothing is parsed or checked again."""
    from checkpointflow.frontends.document.definition import hash_of_text, known

    if door.engine is not None or (door.settings.store is None and not (door.settings.home / "runs.db").exists()):
        return None
    try:
        stored = door.reader().kept_definition(hash_of_text(path.read_bytes().decode("utf-8-sig")))
    except (OSError, ValueError, PersistenceError):
        return None  # reading it the usual way says what is wrong, or gets along without the store
    return None if stored is None else known(stored, path=str(path))


def _graph(door: Door, target: str, handlers: str | None) -> Definition | None:
    """Return the graph of a JSON file that holds one, else None."""
    path = Path(door.settings.cwd) / target
    if path.suffix != ".json" or not _is_document(path):
        return None
    found = _json(path)
    if not isinstance(found, dict) or "nodes" not in found:
        return None
    from checkpointflow.frontends.graph.definition import load_graph

    return load_graph(found, path=str(path.resolve()), handlers=handlers, cwd=door.settings.cwd)


def _json(path: Path) -> JsonValue:
    """Return what a file holds as JSON; None if it is none, which the document's loader explains."""
    try:
        return json_value(path.read_bytes())
    except (OSError, ValueError):
        return None


def _is_document(path: Path) -> bool:
    try:
        return path.suffix != ".py" and path.is_file()
    except (OSError, ValueError):
        return False
