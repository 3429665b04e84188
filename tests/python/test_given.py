"""The table of what `run` may be given: every combination means one thing, or says what to drop."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from architecture.pages import ROOT
from checkpointflow import Checkpoint, Client, Document, Store, WorkflowContext, workflow
from checkpointflow.errors import InputError, UnsupportedError


@workflow
async def flow(ctx: WorkflowContext, name: str | None = "nobody") -> list[Any]:
    return [name, await ctx.wait_for_event("go")]


TABLE = [
    # given,      checkpoint, what comes of it
    ("nothing", "none", "starts with `{}`"),
    ("nothing", "new", "ValueError"),
    ("nothing", "begun", "goes on"),
    ("input", "none", "starts"),
    ("input", "new", "starts"),
    ("input", "begun", "ValueError"),
    ("responses", "none", "ValueError"),
    ("responses", "new", "ValueError"),
    ("responses", "begun", "answers and goes on"),
    ("both", "none", "ValueError"),
    ("both", "new", "ValueError"),
    ("both", "begun", "ValueError"),
]
GIVEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "input": {"input": "ada"},
    "responses": {"responses": {"go": 1}},
    "both": {"input": "ada", "responses": {"go": 1}},
}
SAYS = {
    ("nothing", "new"): "give the run its `input`",
    ("input", "begun"): "drop `input`",
    ("responses", "none"): "give its `checkpoint` too, or drop them",
    ("responses", "new"): "drop `responses` and give `input`",
    ("both", "none"): "drop `responses` to start a run, or `input`",
    ("both", "new"): "drop `responses` to start a run, or `input`",
    ("both", "begun"): "drop `responses` to start a run, or `input`",
}
MEANS = {
    "starts with `{}`": ("waiting", None),
    "starts": ("waiting", None),
    "goes on": ("waiting", None),
    "answers and goes on": ("completed", ["before", 1]),
}


@pytest.fixture(params=["carried", "memory", "folder"])
def new(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """Return what makes new checkpoints, in every place where a run can lie."""
    if request.param == "carried":
        yield Checkpoint.new
        return
    with Store("memory:" if request.param == "memory" else tmp_path) as store:
        yield lambda: Checkpoint.new(store)


@pytest.mark.parametrize("way", ["run", "run_sync", "run_stream"])
@pytest.mark.parametrize(("what", "place", "means"), TABLE)
def test_every_combination_means_one_thing_or_says_what_to_drop(
    what: str, place: str, means: str, way: str, new: Any
) -> None:
    options = dict(GIVEN[what])
    if place != "none":
        options["checkpoint"] = new()
    if place == "begun":
        flow.run_sync("before", checkpoint=options["checkpoint"])
    before = options["checkpoint"].position if place != "none" else 0
    if means == "ValueError":
        with pytest.raises(ValueError, match=re.escape(SAYS[what, place])):
            run(way, options)
        assert before == (options["checkpoint"].position if place != "none" else 0)
        return
    outcome = run(way, options)
    assert (outcome.status, outcome.result) == MEANS[means]
    if place != "none":
        assert outcome.checkpoint is options["checkpoint"]
        assert outcome.run_id == options["checkpoint"].run_id


def run(way: str, options: dict[str, Any]) -> Any:
    """Run the workflow in one of the three ways, and return the outcome."""
    if way == "run_sync":
        return flow.run_sync(**options)

    async def stream() -> Any:
        events = [event async for event in flow.run_stream(**options)]
        return events[-1].outcome

    return asyncio.run(flow.run(**options) if way == "run" else stream())


@pytest.mark.parametrize("page", ["docs/how-to/run-a-workflow-from-python.md", "src/checkpointflow/python/running.py"])
def test_the_table_of_the_page_is_this_one(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and (word := cells[0].strip("`")) in GIVEN:
            shown += [
                (word, place, cell.replace("`ValueError`", "ValueError"))
                for place, cell in zip(("none", "new", "begun"), cells[1:], strict=True)
            ]
    assert shown == TABLE


def test_none_is_an_input() -> None:
    outcome = flow.run_sync(None)
    assert flow.run_sync(checkpoint=outcome.checkpoint, responses={"go": None}).result == [None, None]


@workflow
async def one(ctx: WorkflowContext, given: dict[str, Any]) -> Any:
    return given


@workflow
async def two(ctx: WorkflowContext, a: int, b: int = 2) -> list[int]:
    return [a, b]


@workflow
async def nothing(ctx: WorkflowContext) -> int:
    return 0


@pytest.mark.parametrize(
    ("definition", "given", "result"),
    [
        (one, {"given": {"x": 1}}, {"x": 1}),
        (one, {"x": 1}, {"x": 1}),
        (one, {"given": {}}, {}),
        (two, {"a": 1}, [1, 2]),
        (two, {"a": 1, "b": 5}, [1, 5]),
        (nothing, {}, 0),
    ],
)
def test_the_input_is_an_object_of_the_parameters_or_the_value_of_the_only_one(
    definition: Any, given: Any, result: Any
) -> None:
    assert definition.run_sync(given).result == result


@pytest.mark.parametrize(
    ("definition", "given", "told"),
    [
        (one, {}, "given"),
        (one, "text", "given"),
        (two, {}, "a"),
        (two, {"a": "x"}, "a"),
        (two, {"a": 1, "c": 1}, "c"),
        (two, 5, "object"),
        (nothing, None, "object"),
        (nothing, {"a": 1}, "a"),
    ],
)
def test_an_input_that_does_not_fit_starts_nothing(definition: Any, given: Any, told: str) -> None:
    cp = Checkpoint.new()
    with pytest.raises(InputError, match=told):
        definition.run_sync(given, checkpoint=cp)
    assert (cp.run_id, cp.position) == (None, 0)
    assert definition.run_sync(
        {"given": {}} if definition is one else {"a": 1} if definition is two else {}, checkpoint=cp
    )


DOCUMENT = Document.parse("""
schema_version: checkpointflow/v1
workflow:
  id: gate
  inputs: {type: object, properties: {who: {type: string}}, required: [who]}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: end, kind: end, result: "${inputs.who} ${steps.ask.outputs.said}"}
""")


def test_a_document_is_run_by_the_same_verbs(new: Any) -> None:
    cp = new()
    outcome = DOCUMENT.run_sync({"who": "ada"}, checkpoint=cp)
    assert [wait.event_name for wait in outcome.waits] == ["go"]
    assert DOCUMENT.run_sync(checkpoint=cp, responses={"ask": {"said": "yes"}}).result == "ada yes"


def test_run_sync_is_refused_where_an_event_loop_runs() -> None:
    async def main() -> None:
        flow.run_sync("ada")

    with pytest.raises(RuntimeError, match="`await` its `run` instead"):
        asyncio.run(main())


@pytest.mark.parametrize("address", ["mysql://me:S3cret@here/a", "temporal://here:7233/default", "postgresq://here/a"])
def test_an_address_of_no_store_is_refused_and_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for door in (Store, Client):
        with pytest.raises(UnsupportedError, match=r"name a folder, or a database") as caught:
            door(address)
        assert "S3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
