"""Paths into a graph's state: `input.goal`, `workflow.plan.tasks`, `node.review.note`."""

from __future__ import annotations

from checkpointflow.values import JsonObject, JsonValue

ROOTS = ("input", "workflow", "node")


def is_path(text: str) -> bool:
    """Tell whether a text is a path: one of the three parts of the state, then names."""
    root, *names = text.split(".")
    return root in ROOTS and all(names)


def found_at(state: JsonObject, text: str) -> tuple[bool, JsonValue]:
    """Return whether a path leads somewhere, and what stands there."""
    value: JsonValue = state
    for name in text.split("."):
        if not isinstance(value, dict) or name not in value:
            return False, None
        value = value[name]
    return True, value


def leaves(root: str, updates: JsonObject) -> list[str]:
    """Return the paths that updates would change."""
    found: list[str] = []
    for name, value in updates.items():
        path = f"{root}.{name}"
        found += leaves(path, value) if isinstance(value, dict) and value else [path]
    return found


def covers(allowed: str, path: str) -> bool:
    """Tell whether a path stands at or below another."""
    return path == allowed or path.startswith(f"{allowed}.")
