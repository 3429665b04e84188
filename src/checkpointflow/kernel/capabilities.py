"""What an engine can do beyond driving documents; each engine declares its set, and its contract asks for no more."""

from __future__ import annotations

from typing import Literal, TypeAlias

Capability: TypeAlias = Literal["graph", "function", "closure", "retry", "revise", "fork", "export", "logs"]
"""`closure`: effects that only the driving process has. `retry`: going on with failed runs. `revise`: going on under an
edited definition. `logs`: what steps printed, from every machine that sees the runs."""

EVERYTHING: frozenset[Capability] = frozenset(
    {"graph", "function", "closure", "retry", "revise", "fork", "export", "logs"}
)
