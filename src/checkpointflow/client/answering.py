"""Answers and decisions: which wait one is for, whether it fits, and what is said when it comes too late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from checkpointflow import clock as clocks
from checkpointflow.client.place import Place
from checkpointflow.errors import (
    CheckpointflowError,
    EventMismatchError,
    EventPayloadError,
    RunNotWaitingError,
    RunSettledError,
    StepNotInDoubtError,
    UsageError,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.ids import EventId, RunId, WaitId
from checkpointflow.kernel.scope import last_name
from checkpointflow.kernel.store import Delivery, Message, MessageKind, OpenWait, RunHead
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue
from checkpointflow.views import RunView, status_of

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Finds what an answer is for, and has it accepted."""

    place: Place

    def before(self, run_id: RunId, event_id: str | None) -> Message | None:
        """Return the message with an event id that a run got before, None if there is none."""
        self.place.store.head(run_id)
        if event_id is None:
            return None
        return next((one for one in self.place.store.messages(run_id) if one.event_id == event_id), None)

    def refuse_unknown(self, head: RunHead, event: str) -> None:
        """Refuse an event that no step of a run's definition can ever wait for, as far as that is known.

        Raises:
            UsageError: there is no such step.
        """
        from checkpointflow.schemas import did_you_mean

        try:
            known = self.place.definition(head).events()
        except CheckpointflowError:
            return  # it cannot be asked here
        if known is None or event in known:
            return
        names = ", ".join(f"`{name}`" for name in known[:12]) + (" …" if len(known) > 12 else "")
        raise UsageError(
            f"workflow `{head.workflow_id}` never waits for `{event[:80]}`, but for {names or 'no event at all'}",
            details={"events": [*known]},
            hint=did_you_mean(event, known) or None,
            run_id=head.run_id,
        )

    def refuse_settled(self, head: RunHead) -> None:
        """Refuse to go on with a run that has settled."""
        if head.is_settled:
            hint = f"`cpf retry --run-id {head.run_id}` goes on with it" if head.status == "failed" else None
            raise RunNotWaitingError(
                f"run `{head.run_id}` is {head.status}; it waits for nothing", hint=hint, run_id=head.run_id
            )

    def fitting(self, run_id: RunId, event: str | None, wait: str | None) -> list[OpenWait]:
        """Return the open waits of a run that an event's name and a wait's id or key leave over."""
        return [
            one
            for one in self.place.store.waits(run_id)
            if one.kind == "external_event" and event in (None, one.event_name) and wait in (None, one.wait_id, one.key)
        ]

    def wait_to_answer(self, run_id: RunId, event: str | None, wait: str | None) -> OpenWait:
        """Return the one open wait that an answer is for."""
        fitting = self.fitting(run_id, event, wait)
        unanswered = [one for one in fitting if not one.answered]
        if len(unanswered) == 1 or (len(fitting) == 1 and not unanswered):
            return (unanswered or fitting)[0]
        if not fitting:
            raise self._nothing_fits(run_id, event, wait)
        shown = ", ".join(f"`{one.wait_id}` ({one.key})" for one in fitting)
        raise UsageError(
            f"run `{run_id}` waits for `{event}` more than once: {shown}; say which with `--wait`",
            details={"waits": [one.wait_id for one in fitting]},
            run_id=run_id,
        )

    def matched(
        self, run_id: RunId, responses: Mapping[str, JsonValue], definition: Definition | None = None
    ) -> list[tuple[OpenWait, JsonValue]]:
        """Return the open waits that responses by wait id, key or event name are for, each checked to fit.

        A step in doubt is named by its key, or by its id; the response is a decision.

        Raises:
            RunNotWaitingError, EventMismatchError: a name fits nothing that is open.
            UsageError: a name fits several, or two responses are for one wait.
            EventPayloadError: a payload does not fit.
        """
        found: dict[str, tuple[OpenWait, JsonValue]] = {}
        for name, payload in responses.items():
            wait = self._wait_named(run_id, name)
            if wait.key in found:
                raise UsageError(f"two responses are for `{wait.key}`; give one", run_id=run_id)
            checked = self._decision(wait, payload, definition) if wait.kind == "in_doubt" else payload
            if wait.kind != "in_doubt":
                self._check_payload(wait, payload)
            found[wait.key] = (wait, checked)
        return list(found.values())

    def _wait_named(self, run_id: RunId, name: str) -> OpenWait:
        by_place = self.fitting(run_id, None, name)
        if len(by_place) == 1:
            return by_place[0]
        doubtful = [one.key for one in self.place.store.waits(run_id) if one.kind == "in_doubt"]
        is_event = name not in doubtful and self.fitting(run_id, name, None)
        if not is_event and any(name in (key, last_name(key)) for key in doubtful):
            return self.in_doubt(run_id, name)
        return self.wait_to_answer(run_id, name, None)

    def _decision(self, doubt: OpenWait, response: JsonValue, definition: Definition | None) -> JsonObject:
        from checkpointflow.client.deciding import decision_of

        decision = decision_of(doubt, response)
        if decision["decision"] == "done":
            known = definition or self.place.definition(self.place.store.head(doubt.run_id))
            self.check_output(known, doubt, decision["output"], given="the response")
        return decision

    def respond(self, wait: OpenWait, payload: JsonValue) -> None:
        """Have what `matched` gave accepted: an answer, or the decision of a doubt.

        Raises:
            RunNotWaitingError, StepNotInDoubtError: somebody was faster.
            EventPayloadError: the payload does not fit.
        """
        if wait.kind == "in_doubt":
            self.decide(wait, payload)
        else:
            self.accept(wait, payload, None)

    def decide(self, doubt: OpenWait, decision: JsonValue) -> None:
        """Have a decision of a step in doubt accepted.

        Raises:
            RunSettledError: the run has settled.
            StepNotInDoubtError: somebody has decided.
        """
        run_id = doubt.run_id
        delivery = self.place.store.deliver(self.message(run_id, "decide", doubt.key, decision, None))
        if delivery.outcome == "settled":
            raise RunSettledError(f"run `{run_id}` has settled; there is nothing to decide", run_id=run_id)
        if delivery.outcome != "accepted":
            raise self.decided_before(doubt, delivery.message)

    def accept(self, wait: OpenWait, payload: JsonValue, event_id: str | None) -> Delivery:
        """Have an answer accepted; the outcome is `accepted`, `duplicate` or `late`.

        Raises:
            RunNotWaitingError: another answer was faster, or the wait was closed.
            EventPayloadError: the payload does not fit.
        """
        self._check_payload(wait, payload)
        message = self.message(wait.run_id, "event", str(wait.event_name), payload, event_id, wait.wait_id)
        delivery = self.place.store.answer(message)
        if delivery.outcome in ("accepted", "duplicate", "late"):
            return delivery
        who = _answered_by(delivery.message) if delivery.message is not None else ""
        raise RunNotWaitingError(
            f"wait `{wait.wait_id}` for `{wait.event_name}` is not open any more{who}",
            details=_answer_details(delivery.message),
            run_id=wait.run_id,
        )

    def message(
        self,
        run_id: RunId,
        kind: MessageKind,
        name: str,
        payload: JsonValue,
        event_id: str | None,
        wait_id: WaitId | None = None,
    ) -> Message:
        """Return a message from who acts here, with an id of its own unless one is given."""
        return Message(
            run_id=run_id,
            event_id=EventId(event_id) if event_id is not None else ids.new_event_id(),
            kind=kind,
            name=name,
            payload=payload,
            actor=self.place.settings.actor,
            at=self.place.clock.now(),
            wait_id=wait_id,
        )

    def in_doubt(self, run_id: RunId, step: str) -> OpenWait:
        """Return the one step in doubt that a key or an id names."""
        doubtful = [one for one in self.place.store.waits(run_id) if one.kind == "in_doubt"]
        named = [one for one in doubtful if one.key == step] or [one for one in doubtful if last_name(one.key) == step]
        if len(named) == 1:
            return named[0]
        if named:
            keys = ", ".join(f"`{one.key}`" for one in named)
            raise UsageError(f"several steps fit `{step}`: {keys}; give the whole key", run_id=run_id)
        keys = ", ".join(f"`{one.key}`" for one in doubtful)
        rest = f"those in doubt are {keys}" if keys else f"the run is {status_of(*self.place.stand(run_id))}"
        before = [one for one in self.place.store.messages(run_id) if one.kind == "decide" and _is_of(one, step)][-1:]
        said = f"; {_decided_by(before[0])}" if before else ""
        raise StepNotInDoubtError(
            f"step `{step[:80]}` of run `{run_id}` is not in doubt{said}; {rest}",
            details=_decision_details(before[0] if before else None),
            run_id=run_id,
        )

    def decided_before(self, doubt: OpenWait, message: Message | None) -> StepNotInDoubtError:
        """Return the error for a decision that came after another of the same step."""
        said = f"; {_decided_by(message)}" if message is not None else ""
        return StepNotInDoubtError(
            f"step `{doubt.key}` of run `{doubt.run_id}` is not in doubt any more{said}",
            details=_decision_details(message),
            run_id=doubt.run_id,
            step_key=doubt.key,
        )

    def _nothing_fits(self, run_id: RunId, event: str | None, wait: str | None) -> Exception:
        head = self.place.store.head(run_id)
        open_waits = [one for one in self.place.store.waits(run_id) if one.kind == "external_event"]
        answers = self._answers_before(run_id, event, wait)
        if head.is_settled or not open_waits or answers:
            return self._not_waiting(run_id, answers)
        names = ", ".join(f"`{one.event_name}` ({one.wait_id})" for one in open_waits)
        asked = f"`{event}`" if event is not None else f"wait `{wait}`"
        if wait is not None and self._was_superseded(run_id, wait):
            return RunNotWaitingError(
                f"wait `{wait}` of run `{run_id}` is not open any more: a revision of the run asks otherwise, "
                f"and the run waits for {names} now; read what that asks for before you answer",
                run_id=run_id,
            )
        return EventMismatchError(f"run `{run_id}` does not wait for {asked} but for {names}", run_id=run_id)

    def _was_superseded(self, run_id: RunId, wait: str) -> bool:
        entries = self.place.store.entries(run_id)
        closed = [one for one in entries if isinstance(one, e.WaitClosed) and one.wait_id == wait]
        return any(one.cause == "superseded" for one in closed)

    def _answers_before(self, run_id: RunId, event: str | None, wait: str | None) -> list[Message]:
        """Return the answers that were given to what somebody tries to answer again."""
        return [
            one
            for one in self.place.store.messages(run_id)
            if one.kind == "event" and one.state in ("taken", "accepted")
            if (wait is None and one.name == event) or (wait is not None and one.wait_id == wait)
        ]

    def _not_waiting(self, run_id: RunId, answers: list[Message]) -> RunNotWaitingError:
        status = status_of(*self.place.stand(run_id))
        about = f"waits for this no more{_answered_by(answers[-1])}" if answers else "waits for no event"
        details = _answer_details(answers[-1] if answers else None)
        return RunNotWaitingError(f"run `{run_id}` is {status} and {about}", details=details, run_id=run_id)

    def check_output(
        self, definition: Definition, wait: OpenWait, output: JsonValue, *, given: str = "`--output`"
    ) -> None:
        """Refuse an output that does not fit the schema of a step in doubt; `given` says where it comes from.

        Raises:
            EventPayloadError: it does not.
        """
        step = definition.step(wait.key)
        if step is not None and step.output_schema is not None:
            fact = f"the output that {given} gives does not fit the schema of step `{wait.key}`"
            _refuse_misfit(output, step.output_schema, fact, wait.run_id)

    def _check_payload(self, wait: OpenWait, payload: JsonValue) -> None:
        asked = f"the input does not fit what `{wait.event_name}` asks for"
        _refuse_misfit(payload, wait.request.get("input_schema"), asked, wait.run_id)


def unlike(before: Message | None, name: str | None, payload: JsonValue) -> list[str]:
    """Return what has to be said of an event whose id was here before, if that said something else."""
    if before is None or (before.payload == payload and name in (None, before.name)):
        return []
    return [
        f"event `{before.event_id}` was here before and said something else; that counts, and this is dropped: "
        "give each event an id of its own"
    ]


def too_late(wait: OpenWait, after: RunView | None) -> RunNotWaitingError:
    """Return the error for an answer after the deadline; `after` is the run since that was fired, if it was."""
    due = clocks.to_text(wait.due_at) if wait.due_at is not None else ""
    went_on = "" if after is None else f"; the run went on without it and is {after.status}"
    if after is not None and after.error is not None:
        went_on += f": {after.error.get('message')}"
    return RunNotWaitingError(
        f"the deadline of `{wait.event_name}` passed at {due}, so the answer came too late{went_on}",
        hint=f"`cpf resume --run-id {wait.run_id}` goes on from there" if after is None else None,
        run_id=wait.run_id,
    )


def _refuse_misfit(value: JsonValue, schema: JsonValue, fact: str, run_id: RunId) -> None:
    from checkpointflow.schemas import check, told

    problems = [] if schema is None else check(value, cast("JsonObject | bool", schema))
    if problems:
        shown, details = told(problems)
        raise EventPayloadError(f"{fact}: {shown}; the run is as it was", details=details, run_id=run_id)


def _answered_by(message: Message) -> str:
    who = message.actor or "somebody"
    return f"; {who} answered `{message.name}` at {clocks.to_text(message.at)}"


def _is_of(decision: Message, step: str) -> bool:
    return step in (decision.name, last_name(decision.name))


def _decided_by(message: Message) -> str:
    decision = message.payload.get("decision") if isinstance(message.payload, dict) else None
    return f"{message.actor or 'somebody'} decided `{decision}` at {clocks.to_text(message.at)}"


def _decision_details(message: Message | None) -> JsonObject:
    if message is None:
        return {}
    return {"decided_by": message.actor, "decided_at": clocks.to_text(message.at), "event_id": message.event_id}


def _answer_details(message: Message | None) -> JsonObject:
    if message is None:
        return {}
    return {"answered_by": message.actor, "answered_at": clocks.to_text(message.at), "event_id": message.event_id}
