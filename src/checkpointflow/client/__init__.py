"""The use cases, which every door calls: looking at runs, starting, driving and answering them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpointflow.client.place import FOLLOW_SECONDS
from checkpointflow.client.reading import Reader

if TYPE_CHECKING:
    from checkpointflow.client.client import Client, Receipt

__all__ = ["FOLLOW_SECONDS", "Client", "Reader", "Receipt"]


def __getattr__(name: str) -> object:
    """Return a name of what drives runs, imported now: whoever only looks at runs needs no engine."""
    if name not in __all__:
        raise AttributeError(f"module `checkpointflow.client` has no attribute `{name}`")
    from checkpointflow.client import client

    return getattr(client, name)
