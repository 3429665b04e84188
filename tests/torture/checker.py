"""Reads the evidence of a storm and says what must not be; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TypeAlias

from checkpointflow.errors import StoreCorrupt, exit_code_of
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import head_of
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.rewinding import key_of
from checkpointflow.kernel.state import RunState, fold
from checkpointflow.kernel.store import SETTLED
from checkpointflow.values import JsonValue
from simulation.checks import by_generation, open_keys
from torture.evidence import Effect, Evidence, RunEvidence, digest, stayed
from torture.moves import OURS
from torture.web import Request

FAULTS = frozenset(
    {"ERR_NONDETERMINISM", "ERR_WORKFLOW_CODE", "ERR_JOURNAL_CONFLICT", "ERR_RUN_NOT_FOUND", "ERR_EXPRESSION"}
)
"""Errors that no command of a storm has a reason to give; so are those of the exit codes `OURS`."""

Mark: TypeAlias = tuple[str, StepKey | None, object]
Known: TypeAlias = set[Mark]


def violations(evidence: Evidence) -> list[str]:
    """Return a sentence for everything that breaks a promise."""
    return [sentence for check in CHECKS for sentence in check(evidence)]


# -- effects -----------------------------------------------------------------------------------------


def attempts_are_performed_once_and_as_the_journal_says(evidence: Evidence) -> Iterator[str]:
    """An attempt is performed once, after its intent was recorded, and never once its step has completed."""
    begun = Counter(effect for effect in evidence.effects if effect.what == "begin")
    yield from (f"{_named(effect)} was performed {count} times" for effect, count in begun.items() if count > 1)
    for run, its in _by_run(evidence.effects).items():
        if run not in evidence.runs:
            yield f"run {run} had effects, and is not in the store"
            continue
        yield from _compared(its, evidence.runs[run], evidence)


def _compared(effects: Sequence[Effect], run: RunEvidence, evidence: Evidence) -> Iterator[str]:
    intended, completed, decided = set(), dict[tuple[str, int], int](), set()
    inherited = _inherited(run, evidence)
    for key, generation, entry in by_generation(run.entries):
        step = (str(key), generation)
        if isinstance(entry, e.StepStarted) and entry.kind != "api":
            intended.add((*step, entry.attempt))
            if step in completed:
                yield f"run {run.head.run_id}: {key} was begun again after it had completed"
        elif isinstance(entry, e.StepCompleted):
            completed[step] = entry.attempt
            if _sign(entry) in inherited:
                decided.add(step)
    for effect in effects:
        step = (effect.key, effect.generation)
        if (*step, effect.attempt) not in intended:
            yield f"{_named(effect)} was performed without a recorded intent"
        if effect.attempt > completed.get(step, effect.attempt):
            yield f"{_named(effect)} was performed, and attempt {completed[step]} had completed it"
    ended = {(effect.key, effect.generation, effect.attempt) for effect in effects if effect.what == "end"}
    for step, attempt in completed.items():
        if (*step, attempt) in intended and (*step, attempt) not in ended and step not in decided:
            yield f"run {run.head.run_id}: attempt {attempt} of {step[0]} is recorded as completed, and did not end"


def requests_are_sent_as_the_journal_says(evidence: Evidence) -> Iterator[str]:
    """A server is asked at most once for each recorded intent, never once the step has completed, and is believed."""
    asked: dict[str, dict[tuple[str, int], list[Request]]] = defaultdict(lambda: defaultdict(list))
    for request in evidence.requests:
        asked[request.run][request.key, request.generation].append(request)
    for name, run in evidence.runs.items():
        yield from _asked_for(run, asked.pop(name, {}), _inherited(run, evidence))
    yield from (f"run {name} had sent requests, and is not in the store" for name in asked)


def _asked_for(run: RunEvidence, asked: Mapping[tuple[str, int], Sequence[Request]], known: Known) -> Iterator[str]:
    """Compare the requests of a run, by step and generation, with its journal; `known` was recorded in another run."""
    intended = Counter[tuple[str, int]]()
    name = run.head.run_id
    for key, generation, entry in by_generation(run.entries):
        step = (str(key), generation)
        if isinstance(entry, e.StepStarted) and entry.kind == "api":
            intended[step] += 1
        elif isinstance(entry, e.StepCompleted) and intended[step] and _sign(entry) not in known:
            answers = [{"token": request.token} for request in asked.get(step, ())]
            if entry.output not in answers:
                yield f"run {name}: {key} is recorded with {entry.output}, and the server answered {answers}"
            if any(request.at > entry.at for request in asked.get(step, ())):
                yield f"run {name}: {key} sent a request after it had completed"
    for step, requests in asked.items():
        if len(requests) > intended[step]:
            yield f"run {name}: {step[0]} sent {len(requests)} requests, with {intended[step]} recorded intents"


def attempts_do_not_overlap(evidence: Evidence) -> Iterator[str]:
    """What a dead process left behind is ended before the next attempt begins."""
    latest: dict[tuple[str, str, int], int] = {}
    for effect in evidence.effects:
        step = (effect.run, effect.key, effect.generation)
        if effect.what == "begin":
            latest[step] = max(effect.attempt, latest.get(step, 0))
        elif latest.get(step, 0) > effect.attempt:
            yield f"{_named(effect)} went on beside attempt {latest[step]}"


def a_step_with_effect_once_is_repeated_on_the_record_alone(evidence: Evidence) -> Iterator[str]:
    """A step that takes effect once begins a second time only if somebody decided so."""
    for run in evidence.runs.values():
        begun, allowed = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
        for key, generation, entry in by_generation(run.entries):
            step = (str(key), generation)
            if isinstance(entry, e.StepStarted) and entry.effect == "once":
                begun[step] += 1
            failed_by_itself = isinstance(entry, e.StepFailed)
            if failed_by_itself or (isinstance(entry, e.StepDecided) and entry.decision == "again"):
                allowed[step] += 1
        for step, count in begun.items():
            if count > 1 + allowed[step]:
                yield f"run {run.head.run_id}: {step[0]} takes effect once, and was begun {count} times"


def a_retry_gives_up_nothing_that_was_done(evidence: Evidence) -> Iterator[str]:
    """What a failed run is opened again with is what has failed or was stopped by that; done steps stay done."""
    for name, run in evidence.runs.items():
        done: set[str] = set()
        for entry in run.entries:
            if isinstance(entry, e.RunReopened):
                yield from (f"run {name}: a retry gave up {key}" for key in entry.voided if key in done)
            if isinstance(entry, e.RunReopened | e.DefinitionChanged):
                done.difference_update(map(str, entry.voided))
            elif isinstance(entry, e.StepCompleted):
                done.add(entry.key)


# -- answers -----------------------------------------------------------------------------------------


def answers_are_taken_up_once(evidence: Evidence) -> Iterator[str]:
    """An accepted answer is in the journal once, as it was given; a wait has one answer at most."""
    for run in evidence.runs.values():
        name = run.head.run_id
        inherited = _inherited(run, evidence)
        journal = [x for x in run.entries if isinstance(x, e.EventReceived)]
        received = [x for x in journal if _sign(x) not in inherited]
        counted = Counter(entry.event_id for entry in received)
        events = {message.event_id: message for message in run.messages if message.kind == "event"}
        yield from (f"run {name}: event {one} was received {n} times" for one, n in counted.items() if n > 1)
        waits = Counter(entry.wait_id for entry in received)
        yield from (f"run {name}: wait {one} was answered {n} times" for one, n in waits.items() if n > 1)
        for entry in received:
            message = events.get(entry.event_id)
            if message is None or message.payload != entry.payload:
                yield f"run {name}: event {entry.event_id} was received, and was not sent so"
        for message in events.values():
            if message.state == "taken" and message.event_id not in {entry.event_id for entry in journal}:
                yield f"run {name}: answer {message.event_id} was taken up, and is not in the journal"
            if message.state == "accepted" and run.head.status in SETTLED:
                yield f"run {name}: answer {message.event_id} was accepted and never taken up"


def what_was_answered_is_in_the_result(evidence: Evidence) -> Iterator[str]:
    """The result of a run has the answers that its journal has."""
    for run in evidence.runs.values():
        result = _result_of(run)
        if not isinstance(result, dict):
            continue
        for key, record in _folded(run).records.items():
            payload = getattr(getattr(record, "outcome", None), "payload", None)
            if key in result and isinstance(payload, dict) and result[key] != payload.get("n"):
                yield f"run {run.head.run_id}: {key} was answered {payload}, and the result says {result[key]!r}"


def what_was_said_holds(evidence: Evidence) -> Iterator[str]:
    """What a command acknowledged is so: an answer is kept, a completed run stays as it is."""
    for report in evidence.reports:
        move, name = report.move, report.run
        if not report.is_accepted or not name:
            continue
        run = evidence.runs.get(name)
        if run is None:
            yield f"{move.kind} of {name} was confirmed, and there is no such run"
            continue
        yield from _kept(move.kind, move.event_id, run)
        if report.status in ("completed", "cancelled") and run.head.status != report.status:
            yield f"{name} was said to be {report.status}, and is {run.head.status}"
        result = _result_of(run)
        if report.status == "completed" and None not in (result, report.value) and result != report.value:
            yield f"{name} was said to end with {report.value}, and did with {result}"


def _result_of(run: RunEvidence) -> JsonValue:
    last = run.entries[-1]
    return last.value.get("result") if isinstance(last, e.RunCompleted) else None


def _kept(kind: str, event_id: str, run: RunEvidence) -> Iterator[str]:
    if kind in ("answer", "send", "early") and not any(one.event_id == event_id for one in run.messages):
        yield f"run {run.head.run_id}: event {event_id} was confirmed, and is not there"
    if kind == "cancel" and run.head.status != "cancelled":
        yield f"run {run.head.run_id}: the cancellation was confirmed, and it is {run.head.status}"


def no_command_fails_for_a_reason_of_ours(evidence: Evidence) -> Iterator[str]:
    """No command of a storm meets the store, a defect, or a journal that does not fit."""
    for report in evidence.reports:
        if report.code == "ERR_RUN_NOT_FOUND" and report.move.run in evidence.forgotten:
            continue
        ours = report.code in FAULTS or (report.code and exit_code_of(report.code) in OURS)
        if ours or (report.trouble and not report.code):
            yield f"{report.move}: {report.code} {report.trouble}"


# -- journals ----------------------------------------------------------------------------------------


def journals_can_be_read(evidence: Evidence) -> Iterator[str]:
    """Every entry of a journal fits those before it."""
    for name, run in _everywhere(evidence):
        if _folded(run).length != len(run.entries):
            yield f"run {name}: entry {_folded(run).length} does not fit those before it"


def journals_and_what_is_derived_from_them_agree(evidence: Evidence) -> Iterator[str]:
    """Heads and open waits are what the journal adds up to, and nobody holds what has settled."""
    for name, run in _everywhere(evidence):
        if run.head != head_of(run.head.run_id, run.entries):
            yield f"run {name}: its head is not what its journal adds up to"
        if {wait.key for wait in run.waits} != open_keys(_folded(run)):
            yield f"run {name}: its open waits are not what its journal adds up to"
        if run.head.is_settled and run.holder is not None and run.holder.alive:
            yield f"run {name} is {run.head.status}, and {run.holder.holder} holds it"
        if run.head.is_settled and run.head.status != "moved" and _folded(run).open_attempts():
            yield f"run {name} is {run.head.status}, and steps of it are running"


def nothing_stands_behind_a_settlement(evidence: Evidence) -> Iterator[str]:
    """A settled journal grows no more, but for the opening again of a failed run."""
    for name, run in _everywhere(evidence):
        for entry, following in pairwise(run.entries):
            ends = isinstance(entry, e.RunCompleted | e.RunFailed | e.RunCancelled | e.RunMoved)
            is_failed = isinstance(entry, e.RunFailed) and isinstance(following, e.RunReopened | e.RunMoved)
            if ends and not is_failed:
                yield f"run {name}: `{e.name_of(following)}` stands behind `{e.name_of(entry)}`"


def journals_and_epochs_only_grow(evidence: Evidence) -> Iterator[str]:
    """What was in a journal once stays in it, at its place, also where the run was moved; epochs go up."""
    last = {(run.home, name): run.epoch for name, run in _everywhere(evidence)}
    epochs: dict[tuple[str, str], int] = defaultdict(int)
    for sight in evidence.sights:
        run = evidence.runs.get(sight.run)
        if run is None or digest(run.entries[: sight.length]) != sight.digest:
            yield f"run {sight.run}: what was in its journal has changed"
        where = (sight.home, sight.run)
        if not epochs[where] <= sight.epoch <= last.get(where, sight.epoch):
            yield f"run {sight.run}: its epoch went back to {sight.epoch}"
        epochs[where] = sight.epoch


def a_run_goes_on_in_one_place(evidence: Evidence) -> Iterator[str]:
    """Where a run was moved away from nothing was added to it, and it goes on with all that it had there."""
    for trace in evidence.traces:
        run = evidence.runs[trace.head.run_id]
        has_gone = trace.head.status == "moved"
        if not has_gone and trace.entries != run.entries:
            yield f"run {trace.head.run_id} goes on in `{trace.home}` and in `{run.home}`"
        if stayed(trace.entries) != run.entries[: trace.head.length - has_gone]:
            yield f"run {trace.head.run_id} lost something on its way from `{trace.home}` to `{run.home}`"


def every_run_comes_to_its_end(evidence: Evidence) -> Iterator[str]:
    """Once answers and time come, every run settles."""
    yield from (f"stuck: {sentence}" for sentence in evidence.stuck)


CHECKS: Sequence[Callable[[Evidence], Iterator[str]]] = (
    attempts_are_performed_once_and_as_the_journal_says,
    requests_are_sent_as_the_journal_says,
    attempts_do_not_overlap,
    a_step_with_effect_once_is_repeated_on_the_record_alone,
    a_retry_gives_up_nothing_that_was_done,
    answers_are_taken_up_once,
    what_was_answered_is_in_the_result,
    what_was_said_holds,
    no_command_fails_for_a_reason_of_ours,
    journals_can_be_read,
    journals_and_what_is_derived_from_them_agree,
    nothing_stands_behind_a_settlement,
    journals_and_epochs_only_grow,
    a_run_goes_on_in_one_place,
    every_run_comes_to_its_end,
)


def _everywhere(evidence: Evidence) -> Iterator[tuple[str, RunEvidence]]:
    """Yield each run by its id as it is in each of its homes."""
    for run in (*evidence.runs.values(), *evidence.traces):
        yield run.head.run_id, run


def _folded(run: RunEvidence) -> RunState:
    """Return what a journal adds up to, as far as it can be read."""
    state = RunState()
    with suppress(StoreCorrupt):
        fold(run.entries, state)
    return state


def _by_run(effects: Sequence[Effect]) -> dict[str, list[Effect]]:
    found: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        found[effect.run].append(effect)
    return found


def _inherited(run: RunEvidence, evidence: Evidence) -> Known:
    """Return the marks of all entries of the runs from which a run was forked or copied."""
    found: Known = set()
    first = run.entries[0]
    while isinstance(first, e.RunStarted) and first.origin is not None:
        origin = evidence.runs.get(str(first.origin["run"]))
        if origin is None:
            break
        found |= {_sign(entry) for entry in origin.entries}
        first = origin.entries[0]
    return found


def _sign(entry: e.AnyEntry) -> Mark:
    return e.name_of(entry), key_of(entry), entry.at


def _named(effect: Effect) -> str:
    return f"run {effect.run}: attempt {effect.attempt} of {effect.key} (generation {effect.generation})"
