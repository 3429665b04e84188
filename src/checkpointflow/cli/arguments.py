"""The words of one command: its parser, made for it alone, and the options that several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import NoReturn, Protocol

from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import UsageError
from checkpointflow.values import JsonObject

EVERYWHERE = ("--quiet", "-q", "--debug", "--engine")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPILOG = (
    "everywhere: --quiet says nothing on stderr, --debug prints tracebacks there; --engine URL acts on the runs of "
    "another engine, as CPF_ENGINE does. "
    "Answers are one JSON envelope on stdout."
)


class Asking(Protocol):
    """What the parser needs of a command's module."""

    NAME: str
    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the command's words."""


class HelpAsked(Exception):  # noqa: N818 - no error
    """Somebody asks what the words are; `text` is the answer."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> NoReturn:
        raise HelpAsked(parser.format_help())


class _Parser(argparse.ArgumentParser):
    """Refuses by raising, and never ends the process."""

    given: Sequence[str] = ()

    def format_help(self) -> str:
        """Return the help, as wide as the terminal, whose width is asked for now and not for each word declared."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Refuse the words.

        Raises:
            UsageError: always.
        """
        unknown = self._unknown_option()
        if unknown is not None:
            raise self._no_option(unknown)
        missing = _missing(message)
        raise UsageError(f"`{self.prog}` cannot take these words: {message}", hint=self._hint(missing), details=missing)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Refuse to end the process.

        Raises:
            UsageError: always.
        """
        raise UsageError(message or f"`{self.prog}` cannot take these words", details={"status": status})

    def refuse_rest(self, words: Sequence[str]) -> None:
        """Refuse words that nothing takes."""
        if words and words[0].startswith("-") and words[0] != "-":
            raise self._no_option(words[0].split("=", 1)[0])
        if words:
            raise UsageError(f"`{self.prog}` does not take `{words[0]}`", hint=self._meant(words[0]))

    def _hint(self, missing: JsonObject) -> str:
        """Return what to write; a word that stands alone may be the document or the run that is missing."""
        alone = [word for word in self.given if not word.startswith("-")]
        return self._meant(alone[0]) if missing and alone and alone == list(self.given) else f"see `{self.prog} --help`"

    def _meant(self, word: str) -> str:
        """Return what a word without an option most likely is for."""
        for option in ("--file", "--run-id"):
            if option in self._option_string_actions:
                return f"did you mean `{'-f' if option == '--file' else option} {word[:80]}`?"
        return f"see `{self.prog} --help`"

    def _unknown_option(self) -> str | None:
        for word in self.given:
            name = word.split("=", 1)[0]
            if word == "--":
                return None
            if name.startswith("--") and " " not in name and name not in self._option_string_actions:
                return name
        return None

    def _no_option(self, name: str) -> UsageError:
        close = nearest(name, [*self._option_string_actions, *EVERYWHERE])
        hint = f"did you mean `{close}`?" if close else f"see `{self.prog} --help`"
        return UsageError(f"`{self.prog}` has no option `{name[:80]}`", hint=hint)


def _unseen(prog: str) -> argparse.HelpFormatter:
    """Return the formatter with which words are checked when they are declared."""
    return argparse.HelpFormatter(prog, width=80)


def _missing(message: str) -> JsonObject:
    """Return which words a command cannot do without, if that is what the parser says."""
    _, found, names = message.partition("the following arguments are required: ")
    return {"missing": [*names.split(", ")]} if found else {}


def parsed(command: Asking, words: Sequence[str]) -> argparse.Namespace:
    """Return a command's words by name.

    Raises:
        UsageError: they do not fit.
        HelpAsked: `--help` is among them.
    """
    parser = parser_of(command)
    parser.given = words
    args, rest = parser.parse_known_args(list(words))
    parser.refuse_rest(rest)
    return args


def parser_of(command: Asking) -> _Parser:
    """Return the parser of a command's words."""
    parser = _Parser(prog=f"cpf {command.NAME}", allow_abbrev=False, add_help=False, epilog=_EPILOG)
    parser.formatter_class = _unseen
    parser.description = command.SUMMARY[0].upper() + command.SUMMARY[1:] + "."
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this help")
    command.add_arguments(parser)
    return parser


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that a mistyped one most likely means."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word[:80], known, n=1, cutoff=0.6)), None)


def helped(text: str) -> Envelope:
    """Return help as a command's answer."""
    return Envelope(text=text)


# -- shared options --------------------------------------------------------------------------------


def add_file(parser: argparse.ArgumentParser) -> None:
    """Declare `-f`, the document, and `--strict`."""
    meaning = "the workflow: a document or graph, code as FILE.py:NAME or MODULE:NAME, or what `cpf flows` lists"
    parser.add_argument("-f", "--file", required=True, type=word, metavar="FILE", help=meaning)
    parser.add_argument("--strict", action="store_true", help="warnings are problems too (10)")


def add_run_id(parser: argparse.ArgumentParser) -> None:
    """Declare `--run-id`, the run that is meant."""
    meaning = "the run: its id, or four or more characters of its end (or beginning)"
    parser.add_argument("--run-id", required=True, metavar="RUN", help=meaning)


def add_input(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare `--input`."""
    parser.add_argument("--input", metavar="JSON", help=f"{what}: JSON, @FILE, or - for stdin")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Declare `--set`, one field of the input."""
    meaning = "one field of the input, over what --input gave: JSON, else text; may be repeated"
    parser.add_argument("--set", action="append", default=[], type=pair, metavar="KEY=VALUE", help=meaning)


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Declare `--actor`, who is recorded as having done it."""
    parser.add_argument("--actor", type=word, metavar="NAME", help="who does this, for the record")


def add_answer(parser: argparse.ArgumentParser) -> None:
    """Declare what addresses an answer beside its event name."""
    parser.add_argument("--wait", type=word, metavar="WAIT", help="the wait that is answered: its id or step key")
    parser.add_argument("--event-id", type=word, metavar="ID", help="names this message: the same id counts once")


def add_driving(parser: argparse.ArgumentParser) -> None:
    """Declare how a drive shows itself."""
    forms = ("json", "ndjson", "id")
    meaning = "json: one envelope; ndjson: facts as they happen, then the envelope; id: the run id"
    parser.add_argument("-o", "--output-format", dest="form", choices=forms, default="json", help=meaning)
    meaning = "sleeps and backoffs up to this long are waited for, longer ones park the run (60)"
    parser.add_argument("--inline-wait", type=seconds, metavar="SECONDS", help=meaning)


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Declare `--no-follow`."""
    parser.add_argument("--no-follow", action="store_true", help="return once it is recorded, and exit with 0")


def add_revision(parser: argparse.ArgumentParser) -> None:
    """Declare what makes a run go on otherwise."""
    meaning = "go on under this edited document; what was recorded stays"
    parser.add_argument("--with", dest="edited", type=word, metavar="FILE", help=meaning)
    meaning = "give this step up, and what came after it, and run it again: its id or key; may be repeated"
    parser.add_argument("--rerun", action="append", default=[], type=word, metavar="STEP", help=meaning)
    meaning = "only show what would be reused, run again, new or gone; changes nothing"
    parser.add_argument("--dry-run", action="store_true", help=meaning)


def add_pool(parser: argparse.ArgumentParser) -> None:
    """Declare `--pool`, for which runs are put off that cannot be driven."""
    meaning = (
        "a name for processes that can drive the same runs: what one cannot drive, the others leave alone; in a "
        "database, only runs of the pool are driven (CPF_POOL, else the host's name there, and `default` elsewhere)"
    )
    parser.add_argument("--pool", type=word, metavar="NAME", help=meaning)


def add_drain(parser: argparse.ArgumentParser) -> None:
    """Declare `--drain-seconds`."""
    meaning = "once it is told to stop, how long steps that go on may take until they are ended (20)"
    parser.add_argument("--drain-seconds", type=seconds, default=20.0, metavar="SECONDS", help=meaning)


# -- what values may be ----------------------------------------------------------------------------


def word(text: str) -> str:
    """Return a name that may be stored and shown."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise argparse.ArgumentTypeError("it holds control characters")
    return text


def pair(text: str) -> tuple[str, str]:
    """Return the halves of `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not KEY=VALUE")
    return key, value


def seconds(text: str) -> float:
    """Return a duration of 0 to 1,000,000 seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number of seconds from 0 to 1000000")
    return value


def age(text: str) -> float:
    """Return the seconds of an age of up to 100 years, such as `30d`, `12h`, `90m`, `45s`, `0`."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in tuple(_UNITS) else (text, "d")
    if (unit != text[-1:] and text != "0") or not (number.isascii() and number.isdecimal() and len(number) < 11):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no age such as 30d, 12h, 90m or 45s")
    found = int(number) * _UNITS[unit]
    if found > 100 * 366 * 86400:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is more than 100 years")
    return float(found)


def count(text: str) -> int:
    """Return how many of a list are wanted: 1 to 1000."""
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from 1 to 1000")
    return value
