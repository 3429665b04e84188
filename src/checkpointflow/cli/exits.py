"""What exit codes mean, and which of them a command can give; which one it gives is decided by errors and runs."""

from __future__ import annotations

from collections.abc import Mapping

from checkpointflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """An exit code in words: its name, what is so, and what its reader does next."""

    title: str
    fact: str
    remedy: str


EXIT_CODES: Mapping[int, Meaning] = {
    0: Meaning("done", "The run completed, or the command did what it was asked", "Read `result` and `outputs`"),
    10: Meaning(
        "the request is wrong",
        "Words, document, input, answer or run id cannot be accepted as they stand; nothing was changed",
        "Read `error.message`, `error.hint` and `problems`, mend what they name, and say it again",
    ),
    20: Meaning(
        "the run does not allow it",
        "The run's state or code does not allow what was asked, or nobody drives the run (`interrupted`)",
        "Take one of `next_actions`, which is often `cpf resume`",
    ),
    30: Meaning(
        "a step failed",
        "A step failed for good, and with it the run; or a case of `cpf test` did not come out as expected",
        "Look at `cpf logs --run-id RUN --stderr`, mend the cause, and say `cpf retry --run-id RUN`; look at `cases`",
    ),
    40: Meaning(
        "it waits",
        "The run waits for an answer, a time or a decision; this is no failure",
        "Do what `wait.instructions` says, or come back at `wait.due_at`",
    ),
    50: Meaning("cancelled", "The run was cancelled", "Nothing; a new run starts from the beginning"),
    60: Meaning(
        "the store",
        "The store, or stdout, cannot be read or written; what was committed before stands",
        "Look at `cpf doctor`, mend the cause, and say it again",
    ),
    70: Meaning(
        "somebody else is at it",
        "Another process holds the run, or the run id is taken",
        "Wait, follow the run with `cpf resume`, or choose another id",
    ),
    80: Meaning(
        "not here",
        "It is known, but not possible in this version or on this machine",
        "Read `error.message` and `error.hint`",
    ),
    90: Meaning(
        "a defect of ours",
        "checkpointflow met a defect of its own",
        "Say it again with `--debug`, and report the traceback",
    ),
    130: Meaning(
        "interrupted",
        "Ctrl-C or SIGTERM: the run is paused, or the command was ended before it was done",
        "Say `cpf resume --run-id RUN`, or the command again",
    ),
}

ALWAYS = frozenset({0, 10, 60, 90, 130})
"""What any command can give: words that do not fit, a stdout that cannot be written, a defect, a Ctrl-C."""

_OPENING = ALWAYS | {80}
"""What opens a document, a store or an engine can give, too: something is not installed, or not possible there."""
_SHOWING = _OPENING | {20, 30, 40, 50}
_DRIVING = frozenset(EXIT_CODES)

POSSIBLE: Mapping[str, frozenset[int]] = {
    "init": ALWAYS,
    "guide": ALWAYS,
    "validate": _OPENING,
    "test": _OPENING | {30},
    "schema": ALWAYS,
    "graph": _OPENING,
    "flows": _OPENING,
    "plan": _OPENING,
    "run": _DRIVING,
    "resume": _DRIVING,
    "send": _OPENING | {20},
    "waits": _OPENING,
    "runs": _OPENING,
    "status": _SHOWING,
    "inspect": _SHOWING,
    "logs": _OPENING,
    "cancel": _OPENING | {20, 70},
    "retry": _DRIVING,
    "decide": _DRIVING,
    "fork": _DRIVING,
    "tick": _OPENING,
    "worker": _OPENING,
    "export": _OPENING | {20, 70},
    "import": _OPENING | {70},
    "verify": ALWAYS,
    "delete": _OPENING | {20, 70},
    "gc": _OPENING,
    "doctor": ALWAYS,
    "completion": ALWAYS,
}
"""The exit codes of each command; the tests hold every envelope that they see against it."""
