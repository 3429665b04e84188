"""Beginning runs: the checks before anything exists, and attaching to the run that has an id already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from checkpointflow.client.place import Place
from checkpointflow.errors import (
    InputError,
    RunExistsError,
    RunNotFoundError,
    RunPausedError,
    SecretMissingError,
    UsageError,
)
from checkpointflow.kernel import entries as e
from checkpointflow.kernel import ids
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.journal import Observer
from checkpointflow.kernel.store import Hold
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue
from checkpointflow.views import status_of

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition
    from checkpointflow.frontends.document.definition import Loaded


@dataclass(frozen=True, kw_only=True)
class Starter:
    """Begins runs; tells `observer` of a new one's first entry, and `on_created` its id as soon as it exists.

    Where others perform the steps, it `needs_secrets` not, for those are read there.
    """

    place: Place
    observer: Observer
    on_created: Callable[[str], None]
    needs_secrets: bool = True

    def begin(
        self,
        definition: Definition,
        run_input: JsonValue,
        run_id: str | None,
        labels: Mapping[str, str],
        *,
        is_held: bool,
    ) -> tuple[RunId, Hold | None]:
        """Begin a run, and return its hold if it is new and held; or attach to the run that has the id."""
        from checkpointflow.frontends.inputs import checked_input

        checked = checked_input(definition, run_input)
        digest = definition.digest
        self.place.known[digest] = definition
        if run_id is not None and self._is_attached(_chosen_id(run_id), definition, checked):
            return _chosen_id(run_id), None
        self._refuse_missing_secrets(definition)
        started = self._started(definition, checked, labels)
        chosen = ids.new_run_id(started.at) if run_id is None else _chosen_id(run_id)
        try:
            holder = self.place.own() if is_held else None
            hold = self.place.store.create(chosen, [started], holder=holder, definition=(digest, definition.stored))
        except RunExistsError:
            if not self._is_attached(chosen, definition, checked):
                raise
            return chosen, None
        self.on_created(chosen)
        self.observer([started], 1)
        return chosen, hold

    def plan(self, loaded: Loaded, run_input: JsonValue) -> JsonObject:
        """Return what a run would do, which waits it may open, and what is missing here; performs nothing."""
        from checkpointflow.frontends.document.plan import plan
        from checkpointflow.frontends.inputs import checked_input

        checked = checked_input(loaded, run_input)
        missing = self._missing_secrets(loaded)
        return plan(loaded.document, checked, path=self.place.settings.environment.get("PATH"), missing_secrets=missing)

    def free_id(self, run_id: str | None) -> RunId:
        """Return the id that was chosen, or a new one.

        Raises:
            RunExistsError: it is taken.
        """
        if run_id is None:
            return ids.new_run_id(self.place.clock.now())
        chosen = _chosen_id(run_id)
        try:
            self.place.store.head(chosen)
        except RunNotFoundError:
            return chosen
        raise RunExistsError(f"run `{chosen}` exists already; choose another id", run_id=chosen)

    def create(self, run_id: RunId, entries: Sequence[e.AnyEntry], definition: tuple[str, JsonObject]) -> Hold:
        """Begin a run with these entries, and return its hold.

        Raises:
            RunExistsError: the id is taken.
        """
        hold = self.place.store.create(run_id, entries, holder=self.place.own(), definition=definition)
        assert hold is not None
        self.on_created(run_id)
        self.observer(entries, 1)
        return hold

    def check_revised(self, definition: Definition, run_input: JsonValue) -> None:
        """Refuse an edited definition for a run with this input.

        Raises:
            InputError: the input does not fit it, or lacks what it would have filled in.
            SecretMissingError: it needs a secret that is missing here.
        """
        from checkpointflow.frontends.inputs import checked_input

        if checked_input(definition, run_input) != run_input:
            raise InputError(
                f"workflow `{definition.id}` now has defaults for inputs that this run was started without, and a run "
                "keeps its input; write `default(inputs.NAME, …)` in the steps instead"
            )
        self._refuse_missing_secrets(definition)

    def _is_attached(self, run_id: RunId, definition: Definition, run_input: JsonValue) -> bool:
        """Tell whether there is a run with this id, which then is the one that is meant."""
        try:
            head = self.place.store.head(run_id)
        except RunNotFoundError:
            return False
        started = self.place.store.entries(run_id)[0]
        is_same = definition.takes_over(head.definition, self.place.store.definition(head.definition))
        if not is_same or not isinstance(started, e.RunStarted) or started.input != run_input:
            raise RunExistsError(
                f"run `{run_id}` exists already, with another input or workflow; choose another id", run_id=run_id
            )
        self.on_created(run_id)
        if status_of(*self.place.stand(run_id)) == "paused":
            raise RunPausedError(
                f"run `{run_id}` is paused; `cpf resume --run-id {run_id}` goes on with it", run_id=run_id
            )
        return True

    def _started(self, definition: Definition, run_input: JsonValue, labels: Mapping[str, str]) -> e.RunStarted:
        return e.RunStarted(
            at=self.place.clock.now(),
            workflow_id=definition.id,
            workflow_name=definition.name,
            workflow_version=definition.version,
            definition=definition.digest,
            source_path=definition.path,
            input=run_input,
            labels={**definition.labels, **labels},
            actor=self.place.settings.actor,
            cwd=self.place.settings.cwd,
            host=self.place.settings.host,
        )

    def _missing_secrets(self, definition: Definition) -> list[JsonObject]:
        secrets = definition.secrets() if self.needs_secrets else []
        if not secrets:
            return []
        from checkpointflow.steps.secrets import missing_secrets

        return missing_secrets(secrets, self.place.settings.environment, self.place.settings.cwd)

    def _refuse_missing_secrets(self, definition: Definition) -> None:
        missing = self._missing_secrets(definition)
        if missing:
            shown = "; ".join(f"`{one['secret']}`: {one['reason']}" for one in missing)
            listed: list[JsonValue] = [*missing]
            raise SecretMissingError(
                f"workflow `{definition.id}` needs secrets that are missing here ({shown}); nothing was started",
                details={"missing_secrets": listed},
                hint="`cpf plan` lists what a workflow needs and what of it is missing",
            )


def _chosen_id(text: str) -> RunId:
    try:
        return ids.run_id(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
