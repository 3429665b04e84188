"""Values in the `url` of a step: which place each stands in, and how it is encoded there; nothing is sent or looked up.

An expression that begins the url is a base address: it goes in as it is, and its host comes from an expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote

from checkpointflow.expressions import Expression, SecretText, Template, joined
from checkpointflow.records import dataclass
from checkpointflow.steps.urls import parse_url

Place: TypeAlias = Literal["base", "host", "port", "path", "query", "fragment"]

HOSTS: tuple[Place, ...] = ("base", "host", "port")
"""The places in which a value says who is asked."""
_SCHEME = re.compile(r"\s*https?://", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]+\Z")
_WHOLE_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_BEGINS = "the url has to begin with `http://`, `https://`, or one expression that is a whole base address"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong or doubtful in a url as written, and where in it (in characters)."""

    message: str
    hint: str
    offset: int
    is_error: bool = True


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text with the place in which it begins."""

    part: str | Expression
    place: Place
    offset: int


def has_dynamic_host(template: Template) -> bool:
    """Tell whether the host of a url comes from an expression."""
    return any(isinstance(one.part, Expression) and one.place in ("base", "host") for one in _pieces(template))


def placed_url(template: Template, text_of: Callable[[Expression], str]) -> str:
    """Return the address that a url gives, a SecretText if there are secrets in it.

    `text_of` evaluates an expression to the text of its value.

    Raises:
        ValueError: a value does not fit its place, or the whole is no address; the message is a part of a sentence.
    """
    pieces = list(_pieces(template))
    written = _Written()
    for index, piece in enumerate(pieces):
        if isinstance(piece.part, str):
            written.add(piece.part, piece.place, is_value=False)
        elif piece.place == "base":
            written.add_base(_base(text_of(piece.part), piece.part, pieces[index + 1 :]))
        else:
            alone = _is_whole_host(pieces, index)
            written.add(_encoded(text_of(piece.part), piece, alone=alone), piece.place, is_value=True)
    return written.address()


def of_host(template: Template) -> Iterator[Expression]:
    """Yield the expressions that say who is asked."""
    for one in _pieces(template):
        if isinstance(one.part, Expression) and one.place in HOSTS:
            yield one.part


def faults(template: Template) -> Iterator[Fault]:
    """Yield what can be seen to be wrong with a url before any value is known."""
    pieces = list(_pieces(template))
    first = pieces[0] if pieces else None
    if first is None or (isinstance(first.part, str) and not _SCHEME.match(first.part)):
        yield Fault(_BEGINS, "write the scheme and the host", 0)
        return
    if isinstance(first.part, Expression):
        second = pieces[1].part if len(pieces) > 1 else ""
        if isinstance(second, str) and second.lstrip().startswith(":"):
            yield Fault(_BEGINS, "write the scheme out; a base address holds scheme and host", first.offset)
        return
    yield from _faults_of_authority(pieces)
    fragments = [one for one in pieces if isinstance(one.part, str) and "#" in one.part]
    if fragments:
        offset = fragments[0].offset + str(fragments[0].part).index("#")
        yield Fault("what follows `#` is never sent", "remove it, or write `%23`", offset, is_error=False)


# -- as written ------------------------------------------------------------------------------------


def _pieces(template: Template) -> Iterator[_Piece]:
    """Yield the parts with their places; blank text before the first expression is left out."""
    place: Place = "base"
    for part, offset in zip(template.parts, template.offsets, strict=True):
        if isinstance(part, str) and place == "base" and not part.strip():
            continue
        if isinstance(part, Expression):
            yield _Piece(part, place, offset)
            place = "path" if place == "base" else place
            continue
        if place == "base":
            place = "host"
            found = _SCHEME.match(part)
            rest = part[found.end() :] if found else part
        else:
            rest = part
        yield _Piece(part, place, offset)
        place = _after(place, rest)


def _after(place: Place, text: str) -> Place:
    """Return the place that follows a text which begins in a place."""
    if place in ("host", "port"):
        authority = re.split(r"[/?#]", text, maxsplit=1)[0]
        if len(authority) == len(text):
            return "port" if ":" in re.sub(r"\[[^\]]*\]?", "", text) else place
        text, place = text[len(authority) :], "path"
    if "#" in text:
        return "fragment"
    return "query" if "?" in text else place


def _is_whole_host(pieces: list[_Piece], index: int) -> bool:
    """Tell whether a value is all that stands between `//` and the path, so that it may bring a port."""
    before, after = pieces[index - 1].part, pieces[index + 1].part if index + 1 < len(pieces) else "/"
    return isinstance(before, str) and before.endswith("//") and isinstance(after, str) and after[:1] in ("/", "?", "#")


def _faults_of_authority(pieces: list[_Piece]) -> Iterator[Fault]:
    """Look at the host and port that are written out; a value stands in for what is not known."""
    text = ""
    for one in pieces:
        if one.place not in ("host", "port"):
            break
        text += one.part if isinstance(one.part, str) else ("1" if one.place == "port" else "x")
    found = _SCHEME.match(text)
    if found is None:
        return
    try:
        parse_url(found.group() + re.split(r"[/?#]", text[found.end() :], maxsplit=1)[0])
    except ValueError as error:
        yield Fault(f"the url cannot be used: {error}", "write `https://HOST/PATH`", pieces[0].offset)


# -- with values -----------------------------------------------------------------------------------


class _Written:
    """The text so far, and the segments of its path that hold values."""

    def __init__(self) -> None:
        self.text = ""
        self._segment = ""
        self._has_value = False
        self._odd: list[str] = []
        self._secrets: list[tuple[int, SecretText]] = []

    def add_base(self, text: str) -> None:
        self.text = text
        self._segment = text.rpartition("/")[2]

    def add(self, text: str, place: Place, *, is_value: bool) -> None:
        """Add a part, encoded for its place; of a secret, its placeholder."""
        if isinstance(text, SecretText):
            secret, text = text, quote(text, safe="")
            if place != "fragment":
                self._secrets.append((len(self.text) + len(text), secret))
        self.text += text
        if is_value:
            self._has_value = self._has_value or place == "path"
            self._segment += text if place == "path" else ""
        elif place in ("path", "host", "port"):
            self._add_segments(text)

    def address(self) -> str:
        """Return the whole as an address, with the placeholders of its secrets.

        Raises:
            ValueError: it is none, or a value makes its path lead elsewhere: to the folder above, or to all instead of
                one.
        """
        self._end_segment()
        if self._odd:
            shown = self._odd[0] or "empty"
            raise ValueError(f"a segment of its path would be {shown}; skip the step with `if`, or mend the value")
        pieces: list[str] = []
        done = 0
        for end, secret in self._secrets:  # an address up to there is how the whole address begins
            before = str(parse_url(self.text[:end])).removesuffix(quote(secret, safe=""))
            pieces += [before[done:], secret.percent_encoded()]
            done = len(before) + len(quote(secret, safe=""))
        return joined([*pieces, str(parse_url(self.text))[done:]])

    def _add_segments(self, text: str) -> None:
        path = re.split(r"[?#]", text, maxsplit=1)
        for index, segment in enumerate(path[0].split("/")):
            if index:
                self._end_segment()
            self._segment += segment
        if len(path) > 1:
            self._end_segment()

    def _end_segment(self) -> None:
        if self._has_value and unquote(self._segment) in ("", ".", ".."):
            self._odd.append(unquote(self._segment) and f"`{unquote(self._segment)}`")
        self._segment, self._has_value = "", False


def _encoded(text: str, piece: _Piece, *, alone: bool) -> str:
    """Return a value's text for its place; it can never end the place."""
    source = piece.part.source.strip() if isinstance(piece.part, Expression) else ""
    if isinstance(text, SecretText) and piece.place in HOSTS:
        raise ValueError(f"`{source}` stands in the host, where no secret may stand")
    if piece.place == "host":
        if not (_WHOLE_HOST if alone else _HOST).match(text):
            raise ValueError(f"`{source}` stands in the host, and {text[:80]!r} is none")
        return text
    if piece.place == "port":
        if not (text.isascii() and text.isdecimal()):
            raise ValueError(f"`{source}` stands for the port, and {text[:80]!r} is none")
        return text
    if isinstance(text, SecretText):
        return text
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"`{source}` holds half of a surrogate pair, which is no text") from None


def _base(text: str, expression: Expression, rest: list[_Piece]) -> str:
    """Return a base address as it stands; what follows it must not be able to change its host."""
    source, base = expression.source.strip(), text.strip()
    try:
        url = parse_url(base)
    except ValueError as error:
        raise ValueError(f"`{source}` begins it as a base address, and {error}") from None
    following = next((one.part for one in rest if not isinstance(one.part, str) or one.part.strip()), None)
    if following is None:
        return str(url)
    if "?" in base or "#" in base:
        raise ValueError(f"`{source}` is a base address that has a query or fragment, and more follows it")
    if "/" not in base.partition("://")[2] and not (isinstance(following, str) and following[:1] in ("/", "?")):
        raise ValueError(f"`{source}` is a base address without a path, so what follows begins with `/`")
    return base
