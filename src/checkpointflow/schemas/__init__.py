"""JSON Schema 2020-12: checks, defaults and examples."""

from checkpointflow.schemas.checking import MAX_PROBLEMS, Checker, check, is_valid, schema_problems
from checkpointflow.schemas.filling import example, with_defaults
from checkpointflow.schemas.problems import Path, Problem, Schema, sentence, told
from checkpointflow.schemas.wording import closest, describe, did_you_mean, show

__all__ = [
    "MAX_PROBLEMS",
    "Checker",
    "Path",
    "Problem",
    "Schema",
    "check",
    "closest",
    "describe",
    "did_you_mean",
    "example",
    "is_valid",
    "schema_problems",
    "sentence",
    "show",
    "told",
    "with_defaults",
]
