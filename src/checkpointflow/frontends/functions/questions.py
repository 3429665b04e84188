"""What a user may answer: the JSON Schema of a question by its type and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.values import JsonObject, JsonValue

APPROVAL = ({"id": "approve", "label": "Approve"}, {"id": "reject", "label": "Reject"})
TYPES = ("approval", "choice", "multi_choice", "text")


def schema_of(input_type: str, options: Sequence[Mapping[str, Any] | str] | None) -> JsonObject:
    """Return the schema of an answer: the id of an option, a list of ids, or a text.

    Raises:
        WorkflowCodeError: there is no such type, or its options are missing or have no ids of their own.
    """
    if input_type not in TYPES:
        raise WorkflowCodeError(f"there is no input type {input_type!r}; take one of {', '.join(TYPES)}")
    if input_type == "text":
        if options:
            raise WorkflowCodeError("a text has no options; ask for a `choice`, or leave `options` out")
        return {"type": "string"}
    given = [_option(one) for one in options or (APPROVAL if input_type == "approval" else ())]
    ids = [one["id"] for one in given]
    if not ids or len({str(one) for one in ids}) < len(ids):
        raise WorkflowCodeError(f"a question of type `{input_type}` needs options, each with an id of its own")
    one_of: JsonObject = {"type": "string", "enum": [*ids]}
    labels = "; ".join(f"{one['id']}: {one['label']}" for one in given if one["label"] != one["id"])
    if labels:
        one_of["description"] = labels
    if input_type == "multi_choice":
        return {"type": "array", "items": one_of, "uniqueItems": True}
    return one_of


def _option(given: Mapping[str, Any] | str) -> JsonObject:
    if isinstance(given, str):
        return {"id": given, "label": given}
    name = given.get("id")
    if not isinstance(name, str) or not name:
        raise WorkflowCodeError(f"an option has no id: {dict(given)}; give it `id` and `label`")
    return {"id": name, "label": str(given.get("label", name))}


def refuse_schema(name: str, schema: JsonValue) -> None:
    """Refuse a schema that no answer could be checked against.

    Raises:
        WorkflowCodeError: it is none.
    """
    if schema is None or isinstance(schema, bool):
        return
    from checkpointflow.schemas import schema_problems, sentence

    problems = schema_problems(schema)
    if problems:
        raise WorkflowCodeError(f"the schema of the event `{name}` cannot be used: {sentence(problems[0])}")
