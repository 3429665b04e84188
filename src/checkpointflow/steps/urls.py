"""Absolute http and https addresses, taken apart strictly, and which headers are not the author's; no connections."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin

from checkpointflow.records import dataclass

DEFAULT_PORTS = {"http": 80, "https": 443}
RESERVED_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
_ALL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?\Z", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?\Z")
_KEPT = "!#$%&'()*+,/:;=?@[]~"
_BEGINS = "it has to begin with `http://` or `https://`"


@dataclass(frozen=True, slots=True)
class Url:
    """An address: `host` is lower case and without the brackets of IPv6, `target` the path and query to be sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the usual one: what the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The address without path and query, which may hold what no message should."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.origin + self.target

    def with_query(self, encoded: str) -> Url:
        """Return the address with more of a query, which is encoded already."""
        if not encoded:
            return self
        return Url(self.scheme, self.host, self.port, f"{self.target}{'&' if '?' in self.target else '?'}{encoded}")


def parse_url(text: str) -> Url:
    """Return the address that a text is; characters that cannot be sent are encoded, a fragment is left out.

    Raises:
        ValueError: it is none that we read; the message is a part of a sentence.
    """
    found = _ALL.match(text.strip())
    if found is None:
        raise ValueError(_BEGINS)
    scheme, authority, target = found.group(1).lower(), found.group(2), found.group(3)
    host, port = _host_and_port(authority, DEFAULT_PORTS[scheme])
    try:
        encoded = quote(target, safe=_KEPT)
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no text") from None
    return Url(scheme, host, port, encoded if encoded.startswith("/") else f"/{encoded}")


def redirected(url: Url, location: str) -> Url:
    """Return where a `Location` header leads from an address.

    Raises:
        ValueError: to nothing that we read.
    """
    text = location.encode("latin-1", "replace").decode("utf-8", "replace")
    return parse_url(urljoin(str(url), text.strip()))


def _host_and_port(authority: str, usual: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("a user or password stands before its host; send an `Authorization` header instead")
    found = _AUTHORITY.match(authority)
    if found is None:
        raise ValueError(
            "its host is none: letters, digits, `.`, `-` and `_` with a port, or IPv6 in brackets; "
            "names with other letters are written as `xn--…`"
        )
    port = usual if found.group(2) is None else int(found.group(2))
    if not 0 < port < 65536:
        raise ValueError(f"its port {port} is none; ports go from 1 to 65535")
    return found.group(1).strip("[]").lower(), port
