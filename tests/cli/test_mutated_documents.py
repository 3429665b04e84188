"""The promise that `cpf validate` answers any document, however wrong, with one envelope."""

from __future__ import annotations

import os
import random

import pytest

from cli.program import Program
from properties.hostile import corpus, mutated

EACH = max(1, int(os.environ.get("CPF_MUTATIONS", "10000")) // 100)


@pytest.mark.parametrize("chunk", range(4))
def test_a_mutated_document_is_answered_with_one_envelope(chunk: int, cpf: Program) -> None:
    chance, texts = random.Random(-1 - chunk), corpus()
    for _ in range(EACH):
        text = mutated(chance, texts)
        data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
        (cpf.cwd / "mutated.yaml").write_bytes(data)
        answer = cpf.here("validate", "-f", "mutated.yaml")
        envelope = answer.envelope
        assert envelope["ok"] is (answer.exit_code == 0)
        assert answer.exit_code in (0, 10, 80), text
        assert envelope["ok"] or envelope["error"]["message"]
        assert all(problem["line"] >= 1 and problem["message"] for problem in envelope.get("problems", []))
