"""What the steps of two documents have in common, as far as their texts tell; nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.values import JsonObject, JsonValue

_NO_MEANING = frozenset(
    {
        "id", "name", "description", "if", "next", "on_error", "timeout_seconds", "retry", "effect", "outputs",
        "risk_level",
    }
)  # fmt: skip
_ASKING = ("event_name", "audience", "prompt", "summary", "risk_level", "input_schema", "timeout_seconds")
_OF_COMMANDS = ("shell", "env", "cwd")
_EFFECTS = ("cli", "api", "python")


class DocumentMeanings:
    """What each step id of a document, and of those that it names, means: its kind and what it is asked to do."""

    def __init__(self, document: Document) -> None:
        self._by_id: dict[str, list[JsonValue]] = {}
        self._asks: dict[str, list[JsonValue]] = {}
        every = {id(one): one for one in (document, *document.library.values())}
        for one in every.values():
            for step in one.all_steps():
                self._by_id.setdefault(step.id, []).append(_meaning(one, step))
                if step.kind == "await_event":
                    self._asks.setdefault(step.id, []).append([step.fields.get(name) for name in _ASKING])

    def ids(self) -> list[str]:
        """Return the ids of all steps."""
        return list(self._by_id)

    def __contains__(self, step_id: object) -> bool:
        """Tell whether there is a step with this id."""
        return step_id in self._by_id

    def means(self, step_id: str) -> JsonValue:
        """Return what all steps with an id are asked to do, word for word; None if there is none."""
        return self._by_id.get(step_id)

    def asks(self, step_id: str) -> JsonValue:
        """Return how all waits with an id are worded; None if there is none."""
        return self._asks.get(step_id)


def _meaning(document: Document, step: Step) -> JsonValue:
    if step.kind not in _EFFECTS:
        return [step.kind, step.fields.get("event_name")]
    asked: JsonObject = {name: value for name, value in step.fields.items() if name not in _NO_MEANING}
    shared: JsonObject = dict(_shared(document)) if step.kind == "cli" else {}
    return [step.kind, asked, shared]


def _shared(document: Document) -> Iterator[tuple[str, JsonValue]]:
    for name in _OF_COMMANDS:
        if name in document.defaults:
            yield name, document.defaults[name]
