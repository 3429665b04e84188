"""What is learned by reading a command text: its words, its commands, what stands where; no reading here."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from checkpointflow.records import dataclass, field

MARK = "\0"
"""Stands for one hole in the text that is read; no command text can hold a NUL of its own."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
EVALUATED_NAMES = frozenset(
    {
        "BASH_ENV",
        "PROMPT_COMMAND",
        "PS0",
        "PS1",
        "PS2",
        "PS4",
        "OPTIND",
        "HISTCMD",
        "RANDOM",
        "SRANDOM",
        "SECONDS",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "BASHPID",
        "LINENO",
    }
)
"""Variables whose text bash expands, or evaluates as arithmetic, by itself once it is assigned."""

Kind = Literal["bare", "quoted", "one", "many", "number"]
"""`bare` and `quoted` are literal text; `one` expands to exactly one field, `many` to any number of
fields, `number` to digits that mean nothing to any builtin."""


class Unreadable(Exception):  # noqa: N818 - it says what the text is
    """The text, or this way of writing it, is not one that is read alike by every shell."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Advice(NamedTuple):
    """Why a hole cannot stand in a place, as the end of `stands …`, and what to write instead.

    `sample` is a command, as documents have it, with a hole in that place.
    """

    place: str
    hint: str
    sample: str


class Construct(NamedTuple):
    """What may evaluate the text of a variable, `{name}` standing for a name in it, and what to write instead.

    `sample` is a command with it, as documents have it, and with a hole that stands elsewhere.
    """

    what: str
    hint: str
    sample: str


class Hazard(NamedTuple):
    """Something that may evaluate the text of a variable, where it stands, and what to write instead."""

    what: str
    offset: int
    hint: str


def hazard_of(construct: Construct, offset: int, name: str = "") -> Hazard:
    """Return a construct as it was found at an offset; `name` is what `{name}` stands for."""
    return Hazard(construct.what.format(name=name), offset, construct.hint)


class Segment(NamedTuple):
    """A stretch of a word; `text` is what a literal stretch says after its quotes are removed."""

    kind: Kind
    text: str


@dataclass(slots=True, kw_only=True)
class Word:
    """One word of a command, with its quotes resolved as far as reading alone can."""

    start: int
    segments: list[Segment] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """The variables that are expanded in it."""
    is_subscripted: bool = False
    is_array: bool = False
    is_process: bool = False

    @property
    def is_literal(self) -> bool:
        """Claim that nothing in the word is known only at run time."""
        return all(segment.kind in ("bare", "quoted") for segment in self.segments)

    @property
    def is_dynamic(self) -> bool:
        """Claim that a part of the word is known only at run time and is more than digits."""
        return any(segment.kind in ("one", "many") for segment in self.segments)

    @property
    def is_many(self) -> bool:
        """Claim that the word may become another number of fields than one."""
        if any(segment.kind == "many" for segment in self.segments):
            return True
        bare = self.skeleton
        has_glob = "*" in bare or "?" in bare or ("[" in bare and "]" in bare)
        return has_glob or ("{" in bare and "}" in bare and ("," in bare or ".." in bare))

    @property
    def text(self) -> str:
        """The literal text of the word, digits standing for numbers and nothing for other expansions."""
        return "".join(segment.text for segment in self.segments)

    @property
    def skeleton(self) -> str:
        """The unquoted characters of the word, with `x` for every other stretch."""
        return "".join(segment.text if segment.kind == "bare" else "x" for segment in self.segments)

    @property
    def plain(self) -> str | None:
        """The word's text if it is literal and unquoted throughout, as reserved words must be."""
        if self.segments and all(segment.kind == "bare" for segment in self.segments):
            return self.text
        return None

    @property
    def prefix(self) -> str:
        """The literal text before the first expansion."""
        found = []
        for segment in self.segments:
            if segment.kind in ("one", "many"):
                break
            found.append(segment.text)
        return "".join(found)

    @property
    def assigned_name(self) -> str | None:
        """The variable that the word assigns, if it has the form of an assignment."""
        if self.is_subscripted:
            return None
        match = _ASSIGNMENT.match(self._bare_head())
        return match.group(1) if match else None

    @property
    def is_assignment(self) -> bool:
        """Claim that the word assigns a variable or an element of an array."""
        return self.is_subscripted or self.assigned_name is not None

    def value(self) -> Word:
        """Return the right side of an assignment as a word of its own."""
        match = _ASSIGNMENT.match(self._bare_head())
        skip = match.end() if match else 0
        rest: list[Segment] = []
        for segment in self.segments:
            rest.append(Segment(segment.kind, segment.text[skip:]))
            skip = max(0, skip - len(segment.text))
        return Word(start=self.start, segments=[s for s in rest if s.text or s.kind in ("one", "many")])

    def add(self, kind: Kind, text: str = "") -> None:
        """Append a stretch."""
        self.segments.append(Segment(kind, text))

    def _bare_head(self) -> str:
        head = []
        for segment in self.segments:
            if segment.kind != "bare":
                break
            head.append(segment.text)
        return "".join(head)


@dataclass(slots=True, kw_only=True)
class Redirection:
    """One redirection: its operator and target; for a here-document, what is expanded in its body."""

    operator: str
    target: Word
    body: Word | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Command:
    """A simple command, or what follows a compound one (redirections only)."""

    words: list[Word] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    is_closed: bool = False
    piped_from: Command | None = None
    _assigned: int = field(default=0, init=False)
    """How many of the words are known to be assignments."""

    @property
    def is_fresh(self) -> bool:
        """Claim that reserved words are still recognised: nothing of the command was read yet."""
        return not (self.words or self.redirections or self.is_closed)

    @property
    def command_word(self) -> Word | None:
        """The first word that is no assignment, as far as the command was read."""
        while self._assigned < len(self.words) and self.words[self._assigned].is_assignment:
            self._assigned += 1
        return self.words[self._assigned] if self._assigned < len(self.words) else None

    @property
    def operands(self) -> list[Word]:
        """The words from the command word on, without the assignments before it."""
        return [] if self.command_word is None else self.words[self._assigned :]

    @property
    def assignments(self) -> list[Word]:
        """The assignments before the command word."""
        return self.words if self.command_word is None else self.words[: self._assigned]


@dataclass(slots=True, kw_only=True)
class Reading:
    """All that reading a text has found; `references` holds for every placed hole what replaces it,
    with `%s` for the name of its variable."""

    shell: str
    numeric: tuple[bool, ...] = ()
    references: dict[int, str] = field(default_factory=dict)
    refused: dict[int, Advice] = field(default_factory=dict)
    hazards: list[Hazard] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    has_arrays: bool = False

    def refuse(self, hole: int, advice: Advice) -> None:
        """Note that a hole cannot stand where it does; the first reason is kept."""
        self.refused.setdefault(hole, advice)

    def refuse_all(self, words: list[Word], advice: Advice) -> None:
        """Note that no hole can stand directly in any of the words."""
        for word in words:
            for hole in word.holes:
                self.refuse(hole, advice)
