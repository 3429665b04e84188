"""What a server answered: its body, bounded, in the attempt's output file, and read as an output or for an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from string import whitespace
from typing import TYPE_CHECKING, Literal

from checkpointflow.clock import UTC, to_text
from checkpointflow.errors import StepFailedError
from checkpointflow.steps.masking import Hidden
from checkpointflow.steps.outputs import OutputFile, new_file, sync_output, unwritable
from checkpointflow.steps.printed import parse_json
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

LARGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_SHOWN_BODY = 2000
_SHOWN_HEADER = 500
_SHOWN_HEADERS = ("content-type", "location", "retry-after", "www-authenticate", "x-request-id", "request-id")
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate", "identity", ""})
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
            name: masked(self.headers[name])[:_SHOWN_HEADER] for name in _SHOWN_HEADERS if name in self.headers
        }
        details: JsonObject = {"status_code": self.status, "body": masked(self.text())[:_SHOWN_BODY], "headers": shown}
        retry_after = _retry_after(self.headers.get("retry-after", ""))
        return details if retry_after is None else details | {"retry_after": retry_after}

    def text(self) -> str:
        """Return the body as text, in the charset that it names, else UTF-8; what does not fit is replaced."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            text = self.body.decode(found.group(1) if found else "utf-8", "replace")
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
    encodings = {word.strip() for word in headers.get("content-encoding", "").lower().split(",")}
    ending: Ending = "whole" if encodings <= _ENCODINGS else "undecodable"
    body = bytearray()
    try:
        with OutputFile(new_file(path), hidden.stream()) as file:
            while ending == "whole":
                chunk, ending = _read(response, LARGEST_BODY - len(body))
                file.write(chunk)
                body += chunk
                if not chunk:
                    break
        if sync:
            sync_output(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return Answer(status=response.status, headers=headers, body=bytes(body), ending=ending, hidden=hidden)


def _read(response: BaseHTTPResponse, room: int) -> tuple[bytes, Ending]:
    """Return the next piece of a body, empty at its end, and how it ended if it did not go on."""
    from urllib3.exceptions import DecodeError, HTTPError

    try:
        chunk = response.read1(_CHUNK, decode_content=True) or b""  # as it comes, so that the file can be followed
    except DecodeError:
        return b"", "undecodable"
    except (HTTPError, HTTPException, OSError, ValueError):
        return b"", "broken"
    return (chunk, "whole") if len(chunk) <= room else (chunk[:room], "too_long")


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
