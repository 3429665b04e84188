"""Values in the text of a shell command: how they get in without ever becoming syntax."""

from checkpointflow.frontends.document.shell.notes import (
    assigned_values,
    programs_of,
    second_interpreter_notes,
    visible_arguments,
)
from checkpointflow.frontends.document.shell.places import (
    Hole,
    Refusal,
    ShellRefused,
    ShellText,
    evaluating_construct,
    is_evaluated_variable,
    place_values,
)

__all__ = [
    "Hole",
    "Refusal",
    "ShellRefused",
    "ShellText",
    "assigned_values",
    "evaluating_construct",
    "is_evaluated_variable",
    "place_values",
    "programs_of",
    "second_interpreter_notes",
    "visible_arguments",
]
