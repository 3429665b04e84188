"""The JSON Schema of documents, put together from the common fields and one spec per kind; no checks themselves."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

from checkpointflow.frontends.document.specs import (
    ID_PATTERN,
    ID_SAYS,
    KINDS,
    KindSpec,
    choice,
    described,
    environment,
    record,
    retry_policy,
    schema_of,
    seconds,
    secret_sources,
    shell_choice,
    steps_of,
    target,
    text,
    working_folder,
)
from checkpointflow.values import JsonObject, JsonValue

SCHEMA_VERSION = "checkpointflow/v1"
MAX_VISITS = 1000
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema() -> JsonObject:
    """Return the whole schema: the single source of what a document may hold, as editors use it.

    The caller gets a copy of its own. Rules that concern several steps are not in it.
    """
    schema = deepcopy(header_schema())
    _refer_inside(schema)
    kinds: JsonObject = {f"step_{name}": _with_references(step_schema(name)) for name in KINDS}
    step: JsonObject = {
        "type": "object",
        "required": ["id", "kind"],
        "properties": {"kind": choice("What the step does", *KINDS)},
        "allOf": [_when_kind(name) for name in KINDS],
    }
    return (
        {"$schema": _DIALECT, "title": "A workflow document of checkpointflow"}
        | schema
        | {"$defs": {"step": step} | kinds}
    )


@cache
def header_schema() -> JsonObject:
    """Return the schema of everything but the steps; callers do not change it."""
    return record(
        "A workflow document",
        {
            "schema_version": described("The format's version", const=SCHEMA_VERSION, x_place="literal"),
            "workflow": record("The workflow", _header_fields(), ("id", "inputs", "steps")),
        },
        ("schema_version", "workflow"),
    )


@cache
def step_schema(kind: str) -> JsonObject:
    """Return the schema of one kind's steps, inner lists unchecked; callers do not change it.

    Raises:
        KeyError: there is no such kind.
    """
    spec = KINDS[kind]
    common = {name: field for name, field in _common_fields().items() if name not in spec.refused}
    fixed: JsonObject = {"kind": described("The kind", const=kind, x_place="literal")}
    schema = record(f"A step that {spec.summary}", common | fixed | spec.fields, ("id", "kind", *spec.required))
    return schema | _rules(spec)


def _rules(spec: KindSpec) -> JsonObject:
    rules: JsonObject = {}
    if spec.one_of:
        rules["oneOf"] = [{"required": list(names)} for names in spec.one_of]
    if spec.rules:
        rules["allOf"] = list(spec.rules)
    return rules


def _common_fields() -> JsonObject:
    error_target = record("Where a failure leads", {"next": target("The step that follows then")}, ("next",))
    return {
        "id": described("The step's id", type="string", pattern=ID_PATTERN, x_says=ID_SAYS, x_place="literal"),
        "kind": described("The kind", type="string", x_place="literal"),
        "name": text("A name for people", x_place="note"),
        "description": text("What the step is for", x_place="note"),
        "if": described("The step is skipped unless this is true", type=["string", "boolean"], x_place="condition"),
        "timeout_seconds": seconds(
            "How long it may take, in seconds; 0 for as long as it likes, a wait for a century at most"
        ),
        "retry": retry_policy(),
        "effect": choice(
            "Whether it may be performed again when nobody knows if it took effect",
            "idempotent",
            "once",
            default="idempotent",
        ),
        "next": target("The step that follows, if not the next in the list"),
        "on_error": error_target,
        "outputs": schema_of("The JSON Schema of the step's outputs"),
        "risk_level": choice("How much is at stake", "low", "medium", "high"),
        "tags": described("Labels", type="array", items={"type": "string"}, x_place="note"),
        "inputs": described(
            "The inputs of the workflow that the step runs", type="object", examples=[{"x": "${inputs.n}"}]
        ),
    }


def _header_fields() -> JsonObject:
    defaults: JsonObject = {
        "shell": shell_choice(),
        "cwd": working_folder(),
        "env": environment("Environment variables added for every command"),
        "timeout_seconds": seconds("How long an effect may take, in seconds"),
        "retry": retry_policy(raises=True),
    }
    visits = described("How often a step is visited per scope", type="integer", minimum=1, default=MAX_VISITS)
    failure = record("Where the first failure leads", {"next": target("The step that follows then")}, ("next",))
    return {
        "id": described(
            "The workflow's id",
            type="string",
            pattern=ID_PATTERN,
            x_says=ID_SAYS,
            x_place="literal",
            examples=["publish_page"],
        ),
        "name": text("A name for people", x_place="note"),
        "description": text("What the workflow is for", x_place="note"),
        "version": text("The author's version", x_place="note", examples=["1.0.0"]),
        "inputs": schema_of("The JSON Schema of the input"),
        "secrets": secret_sources(),
        "defaults": record("What holds for every command", defaults),
        "limits": record("Bounds", {"max_visits": visits}),
        "steps": steps_of("The steps, in order"),
        "outputs": schema_of("The JSON Schema of the outputs; properties may say `from: steps.ID.outputs.NAME`"),
        "on_error": failure,
    }


def _when_kind(name: str) -> JsonObject:
    condition: JsonObject = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
    return {"if": condition, "then": {"$ref": f"#/$defs/step_{name}"}}


def _with_references(schema: JsonObject) -> JsonObject:
    copy = deepcopy(schema)
    _refer_inside(copy)
    return copy


def _refer_inside(schema: JsonValue) -> None:
    """Lists of steps are checked step by step elsewhere; in the whole schema they refer to their parts."""
    if isinstance(schema, list):
        for item in schema:
            _refer_inside(item)
    elif isinstance(schema, dict):
        if schema.get("x-place") == "steps":
            schema["items"] = {"$ref": "#/$defs/step"}
        elif schema.get("x-place") == "schema":
            schema["$ref"] = _DIALECT
        else:
            for inner in schema.values():
                _refer_inside(inner)
