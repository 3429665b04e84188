"""What the steps of kind `python` do in the torture: as `effect.sh`, but in Python."""

from __future__ import annotations

import os
import time
from pathlib import Path


def perform(seconds: float, how: str) -> dict[str, str]:
    """Append to the log of effects, and do what `how` says.

    Raises:
        ConnectionError: it is `flaky` and this the first attempt.
        ValueError: it is `failing`, and nobody has voided the step yet.
    """
    _say("begin")
    attempt, generation = os.environ["CPF_ATTEMPT"], os.environ["CPF_IDEMPOTENCY_KEY"].rpartition("/")[2]
    time.sleep(20 if (how, attempt) == ("slow", "1") else seconds)
    if (how, attempt) == ("flaky", "1"):
        raise ConnectionError("the first attempt")
    if (how, generation) == ("failing", "0"):
        raise ValueError("it cannot be done")
    _say("end")
    return {"did": "it"}


def _say(what: str) -> None:
    words = (what, *(os.environ[name] for name in ("CPF_RUN_ID", "CPF_IDEMPOTENCY_KEY", "CPF_ATTEMPT")))
    with Path(os.environ["TORTURE_LOG"]).open("a") as file:
        file.write("\t".join(words) + "\n")
