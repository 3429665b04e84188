"""What each step kind's own fields are, as JSON Schema; data only, no checks and no behaviour.

Extra keywords, which JSON Schema ignores: `x-place` says how texts at a place are read (`template` unless
said: `shell`, `word`, `url`, `expression`, `condition`, `literal`, `note`, `schema`, `steps`) and holds for all
below it, as does `x-secrets: true`: secrets may stand there; `x-says` is what a value has to be, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

ID_PATTERN = r"""^[^\s\x00-\x1f\x7f/#\[\]{}$"']+$"""
ID_SAYS = "an id: text without blanks or any of / # [ ] { } $ \" '"
HEADER_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHELLS = ("sh", "bash", "pwsh", "powershell", "cmd")


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of step: what it does in a line, its own fields, and rules on which of them go together.

    `outputs` says, for people, what stands in the step's outputs and beside them; `refused` are common fields that it
    cannot have, `idle` those that it may have but that do nothing.
    """

    name: str
    summary: str
    outputs: str
    fields: JsonObject
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    rules: tuple[JsonObject, ...] = ()
    refused: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


def described(title: str, **schema: Any) -> JsonObject:
    """Return a schema with a title; `x_place` and `x_says` stand for the keywords with a dash."""
    return {"title": title} | {key.replace("x_", "x-"): value for key, value in schema.items()}


def text(title: str, **more: Any) -> JsonObject:
    """Return the schema of a text."""
    return described(title, type="string", **more)


def choice(title: str, *options: str, **more: Any) -> JsonObject:
    """Return the schema of a choice among words."""
    return described(title, enum=list(options), x_place="literal", **more)


def target(title: str) -> JsonObject:
    """Return the schema of a jump: the id of a step in the same list, or `end`."""
    return described(title, type="string", pattern=ID_PATTERN, x_says=ID_SAYS, x_place="literal", examples=["apply"])


def record(title: str, properties: JsonObject, required: tuple[str, ...] = (), **more: Any) -> JsonObject:
    """Return the schema of an object with these fields and no others."""
    return described(
        title, type="object", properties=properties, required=list(required), additionalProperties=False, **more
    )


def schema_of(title: str, **more: Any) -> JsonObject:
    """Return the place of a JSON Schema that the author writes."""
    return described(title, type=["object", "boolean"], x_place="schema", **more)


def steps_of(title: str) -> JsonObject:
    """Return the place of a list of steps."""
    return described(title, type="array", minItems=1, x_place="steps")


def environment(title: str) -> JsonObject:
    """Return the schema of environment variables."""
    names: JsonObject = {"pattern": r"^[^=\s\x00]+$", "x-says": "the name of a variable, without blanks or `=`"}
    values: JsonObject = {"type": ["string", "number", "boolean"]}
    return described(
        title,
        type="object",
        propertyNames=names,
        additionalProperties=values,
        x_secrets=True,
        examples=[{"PAGE": "${inputs.page_id}"}],
    )


def secret_sources() -> JsonObject:
    """Return the schema of `secrets`: where each is kept."""
    names: JsonObject = {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$", "x-says": "a name of letters, digits and `_`"}
    variable = text("The environment variable that holds it", pattern=r"^[^=\s\x00]+$", x_says="the name of a variable")
    file = text("The file that holds it, from the run's working folder or from `~/`", minLength=1)
    either: list[JsonValue] = [{"required": ["env"]}, {"required": ["file"]}]
    source = record("Where the secret is kept", {"env": variable, "file": file}, oneOf=either)
    return described(
        "Secrets, by name: where each is kept, `{env: VARIABLE}` or `{file: PATH}`",
        type="object",
        propertyNames=names,
        additionalProperties=source,
        x_place="literal",
        examples=[{"token": {"env": "API_TOKEN"}}],
    )


def shell_choice() -> JsonObject:
    """Return the schema of `shell`."""
    names = [*SHELLS, *(f"{name}.exe" for name in SHELLS)]
    return choice("The shell that runs `command`", *names, default="sh")


def working_folder() -> JsonObject:
    """Return the schema of `cwd`."""
    return text("The folder in which commands run", x_place="word", examples=["./site"])


def seconds(title: str, **more: Any) -> JsonObject:
    """Return the schema of a duration."""
    return described(title, type="number", minimum=0, x_place="literal", **more)


def retry_policy(*, raises: bool = False, title: str = "When a failed step is tried again") -> JsonObject:
    """Return the schema of `retry`; `raises` says that steps with it can fail with a Python exception."""
    reason = r"timeout|connection|exit:[0-9]+|http:([0-9]{3}|[1-5]xx)"
    says = "`timeout`, `connection`, `exit:CODE`, `http:STATUS` or `http:5xx`"
    if raises:
        reason, says = rf"{reason}|[A-Za-z_][A-Za-z0-9_.]*", f"{says}, or the name of an exception"
    else:
        says = f"{says}; a step of kind `python` may also name exceptions"
    fields: JsonObject = {
        "max_attempts": described("How often it is tried, the first time included", type="integer", minimum=1),
        "backoff_seconds": seconds("The pause before the second try; no pause is longer than 30 days", default=1),
        "strategy": choice("Whether pauses stay or double", "fixed", "exponential", default="fixed"),
        "max_backoff_seconds": seconds("The longest pause"),
        "jitter": described("Whether pauses are shortened by chance", type="boolean", default=False),
        "on": described(
            "Which errors are tried again", type="array", items=text("An error", pattern=f"^({reason})$", x_says=says)
        ),
    }
    example: JsonValue = [{"max_attempts": 3, "backoff_seconds": 2, "strategy": "exponential"}]
    return record(title, fields, ("max_attempts",), x_place="literal", examples=example)


def _condition(title: str) -> JsonObject:
    return described(title, type=["string", "boolean"], x_place="condition", examples=['inputs.mode == "fast"'])


def _cases(title: str, example: str) -> JsonObject:
    fields: JsonObject = {"when": _condition("The condition"), "next": target("The step that follows then")}
    case = record("One case", fields, ("when", "next"))
    return described(title, type="array", items=case, examples=[[{"when": example, "next": "apply"}]])


def _workflow_ref() -> JsonObject:
    title = "The file of another workflow, from this file's folder, else from the working folder"
    return text(title, minLength=1, x_place="literal", examples=["review.yaml"])


def _max_parallel() -> JsonObject:
    return described("How many run at the same time", type="integer", minimum=1, x_place="literal")


def _status_codes() -> JsonObject:
    code: JsonObject = {"type": "integer", "minimum": 100, "maximum": 599}
    return described("Statuses", type="array", items=code, minItems=1, default=[200, 201, 202, 204])


_WORDS: JsonObject = {"type": ["string", "number", "boolean"]}
_CONTROL = ("timeout_seconds", "retry", "effect")
_NO_EFFECT = ("retry", "effect")

_CLI = KindSpec(
    name="cli",
    summary="runs a command",
    outputs=(
        "What the command printed, read as `parse` says: under `auto` one JSON object if stdout is one (with an "
        "`outputs` schema it has to be), else an empty object. Beside the outputs stand `steps.ID.exit_code` and, "
        "under `auto` when nothing was parsed, `steps.ID.stdout` (its first 64 KiB). More than 8 MiB is not "
        "parsed."
    ),
    fields={
        "command": described(
            "The text that a shell runs; the texts of a list run one after the other, while all succeed",
            type=["string", "array"],
            items={"type": "string"},
            minItems=1,
            minLength=1,
            x_place="shell",
            x_secrets=True,
            examples=['publish --page "${inputs.page_id}"'],
        ),
        "argv": described(
            "The program and its arguments, without a shell",
            type="array",
            items=_WORDS,
            minItems=1,
            x_place="word",
            examples=[["git", "push", "${inputs.branch}"]],
        ),
        "shell": shell_choice(),
        "cwd": working_folder(),
        "env": environment("Environment variables added for this command"),
        "stdin": described("What the command reads: text, or a value that is passed as JSON", x_secrets=True),
        "success": record(
            "What counts as success",
            {"exit_codes": described("Exit codes", type="array", items={"type": "integer"}, minItems=1, default=[0])},
        ),
        "parse": choice("How the output is read", "auto", "json", "lines", "text", default="auto"),
    },
    one_of=(("command",), ("argv",)),
)
_API = KindSpec(
    name="api",
    summary="sends an HTTP request",
    outputs=(
        "The JSON object that was answered; anything else as `{body}`, which is JSON where the answer says so, "
        "else text. Beside the outputs stands `steps.ID.status_code`. More than 8 MiB is not taken."
    ),
    fields={
        "method": choice("The method", *METHODS, default="GET"),
        "url": text(
            "The address; a value in it is encoded for its place, one that begins it is a whole base address",
            minLength=1,
            x_place="url",
            x_secrets=True,
            examples=["https://api.example.com/pages/${inputs.page_id}"],
        ),
        "query": described(
            "What is added to the query, by name; lists repeat the name, null leaves it out",
            type="object",
            additionalProperties={"type": ["string", "number", "boolean", "array"], "items": _WORDS},
            x_secrets=True,
            examples=[{"limit": 10, "tag": "${inputs.tags}"}],
        ),
        "headers": described(
            "The headers; null leaves one out",
            type="object",
            propertyNames={"pattern": HEADER_PATTERN, "x-says": "the name of a header, without blanks or `:`"},
            additionalProperties=_WORDS,
            x_secrets=True,
            examples=[{"Authorization": "Bearer ${secrets.token}"}],
        ),
        "body": described(
            "What is sent: a text as it is, any other value as JSON, null nothing",
            x_secrets=True,
            examples=[{"title": "${inputs.title}"}],
        ),
        "success": record("What counts as success", {"status_codes": _status_codes()}),
        "timeout_seconds": seconds("How long an attempt may take, in seconds; 0 for as long as it likes", default=30),
        "retry": retry_policy(
            title="When it is tried again; without `on`: timeout, connection, and the statuses 408, 429 and 5xx"
        ),
        "allow_private_hosts": described(
            "Whether a host that comes from an expression, or to which a redirect leads, may have a private address",
            type="boolean",
            default=False,
        ),
    },
    required=("url",),
)
_PYTHON = KindSpec(
    name="python",
    summary="calls a Python function in a process of its own",
    outputs=(
        "What the function returned: JSON, at most 8 MiB. What it prints is captured. An exception fails the step: "
        "`steps.ID.error.details` has the names of its classes in `exceptions`, and `traceback_path`."
    ),
    fields={
        "call": text(
            "The function; its module is looked up in the document's folder, then in the run's working folder",
            pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
            x_says="a function, as `package.module:function`",
            x_place="literal",
            examples=["pages.checks:broken_links"],
        ),
        "args": described(
            "The function's arguments, by name", type="object", x_secrets=True, examples=[{"page": "${inputs.page_id}"}]
        ),
        "retry": retry_policy(raises=True, title="When it is tried again; `on` may also name exceptions"),
    },
    required=("call",),
)
_SET = KindSpec(
    name="set",
    summary="computes values",
    outputs="The values, computed once and then recorded.",
    fields={"values": described("The values, by name", type="object", examples=[{"total": "${inputs.a + inputs.b}"}])},
    required=("values",),
    refused=_CONTROL,
)
_SLEEP = KindSpec(
    name="sleep",
    summary="waits for a time",
    outputs="None.",
    fields={
        "seconds": described("How long, as a number or an expression", type=["number", "string"], minimum=0),
        "until": text("The instant (ISO 8601) until which it waits", examples=["2030-01-01T09:00:00Z"]),
    },
    one_of=(("seconds",), ("until",)),
    refused=(*_CONTROL, "outputs"),
)
_AWAIT_EVENT = KindSpec(
    name="await_event",
    summary="waits for an answer from outside",
    outputs="The payload of the answer, or `on_timeout.outputs` once the deadline has passed.",
    fields={
        "audience": choice("Who is asked", "user", "agent", "system"),
        "event_name": text("The event that answers", minLength=1, x_place="literal", examples=["change_approval"]),
        "input_schema": schema_of("The JSON Schema of the answer"),
        "prompt": text("What is asked"),
        "summary": text("What the asked should know"),
        "transitions": _cases(
            "Where an answer leads; if none matches, the next in the list", 'event.decision == "approve"'
        ),
        "on_timeout": record(
            "What happens when `timeout_seconds` are over; without it the step fails",
            {
                "next": target("The step that follows then"),
                "outputs": described("The outputs that stand in for an answer"),
            },
        ),
    },
    required=("audience", "event_name", "input_schema"),
    refused=_NO_EFFECT,
)
_SWITCH = KindSpec(
    name="switch",
    summary="goes where the first true condition leads",
    outputs="`{matched}`: the id of the step that it led to.",
    fields={
        "cases": _cases("The cases, in order", 'inputs.mode == "fast"') | {"minItems": 1},
        "default": target("The step that follows when no case is true"),
    },
    required=("cases",),
    refused=_CONTROL,
    idle=("next",),
)
_FOREACH = KindSpec(
    name="foreach",
    summary="runs steps, or a workflow, for each item of a list",
    outputs=(
        "`{iterations}`: one object per item, in item order: the outputs of its steps by id, `result` where it "
        "reached an `end`, and `error` if it failed under `on_item_error: continue`. With `workflow_ref`, the "
        "value of each sub-workflow. Inside stand `item` and `item_index`."
    ),
    fields={
        "items": text("The list", x_place="expression", examples=["inputs.pages"]),
        "body": steps_of("The steps for each item"),
        "workflow_ref": _workflow_ref(),
        "max_parallel": _max_parallel() | {"default": 1},
        "on_item_error": choice("Whether a failed item stops the others", "stop", "continue", default="stop"),
        "item_key": text("A name for each item, unique in the list", examples=["${item.id}"]),
    },
    required=("items",),
    one_of=(("body",), ("workflow_ref",)),
    refused=_CONTROL,
)
_PARALLEL = KindSpec(
    name="parallel",
    summary="runs branches at the same time",
    outputs="An object with the outputs of each branch, by the id of its `start_at` step or by its own `id`.",
    fields={
        "branches": described(
            "The branches",
            type="array",
            minItems=1,
            items=record(
                "One branch: a step of the same list, or steps of its own",
                {
                    "start_at": target("The one step that is this branch"),
                    "id": target("The name of the branch"),
                    "steps": steps_of("The steps of the branch"),
                },
                oneOf=[{"required": ["start_at"]}, {"required": ["id", "steps"]}],
            ),
        ),
        "max_parallel": _max_parallel(),
        "on_branch_error": choice("Whether a failed branch stops the others", "stop", "wait", default="stop"),
    },
    required=("branches",),
    refused=_CONTROL,
)
_WORKFLOW = KindSpec(
    name="workflow",
    summary="runs another workflow",
    outputs="The sub-workflow's result; without one its outputs; without those an object of its steps' outputs.",
    fields={"workflow_ref": _workflow_ref()},
    required=("workflow_ref",),
    refused=_CONTROL,
)
_END = KindSpec(
    name="end",
    summary="ends the list that it stands in, with a result or a failure",
    outputs=(
        "The result. `fail` ends its list as a failed step does: `on_error` of the step itself, of the step around "
        "it or of the workflow may lead on, else the run fails."
    ),
    fields={
        "result": described("The result, any value", examples=[{"status": "done"}]),
        "fail": text("Why the run fails", examples=["nothing to publish"]),
    },
    refused=_CONTROL,
    rules=({"not": {"required": ["result", "fail"]}, "x-says": "`result` and `fail` exclude each other"},),
    idle=("next", "outputs"),
)

KINDS: Mapping[str, KindSpec] = {
    spec.name: spec
    for spec in (_CLI, _API, _PYTHON, _SET, _SLEEP, _AWAIT_EVENT, _SWITCH, _FOREACH, _PARALLEL, _WORKFLOW, _END)
}
