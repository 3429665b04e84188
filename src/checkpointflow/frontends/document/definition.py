"""A definition: documents with every sub-workflow they name, as JSON that is stored with a run; no files, no YAML.

`{"kind": "document", "version": 1, "root": KEY, "documents": {KEY: {"text", "path", "tree", "refs"}}}`, where
`refs` maps each `workflow_ref` as written to a key. Documents may name each other, and themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, cast

from checkpointflow.errors import UnsupportedError
from checkpointflow.frontends.definition import Meanings, StepTraits
from checkpointflow.frontends.document.model import Document
from checkpointflow.kernel.run import Workflow
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue, fingerprint, fingerprint_text
from checkpointflow.version import __version__

if TYPE_CHECKING:
    from checkpointflow.pictures.picture import Picture

KIND = "document"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A document that can be run, as a Definition.

    `problems` are its warnings and those of its sub-workflows, in order, if it was just read; `stored` is plain JSON
    from which `open_definition` makes the same document again.
    """

    document: Document
    problems: list[JsonObject]
    stored: JsonObject
    labels: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The workflow's id."""
        return self.document.id

    @property
    def name(self) -> str | None:
        """The workflow's name for people."""
        return self.document.name

    @property
    def version(self) -> str | None:
        """The workflow's version."""
        return self.document.version

    @property
    def path(self) -> str | None:
        """The file that it was read from."""
        return self.document.path

    @property
    def inputs(self) -> JsonValue:
        """The JSON Schema of the input."""
        return self.document.inputs

    @cached_property
    def digest(self) -> str:
        """The hash of its text and of the texts that it names."""
        return definition_hash(self.stored)

    def takes_over(self, digest: str, _stored: JsonObject) -> bool:
        """Tell whether it is the same text."""
        return digest == self.digest

    def normal_input(self, run_input: JsonValue) -> JsonValue:
        """Return the input as it is."""
        return run_input

    def workflow(self) -> Workflow:
        """Return what decides a run of the document."""
        from checkpointflow.frontends.document.interpreter import DocumentWorkflow

        return DocumentWorkflow(self.document)

    def secrets(self) -> list[tuple[str, JsonObject]]:
        """Return the secrets that it and its sub-workflows need."""
        return self.document.all_secrets()

    def step(self, key: str) -> StepTraits | None:
        """Return what it says of a step; None if it has no such step."""
        from checkpointflow.frontends.document.keys import step_at

        step = step_at(self.document, key)
        if step is None:
            return None
        return StepTraits(effect="once" if step.effect == "once" else "idempotent", output_schema=step.outputs)

    def meanings(self) -> Meanings:
        """Return what its steps mean."""
        from checkpointflow.frontends.document.meanings import DocumentMeanings

        return DocumentMeanings(self.document)

    def events(self) -> list[str]:
        """Return the names of the events that it and its sub-workflows wait for."""
        documents = {id(one): one for one in (self.document, *self.document.library.values())}
        steps = (step for one in documents.values() for step in one.all_steps() if step.kind == "await_event")
        return list(dict.fromkeys(str(step.fields["event_name"]) for step in steps))

    def picture(self) -> Picture:
        """Return the document as a picture, sub-workflows in it."""
        from checkpointflow.frontends.document.picture import picture_of

        return picture_of(self.document)

    def sources(self) -> list[str]:
        """Return its file and those of its sub-workflows."""
        documents = (self.document, *self.document.library.values())
        return [one.path for one in documents if one.path is not None]


def entry(text: str, path: str | None, tree: JsonObject, refs: Mapping[str, str]) -> JsonObject:
    """Return what a definition keeps of one document."""
    return {"text": text, "path": path, "tree": tree, "refs": dict(refs)}


def bundle(root: str, documents: Mapping[str, JsonObject], *, is_clean: bool) -> JsonObject:
    """Return the definition of these documents; `is_clean` if they were checked and there was nothing to say."""
    checked: JsonObject = {"checked": checker()} if is_clean else {}
    return {"kind": KIND, "version": VERSION, "root": root, "documents": dict(documents), **checked}


def checker() -> str:
    """Return what decides whether a document is in order: this version, and the extras that are installed."""
    from importlib.util import find_spec

    return f"{__version__}+re2" if find_spec("re2") else __version__


def hash_of_text(text: str) -> str:
    """Return the hash of the definition of a text that names no other document."""
    return definition_hash({"root": "0", "documents": {"0": {"text": text, "refs": {}}}})


def known(stored: JsonObject, *, path: str) -> Loaded | None:
    """Return the document of a stored definition without checking it again; None if it was not found in order."""
    if stored.get("kind") != KIND or stored.get("checked") != checker():
        return None
    return Loaded(document=open_definition(stored, path=path), problems=[], stored=stored)


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


def open_definition(definition: JsonObject, *, path: str | None = None) -> Document:
    """Return the document of a stored definition, its sub-workflows in its `library`; nothing is checked again.

    `path` is where the document lies, if that is not where it was stored from: one text may lie in several places.

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
    root = str(definition["root"])
    for key, one in _documents(definition).items():
        place = path if path is not None and key == root else one["path"]
        library[key] = Document.from_tree(
            cast(JsonObject, one["tree"]),
            path=place if isinstance(place, str) else None,
            refs=_refs(one),
            library=library,
        )
    for document in library.values():
        document.refuse_unknown_kinds()
    return library[root]


def _documents(definition: JsonObject) -> dict[str, JsonObject]:
    return cast("dict[str, JsonObject]", definition["documents"])


def _refs(one: JsonObject) -> dict[str, str]:
    return cast("dict[str, str]", one["refs"])
