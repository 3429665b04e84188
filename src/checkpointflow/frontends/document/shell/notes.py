"""Notes on values that leave the shell: for a second interpreter, which reads them as its own syntax, or as
arguments that the process list shows; that is no concern of the shell and so never refused here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise

from checkpointflow.frontends.document.shell.carried import Origin, carried_names, origins_of
from checkpointflow.frontends.document.shell.places import (
    READ_SHELLS,
    Hole,
    Refusal,
    evaluating_construct,
    marked,
    offsets_of,
)
from checkpointflow.frontends.document.shell.reading import MARK, Command, Word
from checkpointflow.frontends.document.shell.rules import known_reading

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "busybox"})
_SHELLS |= {"su", "runuser", "script", "flock", "pwsh", "powershell"}
_FLAGS = {
    "python": ("-c",),
    "perl": ("-e", "-E"),
    "ruby": ("-e",),
    "node": ("-e", "--eval", "-p", "--print"),
    "php": ("-r",),
    "lua": ("-e",),
    "osascript": ("-e",),
    "expect": ("-c",),
    "dc": ("-e", "--expression"),
    "env": ("-S", "-iS", "-vS", "--split-string"),
    "nix-shell": ("--run", "--command"),
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
_READ_INPUT |= {"at", "batch"}
_ALWAYS_INPUT = frozenset({"ssh", "psql", "mysql", "mariadb", "sqlite3", "at", "batch"})
INTERPRETERS = _SHELLS | _READ_INPUT | _EVERY_WORD | _ALIASES.keys() | _FLAGS.keys()
"""All programs that are known to read what they are given as code of their own."""
_NAMED_AT_ONCE = 20
_EXPANDED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
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
_FUNCTION = re.compile(r"([\w.-]+)[ \t]*\([ \t]*\)|\bfunction[ \t]+([\w.-]+)")
_PORT = re.compile(r"/?[0-9]+|/")
_HINT = (
    "hand it over as data: an argument after the program (`sh -c '… \"$1\"' _ ${…}`, `jq --arg x ${…}`), "
    "a variable of the step's `env`, or `stdin`"
)


def second_interpreter_notes(
    parts: Sequence[str | Hole], *, shell: str, env: Collection[str] = ()
) -> tuple[Refusal, ...]:
    """Return a note for every hole that another interpreter would read as a part of its program.

    Holes that are numbers cannot be one. `env` are the variables that have got values before the text begins, so
    that each of them is noted likewise. Nothing is returned for a text that cannot be read; `place_values` refuses it.
    """
    holes = [part for part in parts if isinstance(part, Hole)]
    if not holes and not env:
        return ()
    commands = _commands(parts, shell)
    carried = carried_names(commands, env)
    found: dict[Origin, tuple[str, int]] = {}
    for command in commands:
        for program, word in _interpreted(command):
            for origin in origins_of(word, carried):
                found.setdefault(origin, (program, word.start))
        for program, hole in _networked(command):
            found.setdefault(hole, (program, 0))
    offsets = offsets_of(parts)
    of_holes = [
        _note(holes[origin], program)
        for origin, (program, _) in found.items()
        if isinstance(origin, int) and not holes[origin].numeric
    ]
    of_names = [
        _note_of_name(origin, program, offsets[start])
        for origin, (program, start) in found.items()
        if isinstance(origin, str)
    ]
    return tuple(sorted((*of_holes, *of_names), key=lambda note: note.offset))


def assigned_values(parts: Sequence[str | Hole], *, shell: str) -> frozenset[str]:
    """Return the variables to which a text gives values that are not numbers: what follows in the shell has them."""
    holes = [part for part in parts if isinstance(part, Hole)]
    carried = carried_names(_commands(parts, shell), ())
    return frozenset(name for name, origin in carried.items() if isinstance(origin, int) and not holes[origin].numeric)


def visible_arguments(parts: Sequence[str | Hole], *, shell: str) -> Mapping[int, str]:
    """Return the holes, by number, that become arguments of another program, each with that program's name.

    Every user of the machine can read those in the process list. What the shell itself has built in starts nothing.
    """
    found: dict[int, str] = {}
    if not any(isinstance(part, Hole) for part in parts):
        return found
    for command in _commands(parts, shell):
        words = _from_program(command.operands)
        if words and not (words[0].is_literal and words[0].text in _BUILTINS):
            name = words[0].text if words[0].is_literal else "the program"
            found |= {hole: name for word in words[1:] for hole in word.holes if hole not in found}
    return found


def programs_of(parts: Sequence[str | Hole], *, shell: str) -> list[str]:
    """Return the programs that the commands of a text name as such, each once; none of a text that cannot be read."""
    own = {name for names in _FUNCTION.findall(marked(parts)) for name in names}
    found: dict[str, None] = {}
    for command in _commands(parts, shell):
        words = _from_program(command.operands)
        name = words[0].text if words and words[0].is_literal else ""
        if name and name not in _BUILTINS and name not in own:
            found[name] = None
    return list(found)


def _from_program(words: list[Word]) -> list[Word]:
    """Leave out what stands before a program's name: `command -p tool x` runs `tool`."""
    while words and words[0].is_literal and words[0].text in _BEFORE_PROGRAM:
        words = words[1:]
        while words and words[0].is_literal and words[0].text.startswith("-"):
            words = words[1:]
    return words


def _commands(parts: Sequence[str | Hole], shell: str) -> Sequence[Command]:
    """Read the commands of a text; none if it cannot be read, or is for a shell whose texts are not."""
    shell = shell.removesuffix(".exe")
    numeric = tuple(part.numeric for part in parts if isinstance(part, Hole))
    text = marked(parts)
    if shell not in READ_SHELLS or text.count(MARK) != len(numeric):
        return ()
    reading, unreadable = known_reading(text, shell, numeric)
    return () if unreadable else reading.commands


def _note(hole: Hole, program: str) -> Refusal:
    if program in (_NETWORK, _NETWORK_START):
        part = "is the whole" if program == _NETWORK else "begins the"
        fact = f"{part} target of a redirection, and bash takes `/dev/tcp/HOST/PORT` for a connection"
        return Refusal(f"`${{{hole.source}}}` {fact}.", "put a fixed folder before it, as in `./${…}`", hole.offset)
    message = f"`${{{hole.source}}}` reaches `{program}`, which reads it as a part of its own program."
    return Refusal(message, _HINT, hole.offset)


def _note_of_name(name: str, program: str, offset: int) -> Refusal:
    message = f"`${name}` carries a value, and `{program}` reads it as a part of its own program."
    return Refusal(message, _HINT, offset)


def _interpreted(command: Command) -> Iterator[tuple[str, Word]]:
    """Find interpreters among the words, also behind `sudo`, `env`, `xargs`, `find -exec` and the like."""
    for name, rest in _interpreters(command.operands):
        for script in _scripts(name, rest):
            yield name, script
    yield from _from_input(command)


def _interpreters(words: list[Word]) -> Iterator[tuple[str, list[Word]]]:
    """Yield the first few interpreters among the words, each with the words after it."""
    found = ((index, _program(word)) for index, word in enumerate(words))
    named = ((index, name) for index, name in found if name in INTERPRETERS)
    yield from ((name, words[index + 1 :]) for index, name in islice(named, _NAMED_AT_ONCE))


def _networked(command: Command) -> Iterator[tuple[str, int]]:
    """Find values that may make the target of a redirection a connection."""
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
        yield from _shell_scripts(name, words)
    elif name == "sqlite3":
        yield from [word for word in words if not word.text.startswith("-")][1:]
    elif name in _FLAGS:
        flags = _FLAGS[name]
        flagged = list(_after_flag(words, lambda text: text in flags))
        yield from flagged
        yield from (word for word in words if flags and not word.is_literal and word.prefix.startswith(flags))
        if name in _FIRST_OPERAND and not flagged:
            yield from _first_operand(words)


def _shell_scripts(name: str, words: list[Word]) -> Iterator[Word]:
    """Return what a shell gets as its text; if that text evaluates variables, also what it is given as data."""
    scripts = list(_after_flag(words, lambda text: _SHELL_FLAG.fullmatch(text) is not None))
    yield from scripts
    for script in scripts:
        read = name if name in ("bash", "dash") else "sh"
        if script.is_literal and evaluating_construct(script.text, shell=read) is not None:
            yield Word(start=script.start, names=_EXPANDED.findall(script.text))
            yield from words[words.index(script) + 1 :]


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


def _from_input(command: Command) -> Iterator[tuple[str, Word]]:
    """Find values in what an interpreter reads as its program from a pipe or a here-document."""
    piped = [] if command.piped_from is None else command.piped_from.operands
    replacing = _replacing(command.operands)
    if replacing:
        yield from ((replacing, word) for word in piped)
    reader = _input_reader(command.operands)
    if not reader:
        return
    for redirection in command.redirections:
        given = redirection.target if redirection.operator == "<<<" else redirection.body
        if given is not None:
            yield reader, given
    yield from ((reader, word) for word in piped)


def _replacing(words: list[Word]) -> str:
    """Return the interpreter into whose program `xargs -I NAME` writes what it reads, or empty text."""
    names = [word.text for word in words]
    if "xargs" not in names:
        return ""
    options = names[names.index("xargs") + 1 :]
    written = [
        following if option == "-I" else option[2:]
        for option, following in pairwise(options)
        if option.startswith("-I") and (option[2:] or following)
    ]
    for name, rest in _interpreters(words):
        if any(place in script.text for script in _scripts(name, rest) for place in written[:_NAMED_AT_ONCE]):
            return name
    return ""


def _input_reader(words: list[Word]) -> str:
    """Return the interpreter among the words that was given no program of its own, or empty text."""
    for name, rest in _interpreters(words):
        if name in _READ_INPUT:
            has_program = name not in _ALWAYS_INPUT and any(
                not other.prefix.startswith("-") or other.text in _FLAGS.get(name, ("-c",)) for other in rest
            )
            return "" if has_program else name
    return ""
