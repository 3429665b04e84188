"""The promise that each doubtful spot of a document is one warning, at its place, with a remedy."""

from __future__ import annotations

import pytest

from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_text
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
