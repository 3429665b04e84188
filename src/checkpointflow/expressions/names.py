"""Names: how the words of a path are read and joined, what a scope says about them, and what that is worth noting."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NoReturn

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.places import Member, Place, Schema, StepShape, StepsPlace
from checkpointflow.records import dataclass, field
from checkpointflow.schemas import closest

_WORD = re.compile(r"\w+")
_DASHED = re.compile(r"\w+(?:-\w+)*")
_NO_WORD = re.compile(r"\W")
_LONGEST_JOINED = 256
"""Longer names than this are read as far as they are plain words."""

_STEP_ENDS = frozenset(" \t\r\n.[)],}?:=!<>&|+*/%")
_NOUNS = {
    "string": "text", "integer": "a number", "number": "a number", "boolean": "a boolean",
    "array": "a list", "object": "an object", "null": "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an expression may see: the schema of each root, and the steps if there are any to see."""

    roots: Mapping[str, Schema]
    steps: Mapping[str, StepShape] | None = None
    _places: dict[str, Place] = field(default_factory=dict, init=False, repr=False, compare=False)

    def has(self, word: str) -> bool:
        """Tell whether a word names a root."""
        return word in self.roots or (word == "steps" and self.steps is not None)

    def place(self, word: str) -> Place:
        """Return the place of a root that exists; expressions of one scope share it, and what was found out below."""
        place = self._places.get(word)
        if place is None:
            schema = self.roots.get(word)
            place = StepsPlace(self.steps) if word == "steps" and self.steps is not None else Place(schema, schema)
            self._places[word] = place
        return place


@dataclass(frozen=True, slots=True)
class Note:
    """A manner of 1.x or a doubtful spot, worth a warning; `offset` is in characters.

    `remedy` is the hint, or what makes it, which may take a while.
    """

    message: str
    remedy: str | Callable[[], str]
    offset: int

    @property
    def hint(self) -> str:
        """What to write instead."""
        return self.remedy if isinstance(self.remedy, str) else self.remedy()


@dataclass(frozen=True, slots=True)
class Reference:
    """The part of a path that is known without evaluating, up to the first computed index."""

    path: tuple[str | int, ...]
    offset: int


class Names:
    """Reads the names of one expression against its scope, and gathers notes and references."""

    __slots__ = ("_scope", "notes", "references")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.notes: list[Note] = []
        self.references: list[tuple[list[str | int], int]] = []

    def is_root(self, word: str) -> bool:
        """Tell whether a word names one of the scope's roots."""
        return self._scope.has(word)

    def root(self, word: str) -> Place:
        """Return the place of a root that exists."""
        return self._scope.place(word)

    def refer(self, root: str, offset: int) -> list[str | int]:
        """Begin a reference and return its path, to be extended."""
        path: list[str | int] = [root]
        self.references.append((path, offset))
        return path

    def note(self, message: str, hint: str | Callable[[], str], offset: int) -> None:
        """Keep a warning."""
        self.notes.append(Note(message, hint, offset))

    def declared_end(self, place: Place, source: str, start: int) -> int | None:
        """Return where the longest declared name that stands at `start` ends, None if there is none."""
        declared = place.declared()
        if not declared:
            return None
        is_step = isinstance(place, StepsPlace)
        for end in _ends(source, start):
            if source[start:end] in declared and _is_end(source, end, is_step=is_step):
                return end
        return None

    def dashed_end(self, place: Place, source: str, end: int, known: Collection[str]) -> int:
        """Return where a name that reached `end` really ends: where nothing is declared, `-` joins."""
        if isinstance(place, StepsPlace):
            word = _DASHED.match(source, end - 1)
            return word.end() if word else end
        if place.declared():
            return end
        while source[end : end + 1] == "-":
            word = _WORD.match(source, end + 1)
            if word is None or self._stands_alone(word, source, known):
                break
            end = word.end()
        return end

    def _stands_alone(self, word: re.Match[str], source: str, known: Collection[str]) -> bool:
        text = word.group()
        return self.is_root(text) or text in known or source[word.end() : word.end() + 1] == "("

    def select(self, place: Place, name: str, path: str, offset: int) -> Member:
        """Return what stands at a name below a place; `path` names that place in messages.

        Raises:
            ExpressionError: nothing can stand there.
        """
        refuse_unless(place, "object", path, f"`{name}`", offset)
        member = place.member(name)
        if member.standing == "refused":
            self._refuse(place, name, path, offset)
        if member.standing == "undeclared":
            self.note(f"`{path}` does not declare `{name}`", lambda: _undeclared(name, place, path), offset)
        return member

    def _refuse(self, place: Place, name: str, path: str, offset: int) -> NoReturn:
        what = f"there is no step `{name}`" if path == "steps" else f"`{path}` has no `{name}`"
        declared = place.declared()
        hint = did_you_mean(name, declared)
        if hint is None and declared and len(declared) <= 12:
            hint = f"There are: {', '.join(f'`{known}`' for known in declared)}."
        raise ExpressionError(what, offset=offset, hint=hint)

    def unknown_root(self, word: str, known: Iterable[str], offset: int) -> ExpressionError:
        """Return the error for a word that names nothing."""
        roots = [*self._scope.roots, *(["steps"] if self._scope.steps is not None else []), *known]
        hint = did_you_mean(word, roots) or f'Text stands in quotes: "{word}".'
        return ExpressionError(f"`{word}` is not known here", offset=offset, hint=hint)


def refuse_unless(place: Place, wanted: str, path: str, what: str, offset: int) -> None:
    """Refuse to read something from a place whose type is known not to hold it."""
    types = place.types()
    if types is None or wanted in types or not types.issubset(_NOUNS):
        return
    noun = " or ".join(sorted({_NOUNS[name] for name in types}))
    hint = "Items of a list are read as `[0]`." if "array" in types else None
    raise ExpressionError(f"`{path}` is {noun}, so {what} cannot be read from it", offset=offset, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a question that names the known word closest to one, None if none is close."""
    close = closest(word, known)
    return f"Did you mean `{close}`?" if close else None


def segment_text(key: str | int) -> str:
    """Return how a path goes on with a key."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.replace("-", "_").isidentifier() else f'["{key}"]'


def _undeclared(name: str, place: Place, path: str) -> str:
    return did_you_mean(name, place.declared()) or f"Declare it in the schema of `{path}`."


def _ends(source: str, start: int) -> list[int]:
    """Return where a name that stands at `start` can end, the farthest first."""
    limit = start + _LONGEST_JOINED
    ends = [found.start() for found in _NO_WORD.finditer(source, start + 1, limit)]
    if len(source) <= limit:
        ends.append(len(source))
    return ends[::-1]


def _is_end(source: str, end: int, *, is_step: bool) -> bool:
    if end == len(source):
        return True
    following = source[end]
    if following == "(":
        return False
    return following in _STEP_ENDS if is_step else not _is_word(following)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
