"""YAML documents as definitions that run themselves."""

from __future__ import annotations

from pathlib import Path

from checkpointflow.config import load_settings
from checkpointflow.frontends.document.definition import Loaded
from checkpointflow.python import names
from checkpointflow.python.running import Runnable
from checkpointflow.values import JsonValue


class Document(Loaded, Runnable[JsonValue]):
    """A YAML document with all its sub-workflows, checked; see Runnable for how it is run."""

    @classmethod
    def load(cls, path: str | Path) -> Document:
        """Return the document of a file.

        Raises:
            FileMissingError: it cannot be read.
            DocumentError, YamlError: it has problems; all are in `problems`, with line and column.
            UnknownKindError: a step is of a kind that this version lacks.
        """
        from checkpointflow.frontends.document.loader import load_file

        loaded = load_file(path, cwd=load_settings().cwd)
        return cls._of(loaded)

    @classmethod
    def parse(cls, text: str) -> Document:
        """Return the document of a text; files that it names are looked for in the working folder.

        Raises:
            As `load`.
        """
        from checkpointflow.frontends.document.loader import load_text

        cwd = load_settings().cwd
        return cls._of(load_text(text, source_path=None, cwd=cwd))

    @classmethod
    def _of(cls, loaded: Loaded) -> Document:
        found = cls(document=loaded.document, problems=loaded.problems, stored=loaded.stored)
        names.register(found)
        return found
