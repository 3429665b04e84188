"""The promises of the checks at load time: every problem, at its line and column, with a remedy."""

from __future__ import annotations

import random

import pytest

from checkpointflow.errors import (
    CheckpointflowError,
    DocumentError,
    DuplicateStepError,
    ExpressionError,
    UnknownKindError,
    YamlError,
)
from checkpointflow.expressions import parse
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.remedies import what_to_write
from checkpointflow.frontends.document.schema import document_schema, step_schema
from checkpointflow.frontends.document.scopes import scope_of
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.frontends.document.strict_yaml import parse as parse_yaml
from checkpointflow.schemas import Problem, check
from checkpointflow.values import JsonObject

HEAD = """\
schema_version: checkpointflow/v1
workflow:
  id: t
  inputs:
    type: object
    properties: {page: {type: string}, n: {type: integer}, tags: {type: array, items: {type: string}}}
    additionalProperties: false
  steps:
"""
FIRST = HEAD.count("\n") + 1
BROKEN = """\
schema_version: checkpointflow/v1
workflow:
  id: t
  inputs:
    type: object
    properties: {page: {type: string}}
    additionalProperties: false
  steps:
  - id: typo
    kind: cli
    comand: echo ${inputs.page}
  - id: kind
    kind: clii
  - id: twice
    kind: cli
    command: |
      echo first
      echo ${inputs.pagee} and ${1 +}
    next: twicce
  - id: twice
    kind: set
    values: {x: "${steps.typpo.outputs.x}"}
  - id: ask
    kind: await_event
    audience: user
    event_name: go
    input_schema: {type: object, properties: {a: {type: intger}}}
  - id: shell
    kind: cli
    command: echo $(( ${inputs.page} + 1 ))
  outputs:
    properties: {url: {from: steps.shel.outputs.url}}
"""


def problems_of(steps: str, *, header: str = HEAD, footer: str = "") -> list[JsonObject]:
    text = header + "".join(f"  {line}\n" for line in steps.splitlines()) + footer
    try:
        return load_text(text, source_path=None, cwd="/nowhere").problems
    except DocumentError as error:
        return error.problems
    except UnknownKindError as error:
        return error.details["problems"]


def errors_of(steps: str, **more: str) -> list[str]:
    return [str(p["message"]) for p in problems_of(steps, **more) if p["severity"] == "error"]


def warnings_of(steps: str, **more: str) -> list[str]:
    found = problems_of(steps, **more)
    assert [p for p in found if p["severity"] == "error"] == []
    return [str(p["message"]) for p in found]


def test_one_broken_document_shows_all_its_problems_with_line_column_and_hint() -> None:
    with pytest.raises(DocumentError) as caught:
        load_text(BROKEN, source_path=None, cwd="/nowhere")
    assert [
        (p["code"].removeprefix("ERR_"), p["line"], p["column"], p["message"], p["hint"]) for p in caught.value.problems
    ] == [
        ("VALIDATION_WORKFLOW", 11, 5, "unknown field `comand` of kind `cli`", "did you mean `command`?"),
        ("UNSUPPORTED_STEP", 13, 11, 'there is no kind "clii"', "did you mean `cli`?"),
        ("EXPRESSION", 18, 21, "`inputs` has no `pagee`", "Did you mean `page`?"),
        ("EXPRESSION", 18, 37, "the expression ends too early", "write a value on both sides of the operator"),
        ("VALIDATION_WORKFLOW", 19, 11, "there is no step `twicce`", "did you mean `twice`?"),
        ("DUPLICATE_STEP_ID", 20, 9, "the id `twice` is used twice in this list", "rename one of them"),
        ("EXPRESSION", 22, 26, "there is no step `typpo`", "Did you mean `typo`?"),
        ("VALIDATION_WORKFLOW", 27, 57, '"intger" is no type of JSON Schema', "did you mean `integer`?"),
        ("EXPRESSION", 30, 23, caught.value.problems[8]["message"], caught.value.problems[8]["hint"]),
        ("EXPRESSION", 32, 36, "there is no step `shel`", "Did you mean `shell`?"),
    ]
    assert "stands in shell arithmetic" in caught.value.problems[8]["message"]
    assert "argv" in caught.value.problems[8]["hint"]
    assert "10 problems; the first is in line 11, column 5" in caught.value.message


def test_wrong_indentation_is_one_problem_of_its_own() -> None:
    with pytest.raises(YamlError) as caught:
        load_text(HEAD + "  - id: a\n     kind: end\n", source_path="flow.yaml", cwd="/nowhere")
    (problem,) = caught.value.problems
    assert (problem["file"], problem["line"], problem["column"]) == ("/nowhere/flow.yaml", FIRST + 1, 10)
    assert f"line it up with line {FIRST}, column 5 (`id`)" in problem["hint"]


def test_keys_that_stand_twice_are_shown_with_all_other_problems() -> None:
    steps = "- id: a\n  id: b\n  kind: set\n  values: {x: 1, x: 2, y: '${inputs.pag}'}\n- {id: a, kind: ende}"
    assert [(p["line"] - FIRST, p["message"]) for p in problems_of(steps)] == [
        (1, "the key `id` stands here a second time"),
        (3, "the key `x` stands here a second time"),
        (3, "`inputs` has no `pag`"),
        (4, "the id `a` is used twice in this list"),
        (4, 'there is no kind "ende"'),
    ]
    found = problems_of("- id: a\n  id: b\n   kind: end")
    assert [(p["line"] - FIRST, str(p["message"])[:7]) for p in found] == [(1, "the key"), (2, "this is")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("- {id: a, kind: end}\n- {id: a, kind: end}", DuplicateStepError),
        ("- {id: a, kind: teleport}", UnknownKindError),
        ("- {id: a, kind: end, nxt: a}", DocumentError),
        ("- {id: a, kind: teleport}\n- {id: a, kind: end}", DocumentError),
    ],
)
def test_the_error_is_of_the_most_specific_class(steps: str, expected: type[CheckpointflowError]) -> None:
    with pytest.raises(CheckpointflowError) as caught:
        load_text(HEAD + "".join(f"  {line}\n" for line in steps.splitlines()), source_path=None, cwd="/nowhere")
    assert type(caught.value) is expected


# -- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (
            "- {id: a, kind: switch, cases: [{when: 'true', next: end}], retry: {max_attempts: 2}}",
            "`retry` does not belong",
        ),
        ("- {id: a, kind: end, timeout_seconds: 3}", "`timeout_seconds` does not belong on kind `end`"),
        ("- {id: a, kind: set, values: {}, effect: once}", "`effect` does not belong on kind `set`"),
        ("- {id: a, kind: sleep, seconds: 1, outputs: {}}", "`outputs` does not belong on kind `sleep`"),
        ("- {id: a, kind: set, values: {}, command: x}", "`command` is a field of kind `cli`, not of `set`"),
        ("- {id: a, kind: cli}", "needs either `command` or `argv`"),
        ("- {id: 1, kind: end}", "`id` must be text, but is the number 1"),
        ("- {id: a b, kind: end}", '"a b" is not an id: text without blanks'),
        ("- {kind: end}", "`id` is missing"),
        ("- {id: a}", "`kind` is missing"),
        ("- {id: a, kind: [end]}", "a kind is text, not a list of 1"),
        ("- just text", 'a step is an object with `id` and `kind`, not the text "just text"'),
        ("- {id: a, kind: cli, command: x, retry: {max_attempts: 2, backof: 1}}", "unknown field `backof` in `retry`"),
        ("- {id: a, kind: workflow, workflow_ref: '${inputs.page}'}", "no expression may stand here"),
        ("- {id: a, kind: workflow, workflow_ref: none.yaml}", "there is no file `none.yaml`"),
        ("- {id: a, kind: sleep, seconds: soon}", "`seconds` is a number or one expression that gives a number"),
        ("- {id: a, kind: sleep, seconds: '${inputs.page}'}", "`seconds` is a number or one expression that gives"),
        ("- {id: a, kind: sleep, until: tomorrow}", "`until` is no instant"),
        ("- {id: a, kind: foreach, items: inputs.page, body: [{id: b, kind: end}]}", "this is never a list"),
    ],
)
def test_fields_are_judged_by_the_kind_of_their_step(steps: str, says: str) -> None:
    (message,) = errors_of(steps)
    assert says in message


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("timout", "did you mean `timeout`?"),
        ("exit75", "did you mean `exit:75`?"),
        ("exit-75", "did you mean `exit:75`?"),
        ("OSError", "write `timeout`, `connection`, `exit:CODE` or `http:STATUS`"),
    ],
)
def test_a_retry_that_can_never_match_is_an_error(word: str, hint: str) -> None:
    retry = f"retry: {{max_attempts: 2, on: [timeout, {word}, 'exit:7', 'http:5xx']}}"
    (problem,) = problems_of(f"- {{id: a, kind: cli, command: x, {retry}}}")
    assert (problem["severity"], problem["path"], problem["hint"]) == ("error", "workflow.steps[0].retry.on[1]", hint)
    header = HEAD.replace("  steps:", f"  defaults: {{{retry}}}\n  steps:")
    (problem,) = problems_of("- {id: a, kind: cli, command: x}", header=header)
    assert (problem["path"], problem["hint"]) == ("workflow.defaults.retry.on[1]", hint)
    (problem,) = problems_of(f"- {{id: a, kind: api, url: 'https://x.test/', timeout_seconds: 9, {retry}}}")
    assert (problem["severity"], problem["path"], problem["hint"]) == ("error", "workflow.steps[0].retry.on[1]", hint)


def test_a_retry_may_name_the_exceptions_of_python_calls() -> None:
    retry = "retry: {max_attempts: 2, on: [timeout, OSError, http.client.HTTPException]}"
    header = HEAD.replace("  steps:", f"  defaults: {{{retry}}}\n  steps:")
    found = problems_of(f"- {{id: a, kind: python, call: 'm:f', {retry}}}", header=header)
    assert [problem["severity"] for problem in found] == ["warning"]


@pytest.mark.parametrize(
    ("steps", "hints"),
    [
        ("- {id: a, kind: cli, command: x, on_error: b}", ["write `on_error: {next: apply}`"]),
        ("- {id: a, kind: cli, command: x, timeout_seconds: ten}", ["write `timeout_seconds: 30`"]),
        ("- {id: a b, kind: end}", ["write `id: a_b`"]),
        ("- {id: a, kind: switch, cases: [{when: 'true'}]}", ["write `next: apply`"]),
        ("- {id: a, kind: parallel, branches: [{}]}", ["write `start_at: apply`"]),
        ("- {kind: set}", ["write `id: some_text`", "write `values: {total: '${inputs.a + inputs.b}'}`"]),
        ("- {id: a, kind: end, result: '${1 +}'}", ["write a value on both sides of the operator"]),
        ("- {id: a, kind: end, if: '1 +'}", ["write a value on both sides of the operator"]),
    ],
)
def test_a_remedy_shows_what_to_write(steps: str, hints: list[str]) -> None:
    assert [p["hint"] for p in problems_of(steps)] == hints


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_remedy_says_to_write_fits(kind: str) -> None:
    schema = step_schema(kind)
    fields = schema["properties"]
    assert isinstance(fields, dict)
    for name in fields:
        said = what_to_write(Problem((), f"`{name}` is missing", "required"), schema)
        written = parse_yaml(said.removeprefix("write `").removesuffix("`")).tree
        assert list(written) == [name]
        assert check(written[name], fields[name]) == []


def test_every_structural_problem_has_a_remedy() -> None:
    for kind in KINDS:
        fields = step_schema(kind)["properties"]
        assert isinstance(fields, dict)
        for name in set(fields) - {"id", "kind"}:
            for wrong in ("[]", "{}", "-1", "''", "null", "[[]]", "{a: null}"):
                found = problems_of(f"- {{id: a, kind: {kind}, {name}: {wrong}}}")
                assert [p for p in found if p["severity"] == "error" and not p["hint"]] == []


def test_fields_of_the_workflow_that_stand_at_the_top_are_sent_below_it() -> None:
    with pytest.raises(DocumentError) as caught:
        load_text(HEAD.replace("  steps:", "steps: []"), source_path=None, cwd="/nowhere")
    assert "indent it below `workflow`" in [p["hint"] for p in caught.value.problems]


def test_only_a_whole_target_is_told_to_be_one() -> None:
    def notes(target: str) -> list[str]:
        return [one.split("`")[2].split(",")[0] for one in warnings_of(f"- {{id: a, kind: cli, command: '{target}'}}")]

    assert (
        notes("echo > ${inputs.page}") == notes('echo > "${inputs.page}"') == [" is the whole target of a redirection"]
    )
    assert notes("echo > ${inputs.page}/80") == [" begins the target of a redirection"]
    assert notes("echo > ${inputs.page}/log") == notes("echo > ./${inputs.page}") == []


def test_fields_that_do_nothing_are_accepted_with_a_warning() -> None:
    assert warnings_of("- {id: a, kind: end, next: a, outputs: {}, inputs: {}}") == [
        "`next` is ignored: it has no effect on kind `end`",
        "`outputs` is ignored: it has no effect on kind `end`",
        "`inputs` is ignored: only steps with a `workflow_ref` pass it on",
    ]
    wait = "{id: w, kind: await_event, audience: user, event_name: e, input_schema: {}, on_timeout: {next: end}}"
    assert warnings_of(f"- {wait}") == ["`on_timeout` is ignored: without `timeout_seconds` the wait never expires"]


# -- jumps -----------------------------------------------------------------------------------------

INNER = "\n- {id: f, kind: foreach, items: '[1]', body: [{id: inner, kind: end}]}"


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, kind: set, values: {}, next: TARGET}",
        "{id: a, kind: set, values: {}, on_error: {next: TARGET}}",
        "{id: a, kind: switch, cases: [{when: 'true', next: TARGET}], default: f}",
        "{id: a, kind: switch, cases: [{when: 'true', next: f}], default: TARGET}",
        "{id: a, kind: await_event, audience: user, event_name: e, input_schema: {}, "
        "transitions: [{when: event == 1, next: TARGET}]}",
        "{id: a, kind: await_event, audience: user, event_name: e, input_schema: {}, timeout_seconds: 1, "
        "on_timeout: {next: TARGET}}",
    ],
)
def test_every_jump_stays_in_its_list(step: str) -> None:
    def errors(target: str) -> list[str]:
        return errors_of(f"- {step.replace('TARGET', target)}" + INNER)

    assert errors("f") == errors("end") == []
    assert errors("nowhere") == ["there is no step `nowhere`"]
    assert errors("inner") == ["the step `inner` stands in another list; jumps stay in theirs"]


def test_the_error_step_of_the_document_is_one_of_the_main_list() -> None:
    assert errors_of("- {id: a, kind: end}", footer="  on_error: {next: b}\n") == ["there is no step `b`"]
    steps = "- {id: a, kind: end}\n- {id: b, kind: end}"
    assert warnings_of(steps, footer="  on_error: {next: b}\n") == []


def test_an_inner_list_cannot_jump_out() -> None:
    steps = (
        "- {id: f, kind: foreach, items: '[1]', body: [{id: b, kind: set, values: {}, next: z}]}\n- {id: z, kind: end}"
    )
    assert errors_of(steps) == ["the step `z` stands in another list; jumps stay in theirs"]


PARALLEL = "- {id: p, kind: parallel, branches: [{start_at: a}]}\n"


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (PARALLEL + "- {id: b, kind: end}", "there is no step `a`"),
        (PARALLEL + "- {id: a, kind: end}", "`start_at` cannot name a step of kind `end`"),
        (
            PARALLEL + "- {id: a, kind: switch, cases: [{when: 'true', next: end}]}",
            "cannot name a step of kind `switch`",
        ),
        (PARALLEL + "- {id: a, kind: set, values: {}, next: p}", "`a` is run by `start_at`, so it cannot jump"),
        (PARALLEL + "- {id: a, kind: set, values: {}, on_error: {next: p}}", "so it cannot jump"),
        (
            PARALLEL + "- {id: a, kind: set, values: {}}\n- {id: b, kind: set, values: {}, next: a}",
            "nothing can jump to it",
        ),
        (
            PARALLEL.replace("start_at: a}", "start_at: a}, {start_at: a}") + "- {id: a, kind: set, values: {}}",
            "is a branch already",
        ),
        (PARALLEL + PARALLEL.replace("id: p", "id: q") + "- {id: a, kind: set, values: {}}", "is a branch already"),
        (PARALLEL.replace("start_at: a", "start_at: p"), "`p` cannot start itself"),
        (
            PARALLEL.replace("start_at: a", "start_at: q")
            + PARALLEL.replace("id: p", "id: q").replace("start_at: a", "start_at: p"),
            "in turn",
        ),
        (
            "- {id: p, kind: parallel, branches: [TWIN, TWIN]}".replace("TWIN", "{id: l, steps: [{id: a, kind: end}]}"),
            "the name `l` is used for two branches of `p`",
        ),
    ],
)
def test_a_branch_that_is_a_step_is_exactly_that_step(steps: str, says: str) -> None:
    messages = errors_of(steps)
    assert messages
    assert all(says in message for message in messages)


def test_a_started_step_is_neither_passed_by_nor_unreachable() -> None:
    assert warnings_of(PARALLEL + "- {id: a, kind: set, values: {}}\n- {id: z, kind: end}") == []


# -- warnings about the order ----------------------------------------------------------------------


def test_an_end_that_is_reached_by_falling_through_and_by_a_jump_is_warned_about() -> None:
    steps = "- {id: s, kind: set, values: {}, on_error: {next: no}}\n- {id: a, kind: set, values: {}NEXT}\n"
    steps += "- {id: no, kind: end}"
    assert warnings_of(steps.replace("NEXT", "")) == ["`a` goes on to the end `no`, which `s` also jumps to"]
    assert warnings_of(steps.replace("NEXT", ", next: no")) == []


def test_steps_that_nothing_leads_to_are_warned_about() -> None:
    steps = "- {id: a, kind: end}\n- {id: b, kind: set, values: {}}\n- {id: c, kind: end}"
    assert warnings_of(steps) == ["the step `b` is never reached", "the step `c` is never reached"]
    assert warnings_of(steps.replace("{id: a,", "{id: a, if: inputs.n == 1,")) == []
    assert warnings_of("- {id: a, kind: set, values: {}, next: c}\n- {id: b, kind: end}\n- {id: c, kind: end}") == [
        "the step `b` is never reached"
    ]


WAIT = """\
- id: w
  kind: await_event
  audience: user
  event_name: e
  input_schema: {type: object, required: [d], properties: {d: {enum: [yes, no, later]}}}
  transitions:
"""


def test_transitions_that_leave_out_an_answer_are_warned_about() -> None:
    two = (
        WAIT
        + '  - {when: event.d == "yes", next: z}\n  - {when: \'${event.d == "no"}\', next: z}\n- {id: z, kind: end}'
    )
    assert warnings_of(two) == ["no transition is taken when `d` is `later`"]
    all_three = two.replace("- {id: z", "  - {when: event.d == 'later', next: z}\n- {id: z")
    assert warnings_of(all_three) == []
    mistyped = warnings_of(all_three.replace("'later'", "'latter'"))
    assert [one.partition(":")[0] for one in mistyped] == [
        "no transition is taken when `d` is `later`",
        "this transition is never taken",
    ]
    assert warnings_of(two.replace('event.d == "yes"', 'event.d != "no"')) == []


@pytest.mark.parametrize(
    ("schema", "conditions", "left"),
    [
        ("{enum: [a, b, c]}", ["event == 'a'"], "the answer is `b`, or the answer is `c`"),
        ("{required: [d], properties: {d: {enum: [1, 2, 3]}}}", ["event.d < 2 || event.d == 3"], "`d` is `2`"),
        ("{required: [d], properties: {d: {const: x}}}", ["event.d == 'y'", "true"], None),
        ("{required: [d], properties: {d: {enum: [a, b]}}}", ["event.d == 'a' and inputs.n == 1"], None),
        ("{required: [d], properties: {d: {enum: [a, b]}}}", ["['a'].exists(x, x == event.d)"], None),
        ("{required: [d], properties: {d: {type: string}}}", ["event.d == 'a'"], None),
        ("{required: [d], properties: {d: {type: boolean}}}", ["event.d"], None),
        (
            "{required: [d, e], properties: {d: {enum: [a, b]}, e: {type: boolean}}}",
            ["event.d == 'a'", "!event.e"],
            "`d` is `b` and `e` is `true`",
        ),
    ],
)
def test_the_answers_that_a_schema_lists_are_tried_on_every_transition(
    schema: str, conditions: list[str], left: str | None
) -> None:
    transitions = "".join(f'  - {{when: "{one}", next: end}}\n' for one in conditions)
    wait = f"- id: w\n  kind: await_event\n  audience: user\n  event_name: e\n  input_schema: {schema}\n"
    found = [one for one in warnings_of(f"{wait}  transitions:\n{transitions}") if "no transition" in one]
    assert found == ([] if left is None else [f"no transition is taken when {left}"])


def test_after_transitions_that_cover_every_answer_the_next_step_is_not_reached() -> None:
    steps = (
        WAIT.replace(", no, later", "")
        + '  - {when: event.d == "yes", next: z}\n- {id: lost, kind: end}\n- {id: z, kind: end}'
    )
    assert warnings_of(steps) == ["the step `lost` is never reached"]
    assert warnings_of(steps.replace("required: [d], ", "")) == []


# -- expressions and commands ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "at", "says"),
    [
        ("- {id: a, kind: end, result: 'x ${inputs.pag}'}", "pag}", "`inputs` has no `pag`"),
        ('- {id: a, kind: end, result: "\\t\\u00e9${inputs.pag}"}', "pag}", "`inputs` has no `pag`"),
        ("- {id: a, kind: end, result: 'it''s ${inputs.pag}'}", "pag}", "`inputs` has no `pag`"),
        ("- id: a\n  kind: end\n  result: {deep: [1, '${nope.x}']}", "nope.x", "`nope` is not known here"),
        ("- {id: a, kind: end, if: inputs.page}", "inputs.page", "not a boolean"),
        ("- {id: a, kind: end, if: '${inputs.n ==}'}", "}'}", "ends too early"),
        ("- id: a\n  kind: cli\n  command:\n  - echo a\n  - echo ${item}", "item}", "`item` is not known here"),
        ("- {id: a, kind: end, result: '${event.x}'}", "event.x", "`event` is not known here"),
        ("- {id: a, kind: end, result: '${steps.b.outputs}'}", "b.outputs", "there is no step `b`"),
        ("- id: a\n  kind: end\n  result: |\n    one\n\n    ${inputs.pag}", "pag}", "`inputs` has no `pag`"),
        ("- id: a\n  kind: end\n  result: >\n    one\n    ${inputs.pag}", "pag}", "`inputs` has no `pag`"),
    ],
)
def test_an_expression_is_refused_at_its_very_place(steps: str, at: str, says: str) -> None:
    (problem,) = problems_of(steps)
    before = (HEAD + "".join(f"  {line}\n" for line in steps.splitlines())).rpartition(at)[0]
    assert says in problem["message"]
    assert problem["code"] == "ERR_EXPRESSION"
    assert (problem["line"], problem["column"]) == (before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_names_that_exist_only_inside_are_known_there() -> None:
    steps = """\
- id: f
  kind: foreach
  items: inputs.tags
  item_key: ${item}
  body:
  - {id: in, kind: set, values: {a: "${item} ${item_index} ${inputs._foreach_item} ${inputs._foreach_index + 1}"}}
  - {id: b, kind: set, values: {c: "${steps.in.outputs.a} ${steps.f.status}"}}
- id: p
  kind: parallel
  branches: [{id: left, steps: [{id: l, kind: set, values: {x: 1}}]}, {start_at: s}]
- {id: s, kind: set, values: {y: 2}}
- {id: e, kind: end, result: "${steps.p.outputs.left.l.x} ${steps.p.outputs.s.y} ${steps.s.outputs.y} ${run.id}"}
"""
    assert warnings_of(steps) == []
    assert errors_of(steps.replace("outputs.left.l.x", "outputs.left.l.z")) == [
        "`steps.p.outputs.left.l` has no `z`",
    ]
    assert errors_of(steps.replace("steps.f.status", "steps.l.status")) == ["there is no step `l`"]
    assert errors_of(steps.replace("${run.id}", "${item}")) == ["`item` is not known here"]


def test_outputs_of_every_kind_are_known_by_their_names() -> None:
    base = WAIT.replace("  transitions:\n", "") + "- {id: sw, kind: switch, cases: [{when: 'true', next: c}]}\n"
    base += "- {id: c, kind: cli, command: x, outputs: {type: object, properties: {url: {type: string}}}}\n"
    base += "- {id: f, kind: foreach, items: '[1]', body: [{id: b, kind: set, values: {x: 1}}]}\n"
    for good, bad in (
        ("w.outputs.d", "w.outputs.e"),
        ("sw.outputs.matched", "sw.outputs.match"),
        ("c.outputs.url", "c.outputs.uri"),
        ("c.exit_code", "c.exit"),
        ("c.error.message", "c.eror.message"),
        ("f.outputs.iterations[0].b.x", "f.outputs.iterations[0].c.x"),
    ):
        end = '- {id: e, kind: end, result: "${steps.PATH}"}'
        assert warnings_of(base + end.replace("PATH", good)) == []
        assert len(problems_of(base + end.replace("PATH", bad))) == 1


def test_manners_of_1_x_are_warnings() -> None:
    (problem,) = problems_of("- {id: a, kind: end, if: inputs.page == draft}")
    assert (problem["severity"], problem["line"], problem["column"]) == ("warning", FIRST, 43)
    assert "quote" in (problem["message"] + problem["hint"]).lower()


@pytest.mark.parametrize("shell", ["pwsh", "cmd.exe", "powershell"])
def test_values_in_the_text_of_other_shells_are_refused(shell: str) -> None:
    command = "- {id: a, kind: cli, command: 'echo ${inputs.page}'}"
    assert errors_of(command) == []
    assert errors_of(command.replace("kind: cli", f"kind: cli, shell: {shell}"))
    header = HEAD.replace("  steps:", f"  defaults: {{shell: {shell}}}\n  steps:")
    assert errors_of(command, header=header)


def test_numbers_may_stand_where_a_shell_evaluates() -> None:
    in_text = "- {id: a, kind: cli, shell: bash, command: '[[ $A -eq 2 ]] && echo ${inputs.n}'}"
    assert errors_of(in_text) == []
    assert errors_of(in_text.replace("inputs.n", "inputs.page"))
    carried = "- {id: a, kind: cli, shell: bash, command: '[[ $A -eq 2 ]]', env: {A: '${inputs.n}'}}"
    assert errors_of(carried) == []
    assert errors_of(carried.replace("inputs.n", "inputs.page"))
    by_default = HEAD.replace("  steps:", "  defaults: {env: {A: '${inputs.page}'}}\n  steps:")
    assert errors_of("- {id: a, kind: cli, shell: bash, command: '[[ $A -eq 2 ]]'}", header=by_default)


def test_variables_that_a_shell_evaluates_by_itself_take_no_values() -> None:
    (message,) = errors_of("- {id: a, kind: cli, argv: [x], env: {BASH_ENV: '${inputs.page}'}}")
    assert message == "shells evaluate the variable `BASH_ENV` themselves"


def test_a_second_interpreter_that_gets_a_value_is_warned_about() -> None:
    assert len(warnings_of("- {id: a, kind: cli, command: 'ssh host ls ${inputs.page}'}")) == 1
    (problem,) = problems_of("- {id: a, kind: cli, argv: [bash, -c, 'echo ${inputs.page}']}")
    assert (problem["severity"], problem["column"]) == ("warning", 47)
    assert warnings_of("- {id: a, kind: cli, argv: [echo, -c, 'echo ${inputs.page}']}") == []


def test_outputs_name_paths_that_exist() -> None:
    steps = "- {id: a, kind: set, values: {x: 1}}"
    footer = "  outputs: {properties: {u: {from: FROM}, v: {type: string}}}\n"
    assert warnings_of(steps, footer=footer.replace("FROM", "steps.a.outputs.x")) == []
    assert errors_of(steps, footer=footer.replace("FROM", "steps.a.outputs.y")) == ["`steps.a.outputs` has no `y`"]
    assert errors_of(steps, footer=footer.replace("FROM", "[1]")) == ["`from` is the text of a path"]


def test_defaults_see_the_input_and_no_steps() -> None:
    header = HEAD.replace("  steps:", "  defaults: {cwd: '${WHERE}'}\n  steps:")
    assert errors_of("- {id: a, kind: end}", header=header.replace("WHERE", "inputs.page")) == []
    assert len(errors_of("- {id: a, kind: end}", header=header.replace("WHERE", "steps.a.status"))) == 1


def test_a_scope_can_be_had_for_any_step() -> None:
    steps = "  - {id: f, kind: foreach, items: '[1]', body: [{id: b, kind: end}]}\n"
    document = load_text(HEAD + steps, source_path=None, cwd="/nowhere").document
    inner = scope_of(document, document.steps[0].lists["body"][0])
    assert parse("item_index", inner).static_type == {"integer"}
    with pytest.raises(ExpressionError):
        parse("item_index", scope_of(document, document.steps[0]))


# -- whatever is written ---------------------------------------------------------------------------

SAMPLE = (
    HEAD.replace("  steps:", "  defaults: {shell: bash, env: {A: '${inputs.page}'}}\n  on_error: {next: z}\n  steps:")
    + """\
  - id: plan
    kind: cli
    command: ["echo '{\\"a\\": \\"${inputs.page}\\"}'", echo $A]
    outputs: {type: object, required: [a], properties: {a: {type: string}}}
    retry: {max_attempts: 3, strategy: exponential}
    timeout_seconds: 10
  - id: ask
    kind: await_event
    audience: user
    event_name: go
    prompt: >
      Review ${steps.plan.outputs.a}
      please.
    input_schema: {type: object, required: [d], properties: {d: {enum: [yes, no]}}}
    transitions:
    - when: event.d == "yes"
      next: each
    - {when: event.d == "no", next: z}
    timeout_seconds: 60
    on_timeout: {next: z, outputs: {d: no}}
  - id: each
    kind: foreach
    items: inputs.tags
    body:
    - {id: s, kind: set, values: {v: "${item}-${item_index}"}}
  - id: fan
    kind: parallel
    branches: [{start_at: solo}, {id: left, steps: [{id: nap, kind: sleep, seconds: 1}]}]
    next: z
  - {id: solo, kind: cli, argv: [echo, "${inputs.n}"], if: inputs.n > 1}
  - id: z
    kind: end
    result: {value: "${steps.each.outputs.iterations}"}
  outputs:
    type: object
    properties: {a: {from: steps.plan.outputs.a}}
"""
)
PIECES = [
    "${",
    "}",
    "${inputs.n}",
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "'",
    '"',
    "{",
    "[",
    "]",
    "&a ",
    "*a",
    "!x ",
    "#",
    "|",
    ">",
]
PIECES += [
    "end",
    "null",
    "1",
    "-1",
    "true",
    "\x00",
    "é",
    "\ud800",
    "kind",
    "id",
    "\n  - ",
    "steps",
    "workflow_ref: ",
    "<<: ",
]


def mutated(chance: random.Random) -> str:
    text = SAMPLE
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 1, 5, 20, 200]))
        other = chance.randrange(len(text) + 1)
        piece = chance.choice([chance.choice(PIECES), "", text[other : other + chance.randint(1, 60)]])
        text = text[:start] + piece + text[end:]
    return text


def test_the_sample_that_is_mutated_is_sound() -> None:
    assert load_text(SAMPLE, source_path=None, cwd="/nowhere").problems == []


def test_no_mutation_of_a_document_gets_past_us_with_anything_but_a_located_problem() -> None:
    chance = random.Random(2024)
    refused = 0
    for _ in range(500):
        text = mutated(chance)
        try:
            loaded = load_text(text, source_path=None, cwd="/nowhere")
        except CheckpointflowError as error:
            refused += 1
            problems = error.problems if isinstance(error, DocumentError) else error.details["problems"]
            assert any(problem["severity"] == "error" for problem in problems)
            assert all(1 <= problem["line"] <= text.count("\n") + 2 for problem in problems)
            assert all(problem["column"] >= 1 and problem["message"] for problem in problems)
        else:
            assert check(loaded.stored["documents"]["0"]["tree"], document_schema()) == []
    assert 300 < refused < 500


def test_values_in_one_text_of_a_list_are_kept_from_another_that_evaluates() -> None:
    steps = '- {id: a, kind: cli, shell: bash, command: ["x=${inputs.page}", "[[ $x -eq 1 ]]"]}\n'
    numbers = steps.replace("inputs.page", "default(inputs.n, 0)")
    assert [one["path"] for one in problems_of(steps)] == ["workflow.steps[0].command[1]"]
    assert problems_of(numbers) == []


def test_a_branch_that_starts_a_step_and_one_with_its_name_are_refused_in_either_order() -> None:
    named, started = "{id: a, steps: [{id: x, kind: cli, command: 'true'}]}", "{start_at: a}"
    for branches in (f"{named}, {started}", f"{started}, {named}"):
        steps = f"- {{id: p, kind: parallel, branches: [{branches}]}}\n- {{id: a, kind: cli, command: 'true'}}\n"
        assert ["used for two branches" in str(one["message"]) for one in problems_of(steps)] == [True]


def test_a_field_that_takes_no_expressions_says_so_and_makes_no_other_field_look_idle() -> None:
    (problem,) = problems_of(
        "  - {id: w, kind: await_event, audience: user, event_name: e, input_schema: true,\n"
        "     timeout_seconds: '${inputs.n}', on_timeout: {outputs: {}}}\n"
    )
    assert problem["message"] == "`timeout_seconds` takes no expressions: it has to stand in the document"
    assert problem["hint"] == "write `timeout_seconds: 30`"
