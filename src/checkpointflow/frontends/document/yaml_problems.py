"""What is wrong with a text as YAML, as sentences with a place and a remedy; reading it is elsewhere."""

from __future__ import annotations

import re
from typing import Any

from checkpointflow.errors import YamlError
from checkpointflow.frontends.document.positions import Place
from checkpointflow.values import JsonObject

_DASHES = re.compile(r"\s*(?:-\s+)*")
_KEY = re.compile(r"""\s*(?:-\s+)*("[^"]*"|'[^']*'|[^\s:#'"{\[-][^:]*):(?:\s|$)""")


class SyntaxProblem(Exception):  # noqa: N818 - it never leaves this room
    """Why a text is not a document that we read, and where."""

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.hint = message, place, hint
        self.before: tuple[SyntaxProblem, ...] = ()
        """What else was found before the reading ended here."""


def as_yaml_error(problem: SyntaxProblem, file: str | None) -> YamlError:
    """Return the error that a door shows for a text that could not be read."""
    where = f"`{file}`" if file else "the document"
    return YamlError(
        f"{where} cannot be read at line {problem.place.line}, column {problem.place.column}: {problem.message}",
        problems=[_entry(one, file) for one in (*problem.before, problem)],
        hint=problem.hint or None,
    )


def _entry(problem: SyntaxProblem, file: str | None) -> JsonObject:
    return {
        "severity": "error",
        "code": YamlError.code,
        "file": file,
        "path": "",
        "line": problem.place.line,
        "column": problem.place.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def explain(text: str, error: Any) -> SyntaxProblem:
    """Return a parser's error as a sentence with its place and, where the cause can be guessed, a remedy."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    lines = text.split("\n")
    if mark is None:
        return SyntaxProblem(problem.split("\n", 1)[0][:200], Place(1, 1))
    place = Place(min(mark.line, len(lines) - 1) + 1, mark.column + 1)
    line = lines[place.line - 1]
    opened = getattr(error, "context_mark", None)
    if "quoted scalar" in str(getattr(error, "context", "")) and opened is not None:
        return SyntaxProblem(
            "a quotation mark is opened here and never closed",
            Place(opened.line + 1, opened.column + 1),
            "close it, or escape the inner ones",
        )
    context = str(getattr(error, "context", None) or "")
    hint = (
        _tab(line, place)
        or _misplaced(lines, place)
        or _guess(line, context)
        or _line_up(context, opened, place, lines)
    )
    return SyntaxProblem(f"this is not YAML: {problem[:160]}", place, hint)


def _tab(line: str, place: Place) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    is_tab = "\t" in indent or line[place.column - 1 : place.column] == "\t"
    return "YAML is indented with blanks; replace the tab" if is_tab else ""


def _misplaced(lines: list[str], place: Place) -> str:
    """Say where a line belongs whose dash or first key stands in a column of its own."""
    starts = _starts(lines[place.line - 1])
    if not starts or place.column > starts[0][0] + len(starts[0][1]) + 1:
        return ""
    column, word = starts[0]
    known = [
        (abs(one - column), place.line - 1 - number, one, name)
        for number, text in enumerate(lines[: place.line - 1])
        for one, name in _starts(text)
        if (name == "-") == (word == "-")
    ]
    nearest = min(known, default=None)
    if nearest is None or nearest[0] == 0:
        return ""
    _, back, at, name = nearest
    return f"the indentation is wrong: line it up with line {place.line - back}, column {at} (`{name[:40]}`)"


def _starts(line: str) -> list[tuple[int, str]]:
    """The columns of a line's dashes and of its first key."""
    lead = _DASHES.match(line)
    found = [(column, "-") for column, char in enumerate(lead[0] if lead else "", start=1) if char == "-"]
    key = _KEY.match(line)
    return [*found, (key.start(1) + 1, key.group(1))] if key else found


def _guess(line: str, context: str) -> str:
    value = _value_part(line)
    if value[:1] in ("@", "`", "%", "*", "&", "!") or value.startswith("{{"):
        return f"text that begins with `{value[0]}` has to stand in quotes"
    if value[:1] in ("{", "["):
        return f"close what `{value[0]}` opens; a text that begins with it has to stand in quotes"
    if value[:1] in ('"', "'"):
        return "nothing may follow a closing quotation mark: quote the whole text, or use `|` and a new line"
    if re.search(r":(\s|$)", value) and "flow" not in context:
        return "text with a colon and a blank in it has to stand in quotes, or below a `|`"
    return ""


def _line_up(context: str, opened: Any, place: Place, lines: list[str]) -> str:
    if "flow" in context and opened is not None:
        return f"close the bracket that line {opened.line + 1} opens"
    number = opened.line + 1 if "block" in context and opened is not None else place.line
    if number >= place.line:
        number = _line_before(lines, place.line)
    text = lines[number - 1].strip()[:40]
    return f"the indentation is probably wrong: line it up with line {number} (`{text}`)"


def _value_part(line: str) -> str:
    """What stands in a line after its list dashes and its first `key:`."""
    rest = re.sub(r"^\s*(-\s+)*", "", line)
    found = re.match(r"""("[^"]*"|'[^']*'|[^\s:#][^:]*):(\s+|$)(.*)""", rest)
    return found.group(3) if found else rest


def _line_before(lines: list[str], number: int) -> int:
    """The last line before `number` that says something, else the first."""
    for index in range(number - 2, -1, -1):
        text = lines[index].strip()
        if text and not text.startswith("#"):
            return index + 1
    return 1
