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
    Hazard,
    Reading,
    Unreadable,
    Word,
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

    def hazard(self, what: str, word: Word, hint: str = advice.SCRIPT) -> None:
        self.reading.hazards.append(Hazard(what, word.start, hint))

    # -- assignments and unknown commands ----------------------------------------------------------

    def _assignment(self, word: Word) -> None:
        name = word.assigned_name
        value = word.value()
        harmless = not value.is_dynamic and "$" not in value.text and "`" not in value.text
        if name in EVALUATED_NAMES and not harmless:
            self.hazard(f"an assignment of `{name}`, which bash evaluates", word, "use another variable")

    def _unknown_command(self, words: list[Word]) -> None:
        first = words[0]
        if first.is_many:
            self.hazard("a command word that is expanded without quotes", first, advice.PROGRAM)
        elif any(word.is_dynamic or word.is_many for word in words[1:]):
            self.hazard("a command word known only at run time, with values after it", first, advice.PROGRAM)

    # -- builtins ----------------------------------------------------------------------------------

    def _known_command(self, name: str, words: list[Word]) -> None:
        if name in _ALWAYS:
            self.hazard(f"`{name}`", self.command.words[0])
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
                self.hazard(f"`{name}` with a name that is not a fixed one", word)
            elif word.text.startswith("-") and "C" in word.text:
                self.hazard(f"`{name} -C`", word)

    def _declaring(self, name: str, words: list[Word]) -> None:
        for word in words:
            if name != "export" or word.assigned_name is None:
                self._refuse_words(name, [word])
            if word.is_literal and word.text[:1] in ("-", "+"):
                if set(word.text) & set(_ARRAY_OPTIONS[name]):
                    self.hazard(f"`{name} {word.text}`", word)
            elif word.assigned_name is not None:
                self._declared_value(name, word)
            elif not NAME.fullmatch(word.text) or not word.is_literal:
                self.hazard(f"`{name}` with a name that is not a fixed one", word)

    def _declared_value(self, name: str, word: Word) -> None:
        self._assignment(word)
        value = word.value()
        if word.is_array:
            self.hazard(f"`{name}` of an array", word)
        elif value.is_many:
            self.hazard(f"`{name}` with an unquoted expansion", word, advice.SPLIT)
        elif value.is_dynamic and self.reading.has_arrays:
            self.hazard(f"`{name}` of what may be an array", word)

    def _test(self, name: str, words: list[Word]) -> None:
        shown = "`[ ]`" if name == "[" else "`test`"
        for index, word in enumerate(words):
            following = words[index + 1] if index + 1 < len(words) else None
            if word.is_many:
                self.hazard(f"an unquoted expansion in {shown}", word, advice.SPLIT)
            elif word.is_dynamic and following is not None and following.is_dynamic:
                self.hazard(f"an operator known only at run time in {shown}", word)
            elif word.text in _RISKY_TESTS:
                self._refuse_words(f"{name} {word.text}", words)
                if following is None or not following.is_literal or not NAME.fullmatch(following.text):
                    self.hazard(f"`{word.text}` in {shown} with a name that is not a fixed one", word)

    def _printf(self, name: str, words: list[Word]) -> None:
        rest = list(words)
        while rest and rest[0].prefix.startswith("-v"):
            self._refuse_words("printf -v", words)
            option = rest.pop(0)
            is_apart = option.is_literal and option.text == "-v" and bool(rest)
            named = rest.pop(0) if is_apart else option
            target = named.text if is_apart else named.text.removeprefix("-v")
            if not named.is_literal or not NAME.fullmatch(target) or target in EVALUATED_NAMES:
                self.hazard("`printf -v` with a name that is not a fixed one", named)
        if not rest:
            return
        form = rest[0]
        if (form.is_dynamic or form.is_many) and (not form.prefix or form.prefix.startswith("-")):
            hint = "begin with a fixed format, as in `printf '%s\\n' ${…}`"
            self.hazard(f"`{name}` whose format is known only at run time", form, hint)

    def _trap(self, name: str, words: list[Word]) -> None:
        self._refuse_words(name, words)
        action = next((word for word in words if word.text not in ("-p", "-l", "--")), None)
        if any(word.is_dynamic or word.is_many for word in words):
            self.hazard("`trap` with an action known only at run time", words[0])
        elif action is not None and _evaluates(action.text, self.reading.shell):
            self.hazard("`trap` with an action that can evaluate a value", action)

    def _source(self, name: str, words: list[Word]) -> None:
        self._refuse_words(name, words)
        file = next((word for word in words if word.text != "--"), None)
        if file is None:
            return
        is_stream = file.is_process or re.match(r"/(?:dev|proc)/", file.text) is not None
        if is_stream or file.is_many or (file.is_dynamic and not _ends_in_path(file)):
            self.hazard(f"`{name}` of what is not a fixed file", file)

    def _wait(self, name: str, words: list[Word]) -> None:
        for word in words:
            if word.is_literal and word.text == "--":
                return
            if word.is_dynamic or word.is_many or (word.text.startswith("-") and "p" in word.text):
                self.hazard(f"`{name}` with options known only at run time", word, 'write `wait -- "$NAME"`')

    def _jobs(self, name: str, words: list[Word]) -> None:
        if any(word.is_dynamic or "x" in word.text for word in words):
            self.hazard(f"`{name} -x`", self.command.words[0])


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
