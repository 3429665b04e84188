"""Engines other than the embedded one: what they can do, and which of them an address names."""

from __future__ import annotations

from typing import Literal, TypeAlias

from checkpointflow.errors import UsageError

Capability: TypeAlias = Literal["document", "graph", "function", "closure", "retry", "revise", "fork", "export", "logs"]

EMBEDDED: frozenset[Capability] = frozenset(
    {"document", "graph", "function", "closure", "retry", "revise", "fork", "export", "logs"}
)
"""What the embedded engine can do: everything."""

TEMPORAL: frozenset[Capability] = frozenset({"document", "graph", "function"})
"""What runs on Temporal can do: whatever their worker finds again by its name."""


def refuse_unknown(url: str) -> None:
    """Refuse the address of an engine that there is not.

    Raises:
        UsageError: it is no `temporal://`.
    """
    if not url.startswith("temporal://"):
        raise UsageError(
            f"there is no engine at `{url[:80]}`; say `temporal://HOST:PORT/NAMESPACE`, or nothing for the embedded one"
        )
