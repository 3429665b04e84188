"""The document that `-f` names: a file, or a workflow that is found by its id or name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.document.loader import Loaded

_CODE = re.compile(r".+\.py(:.*)?|[A-Za-z_][\w.]*:\w+")
_PATH = re.compile(r".*([/\\]|\.ya?ml$|\.json$).*|\.*", re.DOTALL)


def load(door: Door, target: str, *, strict: bool = False) -> Loaded:
    """Return the document of a target, checked; under `strict` it has no warnings either.

    A file wins; else it is the workflow with that id, or name, in `./.checkpointflow` or the base folder.

    Raises:
        UsageError: the target names code, or several workflows.
        FileMissingError, YamlError, DocumentError, UnknownKindError: as the loader says.
    """
    loaded = _loaded(door, target)
    door.inputs = loaded.document.inputs
    if strict and loaded.problems:
        count = f"{len(loaded.problems)} warnings" if len(loaded.problems) > 1 else "a warning"
        message = f"`{target}` has {count}, which `--strict` does not let pass; mend what `problems` names"
        raise DocumentError(message, problems=loaded.problems)
    return loaded


def _loaded(door: Door, target: str) -> Loaded:
    from checkpointflow.cli import flows
    from checkpointflow.frontends.document.loader import load_file

    settings = door.settings
    if _is_document(Path(settings.cwd) / target):
        return load_file(target, cwd=settings.cwd)
    flow = flows.named(settings, target)
    if flow is not None:
        return flow.load()
    if _CODE.fullmatch(target):
        raise UsageError(f"`{target}` names Python code, and this version runs YAML documents; give it a file")
    if _PATH.fullmatch(target):
        return load_file(target, cwd=settings.cwd)  # which says why it cannot be read
    raise flows.missing(settings, target)


def _is_document(path: Path) -> bool:
    try:
        return path.suffix != ".py" and path.is_file()
    except (OSError, ValueError):
        return False
