"""Notes on values that leave the shell: for a second interpreter, which reads them as its own syntax, or as
arguments that the process list shows; that is no concern of the shell and so never refused here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from checkpointflow.frontends.document.shell.places import Hole, Refusal, marked
from checkpointflow.frontends.document.shell.reading import MARK, Command, Reading, Unreadable, Word
from checkpointflow.frontends.document.shell.rules import read_into

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "su", "pwsh", "powershell"})
_FLAGS = {
    "python": ("-c",),
    "perl": ("-e", "-E"),
    "ruby": ("-e",),
    "node": ("-e", "--eval", "-p", "--print"),
    "php": ("-r",),
    "lua": ("-e",),
    "osascript": ("-e",),
    "Rscript": ("-e",),
    "psql": ("-c", "--command"),
    "mysql": ("-e", "--execute"),
    "mariadb": ("-e", "--execute"),
    "duckdb": ("-c",),
    "mongosh": ("--eval",),
    "cmd": ("/c", "/C"),
    "sed": ("-e", "--expression"),
    "awk": ("-e",),
    "jq": (),
    "yq": (),
    "sqlite3": (),
}
_FIRST_OPERAND = frozenset({"sed", "awk", "jq", "yq"})
_OPERAND_VALUES = {"-v": 1, "-F": 1, "-f": 1, "--arg": 2, "--argjson": 2, "--slurpfile": 2, "--rawfile": 2}
_EVERY_WORD = frozenset({"ssh", "watch", "parallel"})
_ALIASES = {"gawk": "awk", "mawk": "awk", "nawk": "awk", "gsed": "sed", "nodejs": "node", "gojq": "jq"}
_READ_INPUT = _SHELLS | {"python", "perl", "ruby", "node", "php", "psql", "mysql", "mariadb", "sqlite3", "bc", "ssh"}
_ALWAYS_INPUT = frozenset({"ssh", "psql", "mysql", "mariadb", "sqlite3"})
INTERPRETERS = _SHELLS | _FLAGS.keys() | _EVERY_WORD | _ALIASES.keys() | _READ_INPUT
"""All programs that are known to read what they are given as code of their own."""
_SHELL_FLAG = re.compile(r"-[A-Za-z]*c|-Command")
_BUILTINS = frozenset(
    {":", ".", "[", "alias", "bg", "break", "cd", "continue", "declare", "echo", "eval", "exit", "export", "false"}
    | {"fg", "getopts", "hash", "jobs", "kill", "let", "local", "mapfile", "printf", "pwd", "read", "readarray"}
    | {"readonly", "return", "set", "shift", "source", "test", "times", "trap", "true", "type", "typeset", "ulimit"}
    | {"umask", "unalias", "unset", "wait"}
)
_BEFORE_PROGRAM = frozenset({"command", "exec", "builtin"})
_NETWORK = "/dev/tcp"
_NETWORK_START = "/dev/tcp/"
_PORT = re.compile(r"/?[0-9]+|/")
_HINT = (
    "hand it over as data: an argument after the program (`sh -c '… \"$1\"' _ ${…}`, `jq --arg x ${…}`), "
    "a variable of the step's `env`, or `stdin`"
)


def second_interpreter_notes(parts: Sequence[str | Hole], *, shell: str) -> tuple[Refusal, ...]:
    """Return a note for every hole that another interpreter would read as a part of its program.

    Nothing is returned for a text that cannot be read; `place_values` refuses it.
    """
    holes = [part for part in parts if isinstance(part, Hole)]
    found: dict[int, str] = {}
    for command in _commands(parts, shell):
        for program, index in _interpreted(command):
            found.setdefault(index, program)
    return tuple(_note(holes[index], program) for index, program in sorted(found.items()))


def visible_arguments(parts: Sequence[str | Hole], *, shell: str) -> Mapping[int, str]:
    """Return the holes, by number, that become arguments of another program, each with that program's name.

    Every user of the machine can read those in the process list. What the shell itself has built in starts nothing.
    """
    found: dict[int, str] = {}
    for command in _commands(parts, shell):
        words = _from_program(command.operands)
        if words and not (words[0].is_literal and words[0].text in _BUILTINS):
            name = words[0].text if words[0].is_literal else "the program"
            found |= {hole: name for word in words[1:] for hole in word.holes if hole not in found}
    return found


def _from_program(words: list[Word]) -> list[Word]:
    """Leave out what stands before a program's name: `command -p tool x` runs `tool`."""
    while words and words[0].is_literal and words[0].text in _BEFORE_PROGRAM:
        words = words[1:]
        while words and words[0].is_literal and words[0].text.startswith("-"):
            words = words[1:]
    return words


def _commands(parts: Sequence[str | Hole], shell: str) -> Sequence[Command]:
    """Read the commands of a text; none if it cannot be read."""
    holes = [part for part in parts if isinstance(part, Hole)]
    text = marked(parts)
    if text.count(MARK) != len(holes):
        return ()
    reading = Reading(shell=shell.removesuffix(".exe"), numeric=tuple(hole.numeric for hole in holes))
    try:
        read_into(reading, text)
    except Unreadable:
        return ()
    return reading.commands


def _note(hole: Hole, program: str) -> Refusal:
    if program in (_NETWORK, _NETWORK_START):
        part = "is the whole" if program == _NETWORK else "begins the"
        fact = f"{part} target of a redirection, and bash takes `/dev/tcp/HOST/PORT` for a connection"
        return Refusal(f"`${{{hole.source}}}` {fact}.", "put a fixed folder before it, as in `./${…}`", hole.offset)
    message = f"`${{{hole.source}}}` reaches `{program}`, which reads it as a part of its own program."
    return Refusal(message, _HINT, hole.offset)


def _interpreted(command: Command) -> Iterator[tuple[str, int]]:
    """Find interpreters among the words, also behind `sudo`, `env`, `xargs`, `find -exec` and the like."""
    words = command.operands
    for index, word in enumerate(words):
        name = _program(word)
        for script in _scripts(name, words[index + 1 :]):
            yield from ((name, hole) for hole in script.holes)
    yield from _from_input(command)
    for redirection in command.redirections:
        target = redirection.target
        if redirection.operator in (">", ">>", ">|", "<", "<>", "&>", "&>>") and not target.prefix:
            yield from _from_network(target)


def _from_network(target: Word) -> Iterator[tuple[str, int]]:
    """Find values that may make a target a connection: a name such as `/log` behind a value is no port."""
    values = [segment for segment in target.segments if segment.kind not in ("bare", "quoted")]
    is_whole = len(values) == 1 and not target.text
    if not target.holes or not (not target.text or _PORT.fullmatch(target.text)):
        return
    yield from ((_NETWORK if is_whole else _NETWORK_START, hole) for hole in target.holes)


def _program(word: Word) -> str:
    """Return the interpreter's name without its folder and version, or empty text for a word that is no name."""
    if not word.is_literal:
        return ""
    name = re.sub(r"(?:\.exe|[0-9.]+)$", "", word.text.rsplit("/", 1)[-1]) or word.text
    name = "sqlite3" if word.text.endswith("sqlite3") else name
    return _ALIASES.get(name, name)


def _scripts(name: str, words: list[Word]) -> Iterator[Word]:
    """Return those of an interpreter's words that are its program."""
    if name in _EVERY_WORD:
        yield from words
    elif name in _SHELLS:
        yield from _after_flag(words, lambda text: _SHELL_FLAG.fullmatch(text) is not None)
    elif name == "sqlite3":
        yield from [word for word in words if not word.text.startswith("-")][1:]
    elif name in _FLAGS:
        flags = _FLAGS[name]
        flagged = list(_after_flag(words, lambda text: text in flags))
        yield from flagged
        yield from (word for word in words if flags and word.holes and word.prefix.startswith(flags))
        if name in _FIRST_OPERAND and not flagged:
            yield from _first_operand(words)


def _after_flag(words: list[Word], is_flag: Callable[[str], bool]) -> Iterator[Word]:
    for flag, script in pairwise(words):
        if flag.is_literal and is_flag(flag.text):
            yield script


def _first_operand(words: list[Word]) -> Iterator[Word]:
    skip = 0
    for word in words:
        if skip:
            skip -= 1
        elif word.prefix.startswith("-") and len(word.prefix) > 1:
            skip = _OPERAND_VALUES.get(word.text, 0)
        else:
            yield word
            return


def _from_input(command: Command) -> Iterator[tuple[str, int]]:
    """Find values in what an interpreter reads as its program from a pipe or a here-document."""
    reader = _input_reader(command.operands)
    if not reader:
        return
    for redirection in command.redirections:
        given = redirection.target.holes if redirection.operator == "<<<" else redirection.body_holes
        yield from ((reader, hole) for hole in given)
    if command.piped_from is not None:
        yield from ((reader, hole) for word in command.piped_from.operands for hole in word.holes)


def _input_reader(words: list[Word]) -> str:
    """Return the interpreter among the words that was given no program of its own, or empty text."""
    for index, word in enumerate(words):
        name = _program(word)
        if name in _READ_INPUT:
            rest = words[index + 1 :]
            has_program = name not in _ALWAYS_INPUT and any(
                not other.prefix.startswith("-") or other.text in _FLAGS.get(name, ("-c",)) for other in rest
            )
            return "" if has_program else name
    return ""
