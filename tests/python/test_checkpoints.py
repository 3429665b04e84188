"""Checkpoints: runs in a store or with the program, kept commit by commit, forked, held by one drive at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Checkpoint, Client, Outcome, Store, WorkflowContext, task, workflow
from checkpointflow.errors import (
    EventMismatchError,
    EventPayloadError,
    PersistenceError,
    RunExistsError,
    RunHeldError,
    RunNotFoundError,
    RunNotWaitingError,
    UsageError,
)
from checkpointflow.values import JsonObject

done: Counter[str] = Counter()
seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    done.clear()
    seen.clear()


def work(name: str) -> str:
    done[name] += 1
    seen.append(name)
    return name.upper()


@workflow
async def flow(ctx: WorkflowContext, name: str) -> list[Any]:
    first = await ctx.task(work, name)
    answer = await ctx.wait_for_user("Well?", name="go")
    return [first, answer, await ctx.task(work, "last")]


# -- kept by the program -------------------------------------------------------------------------------


def test_the_callback_gets_every_entry_once_with_its_position_before_effects_begin() -> None:
    def save(entries: list[JsonObject], position: int) -> None:
        assert [one["position"] for one in entries] == list(range(position - len(entries) + 1, position + 1))
        seen.extend(one["entry"] for one in entries)

    outcome = flow.run_sync("a", checkpoint=Checkpoint.new(on_commit=save))
    flow.run_sync(checkpoint=outcome.checkpoint, responses={"go": "yes"})
    assert seen == [
        "run_started", "step_started", "a", "step_completed", "wait_opened", "run_parked",
        "event_received", "step_started", "last", "step_completed", "run_completed",
    ]  # fmt: skip


def through(cp: Checkpoint) -> None:
    flow.run_sync("a", checkpoint=cp)
    flow.run_sync(checkpoint=cp, responses={"go": "yes"})


@pytest.mark.parametrize("at", range(1, 10))
def test_a_callback_that_raises_ends_the_drive_and_nothing_is_lost(at: int) -> None:
    kept: list[bytes] = []
    failing = True

    def save(entries: list[JsonObject], position: int) -> None:
        if failing and position >= at:
            raise OSError("no space left")
        kept.append(cp.dump())

    cp = Checkpoint.new(on_commit=save)
    with pytest.raises(PersistenceError, match=r"`on_commit` could not keep entry .*OSError: no space left") as lost:
        through(cp)
    assert isinstance(lost.value.__cause__, OSError)
    assert cp.position < at
    begun = {one["key"] for one in json.loads(kept[-1])["entries"] if one["entry"] == "step_started"} if kept else set()
    assert set(done) <= {"a" if key == "work" else "last" for key in begun}
    failing = False
    outcome = flow.run_sync("a", checkpoint=cp) if cp.run_id is None else flow.run_sync(checkpoint=cp)
    if outcome.status == "waiting":
        outcome = flow.run_sync(checkpoint=cp, responses={"go": "yes"})
    assert outcome.result == ["A", "yes", "LAST"]


def test_a_first_commit_that_is_refused_leaves_a_checkpoint_as_new() -> None:
    def refuse(_entries: Any, _position: int) -> None:
        raise OSError

    cp = Checkpoint.new(on_commit=refuse)
    with pytest.raises(PersistenceError):
        flow.run_sync("a", checkpoint=cp)
    assert (cp.run_id, cp.position) == (None, 0)
    with pytest.raises(ValueError, match="the checkpoint is new, so there is nothing to dump"):
        cp.dump()


def test_bytes_hold_all_of_a_run_and_are_json() -> None:
    cp = Checkpoint.new()
    waiting = flow.run_sync("a", checkpoint=cp)
    data = cp.dump()
    assert json.loads(data)["run_id"] == waiting.run_id
    one, two = Checkpoint.load(data), Checkpoint.load(data)
    assert (one.run_id, one.position, one.dump()) == (cp.run_id, cp.position, data)
    assert flow.run_sync(checkpoint=one, responses={"go": "one"}).result == ["A", "one", "LAST"]
    assert flow.run_sync(checkpoint=two, responses={"go": "two"}).result == ["A", "two", "LAST"]
    assert cp.dump() == data
    assert done == {"a": 1, "last": 2}


def test_bytes_hold_what_was_said_and_not_yet_taken_up() -> None:
    cp = Checkpoint.new()
    waiting = flow.run_sync("a", checkpoint=cp)
    cp.store.runs().send(waiting.run_id, event="go", payload="early")
    assert flow.run_sync(checkpoint=Checkpoint.load(cp.dump())).result == ["A", "early", "LAST"]


@workflow
async def any_text(ctx: WorkflowContext) -> list[Any]:
    return [await ctx.step("text", lambda: "a\ud800\x00é"), await ctx.wait_for_event("go")]


def test_texts_that_no_encoding_knows_survive() -> None:
    outcome = any_text.run_sync({})
    again = Checkpoint.load(outcome.checkpoint.dump())
    assert any_text.run_sync(checkpoint=again, responses={"go": "\x00\u2028"}).result == ["a\ud800\x00é", "\x00\u2028"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"no json",
        lambda data: b"[]",
        lambda data: b'{"checkpoint": 99}',
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"entries"', b'"entrees"'),
        lambda data: data.replace(b"step_started", b"step_begun"),
        lambda data: data.replace(b'"run_started"', b'"step_started"', 1),
        lambda data: b"\xff" + data,
    ],
)
def test_bytes_that_are_none_of_ours_are_refused(spoil: Any) -> None:
    data = flow.run_sync("a").checkpoint.dump()
    with pytest.raises(ValueError, match=r"these bytes are no checkpoint: .*give what `dump` returned"):
        Checkpoint.load(spoil(data))


def test_a_run_is_rebuilt_from_the_entries_that_the_callback_got_wherever_the_process_died() -> None:
    rows: list[str] = []
    ends: list[int] = []

    def save(entries: list[JsonObject], position: int) -> None:
        rows.extend(json.dumps(one) for one in entries)  # as rows of a table
        ends.append(position)
        assert position == len(rows)

    cp = Checkpoint.new(on_commit=save)
    outcome = flow.run_sync("a", checkpoint=cp)
    flow.run_sync(checkpoint=cp, responses={"go": "yes"})
    assert outcome.status == "waiting"
    for end in ends:
        again = Checkpoint.load([json.loads(one) for one in rows[:end]])
        assert (again.run_id, again.position) == (cp.run_id, end)
        found = flow.run_sync(checkpoint=again)
        if found.status == "waiting":
            found = flow.run_sync(checkpoint=again, responses={"go": "yes"})
        assert found.result == ["A", "yes", "LAST"]
    assert Checkpoint.load([json.loads(one) for one in rows]).dump() == cp.dump()


def test_a_run_that_is_rebuilt_tells_its_callback_of_what_is_new() -> None:
    rows: list[JsonObject] = []

    def save(entries: list[JsonObject], _position: int) -> None:
        rows.extend(entries)

    flow.run_sync("a", checkpoint=Checkpoint.new(on_commit=save))
    found = flow.run_sync(checkpoint=Checkpoint.load(list(rows), on_commit=save), responses={"go": "yes"})
    assert found.result == ["A", "yes", "LAST"]
    assert [one["position"] for one in rows] == list(range(1, len(rows) + 1))
    assert flow.run_sync(checkpoint=Checkpoint.load(rows)).result == found.result


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows[1:], "in place of entry 1 there is entry 2"),
        (lambda rows: rows[:2] + rows[3:], "in place of entry 3 there is entry 4"),
        (lambda rows: [{k: v for k, v in one.items() if k != "stored"} for one in rows], "`stored` is missing"),
        (lambda rows: [one | {"entry": "step_begun"} for one in rows], "none of them is `run_started`"),
        (lambda rows: [1, 2], "these entries are no checkpoint"),
    ],
)
def test_entries_that_are_not_all_of_a_run_are_refused(spoil: Any, told: str) -> None:
    rows: list[JsonObject] = []
    flow.run_sync("a", checkpoint=Checkpoint.new(on_commit=lambda entries, _position: rows.extend(entries)))
    with pytest.raises(ValueError, match=f"(?s){told}.*give all that `on_commit` got"):
        Checkpoint.load(spoil(rows))


def test_a_store_that_was_closed_is_refused_to_all_who_still_have_it(tmp_path: Path) -> None:
    for store in (Store(tmp_path), Store("memory:")):
        cp = flow.run_sync("a", checkpoint=Checkpoint.new(store)).checkpoint
        with Client(store) as client:
            assert client.runs()
        assert store.checkpoint(str(cp.run_id)).position  # it is not the client's to close
        store.close()
        asks: list[Any] = [
            lambda cp=cp: flow.run_sync(checkpoint=cp),
            lambda store=store: flow.run_sync("b", checkpoint=Checkpoint.new(store)),
            lambda store=store, cp=cp: store.checkpoint(cp.run_id),
            cp.dump,
            lambda cp=cp: cp.at(1),
            client.runs,
        ]
        for ask in asks:
            with pytest.raises(UsageError, match=r"the store was closed; open another with `Store\(…\)`"):
                ask()


def test_a_checkpoint_lies_in_a_store_or_with_the_program() -> None:
    with Store("memory:") as store, pytest.raises(ValueError, match="drop `store` or `on_commit`"):
        Checkpoint.new(store, on_commit=lambda _entries, _position: None)


# -- in a store --------------------------------------------------------------------------------------


def test_a_run_in_a_store_goes_on_from_another_handle_and_another_store(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        run_id = flow.run_sync("a", checkpoint=Checkpoint.new(store)).run_id
    with Store(tmp_path) as store:
        cp = store.checkpoint(run_id)
        assert [wait.event_name for wait in flow.run_sync(checkpoint=cp).waits] == ["go"]
        assert flow.run_sync(checkpoint=cp, responses={"go": "yes"}).result == ["A", "yes", "LAST"]
        assert flow.run_sync(checkpoint=cp).result == ["A", "yes", "LAST"]
        with pytest.raises(RunNotFoundError):
            store.checkpoint("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert done == {"a": 1, "last": 1}


def test_a_run_in_a_store_can_be_dumped_and_go_on_elsewhere(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        data = flow.run_sync("a", checkpoint=Checkpoint.new(store)).checkpoint.dump()
    assert flow.run_sync(checkpoint=Checkpoint.load(data), responses={"go": "x"}).result == ["A", "x", "LAST"]


# -- responses ---------------------------------------------------------------------------------------


@workflow
async def several(ctx: WorkflowContext) -> Any:
    schema = {"type": "integer"}
    return await ctx.parallel(
        ctx.wait_for_event("a", schema=schema),
        ctx.wait_for_event("b", schema=schema),
        ctx.wait_for_event("b", schema=schema),
    )


WRONG = [
    ({"c": 1}, EventMismatchError, "does not wait for `c`"),
    ({"a": "x"}, EventPayloadError, "does not fit"),
    ({"a": 1, "c": 1}, EventMismatchError, "does not wait for `c`"),
    ({"a": 1, "b#2": "x"}, EventPayloadError, "does not fit"),
    ({"a": 1, "w1": 2}, UsageError, "two responses are for `a`"),
]


@pytest.mark.parametrize(("responses", "error", "told"), WRONG)
def test_either_every_response_is_accepted_or_none(responses: Any, error: type[Exception], told: str) -> None:
    cp = several.run_sync().checkpoint
    before = cp.dump()
    with pytest.raises(error, match=told):
        several.run_sync(checkpoint=cp, responses=responses)
    assert cp.dump() == before


@workflow
async def alike(ctx: WorkflowContext) -> Any:
    return await ctx.parallel(ctx.wait_for_event("b", key="x"), ctx.wait_for_event("b", key="y"))


def test_an_event_name_that_two_waits_share_is_refused_naming_both() -> None:
    with pytest.raises(UsageError, match=r"waits for `b` more than once: `w1` \(x\), `w2` \(y\)"):
        alike.run_sync(checkpoint=alike.run_sync().checkpoint, responses={"b": 1})


def test_responses_may_be_partial_and_none_answers_nothing() -> None:
    cp = several.run_sync().checkpoint
    assert len(several.run_sync(checkpoint=cp, responses={}).waits) == 3
    assert [w.step_key for w in several.run_sync(checkpoint=cp, responses={"b#2": 3}).waits] == ["a", "b"]
    assert [w.step_key for w in several.run_sync(checkpoint=cp, responses={"b": 2}).waits] == ["a"]
    assert several.run_sync(checkpoint=cp, responses={"a": 1}).result == [1, 2, 3]
    with pytest.raises(RunNotWaitingError):
        several.run_sync(checkpoint=cp, responses={"a": 1})


# -- forks -------------------------------------------------------------------------------------------


def test_a_fork_shares_the_beginning_and_goes_its_own_way(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for cp in (Checkpoint.new(), Checkpoint.new(store)):
            flow.run_sync("a", checkpoint=cp)
            flow.run_sync(checkpoint=cp, responses={"go": "first"})
            before = cp.dump()
            forks = {position: cp.at(position) for position in range(1, cp.position)}
            assert len({fork.run_id for fork in forks.values()} | {cp.run_id}) == cp.position
            for position, fork in forks.items():
                done.clear()
                outcome = flow.run_sync(checkpoint=fork)
                if position < 6:  # the answer had not come
                    outcome = flow.run_sync(checkpoint=fork, responses={"go": "second"})
                assert outcome.result == ["A", "second" if position < 6 else "first", "LAST"]
                assert (done["a"], done["last"]) == (position < 3, position < 8)
            assert cp.dump() == before


def test_a_fork_is_refused_where_nothing_could_go_on() -> None:
    cp = Checkpoint.new()
    with pytest.raises(ValueError, match="nothing to fork"):
        cp.at(1)
    flow.run_sync("a", checkpoint=cp)
    for position in (0, cp.position + 1, -1):
        with pytest.raises(ValueError, match=f"has {cp.position} entries"):
            cp.at(position)
    flow.run_sync(checkpoint=cp, responses={"go": "x"})
    with pytest.raises(ValueError, match="had settled at position"):
        cp.at(cp.position)


def test_the_fork_of_a_carried_run_can_be_kept_as_well() -> None:
    cp = flow.run_sync("a").checkpoint
    rows: list[JsonObject] = []
    fork = cp.at(3, on_commit=lambda entries, _position: rows.extend(entries))
    assert [one["entry"] for one in rows] == ["run_started", "step_started", "step_completed"]
    flow.run_sync(checkpoint=fork)
    assert [one["entry"] for one in rows][3:] == ["wait_opened", "run_parked"]
    assert Checkpoint.load(rows).dump() == fork.dump()
    with Store("memory:") as store, pytest.raises(ValueError, match="drop `on_commit`"):
        flow.run_sync("a", checkpoint=Checkpoint.new(store)).checkpoint.at(1, on_commit=lambda _e, _p: None)


# -- one drive at a time, many runs ------------------------------------------------------------------

reached = threading.Event()
released = threading.Event()


def holds() -> str:
    reached.set()
    released.wait(60)
    return "held"


@workflow
async def holding(ctx: WorkflowContext) -> str:
    return await ctx.task(holds)


def hold(cp: Checkpoint, outcomes: list[Outcome[Any]]) -> None:
    outcomes.append(holding.run_sync({}, checkpoint=cp))


def test_a_second_drive_of_one_checkpoint_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for cp in (Checkpoint.new(), Checkpoint.new(store)):
            reached.clear()
            released.clear()
            outcomes: list[Outcome[Any]] = []
            first = threading.Thread(target=hold, args=(cp, outcomes))
            first.start()
            assert reached.wait(60)
            handles = [cp] if cp.is_carried else [cp, store.checkpoint(str(cp.run_id))]
            for handle in handles:
                with pytest.raises(RunHeldError):
                    holding.run_sync(checkpoint=handle)
            released.set()
            first.join()
            assert outcomes[0].result == holding.run_sync(checkpoint=cp).result == "held"


def test_two_calls_cannot_begin_a_run_under_one_checkpoint() -> None:
    async def main() -> list[Any]:
        cp = Checkpoint.new()
        return await asyncio.gather(*(flow.run("a", checkpoint=cp) for _ in range(8)), return_exceptions=True)

    found = asyncio.run(main())
    assert len([one for one in found if isinstance(one, Outcome)]) == 1
    assert all(isinstance(one, Outcome | RunHeldError | ValueError) for one in found)
    assert done == {"a": 1}


async def slow(name: str) -> str:
    done[name] += 1
    met.append(name)
    if len(met) == 20:
        all_met.set()
    await all_met.wait()
    return name


met: list[str] = []
all_met = asyncio.Event()


@workflow
async def concurrent(ctx: WorkflowContext, name: str) -> str:
    ctx.state.set("name", name)
    await ctx.task(slow, name)
    return str(ctx.state.get("name"))


def test_any_number_of_runs_of_one_definition_go_on_at_the_same_time(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        global all_met
        all_met = asyncio.Event()
        met.clear()
        with Store(tmp_path) as store:
            places = [(None, Checkpoint.new(), Checkpoint.new(store), Checkpoint.new(store))[n % 4] for n in range(20)]
            runs = [concurrent.run(f"r{n}", checkpoint=place) for n, place in enumerate(places)]
            return [(one.result, one.run_id) for one in await asyncio.gather(*runs)]

    found = asyncio.run(main())
    assert [result for result, _ in found] == [f"r{n}" for n in range(20)]
    assert len({run_id for _, run_id in found}) == 20
    assert set(done.values()) == {1}


# -- cancelled and left early ------------------------------------------------------------------------


@task(effect="idempotent")
async def waits_for_ever(name: str) -> str:
    done[name] += 1
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("cleaned up")
    return name


begun = asyncio.Event()
calm = False


def is_calm() -> bool:
    return calm


@workflow
async def cancellable(ctx: WorkflowContext) -> Any:
    first = await ctx.task(work, "first")
    if not await ctx.step(f"calm {calm}", is_calm):
        await ctx.task(waits_for_ever, "x")
    return first


def test_a_cancelled_call_stops_what_it_had_begun_and_the_run_goes_on_from_its_last_commit() -> None:
    global begun

    async def main() -> Checkpoint:
        global begun
        begun = asyncio.Event()
        cp = Checkpoint.new()
        call = asyncio.ensure_future(cancellable.run({}, checkpoint=cp))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert seen == ["first", "cleaned up"]
        again = asyncio.ensure_future(cancellable.run(checkpoint=cp))
        begun.clear()
        await begun.wait()
        again.cancel()
        with pytest.raises(asyncio.CancelledError):
            await again
        return cp

    cp = asyncio.run(main())
    assert done == {"first": 1, "x": 2}
    assert cp.store.runs().get(str(cp.run_id)).status == "interrupted"


def test_a_task_that_goes_on_in_its_thread_after_a_cancelled_call_is_over_before_it_begins_again() -> None:
    async def main() -> Outcome[str]:
        cp = Checkpoint.new()
        call = asyncio.ensure_future(holding.run({}, checkpoint=cp))
        await asyncio.to_thread(reached.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        carried = Checkpoint.load(cp.dump())  # whatever handle the run is driven under
        reached.clear()
        again = asyncio.ensure_future(holding.run(checkpoint=carried))
        while carried.position < cp.position + 1:
            await asyncio.sleep(0)
        assert not reached.is_set()
        released.set()
        outcome = await again
        assert reached.is_set()
        return outcome

    reached.clear()
    released.clear()
    assert asyncio.run(main()).result == "held"


def test_a_stream_gives_every_entry_once_and_ends_with_the_outcome(tmp_path: Path) -> None:
    async def stream(**options: Any) -> list[Any]:
        return [event async for event in flow.run_stream(**options)]

    with Store(tmp_path) as store:
        cp = Checkpoint.new(store)
        first = asyncio.run(stream(input="a", checkpoint=cp))
        assert [event.position for event in first] == [1, 2, 3, 4, 5, 5]
        assert [event.entry for event in first][-2:] == ["run_parked", "outcome"]
        assert [event.outcome is not None for event in first] == [False] * 5 + [True]
        assert first[1].data["key"] == "work"
        assert first[-1].data["wait"]["event_name"] == "go"
        rest = asyncio.run(stream(responses={"go": "x"}, checkpoint=cp, after=5))
        assert [event.position for event in rest] == [6, 7, 8, 9, 9]
        assert rest[-1].outcome.result == ["A", "x", "LAST"]
        again = asyncio.run(stream(checkpoint=cp))
        assert [event.position for event in again] == [*range(1, 10), 9]
        assert asyncio.run(stream(checkpoint=cp, after=100))[0].entry == "outcome"


def test_leaving_a_stream_early_stops_the_drive() -> None:
    async def main() -> Any:
        global begun
        begun = asyncio.Event()
        cp = Checkpoint.new()
        events = cancellable.run_stream({}, checkpoint=cp)
        async for event in events:
            if event.data.get("key") == "waits_for_ever":
                await begun.wait()
                break
        await events.aclose()  # type: ignore[attr-defined]
        assert seen[-1] == "cleaned up"
        return cp.store.runs().get(str(cp.run_id)).status

    assert asyncio.run(main()) == "interrupted"


def test_a_stream_whose_run_cannot_be_driven_raises_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        async for _ in several.run_stream(checkpoint=several_cp, responses={"c": 1}):
            pass

    several_cp = several.run_sync().checkpoint
    with pytest.raises(EventMismatchError):
        asyncio.run(main())


def test_a_run_has_the_id_that_its_checkpoint_was_given(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert flow.run_sync("a", checkpoint=Checkpoint.new(store, run_id="mine")).run_id == "mine"
        assert flow.run_sync(checkpoint=store.checkpoint("mine"), responses={"go": "yes"}).status == "completed"
    kept: list[JsonObject] = []
    carried = Checkpoint.new(run_id="ours", on_commit=lambda entries, _position: kept.extend(entries))
    assert (carried.run_id, flow.run_sync("a", checkpoint=carried).run_id) == (None, "ours")
    assert Checkpoint.load(kept).run_id == "ours"


def test_a_second_start_under_a_given_id_goes_on_with_the_run_or_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        flow.run_sync("a", checkpoint=Checkpoint.new(store, run_id="mine"))
        again = Checkpoint.new(store, run_id="mine")
        assert flow.run_sync("a", checkpoint=again).run_id == again.run_id == "mine"
        assert flow.run_sync(checkpoint=again, responses={"go": "yes"}).result == ["A", "yes", "LAST"]
        assert done == {"a": 1, "last": 1}
        other = Checkpoint.new(store, run_id="mine")
        with pytest.raises(RunExistsError):
            flow.run_sync("b", checkpoint=other)
        assert other.run_id is None


def test_an_id_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(TypeError, match="`run_id` is 5; give it a text"):
        Checkpoint.new(run_id=5)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        flow.run_sync("a", checkpoint=Checkpoint.new(run_id="../x"))


def test_no_entries_are_refused_as_such() -> None:
    for nothing in ([], iter(())):
        with pytest.raises(ValueError, match=r"^there are no entries, so this is no checkpoint; give all"):
            Checkpoint.load(nothing)


@pytest.mark.parametrize("position", ["2", 2.0, None, True])
def test_a_position_that_is_no_whole_number_is_refused_as_such(position: Any) -> None:
    with pytest.raises(TypeError, match=r"^`position` is .*; give it a whole number, from 1 on$"):
        flow.run_sync("a").checkpoint.at(position)


def test_an_outcome_shows_what_cpf_would_print() -> None:
    outcome = flow.run_sync("a")
    envelope = outcome.envelope()
    assert (envelope["command"], envelope["status"], envelope["run_id"]) == ("run", "waiting", outcome.run_id)
