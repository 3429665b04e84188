"""The problems of one document, each with its place; how they are found is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from checkpointflow.errors import (
    CheckpointflowError,
    DocumentError,
    DuplicateStepError,
    ExpressionError,
    UnknownKindError,
    YamlError,
)
from checkpointflow.frontends.document.positions import Place, Source
from checkpointflow.values import JsonObject, JsonValue

Path: TypeAlias = tuple[str | int, ...]
Severity: TypeAlias = Literal["error", "warning"]

MAX_ERRORS = 500
MAX_WARNINGS = 500
_LONG_WORD = 120
_LONG_SENTENCE = 1000
_QUOTED = re.compile(rf"`([^`]{{{_LONG_WORD + 1},}})`")
EXPRESSION = ExpressionError.code
DUPLICATE = DuplicateStepError.code
UNKNOWN_KIND = UnknownKindError.code
_PRECISE: tuple[type[DocumentError], ...] = (YamlError, DuplicateStepError)


class TooManyProblems(Exception):  # noqa: N818 - it says that enough was found
    """A document has so many errors that the rest is not looked for."""


class Findings:
    """Gathers what is wrong or doubtful in one document, in any order.

    After `MAX_ERRORS` errors every further one raises TooManyProblems; of warnings the first `MAX_WARNINGS` are kept.
    """

    def __init__(self, source: Source, file: str | None) -> None:
        self._source = source
        self._file = file
        self._errors = 0
        self._warnings = 0
        self.problems: list[JsonObject] = []

    def has_error_at(self, path: Path) -> bool:
        """Tell whether something is wrong with the value at a path, so that it counts no more."""
        return any(one["severity"] == "error" and one["path"] == path_text(path) for one in self.problems)

    def error(
        self, path: Path, message: str, hint: str | None = "", *, code: str = DocumentError.code, at_key: bool = False
    ) -> None:
        """Keep an error about the value at a path, or about its key."""
        self._count_error(code)
        place = self._source.key_at(path) if at_key else self._source.value_at(path)
        self._keep("error", code, path, place, message, hint)

    def error_in(self, path: Path, offset: int, message: str, hint: str | None, *, code: str = EXPRESSION) -> None:
        """Keep an error about a character of the text at a path."""
        self._count_error(code)
        self._keep("error", code, path, self._source.character_at(path, offset), message, hint)

    def error_on(self, place: Place, message: str, hint: str) -> None:
        """Keep an error of the text itself, which is about no path."""
        self._count_error(YamlError.code)
        self._keep("error", YamlError.code, (), place, message, hint)

    def warning(self, path: Path, message: str, hint: str | None, *, at_key: bool = False) -> None:
        """Keep a warning about the value at a path, or about its key."""
        if self._takes_warning():
            place = self._source.key_at(path) if at_key else self._source.value_at(path)
            self._keep("warning", DocumentError.code, path, place, message, hint)

    def warning_in(self, path: Path, offset: int, message: str, hint: str | Callable[[], str] | None) -> None:
        """Keep a warning about a character of the text at a path; a hint may be what makes it."""
        if self._takes_warning():
            place = self._source.character_at(path, offset)
            self._keep("warning", EXPRESSION, path, place, message, hint() if callable(hint) else hint)

    def _count_error(self, code: str) -> None:
        self._errors += 1
        if self._errors <= MAX_ERRORS:
            return
        if self._errors == MAX_ERRORS + 1:
            message = f"there are more than {MAX_ERRORS} errors, and the rest is not looked for"
            self._keep("error", code, (), self._source.last_line, message, "mend the others first")
        raise TooManyProblems

    def _takes_warning(self) -> bool:
        self._warnings += 1
        if self._warnings == MAX_WARNINGS + 1:
            message = f"there are more than {MAX_WARNINGS} warnings, and the rest is not shown"
            self._keep("warning", DocumentError.code, (), self._source.last_line, message, "mend the others first")
        return self._warnings <= MAX_WARNINGS

    def _keep(self, severity: Severity, code: str, path: Path, place: Place, message: str, hint: str | None) -> None:
        self.problems.append(problem(severity, code, self._file, path, place, message, hint))


def problem(
    severity: Severity, code: str, file: str | None, path: Path, place: Place, message: str, hint: str | None
) -> JsonObject:
    """Return a problem as doors show it: line and column count from 1, `path` is the place in the tree.

    Of what is quoted in `message` and `hint` only the beginning is kept.
    """
    return {
        "severity": severity,
        "code": code,
        "file": file,
        "path": path_text(path),
        "line": place.line,
        "column": place.column,
        "message": _short(message),
        "hint": _short(hint or ""),
    }


def _short(sentence: str) -> str:
    """Cut what stands between backticks, and the whole where even that leaves too much."""
    if len(sentence) <= _LONG_WORD:
        return sentence
    cut = _QUOTED.sub(lambda found: f"`{found[1][:_LONG_WORD]}…`", sentence)
    return cut if len(cut) <= _LONG_SENTENCE else f"{cut[:_LONG_SENTENCE]}…"


def path_text(path: Path) -> str:
    """Return a path as text: `workflow.steps[2].command`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def in_order(problems: Iterable[JsonObject]) -> list[JsonObject]:
    """Return problems in the order of the text, each once; those of one file stay together."""
    files: dict[JsonValue, int] = {}
    unique = {(p["file"], p["line"], p["column"], p["path"], p["message"]): p for p in problems}
    for p in unique.values():
        files.setdefault(p["file"], len(files))
    return sorted(unique.values(), key=lambda p: (files[p["file"]], p["line"], p["column"]))


def refusal(problems: list[JsonObject]) -> CheckpointflowError:
    """Return the error for a document with these problems: the most specific class that fits all its errors."""
    errors = [p for p in problems if p["severity"] == "error"]
    codes = {p["code"] for p in errors}
    first = errors[0]
    message, hint = _sentence(errors), str(first["hint"]) or None
    if codes == {UNKNOWN_KIND}:
        return UnknownKindError(message, details={"problems": list(problems)}, hint=hint)
    for precise in _PRECISE:
        if codes == {precise.code}:
            return precise(message, problems=problems, hint=hint)
    return DocumentError(message, problems=problems, hint=hint)


def _sentence(errors: list[JsonObject]) -> str:
    first = errors[0]
    file = f"`{first['file']}`" if first["file"] else "the document"
    where = f"line {first['line']}, column {first['column']}: {first['message']}"
    if len(errors) == 1:
        return f"{file} cannot be used: {where}"
    return f"{file} cannot be used, there are {len(errors)} problems; the first is in {where}"
