"""Which file holds the cases of a document, and which document a file of cases is about; nothing is read here."""

from __future__ import annotations

from pathlib import Path

SCHEMA_VERSION = "checkpointflow-test/v1"
_MARK = ".test"
_YAML = (".yaml", ".yml")
_DOCUMENTS = (*_YAML, ".json")


def is_case_file(path: Path) -> bool:
    """Tell whether a file holds cases, by its name: `publish.test.yaml`."""
    return path.suffix in _YAML and Path(path.stem).suffix == _MARK


def case_file_of(document: Path) -> Path:
    """Return where the cases of a document are kept: `publish.test.yaml` beside `publish.yaml`."""
    suffix = document.suffix if document.suffix in _YAML else ".yaml"
    stem = document.stem if document.suffix in _DOCUMENTS else document.name
    return document.parent / f"{stem}{_MARK}{suffix}"


def document_of(case_file: Path) -> Path:
    """Return the document beside its cases, the first that is there; `publish.yaml` if none is."""
    stem = Path(case_file.stem).stem
    found = [case_file.with_name(stem + suffix) for suffix in _DOCUMENTS]
    return next((file for file in found if file.is_file()), found[0])
