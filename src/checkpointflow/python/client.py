"""The synchronous client: workflows by name or as definitions, in the store that `cpf` uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from checkpointflow.errors import UsageError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.functions.accepting import shown
from checkpointflow.frontends.functions.conversion import to_json
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.python import names
from checkpointflow.python.checkpoint import Checkpoint
from checkpointflow.python.given import MISSING, refuse_no_object
from checkpointflow.python.outcome import Event, Outcome
from checkpointflow.python.store import Store
from checkpointflow.views import RunView, WaitView


class Client(AbstractContextManager["Client"]):
    """Starts, answers and watches runs, in the state folder that `cpf` uses unless another is given.

    Every method may raise PersistenceError. Use it in a `with`, or close it; a `Store` that it was given stays open.
    """

    def __init__(self, store: str | Path | Store | None = None) -> None:
        self._is_guest = isinstance(store, Store)
        self._store = store if isinstance(store, Store) else Store(store)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back the store, unless it is somebody else's; what is asked later is refused."""
        if not self._is_guest:
            self._store.close()

    def run(
        self,
        workflow: str | Definition,
        input: Any = MISSING,
        *,
        component_type: Literal["workflow"] = "workflow",
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Outcome[Any]:
        """Start a run, without an input with `{}`, and drive it until it settles or waits.

        With the id of a run that is there, go on with that.

        Raises:
            UsageError: there is no workflow of that name.
            InputError: the input does not fit; nothing was started.
            RunExistsError: the id is taken by a run with another input or definition.
        """
        definition = _definition(workflow, component_type)
        run_input = {} if input is MISSING else to_json(input, "input")
        view = self._store.runs().run(definition, run_input, run_id=_run_id(run_id), labels=_labels(labels))
        return self._outcome(view, definition)

    def submit(
        self,
        workflow: str | Definition,
        input: Any = MISSING,
        *,
        component_type: Literal["workflow"] = "workflow",
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run and leave it to a worker (`cpf worker`), which has to find its code; return its id.

        Raises:
            As `run`.
        """
        definition = _definition(workflow, component_type)
        run_input = {} if input is MISSING else to_json(input, "input")
        return self._store.runs().start(definition, run_input, run_id=_run_id(run_id), labels=_labels(labels)).run_id

    def resume(self, run_id: str, responses: Mapping[str, Any] | None = None) -> Outcome[Any]:
        """Answer waits of a run, by wait id, key or unique event name, and drive it; a step in doubt by a decision.

        Raises:
            RunHeldError: it is being driven; `send` delivers all the same.
            RunNotWaitingError, EventMismatchError, EventPayloadError: a response fits nothing; the run is as it was.
            StepNotInDoubtError: somebody has decided about the step before.
            UnsupportedError: its code is not found here.
        """
        refuse_no_object(responses, "responses", "answers by wait id, key or event name")
        plain = {name: to_json(value, name) for name, value in (responses or {}).items()}
        return self._outcome(self._store.runs().advance(run_id, plain), None)

    def retry(self, run_id: str, *, reason: str | None = None) -> Outcome[Any]:
        """Go on with a failed run: the step that failed it starts anew, and what has completed stays.

        Raises:
            RunNotFailedError: the run has not failed.
            RunHeldError: it is being driven.
            UnsupportedError: its code is not found here.
        """
        return self._outcome(self._store.runs().retry(run_id, reason=reason), None)

    def send(self, run_id: str, event: str, payload: Any = None, *, event_id: str | None = None) -> RunView:
        """Deliver an event without driving the run; return the run.

        Raises:
            RunSettledError, RunNotWaitingError, EventPayloadError: it cannot be taken.
        """
        given = to_json({} if payload is None else payload, "payload")
        return self._store.runs().send(run_id, event=event, payload=given, event_id=event_id).run

    def cancel(self, run_id: str, *, reason: str | None = None) -> RunView:
        """Cancel a run, and return it.

        Raises:
            RunSettledError: it has completed or failed.
        """
        return self._store.runs().cancel(run_id, reason=reason)

    def get(self, run_id: str) -> RunView:
        """Return a run as it stands.

        Raises:
            RunNotFoundError: no such run.
        """
        return self._store.runs().get(run_id)

    def runs(self, *, status: str | None = None, workflow: str | None = None, limit: int = 20) -> list[RunView]:
        """Return runs, newest first."""
        return self._store.runs().runs(status=status, workflow=workflow, limit=limit)[0]

    def waits(self, *, audience: str | None = None) -> list[WaitView]:
        """Return what people, agents and systems are asked for, oldest first."""
        return self._store.runs().waits(audience=audience)

    def stream(self, run_id: str, *, after: int = 0) -> Iterator[Event[Any]]:
        """Yield the entries of a run's journal behind a position, as it stands, driving nothing.

        Raises:
            RunNotFoundError: no such run.
        """
        self._store.port.head(RunId(run_id))
        entries = self._store.port.entries(RunId(run_id))
        for position, entry in enumerate(entries, 1):
            if position > after:
                yield Event(position, e.name_of(entry), e.as_json(entry, position))

    def _outcome(self, view: RunView, definition: Definition | None) -> Outcome[Any]:
        as_result = getattr(definition, "as_result", lambda value: value)
        return Outcome(view, Checkpoint(self._store, view.run_id), as_result)


def _definition(workflow: str | Definition, component_type: str) -> Definition:
    if component_type != "workflow":
        raise UsageError(f"there are no components of type `{component_type}` here; run a workflow")
    if isinstance(workflow, str):
        return names.named(workflow)
    if not hasattr(workflow, "takes_over"):
        raise UsageError(f"a workflow is run by its name or itself, and not by {shown(workflow)}")
    return workflow


def _labels(labels: Mapping[str, str] | None) -> dict[str, str] | None:
    refuse_no_object(labels, "labels", "texts by name")
    return None if labels is None else {str(name): str(value) for name, value in labels.items()}


def _run_id(run_id: object) -> str | None:
    if run_id is None or isinstance(run_id, str):
        return run_id
    raise UsageError(f"`run_id` is {shown(run_id)}; give it a text")
