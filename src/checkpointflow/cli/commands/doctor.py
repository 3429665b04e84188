"""`cpf doctor`: whether this place is fit to run workflows."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkpointflow.cli import shapes
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import PersistenceError
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.checks import Check
    from checkpointflow.cli.door import Door

NAME = "doctor"
SUMMARY = "look at store, permissions, shells, programs and due timers, and say how to mend what is wrong"


def add_arguments(_parser: ArgumentParser) -> None:
    """Declare no words."""


def run(_args: Namespace, door: Door) -> Envelope:
    """Show every check; the exit code is 0 unless one found an error (60)."""
    from checkpointflow.cli.checks import all_checks

    checks = all_checks(door)
    listed: list[JsonValue] = [check.as_json() for check in checks]
    fields: JsonObject = {"checks": listed, "next_actions": [action("List the runs", ["cpf", "runs"])]}
    said = tuple(line for check in checks for line in _lines(check))
    wrong = [check for check in checks if check.status == "error"]
    if not wrong:
        return Envelope(fields=fields, said=said)
    error = PersistenceError(f"{wrong[0].message}; {wrong[0].remedy}", details={"errors": len(wrong)})
    fields["error"] = shapes.error_fields(error)
    fields["next_actions"] = [action("Look again once it is mended", ["cpf", "doctor"])]
    return Envelope(ok=False, exit_code=error.exit_code, fields=fields, said=said)


def _lines(check: Check) -> Iterator[str]:
    remedy = f" -> {check.remedy}" if check.remedy else ""
    yield f"{check.status:<8}{check.name}: {check.message}{remedy}"
    for name, text in (check.install or {}).items():
        yield f"        for {name}:"
        yield from (f"          {line}" for line in text.splitlines())
