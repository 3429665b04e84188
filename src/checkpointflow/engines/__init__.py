"""Engines other than the embedded one, and which of them an address names."""

from __future__ import annotations

from checkpointflow.errors import UsageError


def refuse_unknown(url: str) -> None:
    """Refuse the address of an engine that there is not.

    Raises:
        UsageError: it is no `temporal://`.
    """
    if not url.startswith("temporal://"):
        raise UsageError(
            f"there is no engine at `{url[:80]}`; say `temporal://HOST:PORT/NAMESPACE`, or nothing for the embedded one"
        )
