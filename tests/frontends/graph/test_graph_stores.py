"""Snapshots outlive their process: as JSON, in memory, and as files that a crash cannot tear."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.graph import (
    Event,
    HandlerResult,
    InMemoryWorkflowStore,
    JsonFileWorkflowStore,
    NodeContext,
    RunMetadata,
    RunSnapshot,
    WorkflowEngine,
)
from frontends.graph.building import engine_of, go, graph, node, ok


def asks(ctx: NodeContext) -> HandlerResult:
    if not ctx.is_resumed:
        return go(waiting=True, waiting_prompt="Publish?")
    return go("ok", node_updates={"answer": ctx.resume_input})


NAMES = {"go": ok, "asks": asks}
GATED = graph({"a": node(ok="gate"), "gate": node("asks", ok="b"), "b": node()})


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return InMemoryWorkflowStore() if request.param == "memory" else JsonFileWorkflowStore(tmp_path / "runs")


def test_a_run_goes_on_from_its_store_with_another_engine(store: Any) -> None:
    engine_of(GATED, NAMES, store=store).run({"goal": 1}, run_id="r1")
    engine = engine_of(GATED, NAMES, store=store)
    snapshot = engine.load_snapshot("r1")
    assert (snapshot.waiting, snapshot.waiting_prompt, snapshot.trace) == (True, "Publish?", ["a"])
    assert snapshot.state.input == {"goal": 1}
    result = engine.run_from_checkpoint(snapshot, {"yes": True})
    assert (result.success, result.trace) == (True, ["a", "gate", "b"])
    latest = engine.load_snapshot("r1")
    assert (latest.status, latest.state) == ("completed", result.state)


def test_a_store_remembers_that_a_checkpoint_went_on(store: Any) -> None:
    checkpoint = engine_of(GATED, NAMES, store=store).run(run_id="r1").checkpoint
    assert checkpoint is not None
    engine_of(GATED, NAMES, store=store).run_from_checkpoint(checkpoint, 1)
    with pytest.raises(ValueError, match="went on from this checkpoint before"):
        engine_of(GATED, NAMES, store=store).run_from_checkpoint(checkpoint, 2)


def test_an_id_that_a_run_has_is_refused_to_a_new_one(store: Any) -> None:
    engine = engine_of(GATED, NAMES, store=store)
    before = engine.run({"goal": 1}, run_id="r1").checkpoint
    for other in (engine, engine_of(GATED, NAMES, store=store)):
        with pytest.raises(ValueError, match=r"the store has a run `r1`; take another id, or go on with"):
            other.run({"goal": 2}, run_id="r1")
    assert engine.load_snapshot("r1") == before
    assert engine.run_from_checkpoint(engine.load_snapshot("r1"), 1).success


def test_an_id_is_free_again_once_its_run_is_over_where_nothing_is_stored() -> None:
    engine = engine_of(graph({"a": node("again")}), {"again": lambda ctx: again(ctx)})

    def again(ctx: NodeContext) -> HandlerResult:
        with pytest.raises(ValueError, match="run `r1` is under way; take another id"):
            engine.run(run_id="r1")
        return go()

    assert engine.run(run_id="r1").success
    assert engine.run(run_id="r1").success


def test_runs_are_listed_in_a_few_words(store: Any) -> None:
    engine = engine_of(GATED, NAMES, store=store)
    engine.run(run_id="r1")
    engine_of(graph({"a": node()}) | {"workflow_name": "other"}, NAMES, store=store).run(run_id="r2")
    first, second = sorted(store.list_metadata(), key=lambda one: one.run_id)
    assert (first.run_id, first.status, first.waiting, first.current_node) == ("r1", "waiting", True, "gate")
    assert (second.workflow_name, second.status) == ("other", "completed")
    assert [one.run_id for one in store.list_metadata("other")] == ["r2"]
    assert RunMetadata.from_dict(json.loads(json.dumps(first.to_dict()))) == first


def test_saved_snapshots_are_told_and_can_be_left_out(store: Any) -> None:
    kinds: list[str] = []
    engine_of(GATED, NAMES, store=store, event_callback=lambda event: kinds.append(event.kind)).run(run_id="r1")
    assert kinds.count("store:saved") == kinds.count("checkpoint") > 2
    unsaved = graph({"a": node()}, persist_checkpoints=False)
    engine_of(unsaved, NAMES, store=store).run(run_id="r2")
    with pytest.raises(KeyError, match="run 'r2' not found"):
        store.load_snapshot("r2")


def test_an_engine_without_a_store_has_no_snapshots() -> None:
    with pytest.raises(RuntimeError, match="no store configured"):
        engine_of(GATED, NAMES).load_snapshot("r1")


@pytest.mark.parametrize("run_id", ["../x", "a/b", "..", ".", "", "a\\b", "/etc", "x" * 65, "a\0b", "trailing.", "-x"])
def test_run_ids_cannot_leave_the_base_directory(run_id: str, tmp_path: Path) -> None:
    store = JsonFileWorkflowStore(tmp_path / "runs")
    with pytest.raises(ValueError, match="cannot be used"):
        engine_of(GATED, NAMES, store=store).run(run_id=run_id)
    with pytest.raises(ValueError, match="cannot be used"):
        store.load_snapshot(run_id)
    assert [*tmp_path.rglob("*")] == [tmp_path / "runs"]


def test_a_snapshot_survives_json() -> None:
    engine = engine_of(GATED, NAMES)
    checkpoint = engine.run({"big": "x" * 70_000}).checkpoint
    assert checkpoint is not None
    read = RunSnapshot.from_dict(json.loads(json.dumps(checkpoint.to_dict())))
    assert (read.state, read.trace, read.audit_trail) == (checkpoint.state, checkpoint.trace, checkpoint.audit_trail)
    assert read.head() == checkpoint.head()
    assert engine.run_from_checkpoint(read, 1).success


@pytest.mark.parametrize("data", [{}, {"run_id": "r"}, {"entries": 5}])
def test_what_is_no_snapshot_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="this is no snapshot of a run"):
        RunSnapshot.from_dict(data)


def test_saving_writes_what_is_new(tmp_path: Path) -> None:
    """The journal only grows, so every earlier content is a beginning of the last."""
    store = JsonFileWorkflowStore(tmp_path)
    seen: list[str] = []

    def look(event: Event) -> None:
        if event.kind == "store:saved":
            (journal,) = (tmp_path / "r1").glob("journal-*.jsonl")
            seen.append(journal.read_text())

    engine_of(GATED, NAMES, store=store, event_callback=look).run(run_id="r1")
    assert len(seen) > 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    lines = (tmp_path / "r1" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines][:2] == ["wf:start", "checkpoint"]


def test_a_torn_line_does_not_count(tmp_path: Path) -> None:
    store = JsonFileWorkflowStore(tmp_path)
    engine_of(GATED, NAMES, store=store).run(run_id="r1")
    (journal,) = (tmp_path / "r1").glob("journal-*.jsonl")
    journal.write_text(journal.read_text() + '{"entry": "step_sta')
    engine = engine_of(GATED, NAMES, store=JsonFileWorkflowStore(tmp_path))
    assert engine.run_from_checkpoint(engine.load_snapshot("r1"), 1).success


def test_a_journal_that_lacks_entries_is_refused(tmp_path: Path) -> None:
    store = JsonFileWorkflowStore(tmp_path)
    engine_of(GATED, NAMES, store=store).run(run_id="r1")
    (journal,) = (tmp_path / "r1").glob("journal-*.jsonl")
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="restore the folder"):
        JsonFileWorkflowStore(tmp_path).load_snapshot("r1")


@pytest.mark.parametrize(
    "damage",
    ["", "{", "null", '{"entry": 1}', "[" * 3, "\ud800"],
    ids=["empty", "cut", "null", "bare", "open", "bytes"],
)
def test_a_damaged_file_is_named_in_one_sentence_with_what_to_do(tmp_path: Path, damage: str) -> None:
    engine_of(GATED, NAMES, store=JsonFileWorkflowStore(tmp_path)).run(run_id="r1")
    (journal,) = (tmp_path / "r1").glob("journal-*.jsonl")
    sound = journal.read_bytes()
    bad = damage.encode("utf-8", "surrogatepass") + b"\n"
    for path, content in ((journal, bad + sound.split(b"\n", 1)[1]), (tmp_path / "r1" / "snapshot.json", bad)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="restore the folder from a copy") as refused:
            JsonFileWorkflowStore(tmp_path).load_snapshot("r1")
        assert type(refused.value) is ValueError
        assert str(refused.value).startswith(f"`{path}` is ")
        assert "\n" not in str(refused.value)
        journal.write_bytes(sound)
    with pytest.raises(ValueError, match=r"snapshot\.json` is"):
        JsonFileWorkflowStore(tmp_path).list_metadata()


def test_a_journal_that_is_gone_is_named(tmp_path: Path) -> None:
    engine_of(GATED, NAMES, store=JsonFileWorkflowStore(tmp_path)).run(run_id="r1")
    (journal,) = (tmp_path / "r1").glob("journal-*.jsonl")
    journal.unlink()
    with pytest.raises(ValueError, match="is missing; restore the folder from a copy") as refused:
        JsonFileWorkflowStore(tmp_path).load_snapshot("r1")
    assert str(journal) in str(refused.value)


def test_a_run_that_cannot_be_saved_stops_and_says_so() -> None:
    class Full(InMemoryWorkflowStore):
        def save_snapshot(self, snapshot: RunSnapshot) -> None:
            if snapshot.step:
                raise OSError("no space left")
            super().save_snapshot(snapshot)

    names: list[str] = []

    def notes(ctx: NodeContext) -> HandlerResult:
        names.append(ctx.node_name)
        return go("ok")

    definition = graph({"a": node(ok="b"), "b": node(ok="c"), "c": node(ok="d"), "d": node()})
    with pytest.raises(OSError, match="no space left"):
        engine_of(definition, notes, store=Full()).run()
    assert "d" not in names


def test_a_store_with_the_four_methods_is_enough() -> None:
    class Four:
        def __init__(self) -> None:
            self.saved: dict[str, RunSnapshot] = {}

        def save_snapshot(self, snapshot: RunSnapshot) -> None:
            self.saved[snapshot.run_id] = RunSnapshot.from_dict(json.loads(json.dumps(snapshot.to_dict())))

        def load_snapshot(self, run_id: str) -> RunSnapshot:
            return self.saved[run_id]

        def append_event(self, run_id: str, event: Event) -> None:
            pass

        def list_metadata(self, workflow_name: str | None = None) -> list[RunMetadata]:
            return []

    engine = engine_of(GATED, NAMES, store=Four())
    engine.run(run_id="r1")
    assert engine.run_from_checkpoint(engine.load_snapshot("r1"), 1).success


def test_a_definition_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text(json.dumps(GATED))
    engine = WorkflowEngine.from_files(tmp_path / "g.json", NAMES)
    assert engine.workflow_hash == engine_of(GATED, NAMES).workflow_hash
    assert engine.run().waiting
