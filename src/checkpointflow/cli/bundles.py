"""Bundles as commands name and show them; what is in one, the client knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli.actions import action
from checkpointflow.errors import UsageError
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door


def named(text: str, door: Door) -> Path:
    """Return the file that a word names.

    Raises:
        UsageError: it is a folder.
    """
    path = Path(door.settings.cwd, text)
    if path.is_dir():
        raise UsageError(f"`{text[:200]}` is a folder; name a file")
    return path


def bundle_fields(path: Path) -> JsonObject:
    """Return what an envelope says of a bundle, all of which is checked.

    Raises:
        BundleError: it is no sound bundle.
        FileMissingError: it is not there.
    """
    from checkpointflow.client.bundles.reading import Bundle, shown

    with Bundle(path) as bundle:
        return {"bundle": {"file": str(path), **shown(bundle.contents)}}


def taking_over(fields: JsonObject, title: str) -> JsonValue:
    """Return the command that takes over the run of a bundle, from what an envelope says of it."""
    bundle = fields["bundle"]
    assert isinstance(bundle, dict)
    how = ["--copy"] if bundle["copy"] else []
    return action(title, ["cpf", "import", str(bundle["file"]), *how])
