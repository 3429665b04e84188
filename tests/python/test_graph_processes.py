"""Runs of graphs on SQLite: killed in a handler, gone on with by several processes at once, and long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Client, Store
from checkpointflow.graph import Graph, HandlerResult, NodeContext
from python.test_processes import PYTHON, Desk

STEPS = ["plan", "check links", "check spelling", "review", "publish"]
SHARED = {"answer": "yes", "published": [{"checked": "links"}, {"checked": "spelling"}]}
START = "client.run(__import__('held_graph').graph, run_id='run-1').status"
ANSWER = "client.resume('run-1', {'review': 'yes'}).result['workflow']"
GO_ON = """
from checkpointflow import Store
from checkpointflow.errors import CheckpointflowError
from held_graph import graph
with Store() as store:
    try:
        outcome = graph.run_sync(responses={"review": "yes"}, checkpoint=store.checkpoint("run-1"))
        print(outcome.status)
    except CheckpointflowError as error:
        print(type(error).__name__)
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path).with_graph()


@pytest.mark.parametrize("victim", STEPS)
def test_a_process_killed_in_a_handler_leaves_a_graph_that_others_complete(desk: Desk, victim: str) -> None:
    if victim == "publish":
        assert desk.python(START) == "waiting"
        desk.kill_in(victim, "-c", PYTHON, ANSWER, "{}")
        before = desk.performed()
        assert desk.cpf("resume", "--run-id", "run-1")["result"]["workflow"] == SHARED
    else:
        desk.kill_in(victim, "-c", PYTHON, START, "{}")
        before = desk.performed()
        assert desk.cpf("resume", "--run-id", "run-1")["status"] == "waiting"
        assert desk.python(ANSWER) == SHARED
    after = desk.performed()
    assert after[: len(before)] == before
    again = {name for name in STEPS if after.count(name) == 2}
    assert victim in again
    assert again <= ({"check links", "check spelling"} if victim.startswith("check") else {victim})
    assert set(after) == set(STEPS)


def test_of_three_processes_that_go_on_from_one_checkpoint_exactly_one_does(desk: Desk) -> None:
    assert desk.python(START) == "waiting"
    going = {str(number): desk.start("-c", GO_ON, VICTIM="publish", CALLER=str(number)) for number in range(3)}
    first = going.pop((desk.folder / "begun").read_text())
    for other in going.values():  # one that went on as well would hold here, too
        stdout, stderr = other.communicate(timeout=60)
        assert stdout.splitlines()[-1] in ("RunHeldError", "RunNotWaitingError"), stderr
    (desk.folder / "go").write_text("")
    stdout, stderr = first.communicate(timeout=60)
    assert stdout.splitlines()[-1:] == ["completed"], stderr
    assert desk.performed().count("publish") == 1
    answers = [one for one in journal(desk) if one["entry"] == "event_received"]
    assert len(answers) == 1


def test_a_checkpoint_whose_answer_was_taken_is_refused_to_those_who_come_late(desk: Desk) -> None:
    desk.python(START)
    told = []
    for _ in range(2):
        stdout, stderr = desk.start("-c", GO_ON).communicate(timeout=60)
        assert stdout, stderr
        told.append(stdout.splitlines()[-1])
    assert told == ["completed", "RunNotWaitingError"]
    assert desk.performed().count("publish") == 1


def journal(desk: Desk) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = desk.cpf("inspect", "--run-id", "run-1")["result"]["entries"]
    return entries


# -- a long run ----------------------------------------------------------------------------------------

VISITS = 1000


def test_a_graph_with_a_thousand_visits_writes_no_more_for_the_last_than_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPF_DURABILITY", "process")
    database = tmp_path / "home" / "runs.db"
    sizes: list[int] = []

    def tick(ctx: NodeContext) -> HandlerResult:
        if ctx.visit % 100 == 0:
            sizes.append(_size(database))
        label = "done" if ctx.visit == VISITS else "again"
        return HandlerResult(outputs=[label], node_updates={"seen": 1_000_000 + ctx.visit})

    outputs = {"again": [{"target_node": "tick", "is_loopback": True}], "done": []}
    definition = {
        "workflow_name": "ticks",
        "default_entry_node": "tick",
        "nodes": {"tick": {"handler": "tick", "outputs": outputs}},
    }
    with Client(Store(tmp_path / "home")) as client:
        outcome = client.run(Graph(definition, {"tick": tick}), run_id="run-1")
        assert outcome.result["node"] == {"tick": {"seen": 1_000_000 + VISITS}}
        assert len(outcome.result["trace"]) == VISITS
    bodies = _bodies(database)
    each = [sum(bodies[begin : begin + 200]) for begin in range(1, 2 * VISITS, 200)]  # two entries for each visit
    assert len(each) == VISITS // 100
    assert each[-1] <= each[0] + 100 * 2 * 6  # numbers of three digits more: in keys, steps and visits
    grown = [after - before for before, after in pairwise(sizes)]
    assert len(grown) == VISITS // 100 - 1
    assert max(grown[-3:]) <= max(grown[:3]) * 1.2


def _size(database: Path) -> int:
    """Return how many bytes the database has, with what is still in its log."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        pages = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        size: int = pages.fetchone()[0]
    return size


def _bodies(database: Path) -> list[int]:
    """Return the length of each entry in the order of the journal, with what it keeps beside it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (0,)
        found = connection.execute("SELECT length(CAST(body AS BLOB)) FROM journal ORDER BY position")
        return [size for (size,) in found]
