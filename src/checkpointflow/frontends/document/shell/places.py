"""Puts references to environment variables where the holes of a command text stand, or refuses to."""

from __future__ import annotations

from collections.abc import Sequence

from checkpointflow.frontends.document.shell import advice
from checkpointflow.frontends.document.shell.reading import (
    EVALUATED_NAMES,
    MARK,
    Hazard,
    Reading,
    Unreadable,
)
from checkpointflow.frontends.document.shell.rules import known_reading, read_into
from checkpointflow.records import dataclass

READ_SHELLS = ("sh", "bash", "dash")
_REWRITE = f"use a plain place (a word of its own, \"…\", '…', `$( … )`), {advice.ENV}, or {advice.SCRIPT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One `${…}` of a command text.

    `source` is the expression's text, `numeric` that its schema says integer or number, `offset` where
    it stands in the whole text, in characters.
    """

    source: str
    numeric: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a text is not accepted: a sentence, what to write instead, and where (in characters)."""

    message: str
    hint: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellText:
    """A text for `shell -c` in which every hole has become a reference, quoted for its place.

    `names` are the environment variables that carry the values, one for each hole, in order.
    """

    text: str
    names: tuple[str, ...]


class ShellRefused(Exception):  # noqa: N818 - it is a verdict; the loader turns it into problems
    """A text is refused; `refusals` holds all reasons at once, in the order of the text."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = tuple(refusals)


def place_values(parts: Sequence[str | Hole], *, shell: str, first: int = 1, env_holes: bool = False) -> ShellText:
    """Return the text to hand to the shell and the names of the variables that carry the values.

    `shell` is a program name with or without `.exe`; `first` is the number of the first variable.
    `env_holes` says that values which are not numeric reach the text's shell otherwise: in the step's
    `env`, or in another text that the same shell runs. A text without either kind of value passes through
    untouched. Raises ShellRefused where a value could become syntax.
    """
    holes = [part for part in parts if isinstance(part, Hole)]
    if not holes and not env_holes:
        return ShellText(text="".join(part for part in parts if isinstance(part, str)), names=())
    return _Placing(parts, holes, _family(shell), env_holes).placed(first)


def evaluating_construct(text: str, *, shell: str) -> tuple[str, int] | None:
    """Return the first thing in a text that could evaluate a variable's text, and where it stands.

    A text that cannot be read for certain counts as such a thing. None means that values are safe in
    the environment of this text.
    """
    found = _evaluating(text, _family(shell))
    return (found.what, found.offset) if found else None


def is_evaluated_variable(name: str) -> bool:
    """Tell whether a shell evaluates this environment variable by itself, so that no value belongs in it."""
    return name in EVALUATED_NAMES or name.startswith("BASH_FUNC_")


def marked(parts: Sequence[str | Hole]) -> str:
    """Return the text in which every hole is one NUL, as the readers want it."""
    return "".join(MARK if isinstance(part, Hole) else part for part in parts)


def offsets_of(parts: Sequence[str | Hole]) -> list[int]:
    """Return for every character of the marked text, and its end, where it stands in the whole text."""
    offsets: list[int] = []
    at = 0
    for part in parts:
        if isinstance(part, Hole):
            offsets.append(part.offset)
            at = part.offset + len("${}") + len(part.source)
        else:
            offsets.extend(range(at, at + len(part)))
            at += len(part)
    return [*offsets, at]


class _Placing:
    """One text on its way: what was read of it, and all that speaks against it."""

    def __init__(self, parts: Sequence[str | Hole], holes: Sequence[Hole], shell: str, env_holes: bool) -> None:
        self.parts = parts
        self.holes = holes
        self.shell = shell
        self.env_holes = env_holes
        self.offsets = offsets_of(parts)
        self.refusals: list[Refusal] = []

    def placed(self, first: int) -> ShellText:
        """Return the finished text, or raise ShellRefused."""
        reading = self._read() if self.shell in READ_SHELLS else self._other_shell()
        if self.refusals:
            raise ShellRefused(sorted(self.refusals, key=lambda refusal: refusal.offset))
        names = tuple(f"CPF_VALUE_{first + index}" for index in range(len(self.holes)))
        references = iter(reading.references[index] % name for index, name in enumerate(names))
        text = "".join(next(references) if isinstance(part, Hole) else part for part in self.parts)
        return ShellText(text=text, names=names)

    def _other_shell(self) -> Reading:
        for hole in self.holes:
            self._refuse_hole(
                hole, f"stands in the text of `{self.shell}`, where it would become syntax", _other_hint(self.shell)
            )
        found = _evaluating(marked(self.parts), self.shell)
        if self.env_holes and found:
            self._refuse_environment(found)
        return Reading(shell=self.shell)

    def _read(self) -> Reading:
        numeric = tuple(hole.numeric for hole in self.holes)
        unreadable = self._foreign_mark()
        reading = Reading(shell=self.shell, numeric=numeric)
        if unreadable is None:
            reading, unreadable = known_reading(marked(self.parts), self.shell, numeric)
        if unreadable is None:
            self._check_complete(reading)
        else:
            message = f"Values go into this command, and it cannot be read for certain: {unreadable.message}."
            self.refusals.append(Refusal(message, _REWRITE, self.offsets[unreadable.offset]))
        for index, reason in reading.refused.items():
            self._refuse_hole(self.holes[index], f"stands {reason.place}", reason.hint)
        if reading.hazards:
            self._refuse_for(min(reading.hazards, key=lambda hazard: hazard.offset), reading)
        return reading

    def _foreign_mark(self) -> Unreadable | None:
        """Return the error for a NUL of the text's own, which no shell accepts and which marks holes here."""
        at = 0
        for part in self.parts:
            if isinstance(part, str) and MARK in part:
                return Unreadable("it holds a NUL character", at + part.index(MARK))
            at += 1 if isinstance(part, Hole) else len(part)
        return None

    def _check_complete(self, reading: Reading) -> None:
        for index, hole in enumerate(self.holes):
            if index not in reading.references and index not in reading.refused:
                self._refuse_hole(hole, "stands where values are not known to be safe", _REWRITE)

    def _refuse_for(self, hazard: Hazard, reading: Reading) -> None:
        place = f"stands in a text with {hazard.what}, which could evaluate its value"
        for index, hole in enumerate(self.holes):
            if not hole.numeric and index not in reading.refused:
                self._refuse_hole(hole, place, hazard.hint)
        if self.env_holes:
            self._refuse_environment(hazard)

    def _refuse_environment(self, hazard: Hazard) -> None:
        fact = f"this text has {hazard.what}, which could evaluate them"
        message = f"Values reach this text through `env` or another command of its step, and {fact}."
        self.refusals.append(Refusal(message, hazard.hint, self.offsets[hazard.offset]))

    def _refuse_hole(self, hole: Hole, fact: str, hint: str) -> None:
        self.refusals.append(Refusal(f"`${{{hole.source}}}` {fact}.", hint, hole.offset))


def _family(shell: str) -> str:
    """Return the shell's bare name: `C:\\\\tools\\\\PWSH.EXE` is `pwsh`."""
    name = shell.replace("\\", "/").rsplit("/", 1)[-1]
    return name[:-4].lower() if name.lower().endswith(".exe") else name.lower()


def _other_hint(shell: str) -> str:
    if shell == "cmd":
        return f"{advice.ARGV}; `cmd` reads even the value of `%NAME%` as syntax"
    name = "$env:NAME" if shell in ("pwsh", "powershell") else "the variable"
    return f"set `env: {{NAME: ${{…}}}}` on the step and read {name} in the command"


def _evaluating(text: str, shell: str) -> Hazard | None:
    if shell not in READ_SHELLS:
        return _evaluating_elsewhere(text, shell)
    reading = Reading(shell=shell, numeric=(True,) * text.count(MARK))
    try:
        read_into(reading, text)
    except Unreadable as error:
        reading.hazards.append(Hazard(error.message, error.offset, _REWRITE))
    return min(reading.hazards, key=lambda hazard: hazard.offset, default=None)


def _evaluating_elsewhere(text: str, shell: str) -> Hazard | None:
    """Find what takes text for code in the shells whose texts are not read: a short list, by name."""
    lowered = text.lower()
    if shell == "cmd":
        words = {"%": "`%NAME%`", "!": "`!NAME!`"}
    else:
        words = {
            word: f"`{word}`" for word in ("invoke-expression", "iex", "invokescript", "expandstring", "scriptblock")
        }
    found = [Hazard(what, lowered.index(word), advice.ARGV) for word, what in words.items() if word in lowered]
    return min(found, key=lambda hazard: hazard.offset, default=None)
