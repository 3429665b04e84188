"""The table of words as a script for each shell: what is written into the templates beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from checkpointflow.cli.completion.table import Option, Slot, Words, slots, table, valued


def script(shell: str) -> str:
    """Return the script for a shell.

    Raises:
        KeyError: it is none of `SHELLS`.
    """
    text = Path(__file__).with_name(f"{shell}.template").read_text(encoding="utf-8")
    for name, part in SHELLS[shell](table()).items():
        text = text.replace(f"@{name}@", part)
    return text


def _lines(lines: Iterable[str], indent: int = 0) -> str:
    return "\n".join(" " * indent + line for line in lines)


# -- bash and zsh ----------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _arms(commands: list[Words], choose: Callable[[tuple[str, ...]], str]) -> tuple[list[str], list[str]]:
    """Return the `case` arms for values of options, and for places."""

    def body(slot: Slot) -> str:
        if slot.choices:
            return choose(slot.choices)
        return f"_cpf_value {slot.sort}" if slot.sort else ":"

    values = [
        f"{' | '.join(_quoted(f'{words.name} {flag}') for flag in flags)}) {body(slot)} ;;"
        for words in commands
        for flags, slot in slots(words)
        if slot != Slot()
    ]
    places = [
        f"{_quoted(f'{words.name} {index}')}) {body(slot)} ;;"
        for words in commands
        for index, slot in enumerate(words.places)
    ]
    return values, places


def _bash(commands: list[Words]) -> Mapping[str, str]:
    values, places = _arms(commands, lambda choices: f"_cpf_offer {_quoted(' '.join(choices))}")
    options = [f"{words.name}) options={_quoted(' '.join(map(_longest, words.options)))} ;;" for words in commands]
    return {
        "VALUED": " | ".join(valued(commands)),
        "COMMANDS": " ".join(words.name for words in commands),
        "OPTIONS": _lines(options, 8),
        "VALUES": _lines(values, 12),
        "PLACES": _lines(places, 16),
    }


def _zsh(commands: list[Words]) -> Mapping[str, str]:
    values, places = _arms(commands, lambda choices: f"compadd -- {' '.join(choices)}")
    options = [
        f"{words.name}) options=({' '.join(_quoted(f'{_longest(one)}:{one.meaning}') for one in words.options)}) ;;"
        for words in commands
    ]
    return {
        "VALUED": " | ".join(valued(commands)),
        "COMMANDS": _lines((_quoted(f"{words.name}:{words.summary}") for words in commands), 16),
        "OPTIONS": _lines(options, 8),
        "VALUES": _lines(values, 12),
        "PLACES": _lines(places, 8),
    }


def _longest(option: Option) -> str:
    return max(option.flags, key=len)


# -- fish ------------------------------------------------------------------------------------------


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish(commands: list[Words]) -> Mapping[str, str]:
    lines: list[str] = []
    for words in commands:
        about = _fish_quoted(words.summary)
        lines.append(f"complete -c cpf -n 'not __cpf_words | string length -q' -a {words.name} -d {about}")
        for index, slot in enumerate(words.places):
            if slot != Slot():
                lines.append(f"complete -c cpf -n '__cpf_at {words.name} {index}' {_fish_slot(slot)}")
        for option in words.options:
            lines.append(_fish_option(words.name, option))
    return {"VALUED": " ".join(valued(commands)), "LINES": "\n".join(lines)}


def _fish_option(command: str, option: Option) -> str:
    names = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
    value = "" if option.slot is None else f" -r {_fish_slot(option.slot)}"
    return f"complete -c cpf -n '__cpf_at {command}' {' '.join(names)}{value} -d {_fish_quoted(option.meaning)}"


def _fish_slot(slot: Slot) -> str:
    if slot.choices:
        return f"-f -a {_fish_quoted(' '.join(slot.choices))}"
    asked = {"": "-f", "files": "-F", "documents": "-F -a '(__cpf_ask flows)'", "json": "-f -a '(__cpf_json)'"}
    return asked.get(slot.sort, f"-f -a '(__cpf_ask {slot.sort})'")


# -- PowerShell ------------------------------------------------------------------------------------


def _power_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _powershell(commands: list[Words]) -> Mapping[str, str]:
    everywhere = ("--help show the help", "--version show the version")
    options = [f"'' = @({', '.join(map(_power_quoted, everywhere))})"]
    values, places = list[str](), list[str]()
    for words in commands:
        said = ", ".join(_power_quoted(f"{_longest(one)} {one.meaning}") for one in words.options)
        options.append(f"{_power_quoted(words.name)} = @({said})")
        for flags, slot in slots(words):
            values += [f"{_power_quoted(f'{words.name} {flag}')} = {_power_slot(slot)}" for flag in flags]
        for index, slot in enumerate(words.places):
            places.append(f"{_power_quoted(f'{words.name} {index}')} = {_power_slot(slot)}")
    return {
        "VALUED": ", ".join(map(_power_quoted, valued(commands))),
        "COMMANDS": _lines((f"{_power_quoted(one.name)} = {_power_quoted(one.summary)}" for one in commands), 8),
        "OPTIONS": _lines(options, 8),
        "VALUES": _lines(values, 8),
        "PLACES": _lines(places, 8),
    }


def _power_slot(slot: Slot) -> str:
    return _power_quoted(f"={' '.join(slot.choices)}" if slot.choices else slot.sort)


SHELLS: Mapping[str, Callable[[list[Words]], Mapping[str, str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
    "powershell": _powershell,
}
