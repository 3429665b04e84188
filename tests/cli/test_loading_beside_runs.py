"""Each command that looks after things beside runs loads only what it needs."""

from __future__ import annotations

import pytest

from cli.documents import FAILING, GATE
from cli.program import Program
from cli.test_loading import DOCUMENTS, loaded

ENGINE = {"checkpointflow.client", "checkpointflow.kernel.engine", "checkpointflow.kernel.passes", "asyncio"}
STORE = {"apsw", "checkpointflow.stores.sqlite"}


@pytest.mark.parametrize(
    "words",
    [("guide",), ("guide", "--topic", "all"), ("completion", "bash"), ("init",), ("init", "--template", "hand-off")],
)
def test_what_is_only_printed_or_written_loads_no_store_no_engine_and_no_documents(
    cpf: Program, words: tuple[str, ...]
) -> None:
    modules = loaded(cpf, *words)
    assert not modules & (DOCUMENTS | ENGINE | STORE)


def test_listing_workflows_loads_no_store_and_no_engine(cpf: Program) -> None:
    folder = cpf.cwd / ".checkpointflow"
    folder.mkdir()
    (folder / "gate.yaml").write_text(GATE)
    modules = loaded(cpf, "flows")
    assert "yaml" in modules
    assert not modules & (ENGINE | STORE)
    assert not modules & {"checkpointflow.frontends.document.interpreter"}


def test_listing_no_workflows_loads_no_yaml(cpf: Program) -> None:
    assert not loaded(cpf, "flows") & (ENGINE | STORE | {"yaml", "jsonschema_rs"})


def test_doctor_in_a_fresh_place_loads_no_engine_and_no_documents(cpf: Program) -> None:
    assert not loaded(cpf, "doctor") & (ENGINE | DOCUMENTS)


@pytest.mark.parametrize("words", [("delete", "--run-id", "failing-1"), ("logs", "--run-id", "failing-1", "-F")])
def test_what_concerns_a_run_that_is_there_loads_nothing_that_reads_documents(
    cpf: Program, words: tuple[str, ...]
) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml", "--run-id", "failing-1")
    assert not loaded(cpf, *words) & (DOCUMENTS | {"asyncio"})


def test_completing_ids_loads_a_store_and_no_more(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml", "--run-id", "failing-1")
    modules = loaded(cpf, "__complete", "runs")
    assert modules >= STORE
    assert not modules & (DOCUMENTS | ENGINE | {"argparse", "checkpointflow.cli.door", "checkpointflow.views"})


def test_starting_a_detached_run_loads_nothing_that_performs_steps(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    modules = loaded(cpf, "run", "-f", "gate.yaml", "--detach")
    assert "checkpointflow.steps.detached" in modules
    assert not modules & {"asyncio", "checkpointflow.steps.cli", "checkpointflow.steps.orphans"}
