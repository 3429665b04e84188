"""The checks notice each thing that may go wrong, and nothing of a run that went well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.answering import Told, payload_of, run_id_of
from chaos.checks import CHECKING, PUBLISHING, Seen, effects_of, repeated, violations
from checkpointflow.values import JsonObject

NAME = run_id_of(3)
ANSWER = payload_of(3, "bob")


def entry(name: str, key: str, attempt: int = 1) -> JsonObject:
    return {"entry": name, "key": key, "attempt": attempt}


@pytest.fixture
def good(tmp_path: Path) -> Seen:
    """A run whose step `sign` was interrupted once, and which two people answered."""
    (tmp_path / f"{NAME}.txt").write_text("Notice 3")
    (tmp_path / f"{NAME}.by").write_text("bob 3")
    entries = [entry(f"step_{what}", key) for key in sorted(CHECKING) for what in ("started", "completed")]
    entries += [{"entry": "event_received", "key": "approval", "event_id": "bob-3", "payload": ANSWER}]
    entries += [entry("step_started", "publish"), entry("step_completed", "publish")]
    entries += [entry("step_started", "sign"), entry("step_interrupted", "sign")]
    entries += [entry("step_started", "sign", 2), entry("step_completed", "sign", 2)]
    once = [(key, 1) for key in sorted(CHECKING | PUBLISHING)]
    effects = {"begin": [*once, ("sign", 2)], "end": [*once[:-1], ("sign", 2)]}
    told = [
        Told(NAME, "ann-3", payload_of(3, "ann"), "refused"),
        Told(NAME, "bob-3", ANSWER, "accepted"),
    ]
    value: JsonObject = {"result": {"status": "published", "by": "bob 3", "words": 2}}
    return Seen(NAME, 3, "completed", value, entries, effects, told, tmp_path)


def without(run: Seen, name: str, key: str, attempt: int = 1) -> Seen:
    return replace(run, entries=[one for one in run.entries if one != entry(name, key, attempt)])


def also(run: Seen, what: str, key: str, attempt: int) -> Seen:
    return replace(run, effects={**run.effects, what: [*run.effects[what], (key, attempt)]})


def told(run: Seen, by: str, outcome: str) -> Seen:
    return replace(run, told=[*run.told, Told(NAME, f"{by}-3", payload_of(3, by), outcome)])


def unanswered(run: Seen) -> Seen:
    return replace(run, entries=[one for one in run.entries if one["entry"] != "event_received"])


def answered_again(run: Seen) -> Seen:
    return replace(run, entries=[*run.entries, *(one for one in run.entries if one["entry"] == "event_received")])


FAULTS: dict[str, Callable[[Seen], Seen]] = {
    "`publish` was begun again after it had completed": lambda run: also(run, "begin", "publish", 2),
    "was begun 2 times": lambda run: also(run, "begin", "publish", 1),
    "its start is not on record": lambda run: without(run, "step_started", "publish"),
    "followed one that was not interrupted": lambda run: without(run, "step_interrupted", "sign"),
    "`publish` completed 0 times": lambda run: without(run, "step_completed", "publish"),
    "`publish` completed 2 times": lambda run: replace(run, entries=[*run.entries, entry("step_completed", "publish")]),
    "`sign` was not seen to end": lambda run: replace(run, effects={**run.effects, "end": [("publish", 1)]}),
    "`other` was performed": lambda run: also(run, "end", "other", 1),
    "its journal has 0 answers": unanswered,
    "its journal has 2 answers": answered_again,
    "ann-3 was accepted, and is not in the journal": lambda run: told(run, "ann", "accepted"),
    "bob-3 was refused, and is in the journal": lambda run: told(run, "bob", "refused"),
    "was not given so": lambda run: replace(run, told=run.told[:1]),
    "it is failed": lambda run: replace(run, status="failed"),
    "it is completed with {'result': 1}": lambda run: replace(run, value={"result": 1}),
    "it is not on the board": lambda run: replace(run, board=run.board / "elsewhere"),
}


def test_a_run_that_went_well_breaks_nothing(good: Seen) -> None:
    assert violations(good) == []
    assert repeated(good) == 1


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_noticed(good: Seen, sentence: str) -> None:
    assert [found for found in violations(FAULTS[sentence](good)) if sentence in found]


def test_another_answer_on_the_board_is_noticed(good: Seen) -> None:
    (good.board / f"{NAME}.by").write_text("ann 3")
    assert violations(good) == [f"{NAME}: the board has 'Notice 3', signed 'ann 3'"]


def test_a_notice_that_was_held_back_is_not_on_the_board(good: Seen) -> None:
    assert f"{NAME}: {NAME}.txt is on the board" in violations(replace(good, number=6))


def test_what_the_shell_noted_is_read() -> None:
    assert effects_of("a\tb\t1\tbegin\na\tb\t1\tend\n") == {"a": {"begin": [("b", 1)], "end": [("b", 1)]}}
