"""How a text is written by JSON, addresses, Python and shells, so that it is known there; nothing is masked here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

_DEEPEST_GROUP = 10
"""Python shows no deeper groups of exceptions."""
_JSON_HEX = re.compile(r"\\u([0-9a-f]{4})")
_PERCENT_HEX = re.compile(r"%([0-9A-F]{2})")
_HTML_SAFE = re.compile(r"[<>&'+]")
_LEFT_ALONE = ("", "/", "!'()*~", "/!'()*~")


def spellings(value: str) -> set[str]:
    """Return a text as it is, without blanks around it, and as others quote it."""
    return {one for text in {value, value.strip()} - {""} for one in _of(text)}


def _of(text: str) -> Iterator[str]:
    yield text
    yield from _in_json(text)
    yield from _in_addresses(text)
    yield from _in_python(text)
    yield from _in_shells(text)


def _in_json(text: str) -> Iterator[str]:
    """Libraries differ in whether they escape what is not ASCII, slashes and what HTML could take for its own."""
    for ascii_only in (True, False):
        written = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        careful = _HTML_SAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", written)
        angles = re.sub("[<>&]", lambda found: f"\\u{ord(found.group()):04x}", written)
        plain = [written, written.replace("/", "\\/"), angles, careful, careful.replace('\\"', "\\u0022")]
        yield from plain
        yield from (_JSON_HEX.sub(lambda found: f"\\u{found.group(1).upper()}", one) for one in plain)


def _in_addresses(text: str) -> Iterator[str]:
    for safe in _LEFT_ALONE:
        written = quote(text, safe=safe, errors="replace")
        for one in (written, _PERCENT_HEX.sub(lambda found: found.group().lower(), written)):
            yield one
            yield one.replace("%20", "+")


def _in_python(text: str) -> Iterator[str]:
    """As `repr` shows a text and its bytes, and as the traceback of a group of exceptions shows its lines."""
    written = (repr(f'"{text}')[2:-1], ascii(f'"{text}')[2:-1], repr(f'"{text}'.encode("utf-8", "replace"))[3:-1])
    yield from _either_quote(written)
    if len(text.splitlines()) > 1:
        for depth in range(1, _DEEPEST_GROUP + 1):
            margin = " " * (2 * depth) + "| "
            yield margin.join(text.splitlines(keepends=True))


def _either_quote(written: Iterable[str]) -> Iterator[str]:
    """The other quote around a text leaves a single one inside as it is, and Python takes it where it can."""
    for one in written:
        yield one
        yield one.replace("\\'", "'")


def _in_shells(text: str) -> Iterator[str]:
    """As `set -x` shows a word, in bash and in dash."""
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
