"""Every kind in every list, however deep; waits in all of them at once; and processes that die at every write."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from checkpointflow.values import JsonObject, JsonValue
from frontends.running import SETTLED, Running, document

Steps: TypeAlias = list[JsonObject]
Layer: TypeAlias = Callable[[Steps, dict[str, str]], Steps]


def text(steps: Steps, name: str = "main", head: str = "") -> str:
    """Return a document of steps given as data; JSON is YAML too."""
    return document("\n".join(f"- {json.dumps(step)}" for step in steps), name=name, head=head)


def seen(value: str) -> JsonObject:
    """The last step `z` of a list, which passes a value on."""
    return {"id": "z", "kind": "set", "values": {"seen": f"${{{value}}}"}}


# -- lists inside lists: each takes a list that ends with `z`, and gives such a list ---------------


def in_branch(inner: Steps, files: dict[str, str]) -> Steps:
    other: JsonObject = {"id": "m", "steps": [{"id": "k", "kind": "set", "values": {"v": "other"}}]}
    step: JsonObject = {"id": "b", "kind": "parallel", "branches": [other, {"id": "l", "steps": [*inner]}]}
    return [step, seen("steps.b.outputs.l.z.seen")]


def in_iteration(inner: Steps, files: dict[str, str]) -> Steps:
    return [
        {"id": "f", "kind": "foreach", "items": "['x']", "body": [*inner]},
        seen("steps.f.outputs.iterations[0].z.seen"),
    ]


def in_sub_workflow(inner: Steps, files: dict[str, str]) -> Steps:
    name = f"sub{len(files)}.yaml"
    files[name] = text(inner, name="sub")
    return [{"id": "w", "kind": "workflow", "workflow_ref": name}, seen("steps.w.outputs.z.seen")]


def in_each_sub_workflow(inner: Steps, files: dict[str, str]) -> Steps:
    name = f"sub{len(files)}.yaml"
    files[name] = text(inner, name="sub")
    step: JsonObject = {"id": "f", "kind": "foreach", "items": "['x']", "item_key": "${item}", "workflow_ref": name}
    return [step, seen("steps.f.outputs.iterations[0].z.seen")]


def in_started_step(inner: Steps, files: dict[str, str]) -> Steps:
    return [
        {"id": "p", "kind": "parallel", "branches": [{"start_at": "s"}]},
        {"id": "s", "kind": "parallel", "branches": [{"id": "l", "steps": [*inner]}]},
        seen("steps.p.outputs.s.l.z.seen"),
    ]


LAYERS: list[Layer] = [in_branch, in_iteration, in_sub_workflow, in_each_sub_workflow, in_started_step]
NESTS: list[tuple[Layer, ...]] = [(), *itertools.product(LAYERS, repeat=1), *itertools.product(LAYERS, repeat=2)]


def name_of(nest: tuple[Layer, ...]) -> str:
    return " ".join(layer.__name__.removeprefix("in_") for layer in nest) or "main"


nested = pytest.mark.parametrize("nest", NESTS, ids=name_of)


def nest_in(folder: Path, nest: tuple[Layer, ...], inner: Steps, run_input: JsonValue = None) -> Running:
    """Start a run in which the list stands inside all the layers; its result is what the list's `z` has seen."""
    files: dict[str, str] = {"leaf.yaml": text([{"id": "e", "kind": "end", "result": "leaf"}], name="leaf")}
    for layer in nest:
        inner = layer(inner, files)
    return Running(
        folder, text([*inner, {"id": "e", "kind": "end", "result": "${steps.z.outputs.seen}"}]), run_input, files=files
    )


def finish(ran: Running) -> Running:
    """Drive to the end: answer every event with `yes`, and let time pass for the rest."""
    ran.drive()
    while ran.status == "waiting":
        if ran.request(ran.open[0]):
            ran.answer(ran.open[0], "yes")
        else:
            ran.pass_time(30)
    return ran


GATE: JsonObject = {"kind": "await_event", "audience": "user", "input_schema": {}}
LEAF: JsonObject = {"id": "k", "kind": "set", "values": {"v": 1}}
KINDS: dict[str, tuple[JsonObject, JsonValue]] = {
    "cli": ({"kind": "cli", "argv": ["printf", '{"x":1}']}, {"x": 1}),
    "set": ({"kind": "set", "values": {"v": [1]}}, {"v": [1]}),
    "sleep": ({"kind": "sleep", "seconds": 30}, None),
    "await_event": ({**GATE, "event_name": "go"}, "yes"),
    "expired": ({**GATE, "event_name": "go", "timeout_seconds": 30, "on_timeout": {"outputs": "late"}}, "late"),
    "switch": ({"kind": "switch", "cases": [{"when": True, "next": "z"}]}, {"matched": "z"}),
    "foreach": ({"kind": "foreach", "items": "[1]", "body": [LEAF]}, {"iterations": [{"k": {"v": 1}}]}),
    "parallel": ({"kind": "parallel", "branches": [{"id": "l", "steps": [LEAF]}]}, {"l": {"k": {"v": 1}}}),
    "workflow": ({"kind": "workflow", "workflow_ref": "leaf.yaml"}, "leaf"),
}


@pytest.mark.parametrize("kind", KINDS)
@nested
def test_every_kind_stands_in_every_list(tmp_path: Path, nest: tuple[Layer, ...], kind: str) -> None:
    fields, outputs = KINDS[kind]
    ran = nest_in(tmp_path, nest, [{"id": "k", **fields}, seen("steps.k.outputs")]).drive()
    if kind == "expired":
        ran.pass_time(30)
    assert finish(ran).result == outputs


@nested
def test_an_end_ends_only_the_list_that_it_stands_in(tmp_path: Path, nest: tuple[Layer, ...]) -> None:
    inner: Steps = [
        {"id": "b", "kind": "parallel", "branches": [
            {"id": "l", "steps": [{"id": "x", "kind": "end", "result": 0}, log("never")]},
        ]},
        {"id": "f", "kind": "foreach", "items": "[1]", "body": [{"id": "x", "kind": "end", "result": None}]},
        {"id": "w", "kind": "workflow", "workflow_ref": "leaf.yaml"},
        seen("[steps.b.outputs.l.result, steps.f.outputs.iterations[0].result, steps.w.outputs]"),
    ]  # fmt: skip
    ran = finish(nest_in(tmp_path, nest, inner))
    assert (ran.result, ran.log) == ([0, None, "leaf"], [])


@nested
def test_conditions_jumps_and_failures_work_in_every_list(tmp_path: Path, nest: tuple[Layer, ...]) -> None:
    inner: Steps = [
        {"id": "a", "kind": "set", "if": False, "values": {}, "next": "never"},
        {"id": "n", "kind": "set", "values": {"i": "${default(steps.n.outputs.i, 0) + 1}"}},
        {"id": "c", "kind": "cli", "command": "exit ${steps.n.outputs.i}", "on_error": {"next": "d"}},
        {"id": "never", "kind": "cli", "command": "exit 9"},
        {"id": "d", "kind": "set", "if": "steps.n.outputs.i < 3", "values": {}, "next": "n"},
        {"id": "s", "kind": "switch", "cases": [{"when": "steps.c.error.details.exit_code == 3", "next": "z"}]},
        {"id": "also_never", "kind": "cli", "command": "exit 9"},
        seen("[steps.a.status, steps.n.outputs.i, steps.never.status]"),
    ]
    # `d` is skipped in the third round, which leads on to `s`; a skipped step does not take its `next`
    assert finish(nest_in(tmp_path, nest, inner)).result == ["skipped", 3, "pending"]


@nested
def test_an_error_inside_reaches_the_outermost_list_and_names_the_step(tmp_path: Path, nest: tuple[Layer, ...]) -> None:
    ran = finish(nest_in(tmp_path, nest, [{"id": "a", "kind": "cli", "command": "exit 7"}, seen("steps.a.outputs")]))
    assert ran.error["details"]["exit_code"] == 7  # type: ignore[index,call-overload]
    assert ran.error["step_key"] == ran.performed[0]
    assert str(ran.error["step_key"]).endswith("a")


# -- several waits at once -------------------------------------------------------------------------


def gate(name: str) -> JsonObject:
    return {"id": name, **GATE, "event_name": name}


def log(step_id: str) -> JsonObject:
    return {"id": step_id, "kind": "cli", "command": "echo $CPF_STEP_KEY >> log"}


SUB = text([gate("g"), log("c"), {"id": "e", "kind": "end", "result": "${steps.g.outputs}"}], name="sub")
MANY: Steps = [
    {"id": "p", "kind": "parallel", "branches": [
        {"id": "l", "steps": [gate("g"), log("c")]},
        {"start_at": "s"},
        {"id": "m", "steps": [
            {"id": "f", "kind": "foreach", "items": "['a', 'b']", "item_key": "${item}", "max_parallel": 2,
             "body": [gate("g"), log("c")]},
            {"id": "w", "kind": "workflow", "workflow_ref": "sub.yaml"},
        ]},
        {"start_at": "w"},
    ]},
    gate("s"),
    {"id": "w", "kind": "workflow", "workflow_ref": "sub.yaml"},
    log("c"),
    {"id": "e", "kind": "end", "result": "${steps.p.outputs}"},
]  # fmt: skip
WAITS = ['p["l"]/g', 'p["m"]/f["a"]/g', 'p["m"]/f["b"]/g', 'p["s"]/s', 'p["w"]/w/g', 'p["m"]/w/g']
LAST = WAITS[-1]  # opens only once both iterations have ended
EXPECTED: JsonObject = {
    "l": {"g": WAITS[0], "c": {}},
    "s": WAITS[3],
    "m": {"f": {"iterations": [{"g": WAITS[1], "c": {}}, {"g": WAITS[2], "c": {}}]}, "w": WAITS[5]},
    "w": WAITS[4],
}
COMMANDS = ["c", *(f"{wait.removesuffix('/g')}/c" for wait in WAITS if wait.endswith("/g"))]


def many(folder: Path) -> Running:
    return Running(folder, text(MANY), files={"sub.yaml": SUB})


def orders() -> list[list[str]]:
    """Orders in which the waits can be answered."""
    rng = random.Random(7)
    found = [rng.sample(WAITS, len(WAITS)) for _ in range(200)]
    return [order for order in found if order.index(LAST) > max(order.index(WAITS[1]), order.index(WAITS[2]))][:16]


@pytest.mark.parametrize("order", orders(), ids=lambda order: "".join(str(WAITS.index(wait)) for wait in order))
def test_waits_open_at_once_are_answered_in_any_order_each_by_a_fresh_process(tmp_path: Path, order: list[str]) -> None:
    ran = many(tmp_path).drive()
    assert ran.open == sorted(set(WAITS) - {LAST})
    for wait in order:
        assert ran.status == "waiting"
        ran.answer(wait, wait)
    assert ran.result == EXPECTED
    assert sorted(ran.log) == sorted(COMMANDS)


def test_answers_to_all_waits_at_once_are_taken_up_by_one_process(tmp_path: Path) -> None:
    ran = many(tmp_path).drive()
    for wait in ran.open:
        ran.accept(wait, wait)
    ran.drive()
    assert ran.open == [LAST]
    assert ran.answer(LAST, LAST).result == EXPECTED
    assert sorted(ran.log) == sorted(COMMANDS)


@pytest.mark.parametrize("order", [*itertools.permutations("lmn")], ids="".join)
def test_answers_accepted_together_are_all_kept_though_one_of_them_stops_the_others(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    fail: JsonObject = {"id": "x", "kind": "end", "if": "steps.g.outputs == 'm'", "fail": "no"}
    branches: list[JsonValue] = [{"id": name, "steps": [gate("g"), fail, gate("h")]} for name in "lmn"]
    step: JsonObject = {"id": "p", "kind": "parallel", "branches": branches, "on_error": {"next": "e"}}
    ran = Running(tmp_path, text([step, {"id": "e", "kind": "end", "result": "${steps.p.error.step_key}"}])).drive()
    for name in order:
        ran.accept(f'p["{name}"]/g', name)
    assert ran.drive().result == 'p["m"]/x'
    assert sorted(str(entry["payload"]) for entry in ran.entries("event_received")) == ["l", "m", "n"]


def test_a_wait_that_expires_in_a_branch_leaves_its_siblings_open(tmp_path: Path) -> None:
    def expiring(seconds: int) -> JsonObject:
        return {**gate("g"), "timeout_seconds": seconds, "on_timeout": {"next": "late", "outputs": seconds}}

    late: JsonObject = {"id": "late", "kind": "set", "values": {"v": "${steps.g.outputs}"}}
    inner: Steps = [
        {"id": "p", "kind": "parallel", "branches": [
            {"id": "l", "steps": [expiring(10), log("never"), late]},
            {"id": "m", "steps": [expiring(20), log("never"), late]},
            {"id": "n", "steps": [gate("g")]},
        ]},
        {"id": "e", "kind": "end", "result": "${steps.p.outputs}"},
    ]  # fmt: skip
    ran = Running(tmp_path, text(inner)).drive()
    assert ran.pass_time(10).open == ['p["m"]/g', 'p["n"]/g']
    assert ran.pass_time(10).open == ['p["n"]/g']
    expected = {"l": {"g": 10, "late": {"v": 10}}, "m": {"g": 20, "late": {"v": 20}}, "n": {"g": "x"}}
    assert ran.answer('p["n"]/g', "x").result == expected
    assert ran.log == []


def test_a_wait_that_expires_without_on_timeout_stops_its_siblings(tmp_path: Path) -> None:
    failing: JsonObject = {**gate("g"), "timeout_seconds": 10}
    branches: list[JsonValue] = [{"id": "l", "steps": [failing]}, {"id": "m", "steps": [gate("g")]}]
    step: JsonObject = {"id": "p", "kind": "parallel", "branches": branches, "on_error": {"next": "e"}}
    ran = Running(tmp_path, text([step, {"id": "e", "kind": "end", "result": "${steps.p.error}"}])).drive()
    ran.pass_time(10)
    assert {"code": "ERR_TIMEOUT", "step_key": 'p["l"]/g'}.items() <= dict(ran.result).items()  # type: ignore[arg-type,call-overload]
    causes = {entry["key"]: entry["cause"] for entry in ran.entries("wait_closed")}
    assert causes == {'p["l"]/g': "expired", 'p["m"]/g': "cancelled"}


# -- processes that die ----------------------------------------------------------------------------

BUSY: Steps = [
    log("c"),
    {"id": "x", "kind": "cli", "command": "exit 3", "on_error": {"next": "n"}},
    log("never"),
    {"id": "n", "kind": "set", "values": {"i": "${default(steps.n.outputs.i, 0) + 1}"}},
    {"id": "r", "kind": "cli", "command": "[ $CPF_ATTEMPT != 1 ]", "retry": {"max_attempts": 9, "backoff_seconds": 0}},
    {"id": "p", "kind": "parallel", "branches": [
        {"id": "l", "steps": [gate("g"), log("c")]},
        {"id": "m", "steps": [{"id": "f", "kind": "foreach", "items": "[1, 2]", "body": [log("c")]}]},
        {"start_at": "w"},
    ]},
    {"id": "w", "kind": "workflow", "workflow_ref": "sub.yaml"},
    {"id": "t", "kind": "sleep", "seconds": 30},
    {"id": "stop", "kind": "parallel", "on_error": {"next": "s"}, "branches": [
        {"id": "l", "steps": [gate("g")]}, {"id": "m", "steps": [{"id": "x", "kind": "end", "fail": "no"}]},
    ]},
    {"id": "s", "kind": "switch", "cases": [{"when": "steps.n.outputs.i < 2", "next": "n"}], "default": "e"},
    {"id": "e", "kind": "end", "result": ["${steps.n.outputs.i}", "${steps.p.outputs}", "${steps.x.exit_code}"]},
]  # fmt: skip


def busy(folder: Path) -> Running:
    return Running(folder, text(BUSY), files={"sub.yaml": SUB})


def completed(ran: Running) -> Counter[object]:
    return Counter(entry["key"] for entry in ran.entries("step_completed"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Running:
    return finish(busy(tmp_path_factory.mktemp("unbroken")))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_may_die_at_any_write_and_the_outcome_is_the_same(
    tmp_path: Path, unbroken: Running, moment: str
) -> None:
    branches = {"l": {"g": "yes", "c": {}}, "m": {"f": {"iterations": [{"c": {}}, {"c": {}}]}}, "w": "yes"}
    assert unbroken.result == [2, branches, 3]
    for write in itertools.count(1):
        ran = busy(tmp_path / str(write))
        if not ran.drive_crashing(**{moment: write}):
            break
        assert finish(ran).value == unbroken.value
        assert completed(ran) == completed(unbroken)
        assert set(completed(ran).values()) == {1}
        assert max(ran.attempts.values()) <= 3
    assert write > 8


def test_a_second_process_may_die_at_any_write_too(tmp_path: Path, unbroken: Running) -> None:
    for write in itertools.count(1):
        ran = busy(tmp_path / str(write)).drive()
        for wait in ran.open:
            ran.accept(wait, "yes")
        if not ran.drive_crashing(after=write):
            break
        assert finish(ran).value == unbroken.value
        assert completed(ran) == completed(unbroken)
    assert write > 4
    assert ran.status not in SETTLED
