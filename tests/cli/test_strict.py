"""The promise of `--strict`: what a document is warned about is no more than a warning, unless it is asked for."""

from __future__ import annotations

import pytest

from cli.program import Program
from doubtful_documents import DOUBTFUL, Doubtful


@pytest.mark.parametrize("doubtful", DOUBTFUL, ids=lambda one: one.name)
def test_a_warning_is_shown_and_strict_makes_it_exit_10(cpf: Program, doubtful: Doubtful) -> None:
    cpf.write("doubtful.yaml", doubtful.text)
    lenient, strict = (
        cpf.here("validate", "-f", "doubtful.yaml"),
        cpf.here("validate", "--strict", "-f", "doubtful.yaml"),
    )
    assert (lenient.exit_code, lenient.envelope["ok"]) == (0, True)
    assert (strict.exit_code, strict.envelope["ok"]) == (10, False)
    assert strict.envelope["problems"] == lenient.envelope["problems"]
    (problem,) = strict.envelope["problems"]
    assert (problem["severity"], problem["line"], problem["column"]) == ("warning", *doubtful.place)
    assert problem["hint"]


def test_strict_lets_pass_what_has_no_warning(cpf: Program) -> None:
    text = "schema_version: checkpointflow/v1\nworkflow: {id: a, inputs: {}, steps: [{id: z, kind: end}]}\n"
    cpf.write("sound.yaml", text)
    assert cpf.here("validate", "--strict", "-f", "sound.yaml").exit_code == 0
