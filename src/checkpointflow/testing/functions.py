"""Plays a function workflow in memory: answers and mocks are given beforehand, and time passes by itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from checkpointflow.errors import UsageError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.functions.conversion import to_json
from checkpointflow.frontends.functions.tasks import awaiting, performing
from checkpointflow.frontends.inputs import checked_input
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.effects import Effect
from checkpointflow.kernel.engine import drive
from checkpointflow.kernel.ids import EventId, RunId
from checkpointflow.kernel.run import LocalEffect, StepCall, StepContext
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.state import WaitRecord, fold
from checkpointflow.kernel.store import Message, OpenWait
from checkpointflow.kernel.surroundings import Surroundings
from checkpointflow.kernel.threads import LeftThreads, ThreadExecutor
from checkpointflow.records import dataclass
from checkpointflow.schemas import Schema, check, did_you_mean, is_valid, told
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.clock import FakeClock
from checkpointflow.values import JsonObject, JsonValue, dump

RUN = RunId("test")


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a workflow: `status`, `result` or `error`, the `keys` of its steps in order, and its journal.

    `waiting` are the event names for which no answer was given; `elapsed_seconds` are virtual.
    """

    status: str
    result: Any
    error: JsonObject | None
    keys: tuple[str, ...]
    waiting: tuple[str, ...]
    elapsed_seconds: float
    journal: tuple[JsonObject, ...]


def run_to_completion(
    workflow: Definition,
    input: Any = None,
    *,
    answers: Mapping[str, Any] | None = None,
    mocks: Mapping[str, Any] | None = None,
    clock: FakeClock | None = None,
    strict: bool = False,
) -> Played:
    """Return what comes of a workflow, in memory and in no time: sleeps and deadlines pass as soon as all else waits.

    `answers` are payloads by key or event name; a wait without one expires if it has a deadline, else the run stays
    waiting. `mocks` stand for steps by key or name: a value is the output, a function is called with the step's
    arguments, an exception is raised. What is not mocked is performed, also where a mock's name is misspelt: that is
    told when the run has ended. With `strict` nothing is performed that is not mocked.

    Raises:
        InputError: the input does not fit.
        UsageError: an answer does not fit what is asked; the run came to no step or wait of a name in `mocks` or
            `answers`; with `strict`, it came to a step that is not mocked.
        NondeterminismError: the code asks for something else than before the run waited.
    """
    play = _Play(workflow, dict(answers or {}), mocks or {}, clock or FakeClock(), is_strict=strict)
    play.begin(checked_input(workflow, {} if input is None else to_json(input, "input")))
    played = play.to_the_end()
    play.refuse_unmatched()
    return played


def replay(workflow: Definition, journal: Iterable[JsonObject]) -> Played:
    """Return where a workflow stands after a journal, as `cpf inspect` shows it, performing nothing.

    Today's code is driven over what was recorded: that it ends where the run did is the test of a change.

    Raises:
        NondeterminismError: the code asks for something else than was recorded.
    """
    play = _Play(workflow, {}, {}, FakeClock(), is_replay=True)
    play.take_up(list(journal))
    return play.to_the_end()


class _Beyond(BaseException):
    """The code is behind the end of the journal, where something would have to be performed."""


class _NotMocked(BaseException):
    """A strict run came to a step that is not mocked; its argument is the key. No workflow's code may catch it."""


class _Play:
    """One run being played."""

    def __init__(
        self,
        definition: Definition,
        answers: dict[str, Any],
        mocks: Mapping[str, Any],
        clock: FakeClock,
        *,
        is_replay: bool = False,
        is_strict: bool = False,
    ) -> None:
        self._definition = definition
        self._answers = answers
        self._mocks = mocks
        self._clock = clock
        self._began_at = clock.now()
        self._store = MemoryStore(clock=clock)
        self._is_replay = is_replay
        self._is_strict = is_strict

    def begin(self, run_input: JsonValue) -> None:
        definition = self._definition
        started = e.RunStarted(
            at=self._clock.now(),
            workflow_id=definition.id,
            workflow_name=definition.name,
            workflow_version=definition.version,
            definition=definition.digest,
            source_path=definition.path,
            input=run_input,
            labels={},
            actor="test",
            cwd=".",
            host="test",
        )
        self._store.create(RUN, [started], holder=None)

    def take_up(self, journal: list[JsonObject]) -> None:
        entries = [_entry_of(one) for one in journal]
        self._began_at = entries[0].at
        self._clock.advance(max(0.0, (entries[-1].at - self._clock.now()).total_seconds()))
        settled = (e.RunCompleted, e.RunFailed, e.RunCancelled)
        while entries and isinstance(entries[-1], settled):
            entries.pop()  # the code decides it again
        self._store.create(RUN, entries, holder=None)

    def to_the_end(self) -> Played:
        """Drive as far as answers and time lead."""
        with TemporaryDirectory(prefix="cpf-test-") as folder:
            try:
                while self._drive(Path(folder)) == "waiting" and not self._is_replay and self._something_happens():
                    pass
            except _Beyond:
                pass
            except _NotMocked as error:
                key = error.args[0]
                raise UsageError(
                    f"step `{key}` is not mocked; give `{last_name(key)}` an entry in `mocks`, or leave out `strict`"
                ) from None
        return self._played()

    def refuse_unmatched(self) -> None:
        """Refuse names in `mocks` and `answers` that meant nothing the run came to: they are misspelt, or too many."""
        entries = self._store.entries(RUN)
        steps = {name for one in entries if isinstance(one, e.StepStarted) for name in (one.key, last_name(one.key))}
        opened = [one for one in entries if isinstance(one, e.WaitOpened)]
        waits = {name for one in opened for name in (one.key, str(one.request.get("event_name")))}
        _refuse_unmatched("mocks", self._mocks, "step", steps)
        _refuse_unmatched("answers", self._answers, "wait", waits)

    def _drive(self, folder: Path) -> str:
        settings = StepSettings(runs_dir=folder, sync=False, environment={})
        executor = _Executor(make_perform(settings), self._mocks, is_replay=self._is_replay, is_strict=self._is_strict)
        hold = self._store.acquire(RUN, self._store.holder(), at=self._clock.now())
        world = Surroundings(
            store=self._store,
            executor=executor,
            clock=self._clock,
            fits=lambda schema, payload: schema is None or is_valid(payload, cast(Schema, schema)),
            inline_wait_seconds=-1.0,
            actor="test",
        )
        return drive(self._definition.workflow(), hold, world).status

    def _something_happens(self) -> bool:
        """Let every open wait that has an answer get it, else time pass to what is due first; False if neither."""
        open_waits = self._store.waits(RUN)
        answered = [self._answer(wait) for wait in open_waits]
        if any(answered):
            return True
        due = min((wait.due_at for wait in open_waits if wait.due_at is not None), default=None)
        if due is None:
            return False
        self._clock.advance(max(0.0, (due - self._clock.now()).total_seconds()))
        return True

    def _answer(self, wait: OpenWait) -> bool:
        name = next((one for one in (wait.key, wait.event_name or "") if one in self._answers), None)
        if name is None or wait.kind != "external_event":
            return False
        payload = to_json(self._answers[name], f"answers[{name}]")
        schema = wait.request.get("input_schema")
        problems = [] if schema is None else check(payload, cast(Schema, schema))
        if problems:
            raise UsageError(f"the answer `{name}` does not fit what `{wait.key}` asks for: {told(problems)[0]}")
        self._store.answer(
            Message(
                run_id=RUN,
                event_id=EventId(f"answer-{wait.wait_id}"),
                kind="event",
                name=str(wait.event_name),
                payload=payload,
                actor="test",
                at=self._clock.now(),
                wait_id=wait.wait_id,
            )
        )
        return True

    def _played(self) -> Played:
        entries = self._store.entries(RUN)
        last, head = entries[-1], self._store.head(RUN)
        value = last.value.get("result") if isinstance(last, e.RunCompleted) else None
        as_result = getattr(self._definition, "as_result", lambda one: one)
        return Played(
            status=head.status,
            result=as_result(value) if isinstance(last, e.RunCompleted) else None,
            error=last.error if isinstance(last, e.RunFailed) else None,
            keys=tuple(str(one.key) for one in entries if isinstance(one, e.StepStarted) and one.attempt == 1),
            waiting=tuple(_names_of_open(entries)) if not head.is_settled else (),
            elapsed_seconds=(self._clock.now() - self._began_at).total_seconds(),
            journal=tuple(e.as_json(one, position) for position, one in enumerate(entries, 1)),
        )


class _Executor(ThreadExecutor):
    """Performs in threads and on loops, mocks in place of what they stand for, and nothing at all in a replay."""

    def __init__(self, perform: Any, mocks: Mapping[str, Any], *, is_replay: bool, is_strict: bool) -> None:
        super().__init__(perform, lambda _run, _attempts: None, left=LeftThreads())
        self._mocks = mocks
        self._is_replay = is_replay
        self._is_strict = is_strict

    def start(self, effect: Effect) -> None:
        """Begin an attempt, or its mock."""
        if self._is_replay:
            raise _Beyond
        key = effect.context.key
        name = next((one for one in (key, last_name(key)) if one in self._mocks), None)
        if name is None and self._is_strict:
            raise _NotMocked(key)
        super().start(effect if name is None else _mocked(effect, self._mocks[name]))


def _refuse_unmatched(field: str, names: Iterable[str], what: str, known: set[str]) -> None:
    name = next((one for one in names if one not in known), None)
    if name is None:
        return
    shown = ", ".join(f"`{one}`" for one in sorted(known)[:12])
    remedy = did_you_mean(name, known) or (f"it came to {shown}" if shown else "remove it")
    raise UsageError(f"the run came to no {what} `{name}`, for which `{field}` has an entry; {remedy}")


def _mocked(effect: Effect, mock: Any) -> Effect:
    args, named = _arguments(effect.call)

    def perform(context: StepContext) -> object:
        if isinstance(mock, BaseException) or (isinstance(mock, type) and issubclass(mock, BaseException)):
            raise mock
        return to_json(performing(context, lambda: mock(*args, **named)) if callable(mock) else mock, f"mocks[{name}]")

    async def awaited(context: StepContext) -> object:
        return to_json(await awaiting(context, lambda: mock(*args, **named)), f"mocks[{name}]")

    name, call = last_name(effect.context.key), effect.call
    is_async = inspect.iscoroutinefunction(mock)
    loop = call.loop if isinstance(call, LocalEffect) else None
    if is_async and loop is None:
        from checkpointflow.frontends.functions.loops import here

        loop = here()
    local = LocalEffect(
        function=awaited if is_async else perform,
        identity=f"mock:{name}",
        arguments=call.arguments,
        policy=call.policy,
        loop=loop if is_async else None,
    )
    return Effect(call=local, context=effect.context)


def _arguments(call: LocalEffect | StepCall) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a task as JSON, by place and by name; those of a step of a document as one."""
    recorded: Any = call.arguments
    if isinstance(call, StepCall):
        return [recorded], {}
    if isinstance(recorded, dict):
        return recorded["arguments"], recorded["named"]
    return recorded or [], {}


def _names_of_open(entries: list[e.AnyEntry]) -> list[str]:
    state = fold(entries)
    records = [state.records[key] for key in state.waiting.values()]
    return [str(one.request["event_name"]) for one in records if isinstance(one, WaitRecord)]


def _entry_of(shown: JsonObject) -> e.AnyEntry:
    body = {name: value for name, value in shown.items() if name not in ("position", "entry", "at")}
    return e.decode(str(shown["entry"]), str(shown["at"]), dump(body), lambda digest: digest)
