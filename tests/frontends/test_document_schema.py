"""The promises of the documents' JSON Schema: one source of what is accepted, in editors as in the loader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError, UnknownKindError
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.schema import document_schema, step_schema
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.schemas import check, schema_problems
from checkpointflow.values import JsonObject, JsonValue, dump

EXAMPLES: dict[str, list[JsonObject]] = {
    "cli": [
        {"command": "echo hi", "shell": "bash.exe", "cwd": "x", "env": {"A": 1, "B": "${inputs.b}"}},
        {"command": ["echo a", "echo b"], "success": {"exit_codes": [0, 3]}, "parse": "lines"},
        {"argv": ["git", "push", 1, True], "stdin": {"a": "${inputs.b}"}, "effect": "once"},
        {
            "command": "true",
            "timeout_seconds": 1.5,
            "retry": {"max_attempts": 3, "backoff_seconds": 0.5, "strategy": "exponential", "max_backoff_seconds": 9}
            | {"jitter": True, "on": ["timeout", "connection", "exit:75", "http:5xx", "http:503"]},
        },
    ],
    "api": [
        {"url": "https://x.test/p"},
        {
            "method": "POST",
            "url": "${inputs.b}/p?q=${inputs.b}",
            "query": {"a": 1, "b": ["${inputs.b}", 2], "c": True},
            "headers": {"X-A": 1, "Authorization": "Bearer ${inputs.b}"},
            "body": {"a": [None, "${inputs.b}"]},
            "success": {"status_codes": [200, 404]},
        }
        | {"timeout_seconds": 5, "retry": {"max_attempts": 2}, "effect": "once", "allow_private_hosts": True},
        {"url": "https://x.test/", "body": None, "outputs": {"type": "object"}},
    ],
    "python": [{"call": "a:b"}, {"call": "a.b_1:C.d", "args": {"x": [1, "${inputs.b}"]}, "effect": "once"}],
    "set": [{"values": {"a": 1, "b": ["${inputs.b}"]}, "outputs": {"type": "object"}}],
    "sleep": [{"seconds": 3}, {"seconds": "${inputs.n}"}, {"until": "2030-01-01T09:00:00Z"}],
    "await_event": [
        {
            "audience": "user",
            "event_name": "go",
            "input_schema": True,
            "prompt": "?",
            "summary": "!",
            "risk_level": "high",
        }
        | {"transitions": [{"when": "event == 1", "next": "end"}], "timeout_seconds": 60}
        | {"on_timeout": {"next": "end", "outputs": {"late": True}}}
    ],
    "switch": [{"cases": [{"when": "inputs.n == 1", "next": "end"}, {"when": True, "next": "end"}], "default": "end"}],
    "foreach": [
        {"items": "[1, 2]", "body": [{"id": "b", "kind": "end", "result": "${item}"}], "max_parallel": 2},
        {"items": "${[1]}", "body": [{"id": "b", "kind": "end"}], "on_item_error": "continue", "item_key": "k${item}"},
    ],
    "parallel": [
        {"branches": [{"id": "l", "steps": [{"id": "b", "kind": "end"}]}], "max_parallel": 1, "on_branch_error": "wait"}
    ],
    "workflow": [],  # names a file, see below
    "end": [{"result": None}, {"fail": "no ${inputs.n}"}, {}],
}
BROKEN: dict[str, list[JsonObject]] = {
    "cli": [
        {},
        {"command": "a", "argv": ["b"]},
        {"command": 1},
        {"command": "a", "shell": "fish"},
        {"argv": []},
        {"command": "a", "retry": {"backoff_seconds": 1}},
        {"command": "a", "retry": {"max_attempts": 0}},
        {"command": "a", "env": {"A=B": "x"}},
        {"command": "a", "env": {"A": None}},
        {"command": "a", "effect": "twice"},
    ],
    "api": [
        {},
        {"url": ""},
        {"url": 1},
        {"url": "https://x.test/", "method": "FETCH"},
        {"url": "https://x.test/", "method": "get"},
        {"url": "https://x.test/", "headers": {"a b": "c"}},
        {"url": "https://x.test/", "headers": {"a": ["b"]}},
        {"url": "https://x.test/", "query": {"a": {}}},
        {"url": "https://x.test/", "query": "a=b"},
        {"url": "https://x.test/", "success": {"status_codes": []}},
        {"url": "https://x.test/", "success": {"status_codes": [99]}},
        {"url": "https://x.test/", "allow_private_hosts": "yes"},
    ],
    "python": [{}, {"call": "a"}, {"call": "a:"}, {"call": "a-b:c"}, {"call": "a:b", "args": [1]}, {"call": "a:b()"}],
    "set": [{}, {"values": [1]}, {"values": {}, "retry": {"max_attempts": 1}}],
    "sleep": [{}, {"seconds": 1, "until": "2030-01-01"}, {"seconds": -1}, {"seconds": 1, "timeout_seconds": 1}],
    "await_event": [
        {},
        {"audience": "all", "event_name": "e", "input_schema": {}},
        {"audience": "user", "event_name": "e"},
    ],
    "switch": [{}, {"cases": []}, {"cases": [{"when": "true"}]}, {"cases": [{"next": "end"}]}],
    "foreach": [{"items": "[1]"}, {"body": [{"id": "b", "kind": "end"}]}, {"items": "[1]", "body": []}],
    "parallel": [{}, {"branches": []}, {"branches": [{}]}, {"branches": [{"id": "x"}]}],
    "workflow": [{}, {"workflow_ref": 1}],
    "end": [{"result": 1, "fail": "x"}, {"effect": "once"}, {"retry": {"max_attempts": 1}}, {"timeout_seconds": 1}],
}


def document(kind: str, fields: JsonObject) -> JsonObject:
    step: JsonObject = {"id": "s", "kind": kind, **fields}
    return {"schema_version": "checkpointflow/v1", "workflow": {"id": "t", "inputs": {}, "steps": [step]}}


def both(samples: dict[str, list[JsonObject]]) -> list[tuple[str, JsonObject]]:
    return [(kind, fields) for kind, all_fields in samples.items() for fields in all_fields]


@pytest.mark.parametrize(("kind", "fields"), both(EXAMPLES))
def test_what_the_schema_accepts_loads(kind: str, fields: JsonObject, tmp_path: Path) -> None:
    tree = document(kind, fields)
    assert check(tree, document_schema()) == []
    assert load_text(dump(tree), source_path=None, cwd=tmp_path).document.steps[0].fields["kind"] == kind


@pytest.mark.parametrize(("kind", "fields"), both(BROKEN))
def test_what_the_schema_refuses_does_not_load(kind: str, fields: JsonObject, tmp_path: Path) -> None:
    tree = document(kind, fields)
    assert check(tree, document_schema())
    with pytest.raises(DocumentError) as caught:
        load_text(dump(tree), source_path=None, cwd=tmp_path)
    assert all(problem["line"] == 1 and problem["column"] > 1 for problem in caught.value.problems)


def test_the_schema_is_itself_valid() -> None:
    assert schema_problems(document_schema()) == []


def test_callers_may_change_their_copy() -> None:
    document_schema()["properties"].clear()
    assert document_schema()["properties"]


def test_every_kind_has_examples_here_and_a_place_in_the_schema() -> None:
    assert EXAMPLES.keys() == BROKEN.keys() == KINDS.keys()
    assert {f"step_{name}" for name in KINDS} < document_schema()["$defs"].keys()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_says_what_it_is(kind: str) -> None:
    for name, field in step_schema(kind)["properties"].items():
        assert field.get("title"), name


def test_inner_steps_are_described_like_outer_ones() -> None:
    bad = {"id": "b", "kind": "cli", "comand": "x"}
    for fields, kind in (
        ({"items": "[1]", "body": [bad]}, "foreach"),
        ({"branches": [{"id": "l", "steps": [bad]}]}, "parallel"),
    ):
        assert any(problem.path[-1:] == ("comand",) for problem in check(document(kind, fields), document_schema()))


def test_places_that_are_no_template_are_marked() -> None:
    marked = {(kind, path): place for kind in KINDS for path, place in _places(step_schema(kind), ())}
    assert marked["cli", "command"] == "shell"
    assert marked["cli", "argv"] == marked["cli", "cwd"] == "word"
    assert marked["api", "url"] == "url"
    assert marked["foreach", "items"] == "expression"
    assert marked["switch", "cases.when"] == marked["await_event", "transitions.when"] == "condition"
    assert all(marked[kind, "if"] == "condition" for kind in KINDS)
    assert all(marked[kind, name] == "literal" for kind in KINDS for name in ("id", "kind", "next", "on_error.next"))
    assert marked["workflow", "workflow_ref"] == marked["cli", "shell"] == marked["cli", "timeout_seconds"] == "literal"


def _places(schema: JsonValue, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(schema, dict):
        if "x-place" in schema:
            yield ".".join(path), str(schema["x-place"])
        yield from _places(schema.get("items"), path)
        for name, inner in schema.get("properties", {}).items():
            yield from _places(inner, (*path, name))


def test_kinds_that_this_version_lacks_are_refused_as_unsupported(tmp_path: Path) -> None:
    tree = document("teleport", {})
    assert check(tree, document_schema())
    with pytest.raises(UnknownKindError) as caught:
        load_text(dump(tree), source_path=None, cwd=tmp_path)
    assert caught.value.exit_code == 80
    (problem,) = caught.value.details["problems"]
    assert problem["code"] == "ERR_UNSUPPORTED_STEP"
    assert problem["line"] == 1


EVERY = {"cli", "api", "python"}
TAKEN_BY: list[tuple[JsonValue, set[str]]] = [
    *((word, EVERY) for word in ("timeout", "connection", "exit:75", "http:503", "http:5xx")),
    *((word, {"python"}) for word in ("OSError", "http.client.HTTPException")),
    *((word, set()) for word in ("exit:", "http:7xx", "", "a-b", "timeout\n", 1)),
]


@pytest.mark.parametrize("kind", sorted(EVERY))
@pytest.mark.parametrize(("word", "kinds"), TAKEN_BY)
def test_the_schema_and_the_loader_take_the_same_words_in_retry_on(
    kind: str, word: JsonValue, kinds: set[str], tmp_path: Path
) -> None:
    tree = document(kind, EXAMPLES[kind][0] | {"retry": {"max_attempts": 2, "on": [word]}})
    found = []
    try:
        load_text(dump(tree), source_path=None, cwd=tmp_path)
    except DocumentError as error:
        found = [(one["path"], bool(one["hint"])) for one in error.problems if one["severity"] == "error"]
    is_taken = kind in kinds
    assert (check(tree, document_schema()) == []) is is_taken
    assert found == ([] if is_taken else [("workflow.steps[0].retry.on[0]", True)])
