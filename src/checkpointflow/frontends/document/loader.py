"""Reads a document and every sub-workflow it names, checks them, and makes the definition that a run keeps."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.errors import FileMissingError, YamlError
from checkpointflow.frontends.document.definition import Loaded, bundle, entry, open_definition
from checkpointflow.frontends.document.model import Document
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.frontends.document.findings import Findings
    from checkpointflow.frontends.document.positions import Source

__all__ = ["Loaded", "load_file", "load_text", "open_definition"]

MAX_DOCUMENTS = 500
_ROOT = "0"


def load_file(path: str | Path, *, cwd: str | Path) -> Loaded:
    """Return the document of a file; a relative path starts from `cwd`.

    Raises:
        FileMissingError: there is no such file, or it cannot be read.
        YamlError: it is no YAML that we read.
        DocumentError: it has other problems; all are in `problems`, with file, line and column.
        UnknownKindError: all that is wrong is kinds of steps which this version lacks.
    """
    from checkpointflow.frontends.document.strict_yaml import decode
    from checkpointflow.frontends.document.yaml_problems import SyntaxProblem, as_yaml_error

    file = Path(cwd) / path
    try:
        text = decode(_read(file))
    except SyntaxProblem as problem:
        raise as_yaml_error(problem, str(file)) from None
    except OSError as error:
        hint = "check the path" if isinstance(error, FileNotFoundError) else None
        raise FileMissingError(f"`{path}` cannot be read: {_reason(error)}", hint=hint) from None
    return load_text(text, source_path=file, cwd=cwd)


def load_text(text: str, *, source_path: str | Path | None, cwd: str | Path) -> Loaded:
    """Return the document of a text; `source_path` is where it came from, None for nowhere.

    A `workflow_ref` is looked up from the folder of the referring file, else from `cwd`.

    Raises:
        YamlError: it is no YAML that we read.
        DocumentError: it has other problems; all are in `problems`, with file, line and column.
        UnknownKindError: all that is wrong is kinds of steps which this version lacks.
    """
    loading = _Loading(Path(cwd))
    loading.add(text, None if source_path is None else Path(cwd) / source_path)
    return loading.finish()


def _read(file: Path) -> bytes:
    from checkpointflow.frontends.document.strict_yaml import MAX_BYTES

    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


class _Loading:
    """The documents read so far, and those still to be looked through; each file is read once."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._keys: dict[Path, str] = {}
        self._problems: list[JsonObject] = []
        self._entries: dict[str, JsonObject] = {}
        self._findings: dict[str, Findings] = {}
        self._waiting: deque[tuple[str, str, Path | None]] = deque()
        self._count = 0

    def add(self, text: str, file: Path | None) -> str:
        """Queue a document's text, and return its key."""
        key = str(self._count)
        self._count += 1
        if file is not None:
            self._keys[file.resolve()] = key
        self._waiting.append((key, text, file))
        return key

    def finish(self) -> Loaded:
        """Look through everything queued and all that it names."""
        from checkpointflow.frontends.document.findings import in_order

        while self._waiting:
            self._examine(*self._waiting.popleft())
        self._refuse_errors()
        document = open_definition(bundle(_ROOT, self._entries, is_clean=False))
        if document.library:
            self._check_links(document)
        definition = bundle(_ROOT, self._entries, is_clean=not self._problems)
        return Loaded(document=document, problems=in_order(self._problems), stored=definition)

    def _refuse_errors(self) -> None:
        from checkpointflow.frontends.document.findings import in_order, refusal

        if any(problem["severity"] == "error" for problem in self._problems):
            raise refusal(in_order(self._problems))

    def _check_links(self, document: Document) -> None:
        """Look at what the documents mean together, now that each is well by itself."""
        from checkpointflow.frontends.document.findings import TooManyProblems
        from checkpointflow.frontends.document.linked import check_links

        before = {key: len(one.problems) for key, one in self._findings.items()}
        with suppress(TooManyProblems):  # and so there are errors
            check_links(document.library, self._findings)
        for key, one in self._findings.items():
            self._problems.extend(one.problems[before[key] :])
        self._refuse_errors()

    def _examine(self, key: str, text: str, file: Path | None) -> None:
        from checkpointflow.frontends.document.findings import Findings, TooManyProblems
        from checkpointflow.frontends.document.lint import examine

        name = None if file is None else str(file)
        source = self._parsed(text, name)
        if source is None:
            return
        findings = self._findings[key] = Findings(source, name)
        try:
            refs = self._resolved(examine(source, name, findings), file, findings)
            self._entries[key] = entry(text, name, source.tree, refs)
        except TooManyProblems:
            pass  # and so there are errors: nothing is made of the document
        self._problems.extend(findings.problems)

    def _parsed(self, text: str, name: str | None) -> Source | None:
        from checkpointflow.frontends.document.strict_yaml import parse
        from checkpointflow.frontends.document.yaml_problems import SyntaxProblem, as_yaml_error

        try:
            return parse(text)
        except SyntaxProblem as problem:
            self._problems.extend(as_yaml_error(problem, name).problems)
        return None

    def _resolved(self, document: Document, file: Path | None, findings: Findings) -> dict[str, str]:
        """The key of each `workflow_ref`; files that are new are read and queued."""
        refs: dict[str, str] = {}
        for step in document.all_steps():
            ref = step.workflow_ref
            if ref and ref not in refs and "${" not in ref:
                key = self._key_of(ref, file, (*step.path, "workflow_ref"), findings)
                if key is not None:
                    refs[ref] = key
        return refs

    def _key_of(self, ref: str, file: Path | None, at: tuple[str | int, ...], findings: Findings) -> str | None:
        target = self._find(ref, file)
        if target is None:
            hint = "it is looked up from this file's folder, then from the working folder"
            findings.error(at, f"there is no file `{ref[:200]}`", hint, code=FileMissingError.code)
            return None
        known = self._keys.get(target.resolve())
        if known is not None:
            return known
        if self._count >= MAX_DOCUMENTS:
            findings.error(at, f"more than {MAX_DOCUMENTS} documents are named")
            return None
        return self._read_into(target, at, findings)

    def _find(self, ref: str, file: Path | None) -> Path | None:
        folders = [self._cwd] if file is None else [file.parent, self._cwd]
        try:
            return next((folder / ref for folder in folders if (folder / ref).is_file()), None)
        except (OSError, ValueError):
            return None

    def _read_into(self, target: Path, at: tuple[str | int, ...], findings: Findings) -> str | None:
        from checkpointflow.frontends.document.strict_yaml import decode
        from checkpointflow.frontends.document.yaml_problems import SyntaxProblem

        try:
            return self.add(decode(_read(target)), target)
        except SyntaxProblem as problem:
            findings.error(at, f"`{target.name}` cannot be read: {problem.message}", problem.hint, code=YamlError.code)
        except OSError as error:
            findings.error(at, f"`{target.name}` cannot be read: {_reason(error)}", code=FileMissingError.code)
        return None
