"""Judges commands: which of them can evaluate a value, and among whose words no hole can stand.

Bash runs `$( )` found in the *text of a variable* wherever it takes that text for arithmetic or for the
name of a variable. So what counts is not only where a hole stands: a value travels through variables and
positional parameters, and this module looks for every construct that could evaluate one, in the whole text.

A command word that is known only at run time may turn out to be `eval`. It cannot be a reserved word, so
nothing is wrong with it alone; with an expansion among its words, or if it may become several words
itself, no safe reading exists and it counts as evaluating. A word that holds a slash before anything is
expanded is a path, never a builtin. Sourced files are the author's code, like the programs that run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from checkpointflow.frontends.document.shell import advice
from checkpointflow.frontends.document.shell.commands import CommandReader
from checkpointflow.frontends.document.shell.reading import (
    EVALUATED_NAMES,
    NAME,
    Command,
    Construct,
    Reading,
    Unreadable,
    Word,
    hazard_of,
)

_ALWAYS = frozenset({"eval", "let", "alias", "compgen", "complete", "compopt", "bind", "enable", "fc", "history"})
_NAMING = frozenset({"read", "unset", "getopts", "mapfile", "readarray"})
_ARRAY_OPTIONS = {
    "declare": "ainA",
    "typeset": "ainA",
    "local": "ainA",
    "readonly": "aA",
    "export": "aA",
}
_RISKY_TESTS = ("-v", "-R")
EVALUATING_BUILTINS = tuple(
    sorted(
        {*_ALWAYS, *_NAMING, *_ARRAY_OPTIONS, ".", "source", "trap", "printf -v", "test -v", "test -R", "[ -v", "[ -R"}
    )
)
"""Builtins among whose words no hole can stand."""


def read_text(text: str, *, shell: str, numeric: tuple[bool, ...] = ()) -> Reading:
    """Return what reading and judging a marked text finds; `numeric` says so for each of its holes.

    Raises Unreadable for a text that is incomplete or that shells read differently. What was found until
    then is lost, so callers that report several problems use `read_into`.
    """
    reading = Reading(shell=shell, numeric=numeric)
    read_into(reading, text)
    return reading


def read_into(reading: Reading, text: str) -> None:
    """Read and judge a marked text; the findings are in `reading`, also if Unreadable is raised."""
    try:
        CommandReader(text, reading).read_commands("")
    finally:
        reading.has_arrays = reading.has_arrays or any(map(_makes_array, reading.commands))
        for command in reading.commands:
            _Judge(reading, command).judge()


@lru_cache(maxsize=2)  # several questions are asked about one text, one after the other
def known_reading(text: str, shell: str, numeric: tuple[bool, ...]) -> tuple[Reading, Unreadable | None]:
    """Return what reading and judging a marked text finds, and why it ended early if it did; callers change neither."""
    reading = Reading(shell=shell, numeric=numeric)
    try:
        read_into(reading, text)
    except Unreadable as error:
        return reading, error.with_traceback(None)
    return reading, None


def resolve_command(words: list[Word]) -> list[Word]:
    """Return the words of what really runs: `command` and `builtin` with their options are taken off."""
    while words and words[0].is_literal and words[0].text in ("command", "builtin"):
        wrapper, words = words[0].text, words[1:]
        while words and words[0].is_literal and words[0].text.startswith("-"):
            if wrapper == "command" and set(words[0].text) & set("vV"):
                return []
            words = words[1:]
    return words


class _Judge:
    """Judges one command of a reading."""

    def __init__(self, reading: Reading, command: Command) -> None:
        self.reading = reading
        self.command = command

    def judge(self) -> None:
        for word in self.command.assignments:
            self._assignment(word)
        words = resolve_command(self.command.operands)
        if not words:
            return
        if _may_be_any(words[0]):
            self._unknown_command(words)
            return
        if words[0].is_literal:
            self._known_command(words[0].text, words[1:])

    def hazard(self, construct: Construct, word: Word, name: str = "") -> None:
        self.reading.hazards.append(hazard_of(construct, word.start, name))

    # -- assignments and unknown commands ----------------------------------------------------------

    def _assignment(self, word: Word) -> None:
        name = word.assigned_name
        value = word.value()
        harmless = not value.is_dynamic and "$" not in value.text and "`" not in value.text
        if name in EVALUATED_NAMES and not harmless:
            self.hazard(advice.EVALUATED, word, name or "")

    def _unknown_command(self, words: list[Word]) -> None:
        first = words[0]
        if first.is_many:
            self.hazard(advice.MANY_COMMANDS, first)
        elif any(word.is_dynamic or word.is_many for word in words[1:]):
            self.hazard(advice.UNKNOWN_COMMAND, first)

    # -- builtins ----------------------------------------------------------------------------------

    def _known_command(self, name: str, words: list[Word]) -> None:
        if name in _ALWAYS:
            self.hazard(advice.BUILTIN, self.command.words[0], name)
            self._refuse_words(name, words)
        elif name in _NAMING:
            self._naming(name, words)
        elif name in _ARRAY_OPTIONS:
            self._declaring(name, words)
        elif judge := self._special(name):
            judge(name, words)

    def _special(self, name: str) -> Callable[[str, list[Word]], None] | None:
        return {
            "test": self._test,
            "[": self._test,
            "printf": self._printf,
            "trap": self._trap,
            "source": self._source,
            ".": self._source,
            "wait": self._wait,
            "jobs": self._jobs,
        }.get(name)

    def _refuse_words(self, name: str, words: list[Word]) -> None:
        self.reading.refuse_all(words, advice.among_words_of(name))

    def _naming(self, name: str, words: list[Word]) -> None:
        self._refuse_words(name, words)
        for word in words:
            if word.is_dynamic or word.is_many or "[" in word.text or word.text in EVALUATED_NAMES:
                self.hazard(advice.NAMED_AT_RUN_TIME, word, name)
            elif word.text.startswith("-") and "C" in word.text:
                self.hazard(advice.BUILTIN, word, f"{name} -C")

    def _declaring(self, name: str, words: list[Word]) -> None:
        for word in words:
            if name != "export" or word.assigned_name is None:
                self._refuse_words(name, [word])
            if word.is_literal and word.text[:1] in ("-", "+"):
                if set(word.text) & set(_ARRAY_OPTIONS[name]):
                    self.hazard(advice.BUILTIN, word, f"{name} {word.text}")
            elif word.assigned_name is not None:
                self._declared_value(name, word)
            elif not NAME.fullmatch(word.text) or not word.is_literal:
                self.hazard(advice.NAMED_AT_RUN_TIME, word, name)

    def _declared_value(self, name: str, word: Word) -> None:
        self._assignment(word)
        value = word.value()
        if word.is_array:
            self.hazard(advice.DECLARED_ARRAY, word, name)
        elif value.is_many:
            self.hazard(advice.DECLARED_SPLIT, word, name)
        elif value.is_dynamic and self.reading.has_arrays:
            self.hazard(advice.DECLARED_UNCLEAR, word, name)

    def _test(self, name: str, words: list[Word]) -> None:
        shown = "[ ]" if name == "[" else "test"
        for index, word in enumerate(words):
            following = words[index + 1] if index + 1 < len(words) else None
            if word.is_many:
                self.hazard(advice.TEST_SPLIT, word, shown)
            elif word.is_dynamic and following is not None and following.is_dynamic:
                self.hazard(advice.TEST_OPERATOR, word, shown)
            elif word.text in _RISKY_TESTS:
                self._refuse_words(f"{name} {word.text}", words)
                if following is None or not following.is_literal or not NAME.fullmatch(following.text):
                    self.hazard(advice.NAMED_AT_RUN_TIME, word, f"{name} {word.text}")

    def _printf(self, name: str, words: list[Word]) -> None:
        rest = list(words)
        while rest and rest[0].prefix.startswith("-v"):
            self._refuse_words("printf -v", words)
            option = rest.pop(0)
            is_apart = option.is_literal and option.text == "-v" and bool(rest)
            named = rest.pop(0) if is_apart else option
            target = named.text if is_apart else named.text.removeprefix("-v")
            if not named.is_literal or not NAME.fullmatch(target) or target in EVALUATED_NAMES:
                self.hazard(advice.NAMED_AT_RUN_TIME, named, "printf -v")
        if not rest:
            return
        form = rest[0]
        if (form.is_dynamic or form.is_many) and (not form.prefix or form.prefix.startswith("-")):
            self.hazard(advice.PRINTF_FORMAT, form, name)

    def _trap(self, name: str, words: list[Word]) -> None:
        self._refuse_words(name, words)
        action = next((word for word in words if word.text not in ("-p", "-l", "--")), None)
        if any(word.is_dynamic or word.is_many for word in words):
            self.hazard(advice.TRAP_UNKNOWN, words[0])
        elif action is not None and _evaluates(action.text, self.reading.shell):
            self.hazard(advice.TRAP_EVALUATES, action)

    def _source(self, name: str, words: list[Word]) -> None:
        self._refuse_words(name, words)
        file = next((word for word in words if word.text != "--"), None)
        if file is None:
            return
        is_stream = file.is_process or re.match(r"/(?:dev|proc)/", file.text) is not None
        if is_stream or file.is_many or (file.is_dynamic and not _ends_in_path(file)):
            self.hazard(advice.SOURCE, file, name)

    def _wait(self, name: str, words: list[Word]) -> None:
        for word in words:
            if word.is_literal and word.text == "--":
                return
            if word.is_dynamic or word.is_many or (word.text.startswith("-") and "p" in word.text):
                self.hazard(advice.WAIT_OPTIONS, word, name)

    def _jobs(self, name: str, words: list[Word]) -> None:
        if any(word.is_dynamic or "x" in word.text for word in words):
            self.hazard(advice.BUILTIN, self.command.words[0], f"{name} -x")


def _may_be_any(word: Word) -> bool:
    """Claim that a command word may become a builtin's name when it is expanded."""
    before = ""
    for segment in word.segments:
        if segment.kind == "many":
            return True
        before += segment.text
        if "/" in segment.text and "{" not in before:
            return False
    return word.is_dynamic or word.is_many or word.skeleton.startswith("~")


def _makes_array(command: Command) -> bool:
    return any(word.is_literal and word.text in ("mapfile", "readarray", "read") for word in command.words)


def _ends_in_path(word: Word) -> bool:
    """Claim that after the last expansion a fixed `/name` follows."""
    tail = ""
    for segment in word.segments:
        tail = "" if segment.kind in ("one", "many") else tail + segment.text
    return "/" in tail


def _evaluates(text: str, shell: str) -> bool:
    try:
        return bool(read_text(text, shell=shell).hazards)
    except Unreadable:
        return True
