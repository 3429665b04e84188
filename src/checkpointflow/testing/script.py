"""What happens to a run from outside, in virtual time: answers, events, a cancellation, deadlines; no effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias, cast

from checkpointflow.clock import later
from checkpointflow.kernel.ids import EventId, RunId, StepKey
from checkpointflow.kernel.store import Message, MessageKind, OpenWait
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.records import dataclass
from checkpointflow.schemas import Schema, check, told
from checkpointflow.stores.memory import MemoryStore
from checkpointflow.testing.cases import names_step
from checkpointflow.testing.clock import FakeClock
from checkpointflow.testing.differences import Difference
from checkpointflow.values import JsonObject, JsonValue

RUN = RunId("test-run")
_Fields: TypeAlias = dict[str, Any]
_TOO_LATE = "it came too late: the wait was not open any more"


@dataclass(frozen=True, slots=True)
class _Planned:
    """Something that happens at an instant; `never` is what is said if the run ends before, nothing if that is well."""

    at: datetime
    about: str
    never: str
    act: Callable[[], None]


class Script:
    """Moves the clock from one happening to the next, and makes it happen; `troubles` is what was not as the case says.

    Answers are bound to waits as these open: each wait to the first answer left that fits. `outputs_of` tells the
    schema of a step's outputs.
    """

    def __init__(
        self,
        case: JsonObject,
        store: MemoryStore,
        clock: FakeClock,
        interrupt: Interrupt,
        outputs_of: Callable[[StepKey], JsonValue],
    ) -> None:
        self._store = store
        self._clock = clock
        self._interrupt = interrupt
        self._outputs_of = outputs_of
        self._answers = list(enumerate(cast("list[_Fields]", case.get("answers", []))))
        self._cancel = cast("_Fields | None", case.get("cancel"))
        self._stop = self._after(clock.now(), case, "stop_after_seconds") if "stop_after_seconds" in case else None
        self._bound: set[tuple[str, StepKey]] = set()
        self._planned: list[_Planned] = []
        self._messages = 0
        self.troubles: list[Difference] = []
        self._plan_from_start(cast("list[_Fields]", case.get("events", [])))

    def now(self) -> datetime:
        """Return the virtual time."""
        return self._clock.now()

    def happen(self, until: datetime | None = None) -> bool:
        """Let time pass to the next happening; False if that is not before an instant, to which it then has passed."""
        self._bind()
        soonest = min(self._instants(), default=None)
        bound = min((one for one in (until, self._stop) if one is not None), default=None)
        if bound is not None and (soonest is None or bound <= soonest):
            self._pass_to(bound)
            if bound == self._stop:
                self._interrupt.ask()
            return False
        if soonest is None:
            return False
        self._pass_to(soonest)
        due = [one for one in self._planned if one.at <= self.now()]
        self._planned = [one for one in self._planned if one not in due]
        for one in due:
            one.act()
        return True

    def finish(self) -> None:
        """Note what the case says and what the run did not come to."""
        for number, answer in self._answers:
            wanted = answer.get("wait") or answer.get("event")
            self._trouble(f"answers[{number}]", f"it was not given: no wait or doubt opened that fits `{wanted}`")
        for one in self._planned:
            if one.never:
                self._trouble(one.about, one.never)
        if self._cancel is not None and "wait" in self._cancel:
            self._trouble("cancel", f"`{self._cancel['wait']}` was not open, so nothing was cancelled")
        for message in self._store.messages(RUN):
            if message.kind == "event" and message.state in ("kept", "set_aside"):
                fact = "no wait took it up" if message.state == "kept" else "it did not fit the wait that opened for it"
                self._trouble(f"events (`{message.name}`)", fact)

    # -- planning ----------------------------------------------------------------------------------

    def _instants(self) -> Iterator[datetime]:
        yield from (max(one.at, self.now()) for one in self._planned)
        dues = [wait.due_at for wait in self._store.waits(RUN)]
        yield from (due for due in dues if due is not None and due > self.now())

    def _pass_to(self, instant: datetime) -> None:
        self._clock.advance(max(0.0, (instant - self.now()).total_seconds()))

    def _plan_from_start(self, events: list[_Fields]) -> None:
        for number, event in enumerate(events):
            about, never = f"events[{number}]", "it was not sent: the run had ended before"
            self._plan(self._after(self.now(), event), about, never, partial(self._send, about, event))
        if self._cancel is not None and "wait" not in self._cancel:
            self._plan_cancel(self.now())

    def _plan(self, at: datetime, about: str, never: str, act: Callable[[], None]) -> None:
        self._planned.append(_Planned(at, about, never, act))

    def _plan_cancel(self, since: datetime) -> None:
        fields, self._cancel = self._cancel or {}, None
        payload: JsonObject = {"reason": fields.get("reason")}
        act = partial(self._deliver, "cancel", "", payload, fields.get("actor"))
        self._plan(self._after(since, fields), "cancel", "nothing was cancelled: the run had ended before", act)

    def _bind(self) -> None:
        """Plan what is said of waits that have opened."""
        for wait in self._store.waits(RUN):
            if self._cancel is not None and names_step(str(self._cancel.get("wait")), wait.key):
                self._plan_cancel(wait.opened_at)
            if (wait.kind, wait.key) not in self._bound and not wait.answered:
                self._bind_answer(wait)

    def _bind_answer(self, wait: OpenWait) -> None:
        found = next((one for one in self._answers if _fits(one[1], wait)), None)
        if found is None:
            return
        self._answers.remove(found)
        self._bound.add((wait.kind, wait.key))
        number, answer = found
        about = f"answers[{number}]"
        if answer.get("audience", wait.audience) != wait.audience:
            self.troubles.append(Difference(f"{about}.audience", answer["audience"], wait.audience))
        at = self._after(wait.opened_at, answer)
        self._plan(at, about, "" if "refused" in answer else _TOO_LATE, partial(self._answer, about, answer, wait))

    def _after(self, since: datetime, fields: JsonObject | _Fields, name: str = "after_seconds") -> datetime:
        return later(since, float(cast(float, fields.get(name, 0))))

    # -- happening ---------------------------------------------------------------------------------

    def _answer(self, about: str, answer: _Fields, wait: OpenWait) -> None:
        self._bound.discard((wait.kind, wait.key))
        decides = "decide" in answer
        refusal = (
            self._decided(answer, wait) if decides else self._accepted(wait, _payload(answer), answer.get("actor"))
        )
        if refusal and "refused" not in answer:
            self._trouble(about, refusal)
        elif "refused" in answer and not refusal:
            self._trouble(about, "it was to be refused, and it was accepted")

    def _accepted(self, wait: OpenWait, payload: JsonValue, actor: str | None) -> str:
        """Have an answer accepted; return why not, if it was refused."""
        misfit = _misfit(payload, wait.request.get("input_schema"))
        if misfit:
            return f"it does not fit what `{wait.event_name}` asks for: {misfit}"
        message = self._message("event", str(wait.event_name), payload, actor, wait)
        return "" if self._store.answer(message).outcome == "accepted" else _TOO_LATE

    def _decided(self, answer: _Fields, wait: OpenWait) -> str:
        decision, output = answer["decide"], answer.get("output")
        misfit = _misfit(output, self._outputs_of(wait.key)) if decision == "done" else ""
        if misfit:
            return f"the output does not fit the schema of step `{wait.key}`: {misfit}"
        payload: JsonObject = {"decision": decision, "output": output, "reason": None}
        self._deliver("decide", wait.key, payload, answer.get("actor"))
        return ""

    def _send(self, about: str, event: _Fields) -> None:
        """Send an event: an answer if a wait for it is open, else kept for the next that opens."""
        waits = [one for one in self._store.waits(RUN) if one.event_name == event["event"] and not one.answered]
        if len(waits) > 1:
            keys = ", ".join(f"`{one.key}`" for one in waits)
            self._trouble(about, f"several waits are open for `{event['event']}`: {keys}; answer one by its key")
        elif waits:
            refusal = self._accepted(waits[0], _payload(event), event.get("actor"))
            if refusal:
                self._trouble(about, refusal)
        else:
            self._deliver("event", event["event"], _payload(event), event.get("actor"))

    def _deliver(self, kind: MessageKind, name: str, payload: JsonValue, actor: str | None) -> None:
        self._store.deliver(self._message(kind, name, payload, actor))

    def _message(
        self, kind: MessageKind, name: str, payload: JsonValue, actor: str | None, wait: OpenWait | None = None
    ) -> Message:
        self._messages += 1
        return Message(
            run_id=RUN,
            event_id=EventId(f"event-{self._messages}"),
            kind=kind,
            name=name,
            payload=payload,
            actor=actor or "test",
            at=self.now(),
            wait_id=None if wait is None else wait.wait_id,
        )

    def _trouble(self, about: str, message: str) -> None:
        self.troubles.append(Difference(about, message=message))


def _fits(answer: _Fields, wait: OpenWait) -> bool:
    """Tell whether an answer is for a wait, or a decision for a step in doubt."""
    if wait.kind != ("in_doubt" if "decide" in answer else "external_event"):
        return False
    return answer.get("event", wait.event_name) == wait.event_name and (
        "wait" not in answer or names_step(answer["wait"], wait.key)
    )


def _payload(fields: _Fields) -> JsonValue:
    return cast(JsonValue, fields.get("payload", {}))


def _misfit(value: JsonValue, schema: JsonValue) -> str:
    problems = [] if schema is None else check(value, cast(Schema, schema))
    return told(problems)[0] if problems else ""
