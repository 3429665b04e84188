"""A definition: documents with every sub-workflow they name, as JSON that is stored with a run; no files, no YAML.

`{"kind": "document", "version": 1, "root": KEY, "documents": {KEY: {"text", "path", "tree", "refs"}}}`, where
`refs` maps each `workflow_ref` as written to a key. Documents may name each other, and themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from checkpointflow.errors import UnsupportedError
from checkpointflow.frontends.document.model import Document
from checkpointflow.values import JsonObject, fingerprint, fingerprint_text

KIND = "document"
VERSION = 1


def entry(text: str, path: str | None, tree: JsonObject, refs: Mapping[str, str]) -> JsonObject:
    """Return what a definition keeps of one document."""
    return {"text": text, "path": path, "tree": tree, "refs": dict(refs)}


def bundle(root: str, documents: Mapping[str, JsonObject]) -> JsonObject:
    """Return the definition of these documents."""
    return {"kind": KIND, "version": VERSION, "root": root, "documents": dict(documents)}


def definition_hash(definition: JsonObject) -> str:
    """Return the hash of a definition: its text and, per `workflow_ref` as written, the hash of what it names.

    Where files lie does not count. In a circle of documents the hashes are unrolled as often as there
    are documents, which tells any two apart that differ somewhere.
    """
    documents = _documents(definition)
    texts = {key: fingerprint_text(str(one["text"])) for key, one in documents.items()}
    hashes = dict(texts)
    for _ in documents:
        hashes = {
            key: fingerprint([texts[key], {ref: hashes[name] for ref, name in _refs(one).items()}])
            for key, one in documents.items()
        }
    return hashes[str(definition["root"])]


def open_definition(definition: JsonObject) -> Document:
    """Return the document of a stored definition, its sub-workflows in its `library`; nothing is checked again.

    Raises:
        UnknownKindError: a step is of a kind that this version does not have.
        UnsupportedError: the definition was written by a newer version.
    """
    if definition.get("kind") != KIND or definition.get("version") != VERSION:
        raise UnsupportedError(
            "the stored definition is of a form that this version does not know",
            hint="go on with the version that started the run",
        )
    library: dict[str, Document] = {}
    for key, one in _documents(definition).items():
        path = one["path"]
        library[key] = Document.from_tree(
            cast(JsonObject, one["tree"]),
            path=path if isinstance(path, str) else None,
            refs=_refs(one),
            library=library,
        )
    for document in library.values():
        document.refuse_unknown_kinds()
    return library[str(definition["root"])]


def _documents(definition: JsonObject) -> dict[str, JsonObject]:
    return cast("dict[str, JsonObject]", definition["documents"])


def _refs(one: JsonObject) -> dict[str, str]:
    return cast("dict[str, str]", one["refs"])
