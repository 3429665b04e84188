"""The state of a run that its workflow keeps for people to see; journaled as it changes, rebuilt by replay."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from checkpointflow.errors import NondeterminismError
from checkpointflow.frontends.functions.accepting import state_key
from checkpointflow.frontends.functions.asking import here
from checkpointflow.frontends.functions.conversion import to_json
from checkpointflow.kernel.run import Run
from checkpointflow.values import JsonObject, JsonValue, copied, dump

NAME, KIND = "state", "state"
_LONGEST_SHOWN = 200
_LONGEST_KEPT = 4 * 1024


_state: ContextVar[State] = ContextVar("checkpointflow_state")
"""The state of the run whose code is driven; every fiber begins with that of the fiber which spawned it."""


class State:
    """Values by key, one collection per run; every change is an entry of the journal, not the whole."""

    def __init__(self, run: Callable[[], Run]) -> None:
        self._run = run
        self._values: dict[str, JsonValue] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of the value of a key, or `default`."""
        state_key(key)
        return copied(self._values[key]) if key in self._values else default

    def set(self, key: str, value: object) -> None:
        """Set the value of a key; it has to be JSON.

        Raises:
            WorkflowCodeError: it is not.
        """
        plain = to_json(value, f"state {state_key(key)}")
        self._change({"set": {key: plain}})

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""
        self._change({"delete": state_key(key)})

    def clear(self) -> None:
        """Remove all keys."""
        self._change({"clear": True})

    def as_json(self) -> JsonObject:
        """Return a copy of all values."""
        return {key: copied(value) for key, value in self._values.items()}

    def _change(self, change: JsonObject) -> None:
        recorded = self._run().note(NAME, KIND, lambda: change)
        if recorded != change:
            raise NondeterminismError(
                f"the workflow changes its state otherwise than was recorded: {_words(recorded)} then, "
                f"{_words(change)} now; go on with the code that the run was started with",
                details={"recorded": _within(recorded), "asked": _within(change)},
            )
        take(change, self._values)


def take(change: JsonValue, values: dict[str, JsonValue]) -> None:
    """Change values as an entry of the journal says."""
    match change:
        case {"set": dict(new)}:
            values.update(new)
        case {"delete": str(key)}:
            values.pop(key, None)
        case {"clear": True}:
            values.clear()


def _words(change: JsonValue) -> str:
    text = dump(change)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _within(change: JsonValue) -> JsonValue:
    """Return a change, or None in place of a long one, as journals keep arguments."""
    return change if len(dump(change)) <= _LONGEST_KEPT else None


def state_of_run() -> State:
    """Return the one state of the run whose code is driven here; a called workflow shares it."""
    found = _state.get(None)
    if found is None:
        found = State(here)
        _state.set(found)
    return found
