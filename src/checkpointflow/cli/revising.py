"""How commands have a run go on otherwise, and tell what that changes."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from checkpointflow.cli import documents
from checkpointflow.cli.actions import action
from checkpointflow.cli.driving import driving
from checkpointflow.cli.envelope import Envelope
from checkpointflow.cli.shapes import run_fields
from checkpointflow.errors import UsageError
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.client.changes import Changes
    from checkpointflow.frontends.definition import Definition

_TITLES = {
    "reused": "kept as recorded",
    "rerun": "run again",
    "new": "new",
    "gone": "gone",
    "later": "kept when they are reached",
    "reopened": "asked anew",
}


def is_asked(args: Namespace) -> bool:
    """Tell whether the words of a command ask for a revision.

    Raises:
        UsageError: they ask for a dry run of nothing.
    """
    if args.dry_run and args.edited is None and not args.rerun:
        raise UsageError("`--dry-run` shows what `--with FILE` or `--rerun STEP` would change; give one of them")
    return args.edited is not None or bool(args.rerun)


def edited(args: Namespace, door: Door) -> Definition | None:
    """Return the edited document that `--with` names, checked."""
    return None if args.edited is None else documents.load(door, args.edited)


def revised(args: Namespace, door: Door, *, failed: bool, reason: str | None = None) -> Envelope:
    """Have a run that has `failed`, or has not, go on otherwise, and drive it; a dry run only shows the changes."""
    loaded = edited(args, door)
    with driving(door, args) as drive:
        run_id = door.find(args.run_id)
        drive.client.refuse_unless(run_id, failed=failed)
        if args.dry_run:
            return _shown(door, drive.client.rehearse(run_id, definition=loaded, rerun=args.rerun))
        view, changes = drive.client.revise(
            run_id, definition=loaded, rerun=args.rerun, reason=reason, follow=not args.no_follow
        )
        more: JsonObject = {"driven": not args.no_follow, "changes": changes_fields(changes)}
        return drive.ended(view, follow=not args.no_follow, more=more)


def changes_fields(changes: Changes) -> JsonObject:
    """Return what an envelope says of changes."""
    fields: JsonObject = {}
    for name in _TITLES:
        keys: list[JsonValue] = [*getattr(changes, name)]
        fields[name] = keys
    return fields | ({"error": changes.error} if changes.error is not None else {})


def _shown(door: Door, changes: Changes) -> Envelope:
    view = door.client().get(str(door.run_id))
    argv = [word for word in door.again() if word != "--dry-run"]
    fields: JsonObject = {
        **run_fields(view),
        "changes": changes_fields(changes),
        "next_actions": [action("Go on like this", argv)],
    }
    if changes.error is not None:
        fields["warnings"] = [f"the run would fail at once: {changes.error}"]
    return Envelope(fields=fields, said=tuple(_lines(changes)))


def _lines(changes: Changes) -> list[str]:
    lines = [
        f"{title}: {', '.join(getattr(changes, name))}" for name, title in _TITLES.items() if getattr(changes, name)
    ]
    if changes.error is not None:
        lines.append(f"the run would fail at once: {changes.error}")
    return lines or ["nothing changes"]
