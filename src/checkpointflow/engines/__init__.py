"""Engines other than the embedded one, and which of them an address names."""

from __future__ import annotations

import re

from checkpointflow.errors import UsageError

_NO_PORT = re.compile(r":(?!\d*(?:/|$))[^/\]]*(?=/|$)")
"""What stands where a port should: a password, for example, of somebody who forgot the host."""


def shown(url: str) -> str:
    """Return an address as it may be shown: without users, passwords and options."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    place = re.split("[?#]", rest)[0].rpartition("@")[2]
    return f"{scheme}{mark}{_NO_PORT.sub(':***', place)}"[:120]


def refuse_unknown(url: str) -> None:
    """Refuse the address of an engine that there is not.

    Raises:
        UsageError: it is no `temporal://`.
    """
    if not url.startswith("temporal://"):
        raise UsageError(f"there is no engine at `{shown(url)}`; say `temporal://HOST:PORT/NAMESPACE`, or leave it out")
