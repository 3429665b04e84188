"""The expressions of documents: a subset of CEL, parsed against a scope, evaluated without side effects."""

from __future__ import annotations

from checkpointflow.expressions.expression import (
    Expression,
    as_condition,
    parse,
    parse_bare_or_wrapped,
    parse_condition,
)
from checkpointflow.expressions.names import Note, Reference, Scope
from checkpointflow.expressions.places import Schema, StepShape
from checkpointflow.expressions.secret_text import SecretText, joined
from checkpointflow.expressions.template import Template, parse_template, text_of

__all__ = [
    "Expression",
    "Note",
    "Reference",
    "Schema",
    "Scope",
    "SecretText",
    "StepShape",
    "Template",
    "as_condition",
    "joined",
    "parse",
    "parse_bare_or_wrapped",
    "parse_condition",
    "parse_template",
    "text_of",
]
