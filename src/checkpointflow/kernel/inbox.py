"""Which messages a run takes, by what is open and what it has got before: the rules of every inbox; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from checkpointflow.kernel.store import Delivery, Message, OpenWait
from checkpointflow.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Inbox:
    """What decides on a message: whether its run has settled, the open waits, and the messages so far, oldest first."""

    is_settled: bool
    waits: Sequence[OpenWait]
    messages: Sequence[Message]

    def weigh(self, message: Message) -> Delivery:
        """Return what becomes of a message; if it is taken, with the row that it makes, which has no number yet."""
        is_answer = message.kind == "event" and message.wait_id is not None
        return self.answer(message) if is_answer else self.deliver(message)

    def answer(self, message: Message) -> Delivery:
        """Return what becomes of the answer to a wait."""
        if found := self._first(lambda other: other.event_id == message.event_id):
            return Delivery(outcome="duplicate", message=found)
        if message.wait_id is not None and (found := self._first(lambda other: other.wait_id == message.wait_id)):
            return Delivery(outcome="answered", message=found)
        waits = [one for one in self.waits if one.kind == "external_event" and one.wait_id == message.wait_id]
        if not waits or message.wait_id is None:
            return Delivery(outcome="closed")
        if waits[0].due_at is not None and message.at >= waits[0].due_at:
            return Delivery(outcome="late")
        return Delivery(outcome="accepted", message=replace(message, state="accepted", number=0))

    def deliver(self, message: Message) -> Delivery:
        """Return what becomes of an early event or a control message."""
        if found := self._first(lambda other: other.event_id == message.event_id):
            return Delivery(outcome="duplicate", message=found)
        if self.is_settled:
            return Delivery(outcome="settled")
        if message.kind == "decide" and (refused := self._undecidable(message)):
            return refused
        row = replace(message, wait_id=None, number=0)
        if message.kind != "event":
            return Delivery(outcome="accepted", message=replace(row, state="accepted"))
        if any(one.event_name == message.name and not self.is_answered(one) for one in self.waits):
            return Delivery(outcome="open")
        return Delivery(outcome="kept", message=replace(row, state="kept"))

    def after(self, message: Message) -> Inbox:
        """Return the inbox after a message has come, whatever becomes of it."""
        delivery = self.weigh(message)
        if delivery.outcome not in ("accepted", "kept") or delivery.message is None:
            return self
        return replace(self, messages=[*self.messages, delivery.message])

    def is_answered(self, wait: OpenWait) -> bool:
        """Tell whether a message has come that ends a wait, once it is taken up."""
        if wait.kind == "in_doubt":
            decisions = (one for one in self.messages if one.kind == "decide" and one.name == wait.key)
            return any(one.state == "accepted" for one in decisions)
        return wait.wait_id is not None and any(one.wait_id == wait.wait_id for one in self.messages)

    def _undecidable(self, message: Message) -> Delivery | None:
        """Tell why a step cannot be decided: somebody has, or it is not in doubt; None if it can."""
        last = [one for one in self.messages if one.kind == "decide" and one.name == message.name][-1:]
        is_in_doubt = any(wait.kind == "in_doubt" and wait.key == message.name for wait in self.waits)
        if is_in_doubt and not (last and last[0].state == "accepted"):
            return None
        return Delivery(outcome="answered", message=last[0]) if last else Delivery(outcome="closed")

    def _first(self, is_it: Callable[[Message], bool]) -> Message | None:
        return next(filter(is_it, self.messages), None)
