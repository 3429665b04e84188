"""The checker of the torture finds what must not be, and says nothing of what may."""

import random
from dataclasses import replace

import pytest

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import advance, head_of
from checkpointflow.kernel.ids import RunId, StepKey, WaitId
from checkpointflow.kernel.store import HolderInfo, OpenWait
from checkpointflow.testing import samples as s
from torture.checker import violations
from torture.evidence import Effect, Evidence, RunEvidence, Sight, digest
from torture.moves import Move, Report
from torture.web import Request

ANSWER = replace(s.message("e1", wait="w1", payload={"n": "yes"}), state="taken")
ENTRIES = (
    s.started(),
    replace(s.step_started("s"), effect="once"),
    s.step_completed("s"),
    s.wait_opened("gate", "w1"),
    s.received(ANSWER, "gate"),
    e.RunCompleted(at=s.at(99), value={"result": {"gate": "yes"}}),
)


def run(*entries: e.AnyEntry, run_id: str = "run-1", **more: object) -> RunEvidence:
    head = head_of(RunId(run_id), entries)
    fields = {
        "home": "here",
        "head": head,
        "entries": entries,
        "waits": (),
        "messages": (ANSWER,),
        "holder": None,
        "epoch": 2,
    }
    return RunEvidence(**{**fields, **more})


def effect(what: str, *, attempt: int = 1, key: str = "s", run_id: str = "run-1", generation: int = 0) -> Effect:
    return Effect(what=what, run=run_id, key=key, generation=generation, attempt=attempt)


def answered(**more: object) -> Report:
    move = Move(kind="answer", run="run-1", wait="w1", event_id="e1")
    return Report(
        **{"move": move, "exit_code": 0, "run": "run-1", "status": "completed", "value": {"gate": "yes"}, **more}
    )


def sight(length: int, *, epoch: int = 1) -> Sight:
    return Sight(home="here", run="run-1", epoch=epoch, length=length, digest=digest(ENTRIES[:length]))


SOUND = Evidence(
    runs={"run-1": run(*ENTRIES)},
    effects=[effect("begin"), effect("end")],
    reports=[answered()],
    sights=[sight(2), sight(4), sight(6, epoch=2)],
)
STARTED_AGAIN = replace(s.step_started("s"), attempt=2, effect="once")
VOIDED = e.DefinitionChanged(
    at=s.at(3), definition="d", source_path=None, workflow_name=None, workflow_version=None, voided=["s"], actor=None,
    reason=None,
)  # fmt: skip
FORK = replace(s.started(), at=s.at(200), origin={"run": "run-1", "position": 4})


def away(*entries: e.AnyEntry, **more: object) -> RunEvidence:
    return run(*entries, **{"home": "there", **more})


def request(token: int, *, run_id: str = "run-1", seconds: int = 1) -> Request:
    return Request(run=run_id, key="s", generation=0, token=token, at=s.at(seconds))


GONE = Report(move=Move(kind="status", run="run-8"), exit_code=10, code="ERR_RUN_NOT_FOUND")
MOVED = e.RunMoved(at=s.at(50), actor=None)
ASKED = (ENTRIES[0], replace(s.step_started("s"), kind="api"), replace(s.step_completed("s"), output={"token": 7}))
BY_REQUEST = replace(
    SOUND,
    runs={"run-1": run(*ASKED, ENTRIES[5], messages=())},
    effects=[],
    reports=[],
    sights=[],
    requests=[request(7)],
)


def with_run(evidence: Evidence, *entries: e.AnyEntry, **more: object) -> Evidence:
    return replace(evidence, runs={"run-1": run(*entries, **more)}, sights=[])


def test_what_is_sound_breaks_nothing():
    assert violations(SOUND) == []


def test_a_step_that_was_voided_a_fork_and_a_decision_break_nothing():
    again = with_run(
        replace(SOUND, effects=[*SOUND.effects, effect("begin", generation=1), effect("end", generation=1)]),
        *ENTRIES[:3], VOIDED, *ENTRIES[1:],
    )  # fmt: skip
    assert violations(again) == []
    fork = run(FORK, *ENTRIES[1:], run_id="run-2", messages=())
    assert violations(replace(SOUND, runs={**SOUND.runs, "run-2": fork})) == []
    interrupted = e.StepInterrupted(at=s.at(2), key=StepKey("s"), attempt=1, cause="holder_died", in_doubt=True)
    decided = e.StepDecided(at=s.at(2), key=StepKey("s"), decision="again", output=None, actor=None, reason=None)
    ended = replace(s.step_completed("s"), attempt=2)
    effects = [effect("begin"), effect("begin", attempt=2), effect("end", attempt=2)]
    doubted = with_run(
        replace(SOUND, effects=effects), *ENTRIES[:2], interrupted, decided, STARTED_AGAIN, ended, *ENTRIES[3:]
    )
    assert violations(doubted) == []


def test_a_run_that_was_moved_copied_or_forgotten_breaks_nothing():
    trace = away(*ENTRIES[:4], MOVED, messages=())
    assert violations(replace(SOUND, traces=[trace])) == []
    seen = [sight(4), replace(sight(4, epoch=9), home="there"), sight(6, epoch=2)]
    assert violations(replace(SOUND, traces=[replace(trace, epoch=9)], sights=seen)) == []
    assert violations(replace(SOUND, traces=[away(*ENTRIES)])) == []
    assert violations(replace(SOUND, traces=[away(*ENTRIES[:2], MOVED, messages=())])) == []  # its driver was killed
    copied = run(replace(ENTRIES[0], origin={"run": "run-1", "position": 7}), *ENTRIES[1:], run_id="run-2")
    assert violations(replace(SOUND, runs={**SOUND.runs, "run-2": copied})) == []
    assert violations(replace(SOUND, reports=[GONE], forgotten={"run-8"})) == []


def test_a_server_that_was_asked_as_the_journal_says_breaks_nothing():
    assert violations(BY_REQUEST) == []


TICK = Move(kind="tick")
CANCELLED = Report(move=Move(kind="cancel", run="run-1"), run="run-1", exit_code=50)
HELD = HolderInfo(holder="h", host="here", pid=1, since=s.START, alive=True)  # type: ignore[arg-type]
FAILED_ON = (s.started(), s.failed(), s.step_started(), s.step_completed(), s.completed())
PLANTED: dict[str, tuple[Evidence, str]] = {
    "an attempt is performed twice": (
        replace(SOUND, effects=[effect("begin"), effect("begin"), effect("end")]), "was performed 2 times"),
    "a completed step is performed again": (
        replace(SOUND, effects=[*SOUND.effects, effect("begin", attempt=2)]), "attempt 1 had completed it"),
    "a completed step is begun again": (
        with_run(SOUND, *ENTRIES[:3], STARTED_AGAIN, *ENTRIES[2:]), "begun again after it had completed"),
    "an effect comes without an intent": (
        replace(SOUND, effects=[*SOUND.effects, effect("begin", key="t")]), "without a recorded intent"),
    "an effect of a run that is gone": (
        replace(SOUND, effects=[*SOUND.effects, effect("begin", run_id="run-9")]), "not in the store"),
    "a step is recorded that never ended": (replace(SOUND, effects=[effect("begin")]), "did not end"),
    "two attempts overlap": (
        replace(SOUND, effects=[effect("begin"), effect("begin", attempt=2), effect("end")]), "beside attempt 2"),
    "a step with effect once is repeated": (
        with_run(SOUND, *ENTRIES[:2], STARTED_AGAIN, *ENTRIES[2:]), "takes effect once, and was begun 2 times"),
    "a retry gives up what was done": (
        with_run(SOUND, s.started(), s.step_started(), s.step_completed(), s.failed(),
            e.RunReopened(at=s.at(9), voided=["s"], actor=None, reason=None)), "a retry gave up s"),
    "an answer is received twice": (with_run(SOUND, *ENTRIES[:5], *ENTRIES[3:]), "was received 2 times"),
    "a wait is answered twice": (with_run(SOUND, *ENTRIES[:5], replace(ENTRIES[4], event_id="e2"), ENTRIES[5],
        messages=(ANSWER, replace(ANSWER, event_id="e2"))), "wait w1 was answered 2 times"),
    "an answer was changed": (
        with_run(SOUND, *ENTRIES, messages=(replace(ANSWER, payload={"n": "no"}),)), "was not sent so"),
    "an answer was made up": (with_run(SOUND, *ENTRIES, messages=()), "was not sent so"),
    "an answer is lost": (with_run(SOUND, *ENTRIES[:4], s.completed()), "is not in the journal"),
    "an answer stays in the inbox": (
        with_run(SOUND, *ENTRIES[:3], ENTRIES[5], messages=(replace(ANSWER, state="accepted"),)), "never taken up"),
    "a confirmed answer is not there": (
        with_run(replace(SOUND, reports=[answered(), answered(move=Move(kind="send", run="run-1", event_id="e7"))]),
            *ENTRIES), "e7 was confirmed, and is not there"),
    "the result has another answer": (
        with_run(replace(SOUND, reports=[]), *ENTRIES[:5], replace(ENTRIES[5], value={"result": {"gate": "no"}})),
        "the result says 'no'"),
    "a confirmed run is gone": (replace(SOUND, runs={}, sights=[], effects=[]), "there is no such run"),
    "a confirmed end is taken back": (with_run(SOUND, *ENTRIES[:5]), "was said to be completed, and is open"),
    "a confirmed result is another": (replace(SOUND, reports=[answered(value={"gate": "no"})]), "was said to end with"),
    "a confirmed cancellation is lost": (replace(SOUND, reports=[CANCELLED]), "it is completed"),
    "a command meets a defect": (
        replace(SOUND, reports=[Report(move=TICK, exit_code=90, code="ERR_INTERNAL")]), "ERR_INTERNAL"),
    "the store fails": (
        replace(SOUND, reports=[Report(move=TICK, exit_code=60, code="ERR_STORE_UNAVAILABLE")]), "ERR_STORE"),
    "a replay goes another way": (
        replace(SOUND, reports=[Report(move=TICK, exit_code=20, code="ERR_NONDETERMINISM")]), "NONDETERMINISM"),
    "a command dies without a word": (
        replace(SOUND, reports=[Report(move=TICK, trouble="exit 1 without a word")]), "without a word"),
    "an entry does not fit": (with_run(SOUND, *ENTRIES[:3], *ENTRIES[4:]), "entry 4 does not fit"),
    "a head is behind its journal": (
        with_run(SOUND, *ENTRIES, head=replace(SOUND.runs["run-1"].head, length=5)), "its head is not"),
    "a head is ahead of its journal": (
        with_run(SOUND, *ENTRIES, head=advance(SOUND.runs["run-1"].head, [s.completed()])), "its head is not"),
    "a wait stays open": (with_run(SOUND, *ENTRIES, waits=(OpenWait(
        run_id=RunId("run-1"), key=StepKey("gate"), kind="external_event", wait_id=WaitId("w1"), event_name="go",
        audience="user", opened_at=s.START, due_at=None, request={}),)), "its open waits are not"),
    "a settled run is held": (with_run(SOUND, *ENTRIES, holder=HELD), "holds it"),
    "a settled run has a step that runs": (with_run(SOUND, *ENTRIES[:2], ENTRIES[5]), "steps of it are running"),
    "an entry stands behind the end": (with_run(SOUND, *ENTRIES, s.completed()), "stands behind `run_completed`"),
    "a failed run goes on by itself": (with_run(SOUND, *FAILED_ON), "stands behind `run_failed`"),
    "a journal was written over": (
        replace(SOUND, sights=[replace(sight(2), digest="other")]), "what was in its journal has changed"),
    "a journal has become shorter": (
        replace(with_run(SOUND, *ENTRIES[:3]), sights=[sight(4)]), "what was in its journal has changed"),
    "an epoch goes back": (
        replace(SOUND, sights=[sight(2, epoch=2), sight(4, epoch=1)]), "its epoch went back to 1"),
    "an epoch ends lower than it was": (replace(SOUND, sights=[sight(2, epoch=3)]), "its epoch went back to 3"),
    "an epoch goes back in one home": (
        replace(SOUND, sights=[sight(2, epoch=2), replace(sight(2), home="there"), sight(4)]), "went back to 1"),
    "a run goes on in two homes": (replace(SOUND, traces=[away(*ENTRIES[:4])]), "goes on in `there` and in `here`"),
    "a run lost something on its way": (
        replace(SOUND, traces=[away(*ENTRIES[:3], s.wait_opened("other", "w1"), MOVED)]), "lost something on its way"),
    "a run went on after it was moved away": (
        replace(SOUND, traces=[away(*ENTRIES[:3], MOVED, ENTRIES[3])]), "stands behind `run_moved`"),
    "a head is wrong where the run is no more": (
        replace(SOUND, traces=[away(*ENTRIES[:4], MOVED, head=SOUND.runs["run-1"].head)]), "its head is not"),
    "a run is gone that nobody forgot": (replace(SOUND, reports=[GONE]), "ERR_RUN_NOT_FOUND"),
    "a server is asked without an intent": (
        replace(BY_REQUEST, requests=[request(6), request(7)]), "sent 2 requests, with 1 recorded intents"),
    "a server is asked after all": (
        replace(BY_REQUEST, requests=[request(7, seconds=90)]), "sent a request after it had completed"),
    "the answer of a server is another": (replace(BY_REQUEST, requests=[request(8)]), "the server answered"),
    "the answer of a server is made up": (replace(BY_REQUEST, requests=[]), "the server answered"),
    "a run is gone that had asked": (
        replace(BY_REQUEST, requests=[request(7), request(8, run_id="run-9")]), "run-9 had sent requests"),
    "a run is stuck": (replace(SOUND, stuck=["run-1 is waiting"]), "stuck: run-1"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_a_violation_is_found(what):
    evidence, sentence = PLANTED[what]
    assert any(sentence in found for found in violations(evidence)), violations(evidence)


@pytest.mark.parametrize("seed", range(20))
def test_a_lost_or_repeated_entry_of_any_journal_is_found(seed):
    rng = random.Random(seed)
    entries = list(ENTRIES)
    at = rng.randrange(1, len(entries))
    if rng.random() < 0.5:
        del entries[at]
    else:
        entries.insert(at, entries[at])
    head = SOUND.runs["run-1"].head
    with_sights = replace(SOUND, runs={"run-1": run(*ENTRIES, entries=entries, head=head)})
    assert violations(with_sights) != []
