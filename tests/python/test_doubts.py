"""Steps in doubt, settled from Python: by `responses`, wherever the run is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Checkpoint, Client, Store, WorkflowContext, task, workflow
from checkpointflow.cli.envelope import schema_text
from checkpointflow.errors import EventMismatchError, EventPayloadError, StepNotInDoubtError
from checkpointflow.schemas import check
from checkpointflow.values import JsonObject

rows: list[JsonObject] = []
at_work: list[list[JsonObject]] = []
"""The rows as they were whenever `work` was under way: what a death there leaves."""


@pytest.fixture(autouse=True)
def _forget() -> None:
    rows.clear()
    at_work.clear()


def save(entries: list[JsonObject], _position: int) -> None:
    rows.extend(json.loads(json.dumps(entries)))


@task(effect="once")
def work(name: str) -> int:
    at_work.append([*rows])
    return len(name)


def fragile(name: str) -> int:
    at_work.append([*rows])
    return len(name)


@workflow
async def careful(ctx: WorkflowContext, name: str) -> list[Any]:
    return [await ctx.task(work, name), await ctx.wait_for_user("Well?", name="go")]


@workflow
async def deadly(ctx: WorkflowContext, name: str) -> int:
    return await ctx.task(fragile, name)


def doubtful() -> Checkpoint:
    """Return the checkpoint of a run whose process died in `work`, once it is known to be in doubt."""
    careful.run_sync("owls", checkpoint=Checkpoint.new(on_commit=save))
    left = Checkpoint.load(at_work[-1])
    outcome = careful.run_sync(checkpoint=left)
    assert [(wait.kind, wait.step_key) for wait in outcome.waits] == [("in_doubt", "work")]
    return left


def stored(folder: Path) -> Callable[[Store], Checkpoint]:
    """Return what puts the run of a dead process into a store."""
    checkpoint = doubtful()
    run_id = str(checkpoint.run_id)
    kept = checkpoint.store.port

    def put(store: Store) -> Checkpoint:
        head = kept.head(kept.find(run_id)[0])
        definition = (head.definition, kept.definition(head.definition))
        store.port.create(head.run_id, kept.entries(head.run_id), holder=None, definition=definition)
        return store.checkpoint(run_id)

    return put


def test_a_doubt_of_a_run_kept_by_the_application_is_settled_as_done_by_a_response() -> None:
    left = doubtful()
    told = careful.run_sync(checkpoint=left, responses={"work": {"decision": "done", "output": 4, "reason": "seen"}})
    assert [wait.event_name for wait in told.waits] == ["go"]
    assert careful.run_sync(checkpoint=left, responses={"go": "yes"}).result == [4, "yes"]
    assert len(at_work) == 1
    decided = [one for one in json.loads(left.dump())["entries"] if one["entry"] == "step_decided"]
    assert [(one["decision"], one["output"], one["reason"]) for one in decided] == [("done", 4, "seen")]


def test_a_doubt_settled_as_again_has_the_step_performed_again() -> None:
    left = Checkpoint.load(doubtful().dump())
    assert careful.run_sync(checkpoint=left, responses={"work": {"decision": "again"}}).status == "waiting"
    assert len(at_work) == 2


def test_a_doubt_settled_as_fail_fails_the_run() -> None:
    told = careful.run_sync(checkpoint=doubtful(), responses={"work": {"decision": "fail", "reason": "who knows"}})
    assert told.status == "failed"
    assert "who knows" in str(told.error)


def test_a_step_that_took_three_processes_with_it_is_settled_by_a_response() -> None:
    deadly.run_sync("owls", checkpoint=Checkpoint.new(on_commit=save))
    for _ in range(2):
        rows[:] = at_work[-1]
        deadly.run_sync(checkpoint=Checkpoint.load([*rows], on_commit=save))
    rows[:] = at_work[-1]
    left = Checkpoint.load([*rows], on_commit=save)
    assert [wait.kind for wait in deadly.run_sync(checkpoint=left).waits] == ["in_doubt"]
    assert len(at_work) == 3
    again = Checkpoint.load(rows, on_commit=save)
    assert deadly.run_sync(checkpoint=again, responses={"fragile": {"decision": "again"}}).result == 4


def missing(envelope: JsonObject) -> set[str]:
    """Return what the schema of `cpf` has against an envelope, beside that there is no next action."""
    found = check(envelope, json.loads(schema_text()))
    return {one.message for one in found if one.path[0] in ("wait", "waits")}


def test_the_envelope_of_a_run_kept_by_the_application_names_no_command_for_no_command_reaches_it() -> None:
    left = doubtful()
    envelope = careful.run_sync(checkpoint=left).envelope()
    assert missing(envelope) == {"`decide` is missing"}
    assert "cpf" not in json.dumps(envelope)
    assert 'responses={"work": {"decision": "done"}}' in envelope["wait"]["instructions"][0]
    answered = careful.run_sync(checkpoint=left, responses={"work": {"decision": "again"}}).envelope()
    assert missing(answered) == {"`resume` is missing"}
    assert "cpf" not in json.dumps(answered)
    assert 'responses={"go": …}' in answered["wait"]["instructions"][0]


def test_a_doubt_of_a_run_in_a_store_is_settled_by_a_response(tmp_path: Path) -> None:
    put = stored(tmp_path)
    with Store(tmp_path / "home") as store:
        left = put(store)
        response = {"work": {"decision": "done", "output": 4}}
        assert [wait.event_name for wait in careful.run_sync(checkpoint=left, responses=response).waits] == ["go"]
        with pytest.raises(EventMismatchError, match="does not wait for `work`"):
            careful.run_sync(checkpoint=left, responses=response)


def test_the_client_settles_a_doubt_by_a_response(tmp_path: Path) -> None:
    put = stored(tmp_path)
    with Store(tmp_path / "home") as store, Client(store) as client:
        run_id = str(put(store).run_id)
        assert client.resume(run_id, {"work": {"decision": "fail"}}).status == "failed"


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("done", "is no decision"),
        ({}, "has no `decision`"),
        ({"decision": "maybe"}, "decides `maybe`"),
        ({"decision": "again", "output": 4}, "has an `output`, which goes with `done` alone"),
        ({"decision": "done", "outputs": 4}, "has a field `outputs`"),
        ({"decision": "done", "reason": 4}, "has a `reason` that is no text"),
    ],
)
def test_an_ill_formed_decision_is_refused_and_the_run_is_as_it_was(response: Any, why: str) -> None:
    left = doubtful()
    before = left.dump()
    with pytest.raises(EventPayloadError) as refused:
        careful.run_sync(checkpoint=left, responses={"work": response})
    assert refused.value.message.startswith(f"the response to step `work`, which is in doubt, {why}; give ")
    assert left.dump() == before


def test_a_second_decision_is_refused_while_the_first_is_not_taken_up() -> None:
    left = doubtful()
    runs = left.store.runs()
    runs.decide(str(left.run_id), "work", "again", reason=None, follow=False)
    with pytest.raises(StepNotInDoubtError):
        careful.run_sync(checkpoint=left, responses={"work": {"decision": "fail"}})
