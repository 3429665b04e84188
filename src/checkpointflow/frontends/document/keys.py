"""Finds the step of a document that a journal's key belongs to; makes no keys itself."""

from __future__ import annotations

import re

from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.kernel.scope import last_name

_MEMBER = re.compile(r'\["?([^\[\]"]*)"?\]\Z')


def step_at(document: Document, key: str) -> Step | None:
    """Return the step that has a key in the runs of a document, None if there is none."""
    steps: tuple[Step, ...] = document.steps
    found: Step | None = None
    member = ""
    for segment in key.split("/"):
        if found is not None:
            document, steps = _inside(document, steps, found, member)
        found = next((step for step in steps if step.id == last_name(segment)), None)
        if found is None:
            return None
        match = _MEMBER.search(segment)
        member = last_name(match.group(1)) if match else ""
    return found


def _inside(
    document: Document, steps: tuple[Step, ...], around: Step, member: str
) -> tuple[Document, tuple[Step, ...]]:
    """Return the list, and its document, in which the steps inside a member of a step stand."""
    if around.kind == "parallel":
        return document, around.lists.get(member, steps)
    if "body" in around.lists:
        return document, around.lists["body"]
    if around.workflow_ref is None:
        return document, ()
    below = document.sub_workflow(around.workflow_ref)
    return below, below.steps
