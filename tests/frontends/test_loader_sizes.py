"""The promise that loading takes time in proportion to the document, whatever is large or wrong in it."""

from __future__ import annotations

import time

import pytest

from checkpointflow.errors import DocumentError, UnknownKindError, YamlError
from checkpointflow.frontends.document.findings import MAX_ERRORS, MAX_WARNINGS
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.values import JsonObject

SECONDS = 5.0
"""Of processor time. Each of these takes a few tenths; where the time grew with the square, it was a minute."""


def document(*steps: str, inputs: str = "{}", head: str = "", foot: str = "") -> str:
    listed = "".join(f"  - {step}\n" for step in steps)
    return f"schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {inputs}\n{head}  steps:\n{listed}{foot}"


def each(count: int, step: str) -> str:
    return document(*(step.replace("#", str(number)) for number in range(count)))


def command(text: str) -> str:
    return document(f"{{id: a, kind: cli, command: '{text}'}}")


def result(text: str, **more: str) -> str:
    return document(f"{{id: a, kind: end, result: '{text}'}}", **more)


def names(count: int, field: str) -> str:
    return ", ".join(field.replace("#", str(number)) for number in range(count))


LARGE = {
    "steps": each(4000, "{id: s#, kind: set, values: {x: '${steps.s#.outputs.x}'}}"),
    "keys": document(f"{{id: a, kind: set, values: {{{names(20_000, 'k#: 1')}}}}}"),
    "unknown fields": document(f"{{id: a, kind: set, values: {{}}, {names(20_000, 'k#: 1')}}}"),
    "keys that stand twice": document(f"{{id: a, kind: set, values: {{{names(20_000, 'k: 1')}}}}}"),
    "unknown targets": each(3000, "{id: s#, kind: set, values: {}, next: t#}"),
    "unknown steps": each(3000, "{id: s#, kind: set, values: {x: '${steps.t#.outputs.x}'}}"),
    "unknown kinds": each(3000, "{id: s#, kind: cly}"),
    "one id": each(3000, "{id: s, kind: set, values: {}}"),
    "loops": each(2000, "{id: f#, kind: foreach, items: '[1]', body: [{id: b, kind: end}]}"),
    "branches": each(2000, "{id: f#, kind: parallel, branches: [{id: b, steps: [{id: c, kind: end}]}]}"),
    "steps that start each other": document(
        *(f"{{id: g{n}, kind: parallel, branches: [{{start_at: g{n + 1}}}]}}" for n in range(2000)),
        "{id: g2000, kind: set, values: {}}",
    ),
    "an end that all jump to": document(
        *(f"{{id: a{n}, kind: cli, command: x, on_error: {{next: e}}}}" for n in range(2000)), "{id: e, kind: end}"
    ),
    "inputs": result(
        "${" + " + ".join(["inputs.p1"] * 500) + "}", inputs=f"{{properties: {{{names(10_000, 'p#: {}')}}}}}"
    ),
    "unknown inputs": document(
        *(f"{{id: a{n}, kind: end, result: '${{inputs.q{n}}}'}}" for n in range(2000)),
        inputs=f"{{additionalProperties: false, properties: {{{names(10_000, 'p#: {}')}}}}}",
    ),
    "undeclared inputs": document(
        *(f"{{id: a{n}, kind: end, result: '${{inputs.q{n}}}'}}" for n in range(2000)),
        inputs=f"{{properties: {{{names(10_000, 'p#: {}')}}}}}",
    ),
    "an input with a long name": result(
        "${" + "inputs.a." * 1500 + "b}", inputs=f"{{properties: {{{'x' * 10**6}: {{}}}}}}"
    ),
    "open expressions": result("${" * 300_000),
    "nested braces": result("${" * 5000 + "}" * 5000),
    "wrong expressions": result("${1+} " * 20_000),
    "unknown names": result("${x}\n\n" * 20_000),
    "expressions": result("${inputs.x}" * 3000),
    "escapes": result("$${" * 100_000),
    "a long name": result("${inputs.x." + "a-" * 8000 + "b}"),
    "blanks in a list's expression": document(
        *(
            f"{{id: a{n}, kind: foreach, items: 'inputs.x{' ' * 16_000}y', body: [{{id: b, kind: end}}]}}"
            for n in range(20)
        )
    ),
    "values in a command": command("echo " + "${inputs.x} " * 3000),
    "values in argv": document("{id: a, kind: cli, argv: [" + "'${inputs.x}', " * 4000 + "x]}"),
    "values in backticks": command("`${inputs.x}` " * 3000),
    "here-documents": document('{id: a, kind: cli, command: "' + "cat <<E\\nx ${inputs.x}\\nE\\n" * 2000 + '"}'),
    "here-documents without an end": document(
        '{id: a, kind: cli, command: "' + "cat <<E " * 500 + "\\n" + "x ${inputs.x}\\n" * 5000 + '"}'
    ),
    "assignments": command("a=b " * 10_000 + " ${inputs.x}"),
    "interpreters": command("sh " * 10_000 + "-c ${inputs.x}"),
    "values for interpreters": command("sh -c ${inputs.x};" * 2000),
    "variables": command("".join(f"a{n}=$a{n + 1};" for n in range(2000)) + "a3000=${inputs.x}; sh -c $a1"),
    "open parentheses": command("(" * 100_000 + "${inputs.x}"),
    "values in a url": document("{id: a, kind: api, url: 'https://x.test/" + "${inputs.x}/" * 2000 + "'}"),
    "answers": document(
        "{id: w, kind: await_event, audience: user, event_name: e, transitions: [{when: event.d == 'a', next: end}], "
        f"input_schema: {{required: [d], properties: {{d: {{enum: [{names(30_000, 'a#')}]}}}}}}}}"
    ),
    "inputs that look like secrets": document(
        "{id: a, kind: end}", inputs=f"{{properties: {{{names(5000, 'p#_token: {}')}}}}}"
    ),
    "outputs": document(
        "{id: a, kind: end}", foot=f"  outputs: {{properties: {{{names(3000, 'p#: {from: steps.b#.outputs}')}}}}}\n"
    ),
    "aliases of aliases": "a: &a [" + "x," * 300 + "]\nb: &b [" + "*a," * 300 + "]\nc: [" + "*b," * 300 + "]\n",
    "one step, often": document("&a {id: a, kind: cli, command: 'echo " + "${inputs.x} " * 20 + "'}", *(["*a"] * 500)),
    "brackets": "[" * 1_000_000,
    "lines that stand wrong": "".join(f"   k{n}: 1\n" for n in range(20_000)) + "  x: 1\n",
    "one long line": "a: b: " + "x: " * 200_000,
    "references that branch": result(
        "${inputs.x}",
        inputs="{$ref: '#/$defs/a0', $defs: {"
        + names(40, "a#: {anyOf: [{$ref: '#/$defs/b#'}, {$ref: '#/$defs/b#'}]}, b#: {$ref: '#/$defs/a9'}")
        + "}}",
    ),
    "long texts": document(f"{{id: {'x' * 10**6}, kind: {'y' * 10**6}, next: {'z' * 10**6}}}"),
}


def problems_of(text: str) -> list[JsonObject]:
    try:
        return load_text(text, source_path=None, cwd="/nowhere").problems
    except (DocumentError, YamlError) as error:
        return error.problems
    except UnknownKindError as error:
        return error.details["problems"]


@pytest.mark.parametrize("name", LARGE)
def test_a_large_document_is_loaded_or_refused_in_seconds(name: str) -> None:
    started = time.process_time()
    problems = problems_of(LARGE[name])
    assert time.process_time() - started < SECONDS
    assert len(problems) <= MAX_ERRORS + MAX_WARNINGS + 2
    assert all(len(str(problem["message"])) < 1100 and problem["line"] >= 1 for problem in problems)


def test_after_so_many_errors_the_last_problem_says_that_there_are_more() -> None:
    text = each(MAX_ERRORS + 5, "{id: s#, kind: set, values: {}, next: nowhere}")
    with pytest.raises(DocumentError) as caught:
        load_text(text, source_path=None, cwd="/nowhere")
    problems = caught.value.problems
    assert len(problems) == MAX_ERRORS + 1
    assert problems[-1]["message"] == f"there are more than {MAX_ERRORS} errors, and the rest is not looked for"
    assert (problems[-1]["line"], problems[-1]["hint"]) == (text.count("\n"), "mend the others first")


def test_so_many_errors_of_one_class_are_still_an_error_of_that_class() -> None:
    with pytest.raises(UnknownKindError):
        load_text(each(MAX_ERRORS + 5, "{id: s#, kind: cly}"), source_path=None, cwd="/nowhere")


def test_a_document_with_ever_so_many_warnings_is_loaded_and_the_last_one_says_that_there_are_more() -> None:
    text = each(MAX_WARNINGS + 5, "{id: s#, kind: cli, command: x, risk_level: high}")
    loaded = load_text(text, source_path=None, cwd="/nowhere")
    assert len(loaded.problems) == MAX_WARNINGS + 1
    assert f"more than {MAX_WARNINGS} warnings" in str(loaded.problems[-1]["message"])
    assert len(loaded.document.steps) == MAX_WARNINGS + 5


@pytest.mark.parametrize("wrong", ["${x} ", "${1 +} ", "${'a' 'b'} "])
def test_every_wrong_expression_of_a_text_is_a_problem_at_its_own_place(wrong: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_text(result(wrong.replace("'", "''") * 600), source_path=None, cwd="/nowhere")
    columns = [int(str(problem["column"])) for problem in caught.value.problems[:-1]]
    assert columns == sorted(set(columns))
    assert len(columns) == MAX_ERRORS
