"""The document that `-f` names; in this version a target is a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import UsageError

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.frontends.document.loader import Loaded

_CODE = re.compile(r".+\.py(:.*)?|[A-Za-z_][\w.]*:\w+")


def load(door: Door, target: str) -> Loaded:
    """Return the document of a target, checked.

    Raises:
        UsageError: the target names code.
        FileMissingError, YamlError, DocumentError, UnknownKindError: as the loader says.
    """
    if _CODE.fullmatch(target) and not _is_document(Path(door.settings.cwd) / target):
        raise UsageError(f"`{target}` names Python code, and this version runs YAML documents; give it a file")
    from checkpointflow.frontends.document.loader import load_file

    return load_file(target, cwd=door.settings.cwd)


def _is_document(path: Path) -> bool:
    return path.suffix != ".py" and path.is_file()
