"""What a server answered: its body, bounded, in the attempt's output file, and read as an output or for an error."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from string import whitespace
from typing import TYPE_CHECKING, Literal

from checkpointflow.clock import UTC, to_text
from checkpointflow.errors import StepFailedError
from checkpointflow.records import dataclass
from checkpointflow.steps.masking import Hidden
from checkpointflow.steps.outputs import OutputFile, new_file, sync_output, unwritable
from checkpointflow.steps.printed import parse_json
from checkpointflow.steps.unpacking import Unpacker
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

LARGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_SHOWN_BODY = 2000
_SHOWN_HEADER = 500
_SHOWN_HEADERS = ("content-type", "location", "retry-after", "www-authenticate", "x-request-id", "request-id")
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""What Python can decode beside charsets, some of it slowly."""
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}\Z")

Ending = Literal["whole", "too_long", "undecodable", "broken"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer with as much of its body as came; header names are lower case. `hidden` is what no error shows."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ending: Ending
    hidden: Hidden

    @property
    def title(self) -> str:
        """The status as people know it: `404 (Not Found)`."""
        try:
            return f"{self.status} ({HTTPStatus(self.status).phrase})"
        except ValueError:
            return str(self.status)

    def refuse_failure(self, status_codes: Sequence[JsonValue], key: str) -> None:
        """Refuse a status that is no success for step `key`.

        Raises:
            StepFailedError: it is none of `status_codes`.
        """
        if self.status not in status_codes:
            fact = f"step `{key}` was answered {self.title}, which is no success here"
            raise StepFailedError(fact, details=self.details(), step_key=key)

    def output(self) -> JsonValue:
        """Return the body's JSON object; anything else as `body`: as JSON if it says that it is, else as text."""
        text = self.text()
        if not self._says_json() and not text.lstrip("\ufeff" + whitespace).startswith("{"):
            return {"body": text}
        try:
            value = parse_json(text.encode())
        except ValueError:
            return {"body": text}
        if isinstance(value, dict):
            return value
        return {"body": value if self._says_json() else text}

    def details(self) -> JsonObject:
        """Return what an error shows: status, the beginning of the body, headers of interest, when to try again."""
        masked = self.hidden.text  # before anything is cut off: half of a secret would not be known for one
        shown: JsonObject = {
            name: masked(_said(self.headers[name]))[:_SHOWN_HEADER] for name in _SHOWN_HEADERS if name in self.headers
        }
        body = masked(self.text(), is_cut=self.ending != "whole")
        details: JsonObject = {"status_code": self.status, "body": body[:_SHOWN_BODY], "headers": shown}
        retry_after = _retry_after(self.headers.get("retry-after", ""))
        return details if retry_after is None else details | {"retry_after": retry_after}

    def text(self) -> str:
        """Return the body as text, in the charset that it names, else UTF-8; what does not fit is replaced."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            text = self.body.decode(_charset(found.group(1)) if found else "utf-8", "replace")
        except (LookupError, UnicodeError):
            text = self.body.decode("utf-8", "replace")
        return text.encode("utf-8", "replace").decode() if not text.isascii() else text

    def _says_json(self) -> bool:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")


def receive(response: BaseHTTPResponse, path: Path, hidden: Hidden, *, sync: bool) -> Answer:
    """Read an answer to its end or 8 MiB, decoded, and write it to a new file, in which nothing hidden stands.

    Raises:
        StoreUnavailable: the file cannot be made, written or synced.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    pieces = _Pieces(response, headers.get("content-encoding", ""))
    body = bytearray()
    try:
        with OutputFile(new_file(path), hidden.stream()) as file:
            for piece in pieces:
                file.write(piece)
                body += piece
            file.finish(is_cut=pieces.ending != "whole")
        if sync:
            sync_output(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return Answer(status=response.status, headers=headers, body=bytes(body), ending=pieces.ending, hidden=hidden)


class _Pieces:
    """The body of a response, unpacked, piece by piece as it comes; at its end `ending` says how that came."""

    def __init__(self, response: BaseHTTPResponse, encoding: str) -> None:
        self._response = response
        self._encoding = encoding
        self.ending: Ending = "whole"

    def __iter__(self) -> Iterator[bytes]:
        try:
            unpacker = Unpacker(self._encoding)
            yield from self._unpacked(unpacker)
        except ValueError:
            self.ending = "undecodable"

    def _unpacked(self, unpacker: Unpacker) -> Iterator[bytes]:
        room = LARGEST_BODY
        while packed := self._read():
            piece = unpacker.feed(packed, LARGEST_BODY + 1)
            yield piece[:room]
            if len(piece) > room:
                self.ending = "too_long"
                return
            room -= len(piece)
        if not unpacker.is_at_end:
            self.ending = "broken"

    def _read(self) -> bytes:
        """Return what comes next, as it comes, so that the file can be followed; nothing at the end."""
        from urllib3.exceptions import HTTPError

        try:
            return self._response.read1(_CHUNK, decode_content=False) or b""
        except (HTTPError, HTTPException, OSError, ValueError):
            self.ending = "broken"
            return b""


def _charset(name: str) -> str:
    """Return the name of a charset that a server gave.

    Raises:
        LookupError: it is none.
    """
    if codecs.lookup(name).name in _NO_CHARSETS:
        raise LookupError(name)
    return name


def _said(header: str) -> str:
    """Return a header as UTF-8, if it was sent as that; all others are read as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _retry_after(header: str) -> JsonValue:
    """Return a header `Retry-After` as seconds, or as the text of an instant; None if it is neither."""
    if _SECONDS.match(header.strip()):
        return int(header)
    from email.utils import parsedate_to_datetime

    try:
        instant = parsedate_to_datetime(header)
        return to_text(instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant)
    except (ValueError, TypeError, OverflowError):
        return None
