"""The promise that no document, however wrong, gets past the loader with anything but located problems, and soon."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from checkpointflow.errors import CheckpointflowError, DocumentError
from checkpointflow.frontends.document.loader import Loaded, load_file, load_text
from checkpointflow.frontends.document.schema import document_schema
from checkpointflow.schemas import check
from properties.hostile import ROOT, corpus, mutated

CHUNKS = 40
TOTAL = int(os.environ.get("CPF_MUTATIONS", "10000"))
SECONDS = 5.0


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return corpus()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what documents of the corpus name."""
    shutil.copytree(ROOT / "examples", tmp_path / "here")
    return tmp_path / "here"


def loaded(text: str | bytes, folder: Path) -> Loaded:
    """Load a document as `cpf` does; a text that no file can hold is loaded as it is."""
    file = folder / "mutated.yaml"
    if isinstance(text, str):
        try:
            text = text.encode()
        except UnicodeEncodeError:
            return load_text(text, source_path=file, cwd=folder)
    file.write_bytes(text)
    return load_file(file, cwd=folder)


def check_problems(error: CheckpointflowError, text: str | bytes) -> None:
    problems = error.problems if isinstance(error, DocumentError) else error.details["problems"]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    assert errors
    lines = len(text.splitlines()) + 1
    for problem in problems:
        assert problem["line"] >= 1
        assert problem["column"] >= 1
        assert len(str(problem["message"]).split()) > 2
        assert len(str(problem["message"])) < 2000
        if str(problem["file"]).endswith("mutated.yaml"):
            assert problem["line"] <= lines


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_mutation_of_a_document_gets_past_the_loader(chunk: int, texts: list[str], folder: Path) -> None:
    chance = random.Random(chunk)
    refused = accepted = 0
    for number in range(chunk, TOTAL, CHUNKS):
        text = mutated(chance, texts)
        started = time.process_time()
        try:
            definition = loaded(text, folder).stored
        except CheckpointflowError as error:
            refused += 1
            check_problems(error, text)
        except Exception as error:
            raise AssertionError(f"mutation {number} is not refused as it should be: {text!r}") from error
        else:
            accepted += 1
            assert check(definition["documents"]["0"]["tree"], document_schema()) == []
        assert time.process_time() - started < SECONDS, f"mutation {number} takes too long: {text!r}"
    assert refused > accepted > 0 or TOTAL < 100 * CHUNKS
