"""Identifiers and the only place that mints them; nothing here knows what they identify."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import NewType

RunId = NewType("RunId", str)
StepKey = NewType("StepKey", str)
WaitId = NewType("WaitId", str)
EventId = NewType("EventId", str)
HolderId = NewType("HolderId", str)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{3,63}")


def new_run_id(now: datetime) -> RunId:
    """Return a fresh id of 26 characters (a ULID): those minted later sort later, to the millisecond."""
    return RunId(_base32(int(now.timestamp() * 1000), 10) + _base32(int.from_bytes(os.urandom(10)), 16))


def run_id(text: str) -> RunId:
    """Return the id that a caller chose, once it is sure that it can name a folder and a row.

    Raises:
        ValueError: it is not 4 to 64 letters, digits, `.`, `_`, `-` beginning with a letter or digit.
    """
    if not _RUN_ID.fullmatch(text) or text.endswith("."):
        raise ValueError(
            f"the run id {text[:80]!r} cannot be used; "
            "take 4 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit"
        )
    return RunId(text)


def new_event_id() -> EventId:
    """Return a fresh id for one message to a run."""
    return EventId(os.urandom(8).hex())


def new_holder_id() -> HolderId:
    """Return a fresh id for one process that drives runs."""
    return HolderId(os.urandom(10).hex())


def random_number() -> float:
    """Return a number from 0 up to but not including 1, for the journal to record."""
    import random

    return random.random()


def random_uuid() -> str:
    """Return a random UUID's text, for the journal to record."""
    import uuid

    return str(uuid.uuid4())


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
