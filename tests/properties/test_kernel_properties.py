"""What holds for every journal: its codec, its fold, the rows derived from it, the keys in it, and its end."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpointflow.errors import StoreCorrupt
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, first_head, wait_effects
from checkpointflow.kernel.effects import Effect, Finished
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.revising import forked, reopened
from checkpointflow.kernel.rewinding import rewinding
from checkpointflow.kernel.scope import Scope, last_name, member_key, path_of, place_of
from checkpointflow.kernel.state import RunState, StepRecord, fold
from checkpointflow.kernel.store import OpenWait
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.testing import samples
from checkpointflow.values import canonical
from simulation.programs import Program, generate
from simulation.world import RUN, SimulatedExecutor, World

few = settings(deadline=None, max_examples=40, database=None)

# -- the codec -------------------------------------------------------------------------------------

text = st.text(st.characters(codec="utf-8"), max_size=12)
large = st.builds(lambda letter, count: letter * count, st.sampled_from("xü\U0001f600"), st.integers(16_000, 70_000))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, values | large, max_size=3)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: UP017
keys = st.builds(lambda names: "/".join(names), st.lists(text, min_size=1, max_size=3))
optional = st.none() | text

FIELDS = {
    "at": instants, "workflow_id": text, "workflow_name": optional, "workflow_version": optional, "definition": text,
    "source_path": optional, "input": values | large, "labels": objects, "actor": optional, "cwd": text, "host": text,
    "elapsed_seconds": st.floats(0, 1e9), "voided": st.lists(keys, max_size=3), "reason": optional,
    "value": values | large, "error": objects, "key": keys, "kind": text, "attempt": st.integers(1, 99), "digest": text,
    "arguments": values, "output": values | large, "details": objects, "retry_at": st.none() | instants,
    "in_doubt": st.booleans(), "decision": st.sampled_from(get_args(e.Decision)),
    "outcome": st.sampled_from(get_args(e.ScopeOutcome)), "wait_id": text, "request": objects,
    "deadline_at": st.none() | instants, "event_id": text, "payload": values | large, "due_at": instants,
    "members": st.none() | st.integers(0, 9), "failed_members": st.lists(objects, max_size=2),
    "origin": st.none() | objects, "effect": st.sampled_from(get_args(e.EffectClass)),
}  # fmt: skip
OWN = {
    e.RunCompleted: {"value": objects},
    e.StepSkipped: {"reason": text},
    e.ScopeClosed: {"error": st.none() | objects},
    e.StepInterrupted: {"cause": st.sampled_from(get_args(e.Cause))},
    e.WaitClosed: {"cause": st.sampled_from(get_args(e.WaitClosing))},
}


def entries_of(
    cls: type[e.Entry], instead: dict[str, st.SearchStrategy[object]] | None = None
) -> st.SearchStrategy[e.AnyEntry]:
    own = {**FIELDS, **OWN.get(cls, {}), **(instead or {})}
    return st.builds(cls, **{name: own[name] for name in cls.__dataclass_fields__})


few_keys: dict[str, st.SearchStrategy[object]] = {
    "key": st.sampled_from(["a", "b", 'f["a"]/s']),
    "wait_id": st.sampled_from(["w1", "w2"]),
    "voided": st.lists(st.sampled_from(["a", "b", 'f["a"]/s']), max_size=2),
}


@settings(few, max_examples=200)
@given(st.sampled_from(e.ENTRY_CLASSES).flatmap(entries_of))
def test_every_entry_is_read_as_it_was_written(entry: e.AnyEntry) -> None:
    encoded = e.encode(entry)
    assert e.decode(encoded.name, encoded.at, encoded.body, encoded.blobs.__getitem__) == entry
    assert all(len(text.encode()) > e.BLOB_BYTES for text in encoded.blobs.values())


# -- whole journals --------------------------------------------------------------------------------


@cache
def journal_of(seed: int) -> tuple[e.AnyEntry, ...]:
    """Return the journal of a run that went through violence."""
    return tuple(run_of(seed).store.entries(RUN))


def run_of(seed: int) -> World:
    world = World(seed, violence=True, cancels=seed % 3 == 0)
    world.run(Program(generate(random.Random(seed))))
    return world


seeds = st.integers(0, 60)


@few
@given(seeds, st.floats(0, 1))
def test_folding_in_two_parts_is_folding_the_whole(seed: int, where: float) -> None:
    journal = journal_of(seed)
    cut = round(where * len(journal))
    first, second = journal[:cut], journal[cut:]
    assert fold(journal) == fold(second, fold(first))


@few
@given(seeds)
def test_the_head_agrees_with_the_fold_after_every_entry(seed: int) -> None:
    journal = journal_of(seed)
    assert isinstance(journal[0], e.RunStarted)
    head, state = first_head(RUN, journal[0]), fold(journal[:1])
    for entry in journal[1:]:
        head, state = advance(head, [entry]), fold([entry], state)
        assert (head.status, head.length, head.waits_opened) == (state.status, state.length, state.waits_opened)
        assert head.error == state.failure
        assert head.updated_at == entry.at


@few
@given(seeds)
def test_the_open_waits_agree_with_the_fold_after_every_entry(seed: int) -> None:
    rows: dict[tuple[StepKey, str | None], OpenWait] = {}
    state = RunState()
    for entry in journal_of(seed):
        effects, state = wait_effects(RUN, [entry]), fold([entry], state)
        rows = {} if effects.closes_all else {at: row for at, row in rows.items() if at[0] not in effects.closed}
        rows |= {(row.key, row.wait_id): row for row in effects.opened}
        if effects.closes_all:  # what a settled run had open is no wait any more, whatever its records say
            continue
        steps = {key: one for key, one in state.records.items() if isinstance(one, StepRecord)}
        later = {row.key: row.due_at for row in rows.values() if row.kind == "timer" and row.wait_id is None}
        assert {row.wait_id: row.key for row in rows.values() if row.wait_id is not None} == state.waiting
        assert {row.key for row in rows.values() if row.kind == "in_doubt"} == {
            k for k, s in steps.items() if s.in_doubt
        }
        assert later == {key: one.retry_at for key, one in steps.items() if one.retry_at is not None}


ANY = st.lists(st.sampled_from(e.ENTRY_CLASSES).flatmap(lambda cls: entries_of(cls, few_keys)), max_size=14)


@settings(few, max_examples=150)
@given(ANY, st.integers(0, 14))
def test_whatever_a_journal_holds_it_is_folded_or_said_to_be_damaged_alike_in_one_part_and_in_two(
    journal: list[e.AnyEntry], cut: int
) -> None:
    try:
        whole = fold(journal)
    except StoreCorrupt as error:
        with pytest.raises(StoreCorrupt, match=re.escape(error.message)):
            fold(journal[cut:], fold(journal[:cut]))
    else:
        assert fold(journal[cut:], fold(journal[:cut])) == whole
        assert whole.length == len(journal)


@settings(few, max_examples=150)
@given(ANY)
def test_whatever_a_journal_holds_its_rows_can_be_derived(journal: list[e.AnyEntry]) -> None:
    head = first_head(RUN, samples.started())
    assert advance(head, journal).length == 1 + len(journal)
    opened = {row.key for row in wait_effects(RUN, journal).opened}
    assert opened <= {entry.key for entry in journal if hasattr(entry, "key")}


@few
@given(seeds)
def test_every_step_that_is_recorded_can_be_gone_back_to_and_forked_from(seed: int) -> None:
    journal = journal_of(seed)
    state = fold(journal)
    for key in list(state.records)[:10]:
        plan = rewinding(journal, state, [key])
        assert key in plan.voided
        assert set(plan.voided) <= set(state.records)
        fork = fold(forked(journal, key, samples.started()))
        assert not set(fork.records) & set(plan.voided)
        assert fork.open_attempts() == {}
        for one, record in fork.records.items():
            original = state.records[one]
            assert type(record) is type(original)
            if isinstance(record, StepRecord) and isinstance(original, StepRecord):
                assert record.outcome == original.outcome is not None


@few
@given(seeds)
def test_opening_a_failed_run_again_changes_nothing_about_what_comes_after_a_step(seed: int) -> None:
    journal = journal_of(seed)
    for end in [at for at, entry in enumerate(journal, 1) if isinstance(entry, e.RunFailed)][:3]:
        before = journal[:end]
        failed = fold(before)
        again = reopened(failed, samples.at(9), None, None)
        plans = {key: set(rewinding(before, failed, [key]).voided) for key in failed.records}
        state = fold([*before, again])
        for key, voided in plans.items():
            plan = rewinding([*before, again], state, [key])
            assert set(plan.voided) == voided - {StepKey(str(one)) for one in again.voided}


ONCE = (e.WaitOpened, e.TimerSet, e.ScopeOpened, e.ValueRecorded, e.StepSkipped)


@few
@given(seeds)
def test_a_journal_begins_each_thing_once_between_two_voidings(seed: int) -> None:
    begun: Counter[str] = Counter()
    for entry in journal_of(seed):
        if isinstance(entry, e.RunReopened):
            begun -= Counter({str(key): begun[str(key)] for key in entry.voided})
        elif isinstance(entry, ONCE) or (isinstance(entry, e.StepStarted) and entry.attempt == 1):
            begun[entry.key] += 1
    assert set(begun.values()) <= {1}


class NoExecutor(SimulatedExecutor):
    """Refuses every effect."""

    def start(self, effect: Effect) -> None:
        raise AssertionError(f"`{effect.context.key}` was performed in a settled run")

    def wait(self, timeout_seconds: float | None) -> list[Finished]:
        raise AssertionError("a settled run waits for nothing")


@settings(few, max_examples=15)
@given(seeds)
def test_a_settled_journal_never_grows(seed: int) -> None:
    world = run_of(seed)
    settled = world.store.entries(RUN)
    world.clock.advance(1000)
    world.send_early()
    world.cancel()
    surroundings = Surroundings(
        store=world.store,
        executor=NoExecutor(world, world.store, None),  # type: ignore[arg-type]
        clock=world.clock,
        fits=lambda _schema, _payload: True,
    )
    hold = world.store.acquire(RUN, world.store.holder(), at=world.clock.now() + timedelta(1))
    outcome = drive(Program(generate(random.Random(seed))), hold, surroundings)
    assert outcome.status == world.store.head(RUN).status
    assert world.store.entries(RUN) == settled
    assert world.store.holder_of(RUN) is None


# -- keys ------------------------------------------------------------------------------------------

names = st.text(st.sampled_from('ab/#[]%"0 ü\n'), min_size=1, max_size=5)
items = st.integers(-3, 12) | names


@st.composite
def walks(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Return the keys that a workflow takes in nested scopes, each with the name that it was taken for."""
    taken: list[tuple[str, str]] = []
    scopes = [Scope()]
    for _ in range(draw(st.integers(1, 25))):
        scope = draw(st.sampled_from(scopes))
        name = draw(names)
        key = scope.visit(name)
        taken.append((key, name))
        match draw(st.sampled_from(["step", "members", "workflow"])):
            case "members":
                chosen = draw(st.lists(items, unique_by=repr, max_size=3))
                scopes += [Scope(member_key(key, item)) for item in chosen]
            case "workflow":
                scopes.append(Scope(key))
    return taken


@settings(few, max_examples=200)
@given(walks())
def test_keys_are_unique_and_tell_the_name_they_were_taken_for(taken: list[tuple[str, str]]) -> None:
    found = [key for key, _ in taken]
    assert len(set(found)) == len(found)
    assert [last_name(key) for key, _ in taken] == [name for _, name in taken]


@few
@given(names, items)
def test_the_key_of_a_member_tells_the_name_of_its_scope(name: str, item: int | str) -> None:
    assert last_name(member_key(Scope().visit(name), item)) == name


@few
@given(st.lists(items, unique_by=canonical, max_size=6))
def test_members_of_a_scope_have_keys_of_their_own(chosen: list[int | str]) -> None:
    assert len({member_key("fan", item) for item in chosen}) == len(chosen)


@settings(few, max_examples=200)
@given(st.lists(st.tuples(names, st.none() | items), min_size=1, max_size=4))
def test_a_key_tells_the_scopes_around_it_from_the_outermost(walk: list[tuple[str, int | str | None]]) -> None:
    scope, around = Scope(), []
    for name, item in walk:
        key = scope.visit(name)
        assert place_of(key) == scope.key
        around.append(key)
        assert path_of(key) == tuple(around)
        scope = Scope(key if item is None else member_key(key, item))
