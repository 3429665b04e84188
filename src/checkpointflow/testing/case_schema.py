"""What a file of cases may hold, as JSON Schema; data only, no checks."""

from __future__ import annotations

from typing import Any

from checkpointflow.errors import StepFailedError, StepOutputError, StepTimeoutError
from checkpointflow.frontends.document.specs import choice, described, record, seconds, text
from checkpointflow.testing.beside import SCHEMA_VERSION
from checkpointflow.values import JsonObject, JsonValue

STATUSES = ("completed", "failed", "cancelled", "waiting", "paused", "refused")
CALL_FIELDS = (
    "command", "argv", "shell", "env", "cwd", "stdin", "method", "url", "query", "headers", "body", "call", "args",
)  # fmt: skip
"""What a call shows of a step's evaluated arguments."""
WAIT_FIELDS = ("event_name", "audience", "prompt", "summary", "input_schema", "risk_level")
_CODES = (StepFailedError.code, StepTimeoutError.code, StepOutputError.code)


def cases_schema() -> JsonObject:
    """Return the schema of a file of cases; the caller gets a copy of its own."""
    fields: JsonObject = {
        "schema_version": described("The format's version", const=SCHEMA_VERSION),
        "document": text("The document, from this file's folder; else the one beside it", minLength=1),
        "mocks": _mocks("Mocks for every case, under those of the case itself"),
        "cases": described("The cases", type="array", minItems=1, items=_case()),
    }
    dialect: JsonObject = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | record("Cases that test a workflow", fields, ("schema_version", "cases"))


def case_schema() -> JsonObject:
    """Return the schema of one case."""
    return _case()


def _case() -> JsonObject:
    fields: JsonObject = {
        "name": text("What the case shows; unique in the file", minLength=1, examples=["approved"]),
        "input": described("The run's input", default={}),
        "starts_at": text("When the run starts", format="date-time", default="2030-01-01T00:00:00Z"),
        "mocks": _mocks("What steps give, by step id or key; a key counts before an id"),
        "real": _list("Steps that are performed for real, by id or key", _key("A step")),
        "answers": _list("Answers to waits, each given once, in this order", _answer()),
        "events": _list("Events that are sent whether anything waits for them or not", _event()),
        "cancel": _cancel(),
        "stop_after_seconds": seconds("When the case stops looking, if the run has not settled before"),
        "expect": _expect(),
    }
    return record("One run and what has to come of it", fields, ("name", "expect"))


# -- what happens ----------------------------------------------------------------------------------


def _mocks(title: str) -> JsonObject:
    example: JsonValue = [{"plan": {"output": {"changes": 1}}}]
    return described(title, type="object", additionalProperties=_mock(), examples=example)


def _mock() -> JsonObject:
    failure: JsonObject = {
        "code": choice("The error's code", *_CODES, default=StepFailedError.code),
        "message": text("Its sentence"),
        "details": described("What `steps.ID.error.details` holds", type="object"),
    }
    fields: JsonObject = {
        "output": described("What the step gives: what a command prints, a server answers, a function returns"),
        "stdout": text("cli: what the command prints"),
        "stderr": text("cli: what it prints to stderr"),
        "exit_code": described("cli: the code with which it ends", type="integer"),
        "status_code": described("api: the status of the answer", type="integer", minimum=100, maximum=599),
        "headers": described("api: its headers", type="object", additionalProperties={"type": "string"}),
        "body": described("api: its body, a text as it is, any other value as JSON"),
        "error": record("How the step fails", failure),
        "lost": described("Whether nobody learns what came of it", const=True),
        "delay_seconds": seconds("How long it takes, in virtual time; beyond its timeout it times out", default=0),
    }
    return _one_or_list("A mock, or one for each attempt or visit in turn", fields)


def _answer() -> JsonObject:
    fields: JsonObject = {
        "event": text("The event's name", minLength=1),
        "wait": _key("The wait, or the step in doubt, by step id or key"),
        "audience": choice("Who has to be asked", "user", "agent", "system"),
        "payload": described("The answer", default={}),
        "after_seconds": seconds("How long after the wait opened it comes", default=0),
        "actor": text("Who answers"),
        "refused": described("It has to be refused: it does not fit, or comes too late", const=True),
        "decide": choice("What happened to a step in doubt", "done", "again", "fail"),
        "output": described("The step's output, with `decide: done`"),
    }
    either: list[JsonValue] = [{"required": ["event"]}, {"required": ["wait"]}]
    return record("One answer", fields, anyOf=either, dependentRequired={"decide": ["wait"], "output": ["decide"]})


def _event() -> JsonObject:
    fields: JsonObject = {
        "event": text("The event's name", minLength=1),
        "payload": described("What it says", default={}),
        "after_seconds": seconds("How long after the start it is sent", default=0),
        "actor": text("Who sends it"),
    }
    return record("One event", fields, ("event",))


def _cancel() -> JsonObject:
    fields: JsonObject = {
        "after_seconds": seconds("How long after the start, or after the wait has opened", default=0),
        "wait": _key("The wait or sleep that has to be open, by step id or key"),
        "reason": text("Why"),
        "actor": text("Who cancels"),
    }
    return record("When the run is cancelled", fields)


# -- what has to come of it ------------------------------------------------------------------------


def _expect() -> JsonObject:
    error: JsonObject = {
        "code": text("Its code", pattern="^ERR_[A-Z_]+$", x_says="a code such as `ERR_STEP_FAILED`"),
        "step": _key("The step that failed, by id or key"),
        "message": text("What stands in its message"),
    }
    fields: JsonObject = {
        "status": choice("How the run ends; `completed`, or `failed` where an error is expected", *STATUSES),
        "result": described("Its result"),
        "outputs": described("Its outputs"),
        "error": record("Why it fails", error, minProperties=1),
        "path": _path(),
        "calls": _counted("Calls of steps, by id or key: how many, or what they were given", _arguments()),
        "waits": _counted("Waits that opened, by step id or key: how many, or what they asked", _request()),
        "elapsed_seconds": seconds("How much virtual time has passed"),
    }
    return record("What has to come of it", fields, minProperties=1)


def _path() -> JsonObject:
    in_order = _list("Keys that come in this order, whatever stands between", _key("A key"))
    return described(
        "The keys of all steps in the order in which they began, or `in_order` some of them",
        type=["array", "object"],
        items=_key("A key"),
        properties={"in_order": in_order},
        required=["in_order"],
        additionalProperties=False,
    )


def _arguments() -> JsonObject:
    return {name: described(f"The evaluated `{name}`") for name in CALL_FIELDS}


def _request() -> JsonObject:
    return {name: described(f"The evaluated `{name}`") for name in WAIT_FIELDS}


def _counted(title: str, fields: JsonObject) -> JsonObject:
    one = _one_or_list("How many, the one, or a list of all in order", fields, number=True)
    return described(title, type="object", additionalProperties=one)


def _one_or_list(title: str, fields: JsonObject, *, number: bool = False) -> JsonObject:
    """Return the schema of an object or a list of such; properties speak of the one, items of the other."""
    one = record("One", fields)
    more: dict[str, Any] = {"minimum": 0} if number else {"minItems": 1}
    kinds: list[JsonValue] = ["object", "array", *(["integer"] if number else [])]
    return described(title, type=kinds, items=one, properties=fields, additionalProperties=False, **more)


def _list(title: str, items: JsonObject) -> JsonObject:
    return described(title, type="array", items=items)


def _key(title: str) -> JsonObject:
    return text(title, minLength=1, examples=["apply", "each[0]/apply", "review#2"])
