"""The input of a run or call, checked against what its workflow declares."""

from __future__ import annotations

from typing import cast

from checkpointflow.errors import InputError
from checkpointflow.frontends.definition import Definition
from checkpointflow.values import JsonObject, JsonValue


def checked_input(definition: Definition, run_input: JsonValue) -> JsonValue:
    """Return an input in its normal form, with its defaults filled in.

    Raises:
        InputError: it does not fit the schema.
    """
    from checkpointflow.schemas import check, told, with_defaults

    schema = cast("JsonObject | bool", definition.inputs)
    value = with_defaults(definition.normal_input(run_input), schema)
    problems = check(value, schema)
    if problems:
        shown, details = told(problems)
        raise InputError(f"the input does not fit workflow `{definition.id}`: {shown}", details=details)
    return value
