"""The promise that each doubtful spot of a document is one warning, at its place, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_file, load_text
from doubtful_documents import DOUBTFUL, HEAD, Doubtful


def warnings_of(text: str) -> list[str]:
    return [str(one["message"]) for one in load_text(text, source_path=None, cwd="/nowhere").problems]


def of_steps(*steps: str, head: str = HEAD) -> list[str]:
    return warnings_of(f"{head}  steps:\n" + "".join(f"  - {step}\n" for step in steps))


@pytest.mark.parametrize("doubtful", DOUBTFUL, ids=lambda one: one.name)
def test_a_doubtful_spot_is_one_warning_at_its_place_with_a_remedy(doubtful: Doubtful) -> None:
    (problem,) = load_text(doubtful.text, source_path=None, cwd="/nowhere").problems
    assert problem["severity"] == "warning"
    assert doubtful.says in str(problem["message"])
    assert doubtful.hint in str(problem["hint"])
    assert (problem["line"], problem["column"]) == doubtful.place


@pytest.mark.parametrize(
    "declared",
    [
        "api_key: {type: string, enum: [free, paid]}",
        "max_tokens: {type: integer}",
        "has_password: {type: boolean}",
        "token_count: {type: string}",
        "sort_key: {type: string}",
        "key: {type: string}",
        "keyboard: {type: string}",
    ],
)
def test_what_only_sounds_like_a_secret_is_no_concern(declared: str) -> None:
    assert of_steps("{id: a, kind: end}", head=HEAD.replace("page: {type: string}", declared)) == []


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, kind: cli, command: 'sh -c \"ls $HOME\"', env: {X: '${inputs.page}'}}",
        "{id: a, kind: cli, command: 'sh -c \"ls $N\"', env: {N: '${inputs.n}'}}",
        "{id: a, kind: cli, command: 'sh -c \"head -n ${inputs.n}\" _ 3'}",
        "{id: a, kind: cli, command: 'x=${inputs.page}; bash script.sh \"$x\"'}",
        "{id: a, kind: cli, command: 'x=${inputs.page}; sh -c \"ls $y\"'}",
        "{id: a, kind: cli, argv: [sh, -c, 'ls \"$1\"', _, '${inputs.page}']}",
        "{id: a, kind: cli, argv: [sh, -c, 'ls \"$X\"'], env: {X: '${inputs.page}'}}",
        "{id: a, kind: cli, command: 'echo ${inputs.page} | xargs -I@ ls @'}",
        "{id: a, kind: cli, shell: pwsh, command: 'sh -c \"ls $X\"', env: {X: '${inputs.page}'}}",
        "{id: a, kind: cli, command: 'env A=${inputs.page} ls'}",
    ],
)
def test_a_value_that_stays_data_is_no_concern(step: str) -> None:
    assert of_steps(step) == []


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, kind: cli, command: x, risk_level: high, effect: idempotent}",
        "{id: a, kind: cli, command: x, risk_level: medium}",
        "{id: a, kind: set, values: {}, risk_level: high}",
        "{id: a, kind: api, url: 'https://x.test/', timeout_seconds: 9, method: PUT}",
        "{id: a, kind: api, url: 'https://x.test/', timeout_seconds: 9, method: POST, effect: once}",
    ],
)
def test_an_effect_that_is_decided_or_needs_no_decision_is_no_concern(step: str) -> None:
    assert of_steps(step) == []


def test_a_timeout_of_the_defaults_is_one_of_every_request() -> None:
    step = "{id: a, kind: api, url: 'https://x.test/'}"
    assert of_steps(step, head=HEAD + "  defaults: {timeout_seconds: 5}\n") == []


def test_an_undeclared_input_is_an_error_where_the_schema_takes_no_others() -> None:
    closed = HEAD.replace("{type: object, properties", "{additionalProperties: false, properties")
    with pytest.raises(DocumentError, match="`inputs` has no `pagee`"):
        of_steps("{id: a, kind: end, result: '${inputs.pagee}'}", head=closed)


@pytest.mark.parametrize(
    "steps",
    [
        ["{id: a, kind: set, values: {}}", "{id: b, kind: set, values: {}, next: a, if: inputs.n == 1}"],
        ["{id: a, kind: set, values: {}}", "{id: b, kind: switch, cases: [{when: true, next: a}], default: end}"],
        ["{id: a, kind: cli, command: ls, on_error: {next: end}, next: a}"],
        ["{id: a, kind: await_event, audience: user, event_name: e, input_schema: {}, timeout_seconds: 9,"
         " on_timeout: {next: end}, next: a}"],
        ["{id: a, kind: switch, cases: [{when: inputs.n == 1, next: c}], default: b}",
         "{id: b, kind: set, values: {}, next: a}", "{id: c, kind: end}"],
    ],
)  # fmt: skip
def test_a_loop_with_a_way_out_is_no_concern(steps: list[str]) -> None:
    assert of_steps(*steps) == []


# -- between documents -----------------------------------------------------------------------------

INNER = """\
schema_version: checkpointflow/v1
workflow:
  id: inner
  inputs:
    type: object
    required: [n]
    properties: {n: {type: integer}, d: {default: 1}, tags: {type: array, items: {type: string}}}
    additionalProperties: false
  steps: [{id: e, kind: end}]
"""


def between(folder: Path, step: str, inner: str = INNER) -> list[tuple[object, object]]:
    """Return severity and message of each problem of a document with a step that runs another, or itself."""
    (folder / "inner.yaml").write_text(inner)
    file = folder / "doubtful.yaml"
    file.write_text(f"{HEAD}  steps:\n  - {step}\n  - {{id: z, kind: end}}\n")
    try:
        problems = load_file(file, cwd=folder).problems
    except DocumentError as error:
        problems = error.problems
    return [(one["severity"], one["message"]) for one in problems]


CHOOSY = INNER.replace(
    "    required: [n]\n", "    if: {properties: {k: {const: a}}}\n    else: {required: [n]}\n"
).replace("    additionalProperties: false\n", "")
UNFIT = "the input does not fit sub-workflow `inner`: "


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("", "`n` is missing"),
        (", inputs: {n: text}", "`n` must be an integer"),
        (", inputs: {n: '${inputs.n}', m: 1}", "unknown field `m`"),
        (", inputs: {d: '${inputs.n}'}", "`n` is missing"),
        (", inputs: {n: '${inputs.n}', tags: [a, 2]}", "`tags[1]` must be text"),
    ],
)
@pytest.mark.parametrize("kind", ["workflow", "foreach, items: '[1]'"])
def test_literal_inputs_that_a_sub_workflow_would_refuse_are_refused(
    tmp_path: Path, kind: str, inputs: str, says: str
) -> None:
    ((severity, message),) = between(tmp_path, f"{{id: w, kind: {kind}, workflow_ref: inner.yaml{inputs}}}")
    assert severity == "error"
    assert str(message).startswith(UNFIT)
    assert says in str(message)


@pytest.mark.parametrize(
    ("inputs", "inner"),
    [
        ("{n: 1}", INNER),
        ("{n: '${inputs.n}', tags: ['${inputs.page}', b]}", INNER),
        ("{n: 1, k: '${inputs.page}'}", INNER.replace("additionalProperties: false", "anyOf: [{required: [k]}]")),
        ("{k: '${inputs.page}'}", CHOOSY),
    ],
)  # fmt: skip
def test_inputs_that_may_fit_are_no_concern(tmp_path: Path, inputs: str, inner: str) -> None:
    assert between(tmp_path, f"{{id: w, kind: workflow, workflow_ref: inner.yaml, inputs: {inputs}}}", inner) == []


def test_a_workflow_that_surely_runs_itself_is_told_at_each_step_that_leads_there(tmp_path: Path) -> None:
    back = INNER.replace("required: [n]", "required: []").replace(
        "{id: e, kind: end}", "{id: back, kind: workflow, workflow_ref: doubtful.yaml}"
    )
    found = between(tmp_path, "{id: w, kind: workflow, workflow_ref: inner.yaml}", back)
    told = "leads to this workflow again, whatever happens: it would go on without end"
    assert sorted(found, key=str) == [("warning", f"`back` {told}"), ("warning", f"`w` {told}")]


@pytest.mark.parametrize(
    "step",
    [
        "{id: w, kind: workflow, workflow_ref: doubtful.yaml, if: inputs.n == 1}",
        "{id: w, kind: foreach, items: inputs.page, workflow_ref: doubtful.yaml}",
    ],
)
def test_a_workflow_that_may_run_itself_is_no_concern(tmp_path: Path, step: str) -> None:
    assert between(tmp_path, step.replace("inputs.page", "'[1]'")) == []
