"""Reads a file of cases and checks it against its document, all problems at once; nothing is run here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from checkpointflow.errors import FileMissingError
from checkpointflow.frontends.document.findings import Findings, in_order, refusal
from checkpointflow.frontends.document.loader import Loaded, load_file
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.frontends.document.strict_yaml import (
    MAX_BYTES,
    ReadSource,
    decode,
    parse,
)
from checkpointflow.frontends.document.structure import check_tree
from checkpointflow.frontends.document.yaml_problems import SyntaxProblem, as_yaml_error
from checkpointflow.kernel.scope import last_name
from checkpointflow.records import dataclass
from checkpointflow.schemas import did_you_mean
from checkpointflow.testing.beside import SCHEMA_VERSION, case_file_of, document_of, is_case_file
from checkpointflow.testing.case_schema import cases_schema
from checkpointflow.values import JsonObject, JsonValue

EFFECTS = ("cli", "api", "python")
_GIVES: Mapping[str, frozenset[str]] = {
    "cli": frozenset({"stdout", "stderr", "exit_code"}),
    "api": frozenset({"status_code", "headers", "body"}),
    "python": frozenset(),
}
"""The fields of a mock that belong to one kind; `output`, `error` and `lost` go with every kind, and alone."""
_ALONE = ("output", "error", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case as written: its name, its line in the file, its fields, with all mocks that count for it."""

    name: str
    line: int
    fields: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """The cases of one document, both checked."""

    path: Path
    loaded: Loaded
    cases: tuple[Case, ...]


def names_step(name: str, key: str) -> bool:
    """Tell whether a name that is a step's id, or a whole key, means the step that has this key."""
    return name == (key if is_key(name) else last_name(key))


def is_key(name: str) -> bool:
    """Tell whether a name can only be a whole key."""
    return any(char in name for char in "/[#")


def load_cases(path: str | Path, *, cwd: str | Path) -> CaseFile:
    """Return the cases of a file, which is that of the cases or their document; a relative path starts from `cwd`.

    Raises:
        FileMissingError: there is no such file, or no cases beside it.
        YamlError, DocumentError: one of both files has problems; all are in `problems`, with line and column.
        UnknownKindError: as the loader of documents says.
    """
    file = _case_file(Path(cwd) / path, str(path))
    source = _read(file)
    written = source.tree.get("document")
    document = file.parent / written if isinstance(written, str) else document_of(file)
    loaded = load_file(document, cwd=cwd)
    return check_cases(source, file, loaded)


def check_cases(source: ReadSource, file: Path | None, loaded: Loaded) -> CaseFile:
    """Return the cases of a text that was read, from a file or from nowhere.

    Raises:
        DocumentError: it has problems.
    """
    findings = Findings(source, None if file is None else str(file))
    for one in source.repeated:
        findings.error_on(one.place, one.message, one.hint)
    check_tree(source.tree, cases_schema(), findings)
    if not findings.problems:
        _Checks(loaded.document, findings).check(source.tree)
    if findings.problems:
        raise refusal(in_order(findings.problems))
    shared = fields_of(source.tree.get("mocks"))
    cases = cast("list[JsonObject]", source.tree["cases"])
    return CaseFile(
        path=file or Path(),
        loaded=loaded,
        cases=tuple(
            Case(
                name=str(fields["name"]),
                line=source.key_at(("cases", index)).line,
                fields=fields | {"mocks": _mocks(shared, fields)},
            )
            for index, fields in enumerate(cases)
        ),
    )


def _mocks(shared: JsonObject, case: JsonObject) -> JsonObject:
    """Return the mocks of a case: its own, and those of the file for what it neither mocks nor has performed."""
    real = cast("list[str]", case.get("real", []))
    return {name: mock for name, mock in shared.items() if name not in real} | fields_of(case.get("mocks"))


def _case_file(file: Path, shown: str) -> Path:
    if is_case_file(file):
        return file
    beside = case_file_of(file)
    if file.is_file() and not beside.is_file():
        hint = "write the cases there; `cpf guide --topic testing` shows how"
        raise FileMissingError(f"`{shown}` has no cases: there is no `{beside.name}` beside it", hint=hint)
    return beside if file.is_file() else file


def _read(file: Path) -> ReadSource:
    try:
        with file.open("rb") as opened:
            return parse(decode(opened.read(MAX_BYTES + 1)), version=SCHEMA_VERSION)
    except SyntaxProblem as problem:
        raise as_yaml_error(problem, str(file)) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise FileMissingError(f"`{file}` cannot be read: {reason}", hint="check the path") from None


class _Checks:
    """What the schema cannot tell: whether names are those of the document, and mocks fit their steps."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._findings = findings
        self._steps: dict[str, list[Step]] = {}
        documents = {id(one): one for one in (document, *document.library.values())}
        for step in (step for one in documents.values() for step in one.all_steps()):
            self._steps.setdefault(step.id, []).append(step)

    def check(self, tree: JsonObject) -> None:
        self._check_mocks(("mocks",), tree.get("mocks"))
        seen: set[str] = set()
        for index, case in enumerate(cast("list[dict[str, Any]]", tree["cases"])):
            at = ("cases", index)
            if case["name"] in seen:
                self._findings.error((*at, "name"), f"two cases are named `{case['name']}`", "rename one of them")
            seen.add(case["name"])
            self._check_mocks((*at, "mocks"), case.get("mocks"))
            self._check_script(at, case)
            self._check_expected((*at, "expect"), case["expect"])

    def _check_mocks(self, at: tuple[str | int, ...], mocks: Any) -> None:
        for name, mock in (mocks or {}).items():
            steps = self._named((*at, name), name, EFFECTS, at_key=True)
            for index, one in enumerate(mock if isinstance(mock, list) else [mock]):
                path = (*at, name, index) if isinstance(mock, list) else (*at, name)
                self._check_mock(path, one, {step.kind for step in steps})

    def _check_mock(self, path: tuple[str | int, ...], mock: dict[str, Any], kinds: set[str]) -> None:
        own = [field for field in mock if any(field in fields for fields in _GIVES.values())]
        alone = [field for field in _ALONE if field in mock]
        for field in own if kinds else ():
            if not any(field in _GIVES.get(kind, ()) for kind in kinds):
                kind = ", ".join(f"`{kind}`" for kind in sorted(kinds))
                self._findings.error((*path, field), f"`{field}` does not belong to a step of kind {kind}", at_key=True)
        if alone and len(alone) + len(own) > 1:
            together = ", ".join(f"`{field}`" for field in (*alone, *own))
            self._findings.error(path, f"{together} exclude each other", f"keep `{alone[0]}`, or the others")

    def _check_script(self, at: tuple[str | int, ...], case: dict[str, Any]) -> None:
        for index, name in enumerate(case.get("real", ())):
            self._named((*at, "real", index), name, EFFECTS)
        for field in ("answers", "events"):
            for index, one in enumerate(case.get(field, ())):
                self._check_message((*at, field, index), one)
        if "wait" in case.get("cancel", {}):
            self._named((*at, "cancel", "wait"), case["cancel"]["wait"])

    def _check_message(self, at: tuple[str | int, ...], message: dict[str, Any]) -> None:
        if "wait" in message:
            kinds = EFFECTS if "decide" in message else ("await_event",)
            self._named((*at, "wait"), message["wait"], kinds)
        events = {str(step.fields.get("event_name")) for step in self._of_kinds(("await_event",))}
        if "event" in message and message["event"] not in events:
            hint = did_you_mean(message["event"], events) or _known(events)
            self._findings.error((*at, "event"), f"no step waits for the event `{message['event']}`", hint)

    def _check_expected(self, at: tuple[str | int, ...], expected: dict[str, Any]) -> None:
        path = expected.get("path", [])
        places = ((*at, "path"), path) if isinstance(path, list) else ((*at, "path", "in_order"), path["in_order"])
        for index, name in enumerate(places[1]):
            self._named((*places[0], index), name)
        for field, kinds in (("calls", EFFECTS), ("waits", ("await_event",))):
            for name in expected.get(field, {}):
                self._named((*at, field, name), name, kinds, at_key=True)
        if "step" in expected.get("error", {}):
            self._named((*at, "error", "step"), expected["error"]["step"])

    def _named(
        self, path: tuple[str | int, ...], name: str, kinds: Iterable[str] | None = None, *, at_key: bool = False
    ) -> list[Step]:
        """Return the steps of these kinds that a name or key means, and report it if there are none."""
        steps = self._steps.get(last_name(name), [])
        found = [step for step in steps if kinds is None or step.kind in kinds]
        if not steps:
            known = {step.id for step in self._of_kinds(kinds)}
            hint = did_you_mean(last_name(name), known) or _known(known)
            self._findings.error(path, f"there is no step `{last_name(name)}`", hint, at_key=at_key)
        elif not found:
            wanted = "wait" if kinds and "await_event" in kinds else "effect"
            message = f"`{last_name(name)}` is a step of kind `{steps[0].kind}`, which has no {wanted}"
            self._findings.error(path, message, "remove it", at_key=at_key)
        return found

    def _of_kinds(self, kinds: Iterable[str] | None) -> Iterator[Step]:
        for steps in self._steps.values():
            yield from (step for step in steps if kinds is None or step.kind in kinds)


def _known(names: Iterable[str]) -> str:
    shown = sorted(names)[:12]
    return f"there are {', '.join(f'`{name}`' for name in shown)}" if shown else ""


def fields_of(value: JsonValue) -> JsonObject:
    """Return a value that the schema has found to be an object, empty where it was left out."""
    return value if isinstance(value, dict) else {}
