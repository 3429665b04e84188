"""Going on from one checkpoint of a graph's engine by several processes, some of which die."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.graph import JsonFileWorkflowStore
from python.test_processes import Desk

HEAD = """
from checkpointflow.graph import JsonFileWorkflowStore, WorkflowEngine
import held_graph
names = ("plan", "check", "review", "publish")
handlers = {name: getattr(held_graph, name) for name in names}
engine = WorkflowEngine(held_graph.graph.stored["graph"], handlers, store=JsonFileWorkflowStore("runs"))
"""
START = HEAD + "print(engine.run(run_id='run-1').status)"
GO_ON = (
    HEAD
    + """
try:
    print(engine.run_from_checkpoint(engine.load_snapshot("run-1")).status)
except ValueError as error:
    print("refused", "went on from this checkpoint before" in str(error))
"""
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path).with_graph()


def told(desk: Desk, program: str) -> str:
    stdout, stderr = desk.start("-c", program).communicate(timeout=60)
    assert stdout, stderr
    return stdout.splitlines()[-1]


def test_a_process_that_dies_again_and_again_in_one_handler_leaves_a_run_that_goes_on(desk: Desk) -> None:
    desk.kill_in("plan", "-c", START)
    desk.kill_in("plan", "-c", GO_ON)
    desk.kill_in("plan", "-c", GO_ON)
    assert told(desk, GO_ON) == "waiting"
    assert desk.performed().count("plan") == 4


def test_the_claim_of_a_living_process_is_not_taken_over(desk: Desk) -> None:
    desk.kill_in("plan", "-c", START)
    desk.kill_in("plan", "-c", GO_ON)
    going = {str(number): desk.start("-c", GO_ON, VICTIM="plan", CALLER=str(number)) for number in range(3)}
    first = going.pop((desk.folder / "begun").read_text())
    for other in going.values():
        stdout, stderr = other.communicate(timeout=60)
        assert stdout.splitlines()[-1:] == ["refused True"], stderr
    (desk.folder / "go").write_text("")
    stdout, stderr = first.communicate(timeout=60)
    assert stdout.splitlines()[-1:] == ["waiting"], stderr
    assert desk.performed().count("plan") == 3


def test_a_checkpoint_from_which_a_process_got_further_before_it_ended_is_refused(desk: Desk) -> None:
    desk.kill_in("plan", "-c", START)
    store = JsonFileWorkflowStore(desk.folder / "runs")
    old = store.load_snapshot("run-1")
    assert told(desk, GO_ON) == "waiting"
    assert not store.claim("run-1", old.checkpoint_id)


def test_who_was_refused_may_go_on_once_the_other_has_died(desk: Desk) -> None:
    desk.kill_in("plan", "-c", START)
    other = desk.start("-c", GO_ON, VICTIM="plan")
    assert (desk.folder / "begun").read_text() == "plan"
    store = JsonFileWorkflowStore(desk.folder / "runs")
    checkpoint = store.load_snapshot("run-1").checkpoint_id
    assert not store.claim("run-1", checkpoint)
    other.kill()
    other.communicate()
    assert store.claim("run-1", checkpoint)
    assert not JsonFileWorkflowStore(desk.folder / "runs").claim("run-1", checkpoint)
    assert len([*(desk.folder / "runs" / ".processes").iterdir()]) == 1  # that of the dead one is gone
    assert [one.run_id for one in store.list_metadata()] == ["run-1"]
